//! Arrival reports to a publisher.

mod support;

use std::time::Duration;

use sluice_wire::id::Ssrc;
use sluice_wire::rtcp::{Rtcp, parse_compound};
use support::{Net, rtp_header};

const EXTENSION: u8 = 5;
const PACKETS: u16 = 200;

#[test]
fn a_publisher_is_told_which_packets_came_in() {
    let mut net = Net::connected(1);
    net.server.peer.set_transport_cc(Some(EXTENSION));
    let stream = net.client.peer.send_stream(Ssrc(9)).expect("keys");
    for n in 0..PACKETS {
        if n % 10 != 3 {
            let packet = with_transport_cc(&mut net, stream, n);
            net.client_sends(&packet);
        }
        net.run_for(Duration::from_millis(10));
    }
    net.run_for(Duration::from_secs(1));
    let mut told = Vec::new();
    for bytes in &net.client.rtcp {
        let mut packets = Vec::new();
        parse_compound(bytes, &mut packets).expect("well-formed");
        for packet in packets {
            let Rtcp::TransportCc(feedback) = packet else {
                continue;
            };
            told.extend(
                feedback
                    .arrivals
                    .iter()
                    .enumerate()
                    .map(|(offset, arrival)| {
                        (
                            feedback.base_sequence.wrapping_add(offset as u16),
                            arrival.is_some(),
                        )
                    }),
            );
        }
    }
    assert!(
        told.len() > usize::from(PACKETS) * 9 / 10,
        "{} of {PACKETS} told",
        told.len()
    );
    for (sequence, received) in told {
        assert_eq!(received, sequence % 10 != 3, "packet {sequence}");
    }
    assert!(
        (5..200).contains(&net.client.rtcp.len()),
        "{} reports in two seconds",
        net.client.rtcp.len()
    );
}

#[test]
fn nothing_is_reported_without_the_extension() {
    let mut net = Net::connected(2);
    let stream = net.client.peer.send_stream(Ssrc(9)).expect("keys");
    for n in 0..PACKETS {
        let packet = with_transport_cc(&mut net, stream, n);
        net.client_sends(&packet);
        net.run_for(Duration::from_millis(10));
    }
    assert!(net.client.rtcp.is_empty());
}

fn with_transport_cc(net: &mut Net, stream: sluice_peer::SendStream, sequence: u16) -> Vec<u8> {
    let mut out = vec![0; 200];
    let mut header = rtp_header(Ssrc(9), sequence);
    header[0] |= 0x10;
    out[..12].copy_from_slice(&header);
    out[12..16].copy_from_slice(&[0xbe, 0xde, 0, 1]);
    let [high, low] = sequence.to_be_bytes();
    out[16..20].copy_from_slice(&[EXTENSION << 4 | 1, high, low, 0]);
    let len = net
        .client
        .peer
        .seal_rtp(stream, &mut out, 20, &[], b"media")
        .expect("sealed");
    out.truncate(len);
    out
}
