//! TURN on real sockets: whole calls through the relay over each transport, relays to others, certificates that change,
//! and what slow and hostile clients get (acceptance 16 to 18, 30).
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use common::certificates::{Authority, Pair};
use common::link::Link;
use common::turn::{Access, TurnClient, turn_config};
use common::{Client, Rig, drive};
use serde_json::{Value, json};
use sluice_turn::caller::Request;

const OPUS: u8 = 111;
const SPEAKER_SSRC: u32 = 1_111;

fn range(workers: u16, ip: &str) -> Value {
    json!({"workers": workers, "udp": {"portRangeStart": 46_300, "portRangeEnd": 46_399},
           "addresses": [{"bind": ip, "advertise": ip}], "turn": turn_config(ip)})
}

fn mux(workers: u16, ports: &[u16], ip: &str) -> Value {
    json!({"workers": workers, "udp": {"muxPorts": ports},
           "addresses": [{"bind": ip, "advertise": ip}], "turn": turn_config(ip)})
}

/// A server over TLS with a certificate of this authority.
fn start_tls(config: &mut Value, authority: &Authority) -> Rig {
    config["turn"]["tls"]["external"] = json!(false);
    let rig = Rig::start(config).expect("the engine starts");
    let pair = authority.issue();
    rig.engine
        .set_turn_certificate(&pair.certificate, &pair.key)
        .expect("a good certificate");
    rig
}

