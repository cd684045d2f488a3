//! ICE-TCP on real sockets: whole calls, hand-over between workers, resets, and what slow and hostile connections get
//! (acceptance 18).
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use common::link::Link;
use common::{Client, Rig, drive, local_ice};
use serde_json::{Value, json};
use sluice_wire::framing;

const OPUS: u8 = 111;
const SPEAKER_SSRC: u32 = 1_111;

fn config(workers: u16, address: &str) -> Value {
    json!({"workers": workers, "udp": {"portRangeStart": 44_300, "portRangeEnd": 44_399},
           "tcp": {"port": 44_400}, "addresses": [{"bind": address, "advertise": address}]})
}

fn tcp_only(workers: u16, address: &str) -> Value {
    json!({"workers": workers, "tcp": {"port": 44_400},
           "addresses": [{"bind": address, "advertise": address}]})
}

/// Connected clients over TCP, one on each of `workers`; their ids count from 1.
fn connect(rig: &mut Rig, workers: &[u16]) -> Vec<Client> {
    let mut clients: Vec<Client> = (1..)
        .zip(workers)
        .map(|(id, &worker)| {
            let (_, tcp) = rig.open_peer_with_tcp(worker, id);
            Client::connect_tcp(rig, worker, id, tcp[0])
        })
        .collect();
    drive_all(&mut clients, "connections", |clients| {
        clients.iter().all(|client| client.peer.is_connected())
    });
    clients
}

fn drive_all(clients: &mut [Client], what: &str, done: impl FnMut(&mut [&mut Client]) -> bool) {
    let mut all: Vec<&mut Client> = clients.iter_mut().collect();
    drive(&mut all, what, done);
}

/// The second client hears the first.
fn subscribe(rig: &Rig, home: u16, away: u16) {
    rig.submit(
        home,
        &json!([{"type": "openUpTrack", "track": 10, "peer": 1, "kind": "audio", "mid": "0",
            "codecs": [{"pt": OPUS, "codec": "opus", "clockRate": 48_000, "rtxPt": null, "nack": true}],
            "ssrcs": [{"ssrc": SPEAKER_SSRC, "rtx": null}], "rids": [], "screenShare": false,
            "encrypted": false, "muted": false}]),
    );
    rig.submit(
        away,
        &json!([{"type": "openDownTrack", "down": 20, "peer": 2, "track": 10, "home": home,
            "kind": "audio", "mid": "0", "cname": "stream", "ssrc": 2_222, "rtxSsrc": null,
            "payloads": [{"from": OPUS, "to": 96, "rtx": null}], "nack": true, "enabled": true,
            "maxSpatial": 0, "maxTemporal": 0, "maxFps": 0}]),
    );
}

/// Speaks until the listener has heard `wanted` more packets.
fn converse(clients: &mut [Client], wanted: usize) {
    let before = clients[1].packets.len();
    let mut said = 0_u32;
    drive_all(clients, "packets heard", |clients| {
        if let [speaker, listener, ..] = clients {
            if speaker.peer.path().is_some() {
                speaker.send_media(SPEAKER_SSRC, OPUS, &said.to_be_bytes());
                said += 1;
            }
            return listener.packets.len() >= before + wanted;
        }
        true
    });
}

/// Lets the clients run until something is reported.
fn meanwhile(rig: &mut Rig, clients: &mut [Client], wanted: impl Fn(&Value) -> bool) -> Value {
    drive_all(clients, "a report", |_| {
        rig.look(Duration::ZERO);
        rig.has(&wanted)
    });
    rig.wait_for(wanted)
}

/// All workers' values of a counter.
fn sum(rig: &mut Rig, workers: u16, name: &str) -> u64 {
    (0..workers).map(|worker| rig.counter(worker, name)).sum()
}

