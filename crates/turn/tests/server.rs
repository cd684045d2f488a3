//! The rules of RFC 8656, one by one.
#![allow(clippy::disallowed_methods)]

mod support;

use std::time::Duration;

use rtc_stun::attributes::{
    ATTR_DONT_FRAGMENT, ATTR_EVEN_PORT, ATTR_LIFETIME, ATTR_NONCE, ATTR_REQUESTED_ADDRESS_FAMILY,
    ATTR_REQUESTED_TRANSPORT, ATTR_RESERVATION_TOKEN, ATTR_UNKNOWN_ATTRIBUTES,
    ATTR_XORMAPPED_ADDRESS, AttrType,
};
use rtc_stun::message::{
    METHOD_ALLOCATE, METHOD_BINDING, METHOD_CHANNEL_BIND, METHOD_CONNECT, METHOD_CREATE_PERMISSION,
    METHOD_REFRESH,
};
use rtc_stun::xoraddr::XorMappedAddress;
use sluice_turn::{Drop, Event, FromClient, Refusal, Transport};
use support::{Bench, MEDIA, WALL, address, channel, client, udp, user};

#[test]
fn a_client_allocates_and_reaches_a_media_port_both_ways() {
    let mut bench = Bench::new();
    let mut user = user(1, "PA_1");
    let relayed = bench.allocate(&mut user);
    assert_eq!(relayed.ip().to_string(), "192.0.2.1");
    assert!((30_000..30_100).contains(&relayed.port()));
    assert_eq!(bench.permit(&mut user, MEDIA), 0);

    let peer = MEDIA.parse().expect("an address");
    let sent = bench.indicate(&user, MEDIA, b"hello");
    let FromClient::Relay {
        relayed: from,
        peer: to,
        payload,
    } = sent
    else {
        panic!("not relayed: {sent:?}");
    };
    assert_eq!((from, to, payload.len()), (relayed, peer, 5));

    let mut out = Vec::new();
    let to = bench
        .server
        .handle_peer(bench.now, relayed, peer, b"world", &mut out);
    assert_eq!(to, Some(user.client));
    assert_eq!(out[..2], [0x00, 0x17], "a Data indication");
    assert!(out.windows(5).any(|bytes| bytes == b"world"));

    assert_eq!(bench.bind(&mut user, 0x4001, MEDIA), 0);
    let sent = bench.channel_data(&user, 0x4001, b"channel");
    assert!(matches!(sent, FromClient::Relay { payload, .. } if payload == (4..11)));
    out.clear();
    bench
        .server
        .handle_peer(bench.now, relayed, peer, b"world", &mut out);
    assert_eq!(out, [&[0x40, 0x01, 0, 5], &b"world"[..]].concat());
    let stats = bench.server.stats();
    assert_eq!((stats.packets_to_peer, stats.bytes_to_peer), (2, 12));
    assert_eq!((stats.packets_to_client, stats.bytes_to_client), (2, 10));
}

#[test]
fn channel_data_is_padded_on_streams_only() {
    let mut bench = Bench::new();
    let mut user = user(1, "PA_1");
    user.client = client(Transport::Tls, 1);
    let relayed = bench.allocate(&mut user);
    assert_eq!(bench.bind(&mut user, 0x4001, MEDIA), 0);
    let mut out = Vec::new();
    let peer = MEDIA.parse().expect("an address");
    bench
        .server
        .handle_peer(bench.now, relayed, peer, b"world", &mut out);
    assert_eq!(out, [&[0x40, 0x01, 0, 5], &b"world\0\0\0"[..]].concat());
    assert_eq!(sluice_turn::frame::next(&out), Ok(Some(out.len())));
}

#[test]
fn a_stun_client_learns_its_address() {
    let mut bench = Bench::new();
    let request = bench.request(METHOD_BINDING, &[]);
    let answer = bench
        .send(client(Transport::Udp, 77), &request.raw)
        .expect("an answer");
    let mut mapped = XorMappedAddress::default();
    mapped
        .get_from_as(&answer.message, ATTR_XORMAPPED_ADDRESS)
        .expect("an address");
    assert_eq!(
        (mapped.ip.to_string(), mapped.port),
        ("198.51.100.7".into(), 77)
    );
}