/// Connected clients through relays, one on each of `workers`; their ids count from 1.
fn connect(rig: &mut Rig, workers: &[u16], access: &Access, channels: bool) -> Vec<Client> {
    let mut clients: Vec<Client> = (1..)
        .zip(workers)
        .map(|(id, &worker)| {
            let candidate = rig.open_peer(worker, id)[0];
            let user = format!("PA_{id}");
            let mut relay = TurnClient::allocated(access, candidate.ip(), &user);
            relay.without_channels = !channels;
            relay.bind(candidate).expect("a media port is permitted");
            let links = vec![Link::Relay(Box::new(relay))];
            Client::connect_over(rig, worker, id, &[candidate], links)
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

/// Speaks, several packets at a time, until the listener has heard `wanted` more packets.
fn converse(clients: &mut [Client], wanted: usize) {
    let before = clients[1].packets.len();
    let mut said = 0_u32;
    drive_all(clients, "packets heard", |clients| {
        if let [speaker, listener, ..] = clients {
            for _ in 0..3 {
                speaker.send_media(SPEAKER_SSRC, OPUS, &said.to_be_bytes());
                said += 1;
            }
            return listener.packets.len() >= before + wanted;
        }
        true
    });
}

/// All workers' values of a counter.
fn sum(rig: &mut Rig, workers: u16, name: &str) -> u64 {
    (0..workers).map(|worker| rig.counter(worker, name)).sum()
}

/// The way that a peer's media takes.
fn pair_of(rig: &mut Rig, clients: &mut [Client], peer: u32) -> String {
    let wanted = |report: &Value| {
        report["type"] == "iceState" && report["peer"] == peer && report["state"] == "connected"
    };
    drive_all(clients, "a path", |_| {
        rig.look(Duration::ZERO);
        rig.has(wanted)
    });
    rig.wait_for(wanted)["pair"]
        .as_str()
        .expect("a pair")
        .to_owned()
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// Answers everything with itself.
fn echo(ip: IpAddr) -> SocketAddr {
    let socket = UdpSocket::bind((ip, 0)).expect("loopback is there");
    let address = socket.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((len, from)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(&buffer[..len], from);
        }
    });
    address
}

#[test]
fn a_call_goes_through_the_relay_over_udp_tcp_and_tls() {
    for (at, word) in ["relay-udp", "relay-tcp", "relay-tls"].iter().enumerate() {
        let address = format!("127.83.1.{}", at + 1);
        let authority = Authority::new();
        let mut config = range(1, &address);
        let (mut rig, access) = match *word {
            "relay-tls" => (
                start_tls(&mut config, &authority),
                Access::Tls(authority.client()),
            ),
            word => (
                Rig::start(&config).expect("the engine starts"),
                if word == "relay-udp" {
                    Access::Udp
                } else {
                    Access::Tcp
                },
            ),
        };
        let mut clients = connect(&mut rig, &[0, 0], &access, true);
        let pair = pair_of(&mut rig, &mut clients, 1);
        let Link::Relay(relay) = &clients[0].links[0] else {
            panic!("it relays");
        };
        let relayed = relay.relayed;
        assert!(pair.starts_with(&format!("{word} {address}:463")), "{pair}");
        assert!(pair.ends_with(&relayed.to_string()), "{pair}");
        subscribe(&rig, 0, 0);
        let sent_before = rig.counter(0, "datagrams_sent");
        converse(&mut clients, 300);
        assert_eq!(
            rig.counter(0, "datagrams_sent"),
            sent_before,
            "no media socket"
        );
        assert_eq!(rig.counter(0, "turn_allocations"), 2);
        assert!(rig.counter(0, "turn_packets_to_client") >= 300);
        assert!(rig.counter(0, "turn_bytes_to_peer") > 0);
    }
}

#[test]
fn a_call_needs_no_channels() {
    let mut rig = Rig::start(&range(1, "127.83.2.1")).expect("the engine starts");
    let mut clients = connect(&mut rig, &[0, 0], &Access::Udp, false);
    subscribe(&rig, 0, 0);
    converse(&mut clients, 100);
}

#[test]
fn relayed_media_finds_its_worker_with_a_port_range() {
    let mut rig = Rig::start(&range(2, "127.83.3.1")).expect("the engine starts");
    across_workers(&mut rig, &Access::Udp);
}

#[test]
fn relayed_media_over_streams_finds_its_worker() {
    let mut rig = Rig::start(&range(3, "127.83.3.2")).expect("the engine starts");
    across_workers(&mut rig, &Access::Tcp);
}

#[test]
fn relayed_media_finds_its_worker_with_a_port_for_each() {
    let mut rig = Rig::start(&mux(2, &[46_400, 46_401], "127.83.3.3")).expect("the engine starts");
    across_workers(&mut rig, &Access::Udp);
}

#[test]
fn relayed_media_finds_its_worker_with_one_port_for_all() {
    let mut rig = Rig::start(&mux(2, &[46_400], "127.83.3.4")).expect("the engine starts");
    across_workers(&mut rig, &Access::Udp);
}

#[test]
fn relayed_media_finds_its_worker_with_fewer_ports_than_workers() {
    let ports = [46_400, 46_401];
    let mut rig = Rig::start(&mux(3, &ports, "127.83.3.5")).expect("the engine starts");
    across_workers(&mut rig, &Access::Udp);
}

/// Twelve clients on the first two or three workers; the kernel puts their relays anywhere.
fn across_workers(rig: &mut Rig, access: &Access) {
    let info: Value = serde_json::from_str(rig.engine.info()).expect("an object");
    let count = u16::try_from(info["workers"].as_u64().expect("a number")).expect("a few");
    let workers: Vec<u16> = (0..12).map(|n| n % count).collect();
    let mut clients = connect(rig, &workers, access, true);
    let allocated: Vec<u64> = (0..count)
        .map(|worker| rig.counter(worker, "turn_allocations"))
        .collect();
    assert_eq!(allocated.iter().sum::<u64>(), 12);
    assert!(
        allocated.iter().filter(|n| **n > 0).count() > 1,
        "{allocated:?}"
    );
    assert!(sum(rig, count, "datagrams_handed_over") > 0);
    subscribe(rig, workers[0], workers[1]);
    converse(&mut clients, 200);
}

#[test]
fn permitted_peers_elsewhere_are_reached_through_the_relay_socket() {
    let mut config = range(2, "127.83.4.1");
    config["turn"]["allowRestrictedPeerCidrs"] = json!(["127.0.0.0/8"]);
    config["turn"]["denyPeerCidrs"] = json!(["127.83.4.9/32"]);
    let rig = Rig::start(&config).expect("the engine starts");
    let peer = echo(ip("127.83.4.2"));
    for access in [Access::Udp, Access::Tcp] {
        for without_channels in [false, true] {
            let mut client = TurnClient::allocated(&access, ip("127.83.4.1"), "PA_1");
            client.without_channels = without_channels;
            client.bind(peer).expect("it is permitted");
            for payload in [&b"odd"[..], b"even", &[7; 1_200]] {
                client.send(peer, payload);
                let received = client.wait();
                assert_eq!(received, Some((payload.to_vec(), peer)));
            }
            let denied = SocketAddr::from(([127, 83, 4, 9], 1_000));
            assert_eq!(client.bind(denied), Err(403));
        }
    }
    drop(rig);
}

#[test]
fn relays_of_our_own_reach_each_other() {
    let mut config = range(2, "127.83.4.3");
    // As behind a NAT that turns nothing around: the advertised address is nowhere.
    config["turn"]["relayAddresses"] =
        json!([{"bind": "127.83.4.3", "advertise": "198.51.100.200"}]);
    config["turn"]["allowRestrictedPeerCidrs"] = json!(["198.51.100.0/24"]);
    let _rig = Rig::start(&config).expect("the engine starts");
    let allocated = || TurnClient::allocated(&Access::Udp, ip("127.83.4.3"), "PA_1");
    let (mut one, mut other) = (allocated(), allocated());
    assert_eq!(one.relayed.ip(), ip("198.51.100.200"));
    one.bind(other.relayed).expect("it is permitted");
    other.bind(one.relayed).expect("it is permitted");
    one.send(other.relayed, b"hello");
    assert_eq!(other.wait(), Some((b"hello".to_vec(), one.relayed)));
    other.send(one.relayed, b"back");
    assert_eq!(one.wait(), Some((b"back".to_vec(), other.relayed)));
}

#[test]
fn by_default_only_our_media_ports_are_peers() {
    let mut rig = Rig::start(&range(1, "127.83.4.4")).expect("the engine starts");
    let mut client = TurnClient::allocated(&Access::Udp, ip("127.83.4.4"), "PA_1");
    for closed in ["127.0.0.1:80", "127.83.4.4:80", "169.254.169.254:80"] {
        let peer: SocketAddr = closed.parse().expect("an address");
        let request = Request::ChannelBind {
            number: 0x4000,
            peer,
        };
        assert_eq!(client.ask(request), Err(403), "{closed}");
    }
    client.without_channels = true;
    let nobody = SocketAddr::from(([127, 83, 4, 4], 46_300));
    client
        .bind(nobody)
        .expect("the address has ports that are open");
    client.send(SocketAddr::from(([127, 83, 4, 4], 80)), b"x");
    client.send(nobody, b"x");
    assert_eq!(
        client.bind(SocketAddr::from(([127, 0, 0, 1], 80))),
        Err(403)
    );
    assert_eq!(rig.counter(0, "turn_dropped_forbidden_peer"), 1);
    assert_eq!(rig.counter(0, "turn_dropped_no_media"), 1);
}

#[test]
fn a_user_has_one_quota_over_all_workers_and_transports() {
    let mut config = range(2, "127.83.5.1");
    config["turn"]["allocationsPerUser"] = json!(3);
    let mut rig = Rig::start(&config).expect("the engine starts");
    let address = ip("127.83.5.1");
    let mut held: Vec<TurnClient> = [Access::Udp, Access::Tcp, Access::Udp]
        .iter()
        .map(|access| TurnClient::allocated(access, address, "PA_1"))
        .collect();
    let mut greedy = TurnClient::connected(&Access::Udp, address, "PA_1").expect("it is there");
    assert_eq!(greedy.allocate(), Err(486));
    TurnClient::allocated(&Access::Udp, address, "PA_2");
    // With its connection an allocation ends.
    held.remove(1);
    common::drive(&mut [], "the end of one", |_| {
        sum(&mut rig, 2, "turn_allocations") == 3
    });
    greedy.allocate().expect("there is room again");
}

#[test]
fn workers_without_relay_ports_get_no_clients() {
    let mut config = range(3, "127.83.5.2");
    config["turn"]["relayRangeEnd"] = json!(46_203);
    let mut rig = Rig::start(&config).expect("the engine starts");
    let held: Vec<TurnClient> = (0..4)
        .map(|_| {
            // The kernel may choose the worker whose port is taken.
            let attempts = std::iter::repeat_with(|| {
                let mut client =
                    TurnClient::connected(&Access::Udp, ip("127.83.5.2"), "PA_1").expect("there");
                client.allocate().map(|()| client)
            });
            attempts
                .take(64)
                .find_map(Result::ok)
                .expect("one gets through")
        })
        .collect();
    assert_eq!(held.len(), 4, "all ports of the range");
    assert_eq!(rig.counter(2, "turn_challenged"), 0);
    assert!(rig.counter(0, "turn_challenged") > 0 && rig.counter(1, "turn_challenged") > 0);
}

#[test]
fn a_listener_at_all_addresses_answers_from_the_one_that_was_asked() {
    let mut config = range(2, "127.83.5.3");
    config["turn"]["bindAddresses"] = json!(["0.0.0.0"]);
    config["turn"]["udpPort"] = json!(46_110);
    config["turn"]["tls"]["port"] = json!(46_111);
    let rig = Rig::start(&config).expect("the engine starts");
    for (access, port) in [(Access::Udp, 46_110), (Access::Tcp, 46_111)] {
        let server = SocketAddr::from(([127, 83, 5, 4], port));
        let client = TurnClient::connected_to(&access, server, "PA_1");
        let relayed = client.expect("it is reached").allocate();
        assert_eq!(relayed, Ok(()));
    }
    drop(rig);
}

#[test]
fn a_port_that_is_taken_is_named_with_its_key() {
    let taken = UdpSocket::bind("127.83.6.1:46100").expect("it is free");
    let error = Rig::start(&range(2, "127.83.6.1"))
        .map(|_| ())
        .expect_err("it is taken");
    let text = error.to_string();
    assert!(
        text.starts_with("turn.udp_port: can't bind UDP 127.83.6.1:46100: "),
        "{text}"
    );
    drop(taken);
    let taken = std::net::TcpListener::bind("127.83.6.1:46101").expect("it is free");
    let error = Rig::start(&range(2, "127.83.6.1"))
        .map(|_| ())
        .expect_err("it is taken");
    let text = error.to_string();
    assert!(
        text.starts_with("turn.tls_port: can't bind TCP 127.83.6.1:46101: "),
        "{text}"
    );
    drop(taken);
    Rig::start(&range(2, "127.83.6.1")).expect("nothing is left behind");
}

#[test]
fn ipv6_is_no_different() {
    if UdpSocket::bind("[::1]:0").is_err() {
        return; // This machine has no IPv6.
    }
    let mut rig = Rig::start(&range(2, "::1")).expect("the engine starts");
    for access in [Access::Udp, Access::Tcp] {
        let peer = if matches!(access, Access::Udp) { 1 } else { 2 };
        let candidate = rig.open_peer(0, peer)[0];
        let mut relay = TurnClient::allocated(&access, candidate.ip(), "PA_1");
        relay.bind(candidate).expect("a media port is permitted");
        let links = vec![Link::Relay(Box::new(relay))];
        let mut client = Client::connect_over(&rig, 0, peer, &[candidate], links);
        drive(&mut [&mut client], "a connection", |clients| {
            clients[0].peer.is_connected()
        });
    }
}

#[test]
fn certificates_change_for_new_clients_and_the_others_stay() {
    let (first, second) = (Authority::new(), Authority::new());
    let mut config = range(2, "127.83.7.1");
    config["turn"]["allowRestrictedPeerCidrs"] = json!(["127.0.0.0/8"]);
    let rig = start_tls(&mut config, &first);
    let (address, peer) = (ip("127.83.7.1"), echo(ip("127.83.7.2")));
    let of = |authority: &Authority| Access::Tls(authority.client());
    let mut old = TurnClient::allocated(&of(&first), address, "PA_1");
    old.bind(peer).expect("it is permitted");
    let set = |pair: &Pair| {
        rig.engine
            .set_turn_certificate(&pair.certificate, &pair.key)
            .map_err(|error| error.to_string())
    };
    let rsa = first.issue_for(&rcgen::PKCS_RSA_SHA256);
    assert_eq!(set(&rsa), Ok(()));
    TurnClient::allocated(&of(&first), address, "PA_1");
    assert_eq!(set(&second.issue()), Ok(()));
    TurnClient::allocated(&of(&second), address, "PA_1");
    assert!(TurnClient::connected(&of(&first), address, "PA_1").is_none());
    old.send(peer, b"still here");
    assert_eq!(old.wait(), Some((b"still here".to_vec(), peer)));
    // What can't be used changes nothing.
    let (one, other) = (second.issue(), second.issue());
    let mixed = |certificate: &str, key: &str| {
        set(&Pair {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        })
        .expect_err("it can't be used")
    };
    let mismatch = mixed(&one.certificate, &other.key);
    assert_eq!(
        mismatch,
        "the private key does not belong to the certificate"
    );
    let swapped = mixed(&one.key, &one.certificate);
    assert_eq!(swapped, "the certificate file holds no certificate in PEM");
    let keyless = mixed(&one.certificate, &one.certificate);
    assert!(
        keyless.starts_with("the key file holds no private key"),
        "{keyless}"
    );
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let garbage = mixed(garbage, &one.key);
    assert!(
        garbage.starts_with("the certificate can't be read"),
        "{garbage}"
    );
    TurnClient::allocated(&of(&second), address, "PA_1");
}

#[test]
fn both_versions_of_tls_are_spoken_and_none_before_there_is_a_certificate() {
    let authority = Authority::new();
    let mut config = range(1, "127.83.7.3");
    config["turn"]["tls"]["external"] = json!(false);
    let mut rig = Rig::start(&config).expect("the engine starts");
    let address = ip("127.83.7.3");
    let any = Access::Tls(authority.client());
    assert!(TurnClient::connected(&any, address, "PA_1").is_none());
    let pair = authority.issue();
    let taken = rig
        .engine
        .set_turn_certificate(&pair.certificate, &pair.key);
    assert!(taken.is_ok());
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let access = Access::Tls(authority.client_with(&[version]));
        TurnClient::allocated(&access, address, "PA_1");
    }
    assert_eq!(rig.counter(0, "turn_tls_accepted"), 3);
}

#[test]
fn a_client_that_reads_nothing_loses_media_and_then_its_connection() {
    let mut config = range(1, "127.83.8.1");
    config["turn"]["allowRestrictedPeerCidrs"] = json!(["127.0.0.0/8"]);
    let mut rig = Rig::start(&config).expect("the engine starts");
    let mut client = TurnClient::allocated(&Access::Tcp, ip("127.83.8.1"), "PA_1");
    let flood = UdpSocket::bind("127.83.8.2:0").expect("loopback is there");
    client
        .bind(flood.local_addr().expect("it is bound"))
        .expect("it is permitted");
    let begin = Instant::now();
    let mut media = [7; 1_100];
    media[0] = 0x80;
    while rig.counter(0, "turn_tcp_closed_stalled") == 0 {
        assert!(begin.elapsed() < Duration::from_secs(40), "never closed");
        for _ in 0..50 {
            let _ = flood.send_to(&media, client.relayed);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(rig.counter(0, "turn_tcp_dropped_full") > 0);
    assert_eq!(rig.counter(0, "turn_allocations"), 0);
}

#[test]
fn acceptance_18_slow_and_oversized_streams_are_closed_within_ten_seconds() {
    let authority = Authority::new();
    let (mut plain, mut tls) = (range(2, "127.83.9.1"), range(2, "127.83.9.2"));
    let mut rigs = [
        Rig::start({
            plain["turn"]["allowRestrictedPeerCidrs"] = json!(["127.0.0.0/8"]);
            &plain
        })
        .expect("the engine starts"),
        start_tls(&mut tls, &authority),
    ];
    let servers = [[127, 83, 9, 1], [127, 83, 9, 2]].map(|ip| SocketAddr::from((ip, 46_101)));
    // Somebody relays all the while.
    let peer = echo(ip("127.83.9.3"));
    let mut relaying = TurnClient::allocated(&Access::Tcp, servers[0].ip(), "PA_1");
    relaying.bind(peer).expect("it is permitted");

    let allocate = [
        0, 3, 0, 8, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 0x19, 0, 4,
        17, 0, 0, 0,
    ];
    let client_hello = [
        0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9,
    ];
    // What each says at once, and what it says byte by byte, one a second.
    let slow: [(usize, &[u8], &[u8]); 8] = [
        (0, b"", b""),
        (0, &allocate[..2], b""),
        (0, b"", &allocate),
        (0, &allocate[..27], b""),
        // Challenged, and no more than that.
        (0, &allocate, b""),
        (1, b"", b""),
        (1, &client_hello, b""),
        (1, b"", &client_hello),
    ];
    let junk: [(usize, &[u8]); 5] = [
        (0, b"GET / HTTP/1.1\r\n\r\n"),
        (0, &[0x40, 0, 0xff, 0xff]),
        (0, &[0, 3, 0xff, 0xfc, 0x21, 0x12, 0xa4, 0x42]),
        (0, &[0x80; 40]),
        (1, b"GET / HTTP/1.1\r\n\r\n"),
    ];
    let open = |at: usize, hello: &[u8]| {
        let mut stream = TcpStream::connect(servers[at]).expect("it listens");
        stream.write_all(hello).expect("it is sent");
        stream.set_nonblocking(true).expect("it can be polled");
        stream
    };
    for (at, hello) in junk {
        let mut stream = open(at, hello);
        let begin = Instant::now();
        while !has_ended(&mut stream) {
            assert!(begin.elapsed() < Duration::from_secs(3), "{hello:?}");
        }
    }
    let begin = Instant::now();
    let mut streams: Vec<TcpStream> = slow.iter().map(|(at, now, _)| open(*at, now)).collect();
    let mut closed = [None; 8];
    let mut seconds = 0;
    while closed.contains(&None) && begin.elapsed() < Duration::from_secs(15) {
        let due = begin.elapsed().as_secs() as usize > seconds;
        for ((stream, closed), (_, _, drip)) in streams.iter_mut().zip(&mut closed).zip(&slow) {
            if due && let Some(byte) = drip.get(seconds..=seconds) {
                let _ = stream.write(byte);
            }
            if closed.is_none() && has_ended(stream) {
                *closed = Some(begin.elapsed());
            }
        }
        seconds += usize::from(due);
        relaying.send(peer, b"x");
        assert_eq!(relaying.wait(), Some((b"x".to_vec(), peer)));
        std::thread::sleep(Duration::from_millis(10));
    }
    for (closed, (_, now, drip)) in closed.iter().zip(&slow) {
        let in_time = closed.is_some_and(|closed| closed <= Duration::from_millis(10_200));
        assert!(in_time, "{closed:?}: {now:?} {drip:?}");
    }
    assert_eq!(sum(&mut rigs[0], 2, "turn_tcp_connections"), 1);
    assert_eq!(sum(&mut rigs[0], 2, "turn_tcp_closed_slow"), 5);
    assert_eq!(sum(&mut rigs[1], 2, "turn_tls_connections"), 0);
    assert_eq!(sum(&mut rigs[1], 2, "turn_tls_closed_slow"), 3);
    assert_eq!(sum(&mut rigs[1], 2, "turn_tls_closed_junk"), 1);
}

/// True once the other side closed it.
fn has_ended(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 4096]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}
