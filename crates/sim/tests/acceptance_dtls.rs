//! Acceptance 1 to 5: handshakes that nobody asked for, and broken records on those that stand.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod scene;
mod support;

use std::net::SocketAddr;

use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use scene::{FAR, PUBLISHER, STRANGERS, Scene, WORKERS, stranger};
use sluice_peer::{
    ChannelSettings, CloseReason, DtlsRole as ClientRole, DtlsVersions, Fingerprint, HashAlgorithm,
    PeerEvent, SendOutcome,
};
use sluice_secure::{Dtls, DtlsEvent};
use sluice_sfu::command::DtlsRole;
use sluice_sfu::event::{Event, PeerCloseReason};
use sluice_sim::{Client, ClientSettings, Datagram, LinkSettings, World};
use sluice_wire::classify::{Kind, classify};
use sluice_wire::id::{PeerId, Ssrc};
use support::{CERTIFICATES, MS, SEC};

/// A record around a hello: the version, suites and extensions are the caller's.
fn hello(version: u16, suites: &[u16], extensions: &[u8]) -> Vec<u8> {
    let mut body = version.to_be_bytes().to_vec();
    body.extend([0x5a; 32]);
    body.extend([0, 0]);
    body.extend((2 * suites.len() as u16).to_be_bytes());
    body.extend(suites.iter().flat_map(|suite| suite.to_be_bytes()));
    body.extend([1, 0]);
    body.extend((extensions.len() as u16).to_be_bytes());
    body.extend(extensions);
    body
}

/// One handshake record with a piece of the hello.
fn record(version: u16, number: u16, body: &[u8], piece: std::ops::Range<usize>) -> Vec<u8> {
    let length = |n: usize| [0, (n >> 8) as u8, n as u8];
    let mut bytes = vec![22];
    bytes.extend(version.to_be_bytes());
    bytes.extend([0, 0, 0, 0, 0, 0]);
    bytes.extend(number.to_be_bytes());
    bytes.extend((12 + piece.len() as u16).to_be_bytes());
    bytes.push(1);
    bytes.extend(length(body.len()));
    bytes.extend([0, 0]);
    bytes.extend(length(piece.start));
    bytes.extend(length(piece.len()));
    bytes.extend(&body[piece]);
    bytes
}

/// Null ciphers, DTLS 1.0, 1.3 alone, one byte at a time, and the hello of a real client.
fn hellos() -> Vec<Vec<u8>> {
    const DTLS_1_0: u16 = 0xfeff;
    const DTLS_1_2: u16 = 0xfefd;
    const GCM: u16 = 0xc02b;
    const NULL: [u16; 3] = [0x0000, 0x0002, 0xc006];
    /// supported_versions: DTLS 1.3 and nothing else.
    const ONLY_1_3: [u8; 7] = [0, 43, 0, 3, 2, 0xfe, 0xfc];
    let whole = |version, body: &[u8]| record(version, 0, body, 0..body.len());
    let mut all = vec![
        whole(DTLS_1_2, &hello(DTLS_1_2, &NULL, &[])),
        whole(DTLS_1_0, &hello(DTLS_1_0, &[GCM, 0x002f], &[])),
        whole(DTLS_1_2, &hello(DTLS_1_2, &[0x1301], &ONLY_1_3)),
    ];
    let body = hello(DTLS_1_2, &[GCM], &[]);
    all.extend((0..body.len()).map(|at| record(DTLS_1_2, at as u16, &body, at..at + 1)));
    let now = sluice_sim::clock::start();
    let expected = vec![CERTIFICATES[0].fingerprint(HashAlgorithm::Sha256)];
    let mut real = Dtls::new(
        &CERTIFICATES[1],
        ClientRole::Client,
        DtlsVersions::V12,
        expected,
        now,
    )
    .unwrap();
    all.extend(std::iter::from_fn(|| real.poll_transmit()));
    all
}

/// Ten hellos a millisecond to all ports while six members join; the ports and what reached them.
fn flood_joins(scene: &mut Scene, source: impl Fn(u64, &[SocketAddr]) -> SocketAddr) -> u64 {
    let hellos = hellos();
    let mut sent = 0;
    for joiner in 0..6_u64 {
        scene.room.join((joiner % 2) as u16);
        let clients = scene.room.world.clients.iter().map(Client::address);
        let addresses: Vec<SocketAddr> = clients.collect();
        let ports: Vec<SocketAddr> = (0..addresses.len())
            .map(|member| scene.port(member))
            .collect();
        scene.each_ms(300, |scene, _| {
            for _ in 0..10 {
                let to = ports[sent as usize % ports.len()];
                let bytes = hellos[sent as usize % hellos.len()].clone();
                scene.inject(source(sent, &addresses), to, bytes);
                sent += 1;
            }
        });
        assert!(
            scene.room.world.clients.iter().all(Client::is_connected),
            "joiner {joiner} is in within 300 ms"
        );
    }
    scene.room.world.run_for(MS(100));
    sent
}

