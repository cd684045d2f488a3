//! Two agents find each other, whatever roles they begin in and whatever the link does.

mod support;

use std::time::Duration;

use sluice_ice::{IceState, Path, StunOutcome};
use support::{Net, Side, Weather, addr, epoch, host, request};

const SERVER: &str = "192.0.2.1:50000";
const CLIENT: &str = "198.51.100.2:40000";

fn net(lite: bool, server_controls: bool, client_controls: bool, seed: u64) -> Net {
    let now = epoch();
    let server = Side::new(now, "server", SERVER, lite, server_controls, 1_000 + seed);
    let client = Side::new(
        now,
        "client",
        CLIENT,
        false,
        client_controls,
        1_000_000 / (seed + 1),
    );
    Net::new(now, server, client, seed)
}

#[test]
fn agents_connect_over_a_lossy_link_in_every_role() {
    for seed in 0..12 {
        for (lite, server, client) in [
            (false, false, true),
            (false, true, false),
            (true, false, true),
            (false, true, true),
            (false, false, false),
        ] {
            let mut net = net(lite, server, client, seed);
            net.weather = Weather {
                loss: 0.2,
                duplicate: 0.1,
                jitter: Duration::from_millis(60),
            };
            net.signal(lite);
            let connected = net.run_until(Duration::from_secs(20), Net::both_connected);
            assert!(
                connected,
                "seed {seed}, lite {lite}, server {server}, client {client}"
            );
            assert_ne!(net.a.agent.controlling(), net.b.agent.controlling());
            let selected = net.a.agent.selected().expect("a path");
            assert_eq!(
                (selected.local, selected.remote),
                (addr(SERVER), addr(CLIENT))
            );
        }
    }
}

#[test]
fn a_clean_link_connects_within_three_round_trips() {
    let mut net = net(false, false, true, 1);
    net.signal(false);
    assert!(
        net.run_until(Duration::from_millis(150), Net::both_connected),
        "took {:?}",
        net.elapsed()
    );
    assert!(
        net.a
            .agent
            .rtt()
            .is_some_and(|rtt| rtt < Duration::from_millis(25))
    );
}

#[test]
fn a_client_whose_candidates_never_arrive_connects_as_peer_reflexive() {
    let mut net = net(false, true, false, 2);
    net.b.seen_as = Some(addr("203.0.113.9:1234"));
    net.signal(false);
    assert!(net.run_until(Duration::from_secs(3), Net::both_connected));
    assert_eq!(
        net.a.agent.selected().map(|path| path.remote),
        Some(addr("203.0.113.9:1234"))
    );
}

#[test]
fn checks_that_come_before_the_remote_description_are_answered_with_it() {
    let mut net = net(false, false, true, 3);
    let (server_creds, client_creds) = (net.a.creds.clone(), net.b.creds.clone());
    net.b.agent.set_remote(net.now, server_creds, false);
    net.b
        .agent
        .add_remote_candidate(net.now, &host(addr(SERVER)));
    net.run_for(Duration::from_millis(300));
    assert!(
        !net.a.agent.is_valid_remote(addr(CLIENT)),
        "not before we know whose it is"
    );
    net.a.agent.set_remote(net.now, client_creds, false);
    assert!(net.a.agent.is_valid_remote(addr(CLIENT)));
    assert!(net.run_until(Duration::from_millis(200), Net::both_connected));
}

#[test]
fn nobody_to_be_found_fails_after_thirty_seconds() {
    let mut net = net(false, true, false, 4);
    net.cut = true;
    net.signal(false);
    net.run_for(Duration::from_secs(35));
    let failed = net.a.saw(IceState::Failed).expect("gives up");
    assert!(
        (Duration::from_secs(30)..Duration::from_secs(31)).contains(&failed),
        "{failed:?}"
    );
    assert!(net.a.agent.poll_timeout().is_none());
}

#[test]
fn candidates_are_bounded_and_nothing_but_addresses_counts() {
    let now = epoch();
    let mut server = Side::new(now, "server", SERVER, false, true, 1);
    server.agent.set_remote(
        now,
        support::Side::new(now, "client", CLIENT, false, false, 2).creds,
        false,
    );
    let taken = (0..500u16)
        .filter(|n| {
            server
                .agent
                .add_remote_candidate(now, &host(addr(&format!("198.51.100.7:{}", 10_000 + n))))
        })
        .count();
    assert_eq!(taken, 64);
    assert!(
        !server
            .agent
            .add_remote_candidate(now, &host(addr("0.0.0.0:9")))
    );
    assert!(
        !server
            .agent
            .add_remote_candidate(now, &host(addr("224.0.0.1:9")))
    );
    assert!(
        !server
            .agent
            .add_remote_candidate(now, &host(addr("198.51.100.8:0")))
    );
}

#[test]
fn an_endless_supply_of_tuples_costs_no_memory_and_no_connection() {
    let mut net = net(false, false, true, 5);
    net.signal(false);
    assert!(net.run_until(Duration::from_secs(3), Net::both_connected));
    let before = net.a.agent.selected();
    let ask = request(&net.a.creds, &net.b.creds, false);
    for n in 0..2_000u16 {
        let source = addr(&format!("203.0.113.{}:{}", n % 250, 2_000 + n));
        assert_eq!(
            net.a
                .agent
                .handle_datagram(net.now, Path::udp(addr(SERVER), source), &ask),
            StunOutcome::Verified
        );
        while net.a.agent.poll_transmit().is_some() {}
    }
    let valid = (0..2_000u16)
        .filter(|n| {
            net.a
                .agent
                .is_valid_remote(addr(&format!("203.0.113.{}:{}", n % 250, 2_000 + n)))
        })
        .count();
    assert!(valid < 32, "{valid} tuples remembered");
    net.run_for(Duration::from_secs(20));
    assert_eq!(
        net.a.agent.selected(),
        before,
        "the path stays where the client is"
    );
    assert!(net.both_connected());
}
