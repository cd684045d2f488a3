//! The path after the first nomination: consent, roaming, restart.

mod support;

use std::time::Duration;

use sluice_ice::{Credentials, IceEvent, IceState, Path};
use support::{Net, Side, addr, epoch, host, request, seal};

const SERVER: &str = "192.0.2.1:50000";
const CLIENT: &str = "198.51.100.2:40000";
const ROAMED: &str = "203.0.113.77:6001";

fn connected(lite: bool, server_controls: bool) -> Net {
    let now = epoch();
    let server = Side::new(now, "server", SERVER, lite, server_controls, 1);
    let client = Side::new(now, "client", CLIENT, false, !server_controls, 2);
    let mut net = Net::new(now, server, client, 9);
    net.signal(lite);
    assert!(net.run_until(Duration::from_secs(3), Net::both_connected));
    net
}

#[test]
fn silence_disconnects_in_seconds_and_fails_within_thirty() {
    for lite in [false, true] {
        let mut net = connected(lite, false);
        net.run_for(Duration::from_secs(10));
        net.cut = true;
        let cut = net.elapsed();
        net.run_for(Duration::from_secs(40));
        let disconnected = net
            .a
            .saw(IceState::Disconnected)
            .expect("disconnected")
            .saturating_sub(cut);
        let failed = net
            .a
            .saw(IceState::Failed)
            .expect("failed")
            .saturating_sub(cut);
        assert!(
            (Duration::from_secs(3)..Duration::from_secs(7)).contains(&disconnected),
            "{disconnected:?}"
        );
        assert!(
            (Duration::from_secs(25)..=Duration::from_secs(30)).contains(&failed),
            "{failed:?}"
        );
        assert_eq!(net.a.agent.selected(), None);
        assert!(!net.a.agent.is_valid_remote(addr(CLIENT)));
    }
}

#[test]
fn a_blackout_of_fifteen_seconds_heals() {
    for server_controls in [false, true] {
        let mut net = connected(false, server_controls);
        net.cut = true;
        net.run_for(Duration::from_secs(15));
        assert_eq!(net.a.agent.state(), IceState::Disconnected);
        net.cut = false;
        assert!(
            net.run_until(Duration::from_secs(6), Net::both_connected),
            "server controls: {server_controls}"
        );
    }
}

#[test]
fn media_follows_a_rebound_nat_within_a_second() {
    for (lite, server_controls) in [(false, false), (false, true), (true, false)] {
        let mut net = connected(lite, server_controls);
        // The client sends media all along.
        for _ in 0..100 {
            net.run_for(Duration::from_millis(20));
            net.a
                .agent
                .handle_authenticated(net.now, Path::udp(addr(SERVER), addr(CLIENT)));
        }
        net.b.seen_as = Some(addr(ROAMED));
        // Its media comes from elsewhere, but counts only once that place has proved itself by a check: the
        // client's next one is at most 2.5 s away.
        assert!(net.run_until(Duration::from_secs(4), |net| {
            net.a.agent.is_valid_remote(addr(ROAMED))
        }));
        let proved = net.elapsed();
        while net.a.agent.selected().map(|path| path.remote) != Some(addr(ROAMED)) {
            net.run_for(Duration::from_millis(20));
            net.a
                .agent
                .handle_authenticated(net.now, Path::udp(addr(SERVER), addr(ROAMED)));
            assert!(
                net.elapsed().saturating_sub(proved) < Duration::from_secs(1),
                "lite {lite}, controls {server_controls}"
            );
        }
        assert!(
            net.run_until(Duration::from_secs(2), |net| net.a.agent.state()
                == IceState::Connected)
        );
        net.run_for(Duration::from_mins(1));
        assert_eq!(
            net.a.agent.selected().map(|path| path.remote),
            Some(addr(ROAMED))
        );
        assert!(net.both_connected());
    }
}

#[test]
fn a_path_does_not_flap_while_the_client_stays() {
    for server_controls in [false, true] {
        let mut net = connected(false, server_controls);
        for _ in 0..600 {
            net.run_for(Duration::from_millis(100));
            net.a
                .agent
                .handle_authenticated(net.now, Path::udp(addr(SERVER), addr(CLIENT)));
        }
        assert_eq!(net.a.agent.stats().switches, 1);
    }
}

