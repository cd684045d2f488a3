//! What a relay must refuse: cases 16 and 17 of the acceptance list.
#![allow(clippy::disallowed_methods)]

mod support;

use rtc_stun::message::{METHOD_ALLOCATE, METHOD_CONNECT};
use sluice_turn::{Drop, FromClient, Refusal};
use support::{Bench, MEDIA, WALL, address, rules, udp, user, user_until};

/// Loopback, the unspecified address, link-local with the cloud's metadata, private ranges, in every disguise.
const FORBIDDEN: [&str; 10] = [
    "127.0.0.1:6379",
    "0.0.0.0:50000",
    "169.254.169.254:80",
    "10.0.0.1:50000",
    "172.16.0.1:50000",
    "192.168.0.1:50000",
    "100.64.0.1:50000",
    "224.0.0.1:50000",
    "255.255.255.255:50000",
    "198.51.100.99:50000",
];
const FORBIDDEN_V6: [&str; 9] = [
    "[::1]:50000",
    "[::]:50000",
    "[::ffff:127.0.0.1]:50000",
    "[::ffff:192.0.2.1]:50000",
    "[::127.0.0.1]:50000",
    "[64:ff9b::7f00:1]:50000",
    "[2002:7f00:1::1]:50000",
    "[fe80::1]:50000",
    "[fd00::1]:50000",
];

#[test]
fn case_16_no_peer_but_media_is_permitted_bound_or_connected_to() {
    let mut bench = Bench::new();
    let mut v4 = user(1, "PA_1");
    bench.allocate(&mut v4);
    for peer in FORBIDDEN {
        assert_eq!(bench.permit(&mut v4, peer), 403, "permission for {peer}");
        assert_eq!(bench.bind(&mut v4, 0x4000, peer), 403, "channel to {peer}");
        assert_eq!(
            bench.ask(&mut v4, METHOD_CONNECT, &[address(peer)]).code,
            403
        );
        let sent = bench.indicate(&v4, peer, b"x");
        assert_eq!(sent, FromClient::Dropped(Drop::NoPermission), "{peer}");
    }
    let mut v6 = user(2, "PA_1");
    let family = (
        rtc_stun::attributes::ATTR_REQUESTED_ADDRESS_FAMILY,
        vec![2, 0, 0, 0],
    );
    assert_eq!(
        bench.ask(&mut v6, METHOD_ALLOCATE, &[udp(), family]).code,
        0
    );
    for peer in FORBIDDEN_V6 {
        assert_eq!(bench.permit(&mut v6, peer), 403, "permission for {peer}");
        assert_eq!(bench.bind(&mut v6, 0x4000, peer), 403, "channel to {peer}");
    }
    assert!(bench.server.stats().refused(Refusal::Forbidden) >= 48);
}

#[test]
fn case_16_the_port_is_checked_on_each_packet() {
    let mut bench = Bench::new();
    let mut user = user(1, "PA_1");
    bench.allocate(&mut user);
    assert_eq!(bench.permit(&mut user, MEDIA), 0);
    // The node's own Redis, its own API, a port just outside.
    for peer in ["192.0.2.1:6379", "192.0.2.1:7880", "192.0.2.1:49999"] {
        let sent = bench.indicate(&user, peer, b"x");
        assert_eq!(sent, FromClient::Dropped(Drop::ForbiddenPeer), "{peer}");
        assert_eq!(bench.bind(&mut user, 0x4000, peer), 403);
    }
    assert!(matches!(
        bench.indicate(&user, MEDIA, b"x"),
        FromClient::Relay { .. }
    ));
}

#[test]
fn case_16_a_denied_range_closes_even_media() {
    let mut closed = rules();
    closed.deny = vec!["192.0.2.0/24".parse().expect("a range")];
    let mut bench = Bench::with(closed, 12);
    let mut user = user(1, "PA_1");
    bench.allocate(&mut user);
    assert_eq!(bench.permit(&mut user, MEDIA), 403);
}

#[test]
fn case_17_credentials_that_ended_or_are_anothers_get_no_relay() {
    let mut bench = Bench::new();
    let mut expired = user_until(1, "PA_1", WALL - 1);
    assert_eq!(bench.ask(&mut expired, METHOD_ALLOCATE, &[udp()]).code, 401);
    // The name of one participant with the password of another, as one in another room has it.
    let mut mixed = user(2, "PA_room_a");
    mixed.password = user(2, "PA_room_b").password;
    assert_eq!(bench.ask(&mut mixed, METHOD_ALLOCATE, &[udp()]).code, 401);
    // The expiry is part of what is signed.
    let mut longer = user_until(3, "PA_1", WALL + 1_000_000);
    longer.password = user(3, "PA_1").password;
    assert_eq!(bench.ask(&mut longer, METHOD_ALLOCATE, &[udp()]).code, 401);
    let stats = bench.server.stats();
    assert_eq!((stats.allocated, stats.refused(Refusal::Expired)), (0, 1));
}

#[test]
fn case_17_one_user_has_a_dozen_relays_and_others_still_get_theirs() {
    let mut bench = Bench::new();
    for port in 1..=12 {
        bench.allocate(&mut user(port, "PA_greedy"));
    }
    let mut greedy = user(13, "PA_greedy");
    for _ in 0..100 {
        assert_eq!(bench.ask(&mut greedy, METHOD_ALLOCATE, &[udp()]).code, 486);
    }
    bench.allocate(&mut user(14, "PA_other"));
    assert_eq!(bench.server.stats().refused(Refusal::Quota), 100);
    let mut first = user(1, "PA_greedy");
    assert_eq!(bench.refresh(&mut first, 0).code, 0);
    assert_eq!(
        bench.ask(&mut greedy, METHOD_ALLOCATE, &[udp()]).code,
        0,
        "one was given back"
    );
}

#[test]
fn case_17_when_all_ports_are_taken_the_answer_says_so() {
    let mut bench = Bench::with(rules(), 0);
    for port in 0..100 {
        bench.allocate(&mut user(1 + port, &format!("PA_{port}")));
    }
    let mut late = user(500, "PA_late");
    assert_eq!(bench.ask(&mut late, METHOD_ALLOCATE, &[udp()]).code, 508);
    let mut first = user(1, "PA_0");
    assert_eq!(bench.refresh(&mut first, 0).code, 0);
    assert_eq!(bench.ask(&mut late, METHOD_ALLOCATE, &[udp()]).code, 0);
}