#[test]
fn both_families_are_relayed_and_never_mixed() {
    let mut bench = Bench::new();
    let mut v6 = user(1, "PA_1");
    let family = (ATTR_REQUESTED_ADDRESS_FAMILY, vec![2, 0, 0, 0]);
    let answer = bench.ask(&mut v6, METHOD_ALLOCATE, &[udp(), family.clone()]);
    assert_eq!(answer.relayed().ip().to_string(), "2001:db8::1");
    assert_eq!(bench.permit(&mut v6, "[2001:db8::1]:50000"), 0);
    assert_eq!(bench.permit(&mut v6, MEDIA), 443);
    assert_eq!(bench.bind(&mut v6, 0x4000, MEDIA), 443);
    let v4_family = (ATTR_REQUESTED_ADDRESS_FAMILY, vec![1, 0, 0, 0]);
    assert_eq!(bench.ask(&mut v6, METHOD_REFRESH, &[v4_family]).code, 443);
    assert_eq!(bench.ask(&mut v6, METHOD_REFRESH, &[family]).code, 0);
    let mut other = user(2, "PA_1");
    let unknown = (ATTR_REQUESTED_ADDRESS_FAMILY, vec![3, 0, 0, 0]);
    assert_eq!(
        bench
            .ask(&mut other, METHOD_ALLOCATE, &[udp(), unknown])
            .code,
        440
    );
}

#[test]
fn a_retransmitted_allocate_gets_the_same_answer_and_no_second_relay() {
    let mut bench = Bench::new();
    let mut user = user(1, "PA_1");
    bench.ask(&mut user, METHOD_REFRESH, &[]);
    let request = bench.signed(&user, METHOD_ALLOCATE, &[udp()]);
    let first = bench.send(user.client, &request).expect("an answer");
    let second = bench.send(user.client, &request).expect("an answer");
    assert_eq!(first.message.raw, second.message.raw);
    assert_eq!(bench.server.stats().allocated, 1);
    let another = bench.ask(&mut user, METHOD_ALLOCATE, &[udp()]);
    assert_eq!(another.code, 437, "a new request is one too many");
}

#[test]
fn a_request_that_comes_twice_before_its_port_makes_one_relay() {
    let mut bench = Bench::new();
    let mut user = user(1, "PA_1");
    bench.ask(&mut user, METHOD_REFRESH, &[]);
    let request = bench.signed(&user, METHOD_ALLOCATE, &[udp()]);
    bench
        .server
        .handle_client(bench.now, WALL, user.client, &request);
    assert!(bench.send(user.client, &request).is_some());
    assert_eq!(bench.server.stats().allocated, 1);
}

#[test]
fn an_allocation_lives_as_long_as_it_is_refreshed() {
    let mut bench = Bench::new();
    let mut user = user(1, "PA_1");
    let relayed = bench.allocate(&mut user);
    bench.advance(Duration::from_secs(599));
    user.nonce.clear();
    assert_eq!(
        bench.refresh(&mut user, 10).lifetime(),
        600,
        "ten minutes at least"
    );
    assert_eq!(
        bench.refresh(&mut user, 100_000).lifetime(),
        3600,
        "an hour at most"
    );
    bench.advance(Duration::from_secs(3599));
    assert!(bench.closed.is_empty());
    assert!(bench.server.poll_timeout().is_some());
    bench.advance(Duration::from_secs(1));
    assert_eq!(bench.closed, [relayed]);
    user.nonce.clear();
    assert_eq!(bench.refresh(&mut user, 600).code, 437);
    assert_eq!(bench.server.poll_timeout(), None);
}

#[test]
fn a_refresh_may_shorten_a_life() {
    let mut bench = Bench::new();
    let mut user = user(1, "PA_1");
    let lifetime = (ATTR_LIFETIME, 3600_u32.to_be_bytes().to_vec());
    let relayed = bench
        .ask(&mut user, METHOD_ALLOCATE, &[udp(), lifetime])
        .relayed();
    assert_eq!(bench.refresh(&mut user, 600).lifetime(), 600);
    bench.advance(Duration::from_mins(10));
    assert_eq!(bench.closed, [relayed]);
}