#[test]
fn a_restart_keeps_the_path_until_the_new_session_has_one() {
    for server_controls in [false, true] {
        let mut net = connected(false, server_controls);
        let old = net.a.agent.selected();
        let (now, fresh) = (
            net.now,
            Credentials::new("server2", "another-password-of-22-chars"),
        );
        net.a.agent.restart(now, fresh.clone());
        // The client learns of it late: meanwhile its checks under the old credentials are still answered.
        net.run_for(Duration::from_secs(10));
        assert_eq!(net.a.agent.selected(), old);
        assert!(net.both_connected(), "server controls: {server_controls}");

        let client = Credentials::new("client2", "client-password-of-22-chars--");
        net.b.agent.restart(net.now, client.clone());
        net.b.agent.set_remote(net.now, fresh, false);
        net.b
            .agent
            .add_remote_candidate(net.now, &host(addr(SERVER)));
        net.a.agent.set_remote(net.now, client, false);
        net.run_for(Duration::from_secs(40));
        assert!(net.both_connected());
        assert_eq!(net.a.agent.selected(), old);
        let lost = net
            .a
            .events
            .iter()
            .any(|(_, event)| *event == IceEvent::State(IceState::Disconnected));
        assert!(!lost, "consent never lapsed");
    }
}

#[test]
fn a_restart_after_failure_connects_again() {
    let mut net = connected(false, true);
    net.cut = true;
    net.run_for(Duration::from_secs(35));
    assert_eq!(net.a.agent.state(), IceState::Failed);
    net.cut = false;
    let (server, client) = (
        Credentials::new("server2", "another-password-of-22-chars"),
        Credentials::new("client2", "client-password-of-22-chars--"),
    );
    net.a.agent.restart(net.now, server.clone());
    net.b.agent.restart(net.now, client.clone());
    net.b.agent.set_remote(net.now, server, false);
    net.b
        .agent
        .add_remote_candidate(net.now, &host(addr(SERVER)));
    net.a.agent.set_remote(net.now, client, false);
    assert!(net.run_until(Duration::from_secs(3), Net::both_connected));
}

#[test]
fn a_client_that_nominates_another_pair_is_followed_at_once() {
    let now = epoch();
    let mut server = Side::new(now, "server", SERVER, false, false, 1);
    let client = Credentials::new("client", "client-password-of-22-chars--");
    server.agent.set_remote(now, client.clone(), false);
    let (wifi, lte) = (addr(CLIENT), addr("100.64.0.9:9000"));
    let check = |server: &mut Side, at, from, nominate| {
        let ask = request(&server.creds, &client, nominate);
        server
            .agent
            .handle_datagram(at, Path::udp(addr(SERVER), from), &ask);
        while let Some(sent) = server.agent.poll_transmit() {
            let message = is::stun::StunMessage::parse(&sent.bytes).expect("valid");
            if message.is_binding_request() {
                let reply = is::stun::StunMessage::binding_reply(message.trans_id(), addr(SERVER));
                let reply = seal(&reply, &client.pwd);
                server
                    .agent
                    .handle_datagram(at, Path::udp(addr(SERVER), sent.path.remote), &reply);
            }
        }
    };
    let at = |ms| now + Duration::from_millis(ms);
    check(&mut server, at(0), wifi, true);
    check(&mut server, at(100), lte, false);
    assert_eq!(server.agent.selected().map(|path| path.remote), Some(wifi));
    // It moves to the other network; the old one still works and is checked, but no longer nominated.
    check(&mut server, at(2_000), lte, true);
    check(&mut server, at(2_010), wifi, false);
    server.agent.handle_timeout(at(2_020));
    assert_eq!(server.agent.selected().map(|path| path.remote), Some(lte));
    // And back.
    check(&mut server, at(9_000), wifi, true);
    server.agent.handle_timeout(at(9_010));
    assert_eq!(server.agent.selected().map(|path| path.remote), Some(wifi));
}
