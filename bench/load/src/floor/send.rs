//! Sending, to one receiver after the other.

use std::net::UdpSocket;

use nix::sys::socket::{setsockopt, sockopt};

use super::cpu::spent;
use super::figure::{Figure, Figures};
use super::wire::Wire;

/// Sends datagrams of so many bytes, in trains of each of these lengths.
pub fn measure(bytes: usize, trains: &[usize], wire: &mut Wire, figures: &mut Figures) {
    let single = vec![0x33; bytes];
    let mut add = |mode, train, time, count| {
        figures.add(Figure::of(("send", mode), (bytes, train), time, count));
    };
    let time = spent(|| {
        for to in wire.receivers.iter().cycle().take(SENDS) {
            // What the far end does not take in time is lost; handing it over cost the same.
            let _ = wire.shared.send_to(&single, to);
        }
    });
    add("unconnected", 1, time, SENDS);
    for &train in trains {
        let datagrams = vec![0x33; bytes * train];
        let segmented = train == 1 || segment(&wire.near, Some(bytes));
        if segmented {
            let sends = (SENDS / train).max(1);
            let time = spent(|| {
                for socket in wire.near.iter().cycle().take(sends) {
                    let _ = socket.send(&datagrams);
                }
            });
            add("connected", train, time, sends * train);
        }
        segment(&wire.near, None);
    }
}

/// Has the kernel cut what is sent on these sockets into datagrams of this length (UDP_SEGMENT), or no longer. False
/// where it cannot.
pub fn segment(sockets: &[UdpSocket], bytes: Option<usize>) -> bool {
    let value = i32::try_from(bytes.unwrap_or(0)).unwrap_or(0);
    sockets
        .iter()
        .all(|socket| setsockopt(socket, sockopt::UdpGsoSegment, &value).is_ok())
}

/// Of each kind in a round: some milliseconds.
const SENDS: usize = 4_000;
