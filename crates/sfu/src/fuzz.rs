//! Bodies of the fuzz targets, run by cargo-fuzz and replayed with mutations under `cargo test`.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use sluice_peer::{Certificate, Protocol};
use sluice_wire::id::{PeerId, WorkerId};
use sluice_wire::path::Path;

use crate::command::{Command, IceCredentials, OpenPeer, Query};
use crate::config::{LocalAddress, WorkerConfig};
use crate::data::frame;
use crate::data::packet::{Packet, Sender};
use crate::event::{Answer, Event};
use crate::worker::Worker;

/// A `DataPacket` from a client: whatever it holds, what goes out reads the same and names its true sender.
pub fn data_packet(bytes: &[u8]) {
    let Ok(packet) = Packet::parse(bytes) else {
        return;
    };
    for agent in [false, true] {
        let sender = Sender {
            sid: "PA_sender",
            identity: "sender",
            hidden: false,
            agent,
        };
        for reliable in [false, true] {
            let Ok(out) = packet.rewrite(Some(&sender), reliable) else {
                continue;
            };
            let again = Packet::parse(&out).expect("what we write is well formed");
            assert_eq!(packet.body(), again.body());
            assert_eq!(packet.sequence(), again.sequence());
            assert!(
                packet
                    .destination_identities()
                    .eq(again.destination_identities())
            );
            assert!(packet.destination_sids().eq(again.destination_sids()));
            assert!(agent || again.identity() == "sender");
        }
    }
}

/// A packet of a data track: what has a handle can be given another, and is otherwise the same.
pub fn data_track_packet(bytes: &[u8]) {
    let Some(handle) = frame::handle(bytes) else {
        return;
    };
    let mut packet = bytes.to_vec();
    frame::set_handle(&mut packet, !handle);
    assert_eq!(frame::handle(&packet), Some(!handle));
    frame::set_handle(&mut packet, handle);
    assert_eq!(packet, bytes);
}

/// Datagrams from anywhere at a worker with transports that wait for their clients: nothing is remembered of them,
/// nothing long is answered.
pub fn worker_datagram(bytes: &[u8]) {
    let (mut worker, now) = worker();
    let local = SocketAddr::from(([192, 0, 2, 1], 50_000));
    let routes = gauge(&mut worker, now, "routes");
    for (port, datagram) in pieces(bytes) {
        let remote = SocketAddr::from(([198, 51, 100, 7], 1_024 + u16::from(port)));
        let mut datagram = datagram.to_vec();
        worker.handle_datagram(now, Path::udp(local, remote), &mut datagram);
        worker.flush(now);
        while let Some(transmit) = worker.poll_transmit() {
            assert!(transmit.bytes.len() <= datagram.len(), "amplified");
        }
    }
    assert_eq!(gauge(&mut worker, now, "routes"), routes);
}

/// What a client may put into SRTP and SRTCP once it is connected: decrypted packets at a worker with a published and
/// a subscribed track.
pub fn worker_media(bytes: &[u8]) {
    let (mut worker, mut now) = worker();
    for command in tracks() {
        worker.handle_command(now, command);
    }
    worker.flush(now);
    for (kind, packet) in pieces(bytes) {
        now += Duration::from_millis(u64::from(kind >> 4) * 10);
        worker.receive_decrypted(now, PeerId(u32::from(kind & 1)), kind & 2 != 0, packet);
        if kind & 4 != 0 {
            worker.handle_timeout(now);
            worker.flush(now);
        }
        while worker.poll_link().is_some() {}
        while worker.poll_event().is_some() {}
    }
    assert_eq!(gauge(&mut worker, now, "peer_panics"), 0);
}

/// A worker with two transports that share a socket.
pub(crate) fn worker() -> (Worker, Instant) {
    static SHARED: OnceLock<(Certificate, Instant)> = OnceLock::new();
    #[allow(clippy::disallowed_methods)]
    let (certificate, now) =
        SHARED.get_or_init(|| (Certificate::generate().expect("a key"), Instant::now()));
    let mut worker = Worker::new(WorkerConfig::new(WorkerId(0), certificate.clone(), 1), *now);
    let socket = SocketAddr::from(([192, 0, 2, 1], 50_000));
    for peer in 0..2 {
        let ice = IceCredentials {
            ufrag: format!("0srv{peer}"),
            pwd: "a-password-of-22-letters".to_owned(),
        };
        let open = OpenPeer {
            peer: PeerId(peer),
            ice,
            ice_lite: false,
            controlling: false,
        };
        worker.open_peer(
            *now,
            open,
            &[LocalAddress {
                protocol: Protocol::Udp,
                socket,
                advertised: socket,
            }],
        );
    }
    worker.flush(*now);
    while worker.poll_event().is_some() {}
    (worker, *now)
}

/// Simulcast by rid with a repair stream, audio by SSRC, and a subscription to the first on the second transport.
fn tracks() -> Vec<Command> {
    let commands = r#"[
        {"type":"setExtensions","peer":0,"audio":{"mid":1,"audioLevel":4},
         "video":{"mid":1,"rid":2,"repairedRid":3,"transportCc":5,"dependencyDescriptor":8,"absCaptureTime":9}},
        {"type":"openUpTrack","track":1,"peer":0,"kind":"video","mid":"1","ssrcs":[],"rids":["q","h","f"],
         "codecs":[{"pt":96,"codec":"vp8","clockRate":90000,"rtxPt":97,"nack":true},
                   {"pt":98,"codec":"vp9","clockRate":90000,"rtxPt":99,"nack":true},
                   {"pt":125,"codec":"h264","clockRate":90000,"rtxPt":126,"nack":true},
                   {"pt":116,"codec":"h265","clockRate":90000,"rtxPt":117,"nack":true},
                   {"pt":35,"codec":"av1","clockRate":90000,"rtxPt":36,"nack":true}],
         "screenShare":false,"encrypted":false,"muted":false},
        {"type":"openUpTrack","track":2,"peer":0,"kind":"audio","mid":"0","ssrcs":[{"ssrc":4096,"rtx":null}],
         "codecs":[{"pt":111,"codec":"opus","clockRate":48000,"rtxPt":null,"nack":true},
                   {"pt":63,"codec":"red","clockRate":48000,"rtxPt":null,"nack":false}],
         "rids":[],"screenShare":false,"encrypted":false,"muted":false},
        {"type":"openDownTrack","down":1,"peer":1,"track":1,"home":0,"kind":"video","mid":"5","cname":"c",
         "ssrc":36865,"rtxSsrc":40961,"payloads":[{"from":96,"to":96,"rtx":97}],"nack":true,"enabled":true,
         "maxSpatial":2,"maxTemporal":3,"maxFps":0}
    ]"#;
    serde_json::from_str(commands).expect("commands as the control plane writes them")
}

/// Cuts an input into pieces: a tag, a length of two bytes, content.
fn pieces(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (&[tag, high, low], rest) = bytes.split_first_chunk::<3>()?;
        let len = usize::from(u16::from_be_bytes([high, low])).min(rest.len());
        let (piece, rest) = rest.split_at(len);
        bytes = rest;
        Some((tag, piece))
    })
}

fn gauge(worker: &mut Worker, now: Instant, name: &str) -> u64 {
    worker.handle_command(
        now,
        Command::Query {
            id: 0,
            query: Query::WorkerStats,
        },
    );
    while let Some(event) = worker.poll_event() {
        if let Event::Answer {
            answer: Answer::WorkerStats { counters },
            ..
        } = event
        {
            let found = counters.iter().find(|(counter, _)| counter == name);
            return found.expect("a counter of this name").1;
        }
    }
    0
}
