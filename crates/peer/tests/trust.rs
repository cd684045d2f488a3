//! Whom a transport believes.

mod support;

use std::time::Duration;

use sluice_peer::{CloseReason, DropReason, DtlsRole, PeerEvent, Received};
use sluice_wire::id::Ssrc;
use support::{CLIENT, Net, SERVER, STRANGER, addr, client_hello, rtp_header, wrong_fingerprint};

#[test]
fn a_certificate_that_was_not_announced_ends_the_transport_without_media() {
    for server_is_fooled in [true, false] {
        let mut net = Net::new(1);
        let mut of_client = net.client.described(DtlsRole::Server);
        let mut of_server = net.server.described(DtlsRole::Client);
        let fooled = if server_is_fooled {
            &mut of_client
        } else {
            &mut of_server
        };
        fooled.fingerprints = vec![wrong_fingerprint()];
        net.client.peer.set_remote(net.now, of_server);
        net.client
            .peer
            .add_remote_candidate(net.now, &support::host(addr(SERVER)));
        net.server.peer.set_remote(net.now, of_client);
        net.run_for(Duration::from_secs(5));
        let fooled = if server_is_fooled {
            &mut net.server
        } else {
            &mut net.client
        };
        assert_eq!(fooled.closed(), Some(CloseReason::FingerprintMismatch));
        assert!(!fooled.saw(|event| matches!(event, PeerEvent::Connected { .. })));
        assert!(fooled.peer.send_stream(Ssrc(1)).is_none());
        assert_eq!(fooled.peer.path(), None);
    }
}

#[test]
fn a_hello_from_a_stranger_is_dropped_before_any_dtls_state() {
    let mut net = Net::new(2);
    let hello = client_hello();
    for _ in 0..10_000 {
        let received = net.server.receive(net.now, addr(STRANGER), &hello);
        assert_eq!(received, Received::Dropped(DropReason::DtlsUnvalidated));
    }
    net.signal();
    for _ in 0..200 {
        net.server.receive(net.now, addr(STRANGER), &hello);
        // The right address on the wrong port is as strange.
        net.server
            .receive(net.now, addr("198.51.100.2:40001"), &hello);
        net.run_for(Duration::from_millis(5));
    }
    assert!(net.both_connected(), "the join was not disturbed");
    assert_eq!(
        net.server.peer.stats().dropped(DropReason::DtlsUnvalidated),
        10_400
    );
}

#[test]
fn strangers_make_us_send_nothing() {
    let mut net = Net::new(3);
    net.server
        .peer
        .set_remote(net.now, net.client.described(DtlsRole::Server));
    let mut stun = vec![0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42];
    stun.resize(20, 9);
    stun.extend_from_slice(&[0, 6, 0, 3, b'a', b':', b'b', 0]);
    for junk in [
        &stun,
        &client_hello(),
        &vec![0x80; 100],
        &vec![0xff; 50],
        &vec![],
        &vec![0],
    ] {
        for _ in 0..1_000 {
            net.server.receive(net.now, addr(STRANGER), junk);
        }
    }
    net.run_for(Duration::from_secs(1));
    assert_eq!(net.server.bytes_out, 0);
}

#[test]
fn media_from_an_unvalidated_tuple_is_dropped() {
    let mut net = Net::connected(4);
    let stream = net.client.peer.send_stream(Ssrc(5)).expect("keys");
    let packet = net.client.seal(stream, Ssrc(5), 1, b"media");
    let received = net.server.receive(net.now, addr(STRANGER), &packet);
    assert_eq!(received, Received::Dropped(DropReason::SrtpUnvalidated));
    let received = net.server.receive(net.now, addr(CLIENT), &packet);
    assert!(matches!(received, Received::Rtp { .. }));
}

#[test]
fn a_flood_of_invalid_media_on_the_peers_own_tuple_is_survived() {
    let mut net = Net::connected(5);
    let stream = net.client.peer.send_stream(Ssrc(5)).expect("keys");
    let good = net.client.seal(stream, Ssrc(5), 1, b"media");
    let mut forged = good.clone();
    *forged.last_mut().expect("bytes") ^= 1;
    let mut plain = rtp_header(Ssrc(5), 2).to_vec();
    plain.extend_from_slice(&[0; 100]);
    let mut rtcp = vec![0x80, 201, 0, 7, 0, 0, 0, 5];
    rtcp.resize(32, 0x81);
    for n in 0..60_000u32 {
        let junk = [&forged, &plain, &rtcp][n as usize % 3];
        let received = net.server.receive(net.now, addr(CLIENT), junk);
        assert!(matches!(received, Received::Dropped(_)), "{received:?}");
        if n % 1_000 == 0 {
            net.run_for(Duration::from_secs(1));
        }
    }
    assert!(net.both_connected());
    assert_eq!(net.server.peer.stats().srtp_rejected(), 60_000);
    assert!(matches!(
        net.server.receive(net.now, addr(CLIENT), &good),
        Received::Rtp { .. }
    ));
    let replayed = net.server.receive(net.now, addr(CLIENT), &good);
    assert_eq!(replayed, Received::Dropped(DropReason::SrtpReplayed));
}

#[test]
fn broken_dtls_records_on_a_live_association_are_survived() {
    let mut net = Net::connected(6);
    for len in 13..60 {
        let mut record = vec![23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9, 0, (len - 13) as u8];
        record.resize(len, 0xaa);
        net.server.receive(net.now, addr(CLIENT), &record);
        record[4] = 0;
        net.server.receive(net.now, addr(CLIENT), &record);
    }
    net.server.receive(net.now, addr(CLIENT), &client_hello());
    net.run_for(Duration::from_secs(3));
    assert!(net.both_connected());
    assert_eq!(net.server.closed(), None);
}

#[test]
fn oversized_and_unclassified_datagrams_are_dropped() {
    let mut net = Net::connected(7);
    let dropped = net.server.receive(net.now, addr(CLIENT), &[0x80; 2_000]);
    assert_eq!(dropped, Received::Dropped(DropReason::Oversize));
    for junk in [&[][..], &[0x40, 0, 0, 0], &[250; 30]] {
        let dropped = net.server.receive(net.now, addr(CLIENT), junk);
        assert_eq!(dropped, Received::Dropped(DropReason::Unclassified));
    }
}