#[test]
fn a_request_whose_port_never_comes_is_forgotten_with_its_place_in_the_quota() {
    let mut bench = Bench::with(support::rules(), 1);
    let mut user = user(1, "PA_1");
    bench.ask(&mut user, METHOD_REFRESH, &[]);
    let request = bench.signed(&user, METHOD_ALLOCATE, &[udp()]);
    bench
        .server
        .handle_client(bench.now, WALL, user.client, &request);
    let Some(Event::OpenRelay { id, candidates }) = bench.server.poll_event() else {
        panic!("no port is asked for");
    };
    bench.advance(Duration::from_secs(30));
    bench
        .server
        .handle_relay_opened(bench.now, id, candidates.first().copied());
    let closed = bench.server.poll_event();
    assert!(
        matches!(closed, Some(Event::CloseRelay { .. })),
        "it came too late"
    );
    bench.allocate(&mut user);
}

#[test]
fn a_request_for_which_no_port_is_free_is_refused() {
    let mut bench = Bench::new();
    let mut user = user(1, "PA_1");
    bench.taken.extend(30_000..=30_099);
    assert_eq!(bench.ask(&mut user, METHOD_ALLOCATE, &[udp()]).code, 508);
    bench.taken.clear();
    bench.allocate(&mut user);
}

#[test]
fn a_full_table_of_permissions_takes_all_new_ones_or_none() {
    let mut open = support::rules();
    open.allow = vec!["10.0.0.0/8".parse().expect("a range")];
    let mut bench = Bench::with(open, 12);
    let mut user = user(1, "PA_1");
    bench.allocate(&mut user);
    for at in 0..127 {
        assert_eq!(bench.permit(&mut user, &format!("10.0.0.{at}:9")), 0);
    }
    let two = [address("10.0.1.1:9"), address("10.0.1.2:9")];
    assert_eq!(
        bench.ask(&mut user, METHOD_CREATE_PERMISSION, &two).code,
        508
    );
    let sent = bench.indicate(&user, "10.0.1.1:9", b"a");
    assert_eq!(sent, FromClient::Dropped(Drop::NoPermission));
    assert_eq!(bench.permit(&mut user, "10.0.1.1:9"), 0);
}

#[test]
fn requests_that_are_not_understood_are_refused_and_indications_dropped() {
    let mut bench = Bench::new();
    let unknown = (AttrType(0x7abc), vec![1]);
    let binding = bench.request(METHOD_BINDING, &[unknown]);
    let refused = bench.send(client(Transport::Udp, 1), &binding.raw);
    assert_eq!(refused.expect("an answer").code, 420);
    let mut user = user(1, "PA_1");
    let dont_fragment = (ATTR_DONT_FRAGMENT, vec![]);
    let refused = bench.ask(&mut user, METHOD_ALLOCATE, &[udp(), dont_fragment]);
    assert_eq!(refused.code, 420);
}

#[test]
fn a_client_ends_its_allocation_by_a_refresh_to_nothing() {
    let mut bench = Bench::new();
    let mut user = user(1, "PA_1");
    let relayed = bench.allocate(&mut user);
    assert_eq!(bench.refresh(&mut user, 0).lifetime(), 0);
    assert_eq!(bench.closed, [relayed]);
    assert_eq!(bench.refresh(&mut user, 0).code, 437);
    assert_eq!(
        bench.allocate(&mut user).ip(),
        relayed.ip(),
        "and may begin anew"
    );
}

#[test]
fn a_stream_that_closes_ends_its_allocation() {
    let mut bench = Bench::new();
    let mut user = user(1, "PA_1");
    user.client = client(Transport::Tcp, 1);
    let relayed = bench.allocate(&mut user);
    assert!(bench.server.knows(&user.client));
    bench.server.handle_client_gone(user.client);
    bench.advance(Duration::ZERO);
    assert_eq!(bench.closed, [relayed]);
    assert!(!bench.server.knows(&user.client));
}