#[test]
fn case_01_hello_flood_from_strangers_does_not_disturb_joins() {
    let mut scene = Scene::new(1);
    let sent = flood_joins(&mut scene, |n, _| stranger(n));
    let members = scene.room.world.clients.len();
    let refused: u64 = (0..members)
        .map(|member| scene.peer_counter(member, "drop_dtls_unvalidated"))
        .sum();
    assert_eq!(refused, sent, "all were dropped in front of DTLS");
    assert!((0..STRANGERS).all(|n| scene.sent_to(stranger(n)) == 0));
    scene.assert_passed();
}

#[test]
fn case_01_hello_flood_on_a_shared_port_does_not_disturb_joins() {
    let mut scene = Scene::on_shared_ports(2);
    let before = WORKERS.map(|worker| scene.counter(worker, "drop_no_route"));
    let refused = scene.peer_counter(FAR, "drop_dtls_unvalidated");
    let sent = flood_joins(&mut scene, |n, _| stranger(n));
    let after = WORKERS.map(|worker| scene.counter(worker, "drop_no_route"));
    let unrouted = [after[0] - before[0], after[1] - before[1]];
    // As long as one transport is alone on a port it gets what comes in there.
    let refused = scene.peer_counter(FAR, "drop_dtls_unvalidated") - refused;
    assert!(unrouted[0] >= sent / 2, "{unrouted:?} of {sent}");
    assert_eq!(unrouted[0] + unrouted[1] + refused, sent);
    assert!((0..STRANGERS).all(|n| scene.sent_to(stranger(n)) == 0));
    scene.assert_passed();
}

#[test]
fn case_02_hellos_from_the_right_address_and_wrong_port_are_dropped() {
    for shared in [false, true] {
        let mut scene = if shared {
            Scene::on_shared_ports(3)
        } else {
            Scene::new(3)
        };
        let before: u64 = scene.dropped_everywhere();
        // Ports next to those of the members themselves, the one that joins included.
        let sent = flood_joins(&mut scene, |n, members| {
            let mut address = members[n as usize % members.len()];
            address.set_port(address.port() + 1 + (n % 7) as u16);
            address
        });
        assert_eq!(scene.dropped_everywhere() - before, sent);
        scene.assert_passed();
    }
}

#[test]
fn case_03_second_handshake_is_ignored_and_the_keys_stay() {
    let mut scene = Scene::new(4);
    scene.room.world.network.tap = Some(Vec::new());
    let (client, server) = scene.path(PUBLISHER);
    let rejected = scene.peer_counter(PUBLISHER, "srtp_rejected");
    let refused = scene.peer_counter(PUBLISHER, "drop_dtls_refused");
    // With the member's own certificate: nothing but the established association stands in its way.
    let expected = vec![CERTIFICATES[0].fingerprint(HashAlgorithm::Sha256)];
    let now = scene.room.world.now;
    let mut again = Dtls::new(
        &CERTIFICATES[1],
        ClientRole::Client,
        DtlsVersions::V12,
        expected,
        now,
    )
    .unwrap();
    scene.each_ms(4_000, |scene, _| {
        let now = scene.room.world.now;
        if again.poll_timeout().is_some_and(|at| at <= now) {
            again.handle_timeout(now).unwrap();
        }
        while let Some(bytes) = again.poll_transmit() {
            scene.inject(client, server, bytes);
        }
        for datagram in scene.take_record() {
            let answer = datagram.from == server && classify(&datagram.bytes) == Some(Kind::Dtls);
            if answer && datagram.to == client {
                assert_ne!(datagram.bytes[0], 22, "the server shakes hands again");
                again.handle_datagram(now, &datagram.bytes).unwrap();
            }
        }
        while let Some(event) = again.poll_event() {
            assert!(
                !matches!(event, DtlsEvent::Connected(_)),
                "another set of keys"
            );
        }
    });
    assert!(scene.peer_counter(PUBLISHER, "drop_dtls_refused") > refused);
    assert_eq!(scene.peer_counter(PUBLISHER, "srtp_rejected"), rejected);
    let events = scene.take_events();
    assert!(
        !events
            .iter()
            .any(|event| matches!(event, Event::PeerConnected { .. })),
        "connected once"
    );
    scene.assert_passed();
}

