//! Strangers get nothing: no state, no answer.

mod support;

use std::time::Duration;

use is::stun::{StunMessage, TransId};
use sluice_ice::{Credentials, Path, StunOutcome};
use support::{Net, Side, addr, epoch, host, request, seal};

const SERVER: &str = "192.0.2.1:50000";
const CLIENT: &str = "198.51.100.2:40000";
const STRANGER: &str = "203.0.113.5:5555";

fn server_side() -> (Side, Credentials) {
    let now = epoch();
    let mut server = Side::new(now, "server", SERVER, false, false, 1);
    let client = Credentials::new("client", "client-password-of-22-chars--");
    server.agent.set_remote(now, client.clone(), false);
    (server, client)
}

#[test]
fn wrong_integrity_unknown_users_and_wrong_fingerprints_get_silence() {
    let (mut server, client) = server_side();
    let now = epoch();
    let good = request(&server.creds, &client, true);
    let mut bad_tag = good.clone();
    bad_tag[60] ^= 1;
    let mut bad_crc = good.clone();
    *bad_crc.last_mut().expect("bytes") ^= 1;
    let unknown = request(
        &Credentials::new("nobody", &*server.creds.pwd),
        &client,
        true,
    );
    let other_client = request(&server.creds, &Credentials::new("mallory", "x"), true);
    let guessed = request(
        &Credentials::new("server", "a-guess-at-the-password"),
        &client,
        true,
    );
    for bytes in [
        &bad_tag,
        &bad_crc,
        &unknown,
        &other_client,
        &guessed,
        &good[..good.len() - 4].to_vec(),
    ] {
        for _ in 0..1_000 {
            let outcome =
                server
                    .agent
                    .handle_datagram(now, Path::udp(addr(SERVER), addr(STRANGER)), bytes);
            assert!(
                !matches!(outcome, StunOutcome::Verified | StunOutcome::Early),
                "{outcome:?}"
            );
        }
    }
    server
        .agent
        .handle_timeout(now + Duration::from_millis(100));
    assert!(server.agent.poll_transmit().is_none());
    assert!(!server.agent.is_valid_remote(addr(STRANGER)));
    assert_eq!(server.agent.stats().dropped, 6_000);

    assert_eq!(
        server
            .agent
            .handle_datagram(now, Path::udp(addr(SERVER), addr(STRANGER)), &good),
        StunOutcome::Verified
    );
    assert!(server.agent.is_valid_remote(addr(STRANGER)));
}

#[test]
fn an_answer_from_elsewhere_than_we_asked_proves_nothing() {
    let (mut server, client) = server_side();
    let now = epoch();
    server.agent.add_remote_candidate(now, &host(addr(CLIENT)));
    let ask = server.agent.poll_transmit().expect("a check");
    assert_eq!(ask.path.remote, addr(CLIENT));
    let id = StunMessage::parse(&ask.bytes).expect("valid").trans_id();
    let answer = seal(&StunMessage::binding_reply(id, addr(SERVER)), &client.pwd);
    let stranger =
        server
            .agent
            .handle_datagram(now, Path::udp(addr(SERVER), addr(STRANGER)), &answer);
    assert_eq!(stranger, StunOutcome::Unsolicited);
    let invented = seal(
        &StunMessage::binding_reply(TransId::new(), addr(SERVER)),
        &client.pwd,
    );
    let outcome =
        server
            .agent
            .handle_datagram(now, Path::udp(addr(SERVER), addr(CLIENT)), &invented);
    assert_eq!(outcome, StunOutcome::Unsolicited);
    assert_eq!(
        server
            .agent
            .handle_datagram(now, Path::udp(addr(SERVER), addr(CLIENT)), &answer),
        StunOutcome::Verified
    );
    assert!(server.agent.is_valid(Path::udp(addr(SERVER), addr(CLIENT))));
}

#[test]
fn a_nomination_alone_does_not_send_media_to_a_place_that_never_answered() {
    let (mut server, client) = server_side();
    let now = epoch();
    let ask = request(&server.creds, &client, true);
    server
        .agent
        .handle_datagram(now, Path::udp(addr(SERVER), addr(STRANGER)), &ask);
    for ms in [20, 40, 60, 500, 1_000, 5_000] {
        server.agent.handle_timeout(now + Duration::from_millis(ms));
        server.agent.handle_authenticated(
            now + Duration::from_millis(ms),
            Path::udp(addr(SERVER), addr(STRANGER)),
        );
    }
    assert_eq!(server.agent.selected(), None);
}

#[test]
fn requests_before_the_remote_description_are_bounded() {
    let now = epoch();
    let mut server = Side::new(now, "server", SERVER, false, false, 1);
    let client = Credentials::new("client", "client-password-of-22-chars--");
    let ask = request(&server.creds, &client, true);
    for port in 1..2_000u16 {
        let source = addr(&format!("203.0.113.5:{port}"));
        assert_eq!(
            server
                .agent
                .handle_datagram(now, Path::udp(addr(SERVER), source), &ask),
            StunOutcome::Early
        );
    }
    assert!(server.agent.poll_transmit().is_none());
    server.agent.set_remote(now, client, false);
    let answers = std::iter::from_fn(|| server.agent.poll_transmit()).count();
    assert!(answers <= 17, "{answers}");
}

#[test]
fn an_established_path_survives_any_stranger() {
    let now = epoch();
    let server = Side::new(now, "server", SERVER, false, false, 1);
    let client = Side::new(now, "client", CLIENT, false, true, 2);
    let mut net = Net::new(now, server, client, 1);
    net.signal(false);
    assert!(net.run_until(Duration::from_secs(3), Net::both_connected));
    let forged = request(
        &Credentials::new("server", "a-guess-at-the-password"),
        &net.b.creds,
        true,
    );
    for _ in 0..50 {
        net.run_for(Duration::from_millis(100));
        for _ in 0..100 {
            net.a
                .agent
                .handle_datagram(net.now, Path::udp(addr(SERVER), addr(STRANGER)), &forged);
            net.a
                .agent
                .handle_authenticated(net.now, Path::udp(addr(SERVER), addr(STRANGER)));
        }
    }
    assert_eq!(
        net.a.agent.selected().map(|path| path.remote),
        Some(addr(CLIENT))
    );
}