#[test]
fn permissions_and_channels_end_unless_refreshed() {
    let mut bench = Bench::new();
    let mut user = user(1, "PA_1");
    let relayed = bench.allocate(&mut user);
    assert_eq!(bench.permit(&mut user, MEDIA), 0);
    bench.advance(Duration::from_secs(299));
    assert!(matches!(
        bench.indicate(&user, MEDIA, b"a"),
        FromClient::Relay { .. }
    ));
    bench.advance(Duration::from_secs(1));
    let sent = bench.indicate(&user, MEDIA, b"a");
    assert_eq!(sent, FromClient::Dropped(Drop::NoPermission));
    let mut out = Vec::new();
    let peer = MEDIA.parse().expect("an address");
    let to = bench
        .server
        .handle_peer(bench.now, relayed, peer, b"a", &mut out);
    assert_eq!((to, out.len()), (None, 0), "what comes in needs it as well");

    assert_eq!(bench.bind(&mut user, 0x4000, MEDIA), 0);
    bench.advance(Duration::from_secs(290));
    user.nonce.clear();
    assert_eq!(bench.refresh(&mut user, 3600).code, 0);
    assert_eq!(bench.permit(&mut user, MEDIA), 0);
    bench.advance(Duration::from_secs(290));
    assert_eq!(bench.permit(&mut user, MEDIA), 0);
    assert!(matches!(
        bench.channel_data(&user, 0x4000, b"a"),
        FromClient::Relay { .. }
    ));
    bench.advance(Duration::from_secs(20));
    let sent = bench.channel_data(&user, 0x4000, b"a");
    assert_eq!(sent, FromClient::Dropped(Drop::NoChannel));
}

#[test]
fn a_channel_has_one_peer_and_a_peer_one_channel() {
    let mut bench = Bench::new();
    let mut user = user(1, "PA_1");
    bench.allocate(&mut user);
    assert_eq!(bench.bind(&mut user, 0x4000, MEDIA), 0);
    assert_eq!(
        bench.bind(&mut user, 0x4000, MEDIA),
        0,
        "again is a refresh"
    );
    assert_eq!(bench.bind(&mut user, 0x4000, "192.0.2.1:50001"), 400);
    assert_eq!(bench.bind(&mut user, 0x4001, MEDIA), 400);
    assert_eq!(bench.bind(&mut user, 0x3fff, "192.0.2.1:50001"), 400);
    assert_eq!(bench.bind(&mut user, 0x8000, "192.0.2.1:50001"), 400);
    assert_eq!(
        bench
            .ask(&mut user, METHOD_CHANNEL_BIND, &[channel(0x4002)])
            .code,
        400
    );
    assert_eq!(
        bench.ask(&mut user, METHOD_CREATE_PERMISSION, &[]).code,
        400
    );
}

#[test]
fn several_peers_are_permitted_all_or_none() {
    let mut bench = Bench::new();
    let mut user = user(1, "PA_1");
    bench.allocate(&mut user);
    let peers = [address(MEDIA), address("10.0.0.1:9")];
    assert_eq!(
        bench.ask(&mut user, METHOD_CREATE_PERMISSION, &peers).code,
        403
    );
    let sent = bench.indicate(&user, MEDIA, b"a");
    assert_eq!(sent, FromClient::Dropped(Drop::NoPermission));
}

#[test]
fn nonces_go_stale_and_the_client_gets_another() {
    let mut bench = Bench::new();
    let mut user = user(1, "PA_1");
    bench.allocate(&mut user);
    bench.refresh(&mut user, 3600);
    bench.advance(Duration::from_mins(11));
    let stale = bench.refresh(&mut user, 600);
    assert_eq!(stale.code, 438);
    user.nonce = stale.text(ATTR_NONCE);
    assert_eq!(bench.refresh(&mut user, 600).code, 0);
    user.client.remote.set_port(99);
    assert_eq!(
        bench.refresh(&mut user, 600).code,
        438,
        "a nonce is its client's own"
    );
}