/// A member whose description, or whose server's, names a certificate that is not used.
fn with_a_wrong_fingerprint(scene: &mut Scene, ours: DtlsRole, server_is_fooled: bool) {
    const GUEST: PeerId = PeerId(100);
    let wrong = Fingerprint::parse("sha-256", &["AB"; 32].join(":")).unwrap();
    let now = scene.room.world.now;
    let settings = ClientSettings {
        dtls: match ours {
            DtlsRole::Passive => ClientRole::Client,
            DtlsRole::Active => ClientRole::Server,
        },
        ..ClientSettings::browser(
            "10.0.9.9:41000".parse().unwrap(),
            CERTIFICATES[1].clone(),
            77,
        )
    };
    let mut client = Client::new(now, settings);
    let server = scene.room.world.server_mut();
    server.dtls_role = ours;
    let mut of_server = server.open_peer(now, WORKERS[0], GUEST);
    let mut of_client = client.description();
    if server_is_fooled {
        of_client.fingerprint = wrong;
    } else {
        of_server.fingerprint = wrong;
    }
    server.set_remote(now, WORKERS[0], GUEST, &of_client);
    client.set_remote(now, &of_server);
    client.publish_audio(sluice_sim::presets::microphone("0", 5));
    let place = scene.room.world.add(client);
    let rtp_in = scene.counter(WORKERS[0], "rtp_in");
    let peers = scene.counter(WORKERS[0], "peers");
    scene.take_events();
    scene.room.world.run_for(SEC(3));

    let events = scene.take_events();
    let connected = events
        .iter()
        .any(|event| matches!(event, Event::PeerConnected { peer, .. } if *peer == GUEST));
    let reason = events.iter().find_map(|event| match event {
        Event::PeerClosed { peer, reason, .. } if *peer == GUEST => Some(*reason),
        _ => None,
    });
    let client = &mut scene.room.world.clients[place];
    let told = client.events.iter().find_map(|event| match event {
        PeerEvent::Closed { reason, .. } => Some(*reason),
        _ => None,
    });
    if server_is_fooled {
        assert!(!connected, "{ours:?}");
        assert_eq!(
            reason,
            Some(PeerCloseReason::FingerprintMismatch),
            "{ours:?}"
        );
        assert_eq!(scene.counter(WORKERS[0], "peers"), peers - 1);
    } else {
        // Our own transport is the client here: it must refuse just as well.
        assert_eq!(told, Some(CloseReason::FingerprintMismatch), "{ours:?}");
        assert!(client.peer.send_stream(Ssrc(5)).is_none(), "no keys");
    }
    assert!(!scene.room.world.clients[place].is_connected() || server_is_fooled);
    let honest = scene.peer_counter(PUBLISHER, "rtp_in");
    assert!(honest > 0 && scene.counter(WORKERS[0], "rtp_in") > rtp_in);
    // Whatever the worker took in came from the publisher.
    assert_eq!(scene.counter(WORKERS[0], "rtp_in"), honest);
    let client = scene.room.world.clients.pop().unwrap();
    assert_eq!(client.unknown_packets, 0);
    drop(client);
    let close = sluice_sfu::command::Command::ClosePeer { peer: GUEST };
    scene.room.command(WORKERS[0], close);
}

#[test]
fn case_04_unannounced_certificate_ends_the_transport_in_either_role() {
    let mut scene = Scene::new(5);
    for ours in [DtlsRole::Passive, DtlsRole::Active] {
        for server_is_fooled in [true, false] {
            with_a_wrong_fingerprint(&mut scene, ours, server_is_fooled);
        }
    }
    scene.assert_passed();
}

#[test]
fn case_04_unannounced_certificate_is_refused_in_dtls_1_3_too() {
    let _alone = scene::alone();
    for fooled in [0, 1] {
        let mut world = World::new(LinkSettings::delayed(MS(15)), 6);
        let [at_0, at_1] = ["10.0.0.1:4000", "10.0.0.2:4000"].map(|at| at.parse().unwrap());
        let settings = [
            ClientSettings::browser(at_0, CERTIFICATES[0].clone(), 1),
            ClientSettings::answerer(at_1, CERTIFICATES[1].clone(), 2),
        ];
        for settings in settings {
            let settings = ClientSettings {
                versions: DtlsVersions::V13OrV12,
                ..settings
            };
            let mut client = Client::new(world.now, settings);
            client.publish_audio(sluice_sim::presets::microphone("0", 5));
            world.add(client);
        }
        let mut described = [0, 1].map(|place: usize| world.clients[place].description());
        described[1 - fooled].fingerprint =
            Fingerprint::parse("sha-256", &["AB"; 32].join(":")).unwrap();
        let now = world.now;
        world.clients[0].set_remote(now, &described[1]);
        world.clients[1].set_remote(now, &described[0]);
        world.run_for(SEC(5));
        let refused = world.clients[fooled].events.iter().any(|event| {
            matches!(
                event,
                PeerEvent::Closed {
                    reason: CloseReason::FingerprintMismatch,
                    ..
                }
            )
        });
        assert!(refused, "{:?}", world.clients[fooled].events);
        assert!(world.clients[fooled].peer.send_stream(Ssrc(1)).is_none());
        assert!(
            world
                .clients
                .iter()
                .all(|client| client.unknown_packets == 0)
        );
    }
}