/// Waits for a counter.
fn wait_for(rig: &mut Rig, workers: u16, name: &str, wanted: impl Fn(u64) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !wanted(sum(rig, workers, name)) {
        assert!(
            Instant::now() < deadline,
            "{name} is {}",
            sum(rig, workers, name)
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A check to a peer's ufrag, framed, whose integrity is anybody's guess.
fn check(worker: u16, peer: u32) -> Vec<u8> {
    let username = format!("{}:them", local_ice(worker, peer).ufrag);
    let padded = username.len().next_multiple_of(4);
    let mut message = vec![0, 1, 0, 4 + padded as u8, 0x21, 0x12, 0xa4, 0x42];
    message.extend([7; 12]);
    message.extend([0, 6, 0, username.len() as u8]);
    message.extend(username.as_bytes());
    message.resize(24 + padded, 0);
    framed(&message)
}

fn framed(message: &[u8]) -> Vec<u8> {
    let mut frame = framing::header(message.len())
        .expect("it is short")
        .to_vec();
    frame.extend_from_slice(message);
    frame
}

#[test]
fn a_call_needs_no_udp() {
    let mut rig = Rig::start(&tcp_only(1, "127.82.0.1")).expect("the engine starts");
    let mut clients = connect(&mut rig, &[0, 0]);
    for id in 1..=2 {
        rig.wait_for(|report| report["type"] == "peerConnected" && report["peer"] == id);
    }
    let state = meanwhile(&mut rig, &mut clients, |report| {
        report["type"] == "iceState" && report["state"] == "connected"
    });
    let pair = state["pair"].as_str().expect("a pair");
    assert!(pair.starts_with("tcp 127.82.0.1:44400 "), "{pair}");
    subscribe(&rig, 0, 0);
    converse(&mut clients, 200);
    assert_eq!(rig.counter(0, "tcp_connections"), 2);
}

#[test]
fn candidates_over_tcp_are_passive_and_come_behind_udp() {
    let mut rig = Rig::start(&config(1, "127.82.0.2")).expect("the engine starts");
    let ice = local_ice(0, 1);
    rig.submit(
        0,
        &json!([{"type": "openPeer", "peer": 1, "ice": {"ufrag": ice.ufrag, "pwd": ice.pwd},
                 "iceLite": false, "controlling": false}]),
    );
    let opened = rig.wait_for(|report| report["type"] == "peerOpened");
    let candidates = opened["candidates"].as_array().expect("candidates");
    let [udp, tcp] = &candidates[..] else {
        panic!("{candidates:?}");
    };
    assert_eq!(
        (&udp["protocol"], &tcp["protocol"]),
        (&json!("udp"), &json!("tcp"))
    );
    assert_eq!(
        (&tcp["tcpType"], &tcp["port"]),
        (&json!("passive"), &json!(44_400))
    );
    assert!(udp["priority"].as_u64() > tcp["priority"].as_u64());
    assert_ne!(udp["foundation"], tcp["foundation"]);
}

#[test]
fn connections_reach_their_worker_wherever_they_were_accepted() {
    let mut rig = Rig::start(&tcp_only(3, "127.82.0.3")).expect("the engine starts");
    let workers: Vec<u16> = (0..24).map(|n| n % 3).collect();
    let mut clients = connect(&mut rig, &workers);
    // One port and 24 peers: the kernel does not know who is whose.
    assert_eq!(sum(&mut rig, 3, "tcp_connections"), 24);
    assert!(sum(&mut rig, 3, "tcp_handed_over") > 0);
    for worker in 0..3 {
        assert_eq!(rig.counter(worker, "tcp_connections"), 8);
    }
    subscribe(&rig, workers[0], workers[1]);
    converse(&mut clients, 100);
}

#[test]
fn a_peer_that_ends_takes_its_connection_along() {
    let mut rig = Rig::start(&tcp_only(1, "127.82.0.4")).expect("the engine starts");
    let mut clients = connect(&mut rig, &[0]);
    rig.submit(0, &json!([{"type": "closePeer", "peer": 1}]));
    drive_all(&mut clients, "the end", |clients| {
        !clients[0].links[0].is_open()
    });
    assert_eq!(rig.counter(0, "tcp_connections"), 0);
    assert_eq!(rig.counter(0, "tcp_closed_unused"), 1);
}

#[test]
fn a_reset_in_mid_call_heals_over_a_new_connection() {
    let mut rig = Rig::start(&tcp_only(2, "127.82.0.5")).expect("the engine starts");
    let mut clients = connect(&mut rig, &[0, 1]);
    subscribe(&rig, 0, 1);
    converse(&mut clients, 50);
    let server = SocketAddr::from(([127, 82, 0, 5], 44_400));
    for id in 1..=2_u32 {
        meanwhile(&mut rig, &mut clients, |report| {
            report["type"] == "iceState" && report["peer"] == id && report["state"] == "connected"
        });
        let client = &mut clients[id as usize - 1];
        client.links.clear();
        rig.wait_for(|report| {
            report["type"] == "iceState"
                && report["peer"] == id
                && report["state"] == "disconnected"
        });
        client.add_link(Link::tcp(server));
    }
    converse(&mut clients, 50);
}

#[test]
fn a_call_goes_on_over_tcp_where_udp_dies_and_the_other_way_round() {
    let mut rig = Rig::start(&config(1, "127.82.0.6")).expect("the engine starts");
    let mut clients: Vec<Client> = (1..=2)
        .map(|id| {
            let (udp, tcp) = rig.open_peer_with_tcp(0, id);
            let links = vec![Link::tcp(tcp[0]), Link::udp(udp[0].ip())];
            Client::connect_over(&rig, 0, id, &[udp[0], tcp[0]], links)
        })
        .collect();
    drive_all(&mut clients, "connections", |clients| {
        clients.iter().all(|client| client.peer.is_connected())
    });
    subscribe(&rig, 0, 0);
    converse(&mut clients, 50);
    // The network begins to drop UDP.
    for client in &mut clients {
        client.links.retain(|link| matches!(link, Link::Tcp { .. }));
    }
    let cut = Instant::now();
    converse(&mut clients, 20);
    assert!(
        cut.elapsed() < Duration::from_secs(8),
        "{:?}",
        cut.elapsed()
    );
    assert!(sum(&mut rig, 1, "tcp_sent") > 20);
    // A proxy closes the connections; UDP works again.
    for client in &mut clients {
        client.links.clear();
        client.add_link(Link::udp([127, 82, 0, 6].into()));
    }
    let closed = Instant::now();
    converse(&mut clients, 20);
    assert!(
        closed.elapsed() < Duration::from_secs(4),
        "{:?}",
        closed.elapsed()
    );
    assert_eq!(rig.counter(0, "tcp_connections"), 0);
}

#[test]
fn who_sends_no_check_first_is_closed_at_once() {
    let mut rig = Rig::start(&tcp_only(2, "127.82.0.7")).expect("the engine starts");
    rig.open_peer_with_tcp(0, 1);
    let server = SocketAddr::from(([127, 82, 0, 7], 44_400));
    let unknown = check(0, 2);
    let no_worker = check(0, 1)
        .iter()
        .map(|byte| if *byte == b'0' { b'z' } else { *byte })
        .collect();
    let hellos: [Vec<u8>; 6] = [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        framed(&[0x80; 40]),
        framed(b""),
        vec![0x05, 0xdd, 0],
        unknown,
        no_worker,
    ];
    for hello in &hellos {
        let mut stream = TcpStream::connect(server).expect("it listens");
        stream.write_all(hello).expect("it is sent");
        stream
            .set_read_timeout(Some(Duration::from_secs(3)))
            .expect("it can be set");
        // The end, or a reset where more was sent than was read.
        let end = stream.read(&mut [0; 100]);
        assert!(
            matches!(end, Ok(0))
                || end.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset),
            "{hello:?}"
        );
    }
    assert_eq!(sum(&mut rig, 2, "tcp_closed_junk"), hellos.len() as u64);
    assert_eq!(sum(&mut rig, 2, "tcp_connections"), 0);
}

#[test]
fn slow_connections_live_ten_seconds_and_disturb_nobody() {
    let mut rig = Rig::start(&tcp_only(2, "127.82.0.8")).expect("the engine starts");
    let mut clients = connect(&mut rig, &[0, 1]);
    subscribe(&rig, 0, 1);
    let server = SocketAddr::from(([127, 82, 0, 8], 44_400));
    let begin = Instant::now();
    // Nothing, a byte per second, half a header, half a check, and a check that proves nothing.
    let slow: Vec<TcpStream> = (0..200)
        .map(|n| {
            let mut stream = TcpStream::connect(server).expect("it listens");
            let check = check(0, 1);
            let hello: &[u8] = match n % 5 {
                0 => &[],
                1 => &check[..1],
                2 => &check[..2],
                3 => &check[..20],
                _ => &check,
            };
            stream.write_all(hello).expect("it is sent");
            stream.set_nonblocking(true).expect("it can be polled");
            stream
        })
        .collect();
    let mut closed: Vec<Option<Duration>> = vec![None; slow.len()];
    let mut drip = Instant::now();
    let check = check(0, 1);
    let mut dripped = 1;
    while closed.contains(&None) && begin.elapsed() < Duration::from_secs(15) {
        converse(&mut clients, 5);
        if drip.elapsed() >= Duration::from_secs(1) {
            drip = Instant::now();
            for mut stream in slow.iter().skip(1).step_by(5) {
                let _ = stream.write(&check[dripped..=dripped]);
            }
            dripped += 1;
        }
        for (mut stream, closed) in slow.iter().zip(&mut closed) {
            let mut buffer = [0; 100];
            let ended = match stream.read(&mut buffer) {
                Ok(count) => count == 0,
                Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
            };
            if ended && closed.is_none() {
                *closed = Some(begin.elapsed());
            }
        }
    }
    let last = closed.iter().max().copied().flatten();
    assert!(!closed.contains(&None), "{closed:?}");
    assert!(
        last.is_some_and(|last| last <= Duration::from_millis(10_500)),
        "{last:?}"
    );
    assert_eq!(sum(&mut rig, 2, "tcp_closed_slow"), slow.len() as u64);
    assert_eq!(sum(&mut rig, 2, "tcp_connections"), 2);
}

#[test]
fn a_flood_of_connections_from_one_source_is_refused_beyond_its_share() {
    let mut rig = Rig::start(&tcp_only(1, "127.82.0.9")).expect("the engine starts");
    let server = SocketAddr::from(([127, 82, 0, 9], 44_400));
    let flood: Vec<TcpStream> = (0..300)
        .map(|_| TcpStream::connect(server).expect("it listens"))
        .collect();
    wait_for(&mut rig, 1, "tcp_accepted", |accepted| accepted == 300);
    assert_eq!(rig.counter(0, "tcp_refused"), 44);
    assert_eq!(rig.counter(0, "tcp_connections"), 256);
    drop(flood);
    wait_for(&mut rig, 1, "tcp_connections", |open| open == 0);
    connect(&mut rig, &[0]);
}

#[test]
fn a_client_that_reads_nothing_loses_media_and_then_its_connection() {
    let mut rig = Rig::start(&tcp_only(1, "127.82.0.10")).expect("the engine starts");
    let mut clients = connect(&mut rig, &[0, 0]);
    subscribe(&rig, 0, 0);
    converse(&mut clients, 20);
    // The listener no longer reads. Its socket's buffers fill first, then ours.
    let begin = Instant::now();
    let payload = [7; 1_100];
    while rig.counter(0, "tcp_closed_stalled") == 0 {
        assert!(begin.elapsed() < Duration::from_secs(40), "never closed");
        for _ in 0..50 {
            clients[0].send_media(SPEAKER_SSRC, OPUS, &payload);
        }
        clients[0].turn();
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(rig.counter(0, "tcp_dropped_full") > 0);
    assert_eq!(rig.counter(0, "tcp_connections"), 1);
}