#[test]
fn what_is_not_offered_gets_the_code_of_the_rfc() {
    let mut bench = Bench::new();
    let mut user = user(1, "PA_1");
    let code = |bench: &mut Bench, user: &mut support::User, attributes: &[(AttrType, Vec<u8>)]| {
        bench.ask(user, METHOD_ALLOCATE, attributes).code
    };
    assert_eq!(code(&mut bench, &mut user, &[]), 400, "no transport");
    let tcp = (ATTR_REQUESTED_TRANSPORT, vec![6, 0, 0, 0]);
    assert_eq!(code(&mut bench, &mut user, &[tcp]), 442);
    let pair = (ATTR_EVEN_PORT, vec![0x80]);
    assert_eq!(code(&mut bench, &mut user, &[udp(), pair]), 508);
    let token = (ATTR_RESERVATION_TOKEN, vec![1; 8]);
    assert_eq!(code(&mut bench, &mut user, &[udp(), token.clone()]), 508);
    let even = (ATTR_EVEN_PORT, vec![0]);
    assert_eq!(
        code(&mut bench, &mut user, &[udp(), token, even.clone()]),
        400
    );
    let unknown = (AttrType(0x7abc), vec![1, 2, 3]);
    let refused = bench.ask(&mut user, METHOD_ALLOCATE, &[udp(), unknown]);
    assert_eq!(refused.code, 420);
    let named = refused.message.get(ATTR_UNKNOWN_ATTRIBUTES).expect("named");
    assert_eq!(named, [0x7a, 0xbc]);
    assert_eq!(
        bench.ask(&mut user, METHOD_CONNECT, &[]).code,
        403,
        "RFC 6062"
    );
    let optional = (AttrType(0xfabc), vec![1]);
    let answer = bench.ask(&mut user, METHOD_ALLOCATE, &[udp(), even, optional]);
    assert_eq!((answer.code, answer.relayed().port() % 2), (0, 0));
}

#[test]
fn credentials_are_checked_on_every_request_and_their_end_at_the_first() {
    let mut bench = Bench::new();
    let mut mine = user(1, "PA_1");
    bench.allocate(&mut mine);
    // Signed by another, who is good elsewhere.
    let mut other = user(1, "PA_2");
    other.nonce.clone_from(&mine.nonce);
    assert_eq!(bench.refresh(&mut other, 600).code, 441);
    let mut forged = user(1, "PA_1");
    forged.nonce.clone_from(&mine.nonce);
    forged.password = "guess".into();
    assert_eq!(bench.refresh(&mut forged, 600).code, 401);
    let mut stranger = user(2, "PA_3");
    stranger.username = "somebody".into();
    assert_eq!(
        bench.ask(&mut stranger, METHOD_ALLOCATE, &[udp()]).code,
        401
    );
    assert_eq!(bench.server.stats().refused(Refusal::Unauthorized), 2);
}

#[test]
fn strangers_are_told_little_and_not_often() {
    let mut bench = Bench::new();
    let request = bench.request(METHOD_ALLOCATE, &[udp()]);
    let challenge = bench
        .send(client(Transport::Udp, 1), &request.raw)
        .expect("a challenge");
    let sent = challenge.message.raw.len();
    assert!(sent <= 64, "{sent} bytes for {}", request.raw.len());
    let answered = (2..1000).filter(|port| {
        let answer = bench.send(client(Transport::Udp, *port), &request.raw);
        answer.is_some()
    });
    assert!(answered.count() < 200);
    assert!(bench.server.stats().dropped(Drop::Flood) > 700);
}

#[test]
fn junk_is_counted_and_never_answered() {
    let mut bench = Bench::new();
    for junk in [
        &b""[..],
        b"\0",
        b"GET / HTTP/1.1\r\n\r\n",
        &[0; 20],
        &[0xff; 60],
    ] {
        assert!(bench.send(client(Transport::Udp, 1), junk).is_none());
    }
    assert!(
        bench
            .send(client(Transport::Udp, 1), &[0x40, 0, 0, 9, 1])
            .is_none()
    );
    assert_eq!(bench.server.stats().dropped(Drop::Malformed), 6);
    let short = [0x40, 0, 0, 0];
    bench.send(client(Transport::Udp, 1), &short);
    assert_eq!(bench.server.stats().dropped(Drop::NoAllocation), 1);
}
