//! Acceptance 1, 10 and 13 on real sockets: what strangers throw at a port costs nothing but a counter.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use common::{Client, Rig, drive};
use serde_json::json;

const OPUS: u8 = 111;
const SPEAKER_SSRC: u32 = 1_111;

/// A call of two on one worker: speaker and listener.
fn call(rig: &mut Rig) -> Vec<Client> {
    let mut clients: Vec<Client> = (1..=2)
        .map(|id| {
            let candidates = rig.open_peer(0, id);
            Client::connect(rig, 0, id, &candidates)
        })
        .collect();
    let mut all: Vec<&mut Client> = clients.iter_mut().collect();
    drive(&mut all, "connections", |clients| {
        clients.iter().all(|client| client.peer.is_connected())
    });
    for id in 1..=2 {
        rig.wait_for(|report| report["type"] == "peerConnected" && report["peer"] == id);
    }
    rig.submit(
        0,
        &json!([{"type": "openUpTrack", "track": 10, "peer": 1, "kind": "audio", "mid": "0",
            "codecs": [{"pt": OPUS, "codec": "opus", "clockRate": 48_000, "rtxPt": null, "nack": true}],
            "ssrcs": [{"ssrc": SPEAKER_SSRC, "rtx": null}], "rids": [], "screenShare": false,
            "encrypted": false, "muted": false},
            {"type": "openDownTrack", "down": 20, "peer": 2, "track": 10, "home": 0, "kind": "audio",
            "mid": "0", "cname": "stream", "ssrc": 2_222, "rtxSsrc": null,
            "payloads": [{"from": OPUS, "to": 96, "rtx": null}], "nack": true, "enabled": true,
            "maxSpatial": 0, "maxTemporal": 0, "maxFps": 0}]),
    );
    clients
}

/// Empty, short, over-long and jumbo datagrams, hellos, checks and plain media.
fn junk() -> Vec<Vec<u8>> {
    let mut check = vec![0, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42];
    check.extend([7; 12]);
    check.extend(b"\0\x06\0\x080abc:xyz");
    let mut hello = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 40, 1];
    hello.resize(53, 0);
    let mut all = vec![Vec::new(), vec![0x80], vec![0x80; 11], check, hello];
    all.extend([100, 1_500, 2_001, 9_000, 65_000].map(|len| vec![0x80; len]));
    all
}

/// Speaks each 20 ms for two seconds under the flood; how much junk was sent and the longest silence heard.
fn speak_under(clients: &mut [Client], flood: &[&UdpSocket]) -> (u64, Duration) {
    let junk = junk();
    let (mut sent, mut said) = (0, 0_u32);
    let begin = Instant::now();
    let (mut heard_at, mut heard, mut silence) = (begin, clients[1].packets.len(), Duration::ZERO);
    while begin.elapsed() < Duration::from_secs(2) {
        if begin.elapsed() >= Duration::from_millis(20) * said {
            clients[0].send_media(SPEAKER_SSRC, OPUS, &said.to_be_bytes());
            said += 1;
        }
        for socket in flood {
            for bytes in junk.iter().skip(sent as usize % 3).step_by(3) {
                // A full socket buffer is the sender's own problem.
                sent += u64::from(socket.send(bytes).is_ok());
            }
        }
        for client in clients.iter_mut() {
            client.turn();
        }
        if clients[1].packets.len() > heard {
            heard = clients[1].packets.len();
            silence = silence.max(heard_at.elapsed());
            heard_at = Instant::now();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(
        said >= 95 && heard as u32 >= said - 10,
        "{heard} heard of {said}"
    );
    (sent, silence.max(heard_at.elapsed()))
}

fn assert_call_survives(udp: &serde_json::Value, address: &str) {
    let config =
        json!({"workers": 1, "udp": udp, "addresses": [{"bind": address, "advertise": address}]});
    let mut rig = Rig::start(&config).expect("the engine starts");
    let mut clients = call(&mut rig);
    let target = clients[0].peer.path().expect("it is connected").remote;
    let strangers: Vec<UdpSocket> = (0..3)
        .map(|_| {
            let socket = UdpSocket::bind((target.ip(), 0)).expect("loopback is there");
            socket.connect(target).expect("it is an address");
            socket.set_nonblocking(true).expect("it can be polled");
            socket
        })
        .collect();
    let dropped = |rig: &mut Rig| {
        ["drop_no_route", "drop_transport", "drop_junk"]
            .map(|name| rig.counter(0, name))
            .iter()
            .sum::<u64>()
    };
    let before = dropped(&mut rig);
    let (sent, silence) = speak_under(&mut clients, &strangers.iter().collect::<Vec<_>>());
    // Real time on a shared machine: the flood must not show, the machine's own pauses may.
    assert!(
        silence < Duration::from_millis(500),
        "{silence:?} of silence"
    );
    let counted = dropped(&mut rig) - before;
    assert!(
        counted > sent / 3 && counted <= sent,
        "{counted} of {sent} counted"
    );
    let mut answer = [0; 2_048];
    for stranger in &strangers {
        assert!(
            stranger.recv(&mut answer).is_err(),
            "strangers get no answer"
        );
    }
    assert_eq!(rig.counter(0, "peer_panics"), 0);
    rig.look(Duration::ZERO);
    assert!(!rig.has(|report| report["type"] == "peerClosed"));
    for id in 1..=2 {
        rig.submit(0, &json!([{"type": "closePeer", "peer": id}]));
    }
    for name in ["peers", "up_tracks", "down_tracks", "routes"] {
        assert_eq!(rig.counter(0, name), 0, "{name}");
    }
}

#[test]
fn case_01_10_13_junk_on_a_members_own_port_is_not_heard_in_the_call() {
    let udp = json!({"portRangeStart": 44_200, "portRangeEnd": 44_299});
    assert_call_survives(&udp, "127.80.1.1");
}

#[test]
fn case_01_10_13_junk_on_a_shared_port_is_not_heard_in_the_call() {
    assert_call_survives(&json!({"muxPorts": [44_300]}), "127.80.1.2");
}