/// A `livekit.DataPacket` with a user payload: fields 2 and, within, 2.
fn packet(payload: &str) -> Bytes {
    let user = [&[0x12, payload.len() as u8], payload.as_bytes()].concat();
    Bytes::from([&[0x12, user.len() as u8], user.as_slice()].concat())
}

/// What an attacker makes of a record that was seen on the wire.
fn broken(rng: &mut SmallRng, seen: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seen[rng.random_range(0..seen.len())].clone();
    match rng.random_range(0..6) {
        // Cut short, and cut short with a length that agrees: shorter than nonce and tag at times.
        0 => bytes.truncate(rng.random_range(0..bytes.len())),
        1 => {
            bytes.truncate(13 + rng.random_range(0..bytes.len().saturating_sub(13).max(1)));
            let rest = (bytes.len().saturating_sub(13) as u16).to_be_bytes();
            if let Some(length) = bytes.get_mut(11..13) {
                length.copy_from_slice(&rest);
            }
        }
        // Application data in the clear.
        2 => {
            bytes = vec![23, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, rng.random(), 0, 6];
            bytes.extend(b"inject");
        }
        // A new number, so that only the tag can tell.
        3 => {
            let at = rng.random_range(5..11.min(bytes.len()));
            bytes[at] ^= rng.random_range(1..=255);
        }
        // Alerts in the clear and with a made-up tag.
        4 => {
            bytes = vec![
                21,
                0xfe,
                0xfd,
                0,
                rng.random_range(0..2),
                0,
                0,
                0,
                0,
                0,
                99,
                0,
                2,
            ];
            bytes.extend([2, 40]);
        }
        // As it was: a duplicate, out of order.
        _ => {}
    }
    bytes
}

#[test]
fn case_05_broken_records_on_a_live_association_lose_no_message() {
    let mut scene = Scene::new(7);
    let reliable = ChannelSettings {
        ordered: true,
        ..ChannelSettings::reliable("_reliable")
    };
    // They go with the guests, so that the baseline is the same.
    let [sender, receiver] = [scene.join(), scene.join()];
    let now = scene.room.world.now;
    for member in [sender, receiver] {
        scene.room.world.clients[member].open_channel(now, reliable.clone());
    }
    scene.room.world.run_for(SEC(2));
    scene.room.world.network.tap = Some(Vec::new());
    let paths = [sender, receiver].map(|member| scene.path(member));
    let rough = LinkSettings {
        reorder: 0.25,
        duplicate: 0.2,
        ..LinkSettings::delayed(MS(15))
    };
    for (client, server) in paths {
        let network = &mut scene.room.world.network;
        network.set(client.ip(), server.ip(), rough);
    }
    let mut rng = SmallRng::seed_from_u64(7);
    let mut seen: [Vec<Vec<u8>>; 2] = [Vec::new(), Vec::new()];
    scene.each_ms(4_000, |scene, n| {
        if n % 20 == 0 {
            let now = scene.room.world.now;
            let message = packet(&format!("m{:04}", n / 20));
            let outcome = scene.room.world.clients[sender].send(now, "_reliable", &message);
            assert_eq!(outcome, SendOutcome::Sent);
        }
        for Datagram { from, bytes, .. } in scene.take_record() {
            let dtls = classify(&bytes) == Some(Kind::Dtls);
            if let Some(at) = paths.iter().position(|path| dtls && path.0 == from) {
                seen[at].push(bytes);
            }
        }
        for (at, (client, server)) in paths.into_iter().enumerate() {
            if !seen[at].is_empty() {
                let bytes = broken(&mut rng, &seen[at]);
                scene.inject(client, server, bytes);
                // None of it may come back into the record as if the client had sent it.
                scene.take_record();
            }
        }
    });
    scene.room.world.run_for(SEC(5));
    let messages = &scene.room.world.clients[receiver].messages;
    let heard: Vec<String> = messages
        .iter()
        .map(|(_, _, bytes)| String::from_utf8_lossy(bytes).into_owned())
        .collect();
    let expected = (0..200).map(|n| format!("m{n:04}"));
    assert_eq!(heard.len(), 200);
    for (heard, expected) in heard.iter().zip(expected) {
        assert!(heard.contains(&expected), "{heard:?} for {expected}");
    }
    for member in [sender, receiver] {
        assert!(scene.room.world.clients[member].is_connected());
        assert!(scene.peer_counter(member, "drop_dtls_refused") > 100);
    }
    scene.assert_passed();
}
