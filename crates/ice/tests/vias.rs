//! Paths other than UDP: connections to our passive candidates, our own relay, and moves between them.

mod support;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use is::stun::StunMessage;
use sluice_ice::{Credentials, IceEvent, IceState, Path, Protocol, StunOutcome, Via};
use support::{Side, addr, epoch, host, request, seal};

const SERVER: &str = "192.0.2.1:50000";
const SERVER_TCP: &str = "192.0.2.1:7881";
const RELAYED: &str = "192.0.2.1:30001";

/// A server's agent, and a client that is played by hand.
struct Scene {
    start: Instant,
    server: Side,
    client: Credentials,
}

impl Scene {
    fn new() -> Self {
        let start = epoch();
        let mut server = Side::new(start, "server", SERVER, false, false, 1);
        let tcp = addr(SERVER_TCP);
        server
            .agent
            .add_local_host(Protocol::Tcp, tcp, tcp)
            .expect("usable address");
        let client = Credentials::new("client", "client-password-of-22-chars--");
        server.agent.set_remote(start, client.clone(), false);
        Self {
            start,
            server,
            client,
        }
    }

    fn at(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms)
    }

    /// A check of the client along a path, and its answers to ours.
    fn check(&mut self, ms: u64, path: Path, nominate: bool) -> StunOutcome {
        let at = self.at(ms);
        let ask = request(&self.server.creds, &self.client, nominate);
        let outcome = self.server.agent.handle_datagram(at, path, &ask);
        self.answer(ms);
        // As a worker does before it sleeps.
        if self
            .server
            .agent
            .poll_timeout()
            .is_some_and(|due| due <= at)
        {
            self.server.agent.handle_timeout(at);
            self.answer(ms);
        }
        outcome
    }

    /// The client answers our checks where they came to.
    fn answer(&mut self, ms: u64) {
        let at = self.at(ms);
        while let Some(sent) = self.server.agent.poll_transmit() {
            let message = StunMessage::parse(&sent.bytes).expect("valid");
            if message.is_binding_request() {
                let reply = StunMessage::binding_reply(message.trans_id(), sent.path.local);
                let reply = seal(&reply, &self.client.pwd);
                self.server.agent.handle_datagram(at, sent.path, &reply);
            }
        }
    }

    fn events(&mut self) -> Vec<IceEvent> {
        std::iter::from_fn(|| self.server.agent.poll_event()).collect()
    }

    fn selected(&self) -> Option<Path> {
        self.server.agent.selected()
    }
}

fn udp() -> Path {
    Path::udp(addr(SERVER), addr("198.51.100.2:40000"))
}

fn tcp(port: u16) -> Path {
    let remote = SocketAddr::new(addr("198.51.100.2:0").ip(), port);
    Path::tcp(addr(SERVER_TCP), remote)
}

fn relay(via: Via) -> Path {
    Path {
        via,
        local: addr(SERVER),
        remote: addr(RELAYED),
    }
}

#[test]
fn tcp_candidates_come_behind_udp_with_foundations_of_their_own() {
    let mut scene = Scene::new();
    let second = addr("[2001:db8::1]:7881");
    scene
        .server
        .agent
        .add_local_host(Protocol::Tcp, second, second)
        .expect("usable address");
    let [udp, v4, v6] = scene.server.agent.local_candidates() else {
        panic!("three candidates");
    };
    assert!(udp.priority > v6.priority && udp.priority > v4.priority);
    // RFC 6544 section 4.2: type preference, direction preference 4 of 7, component 1.
    assert_eq!(
        (v4.priority >> 24, v4.priority >> 21 & 7, v4.priority & 255),
        (90, 4, 255)
    );
    assert_ne!(v4.priority, v6.priority);
    assert_ne!(udp.foundation, v4.foundation);
    assert_ne!(v4.foundation, v6.foundation);
}

#[test]
fn active_candidates_of_the_client_are_nothing_to_connect_to() {
    let mut scene = Scene::new();
    let mut active = host(addr("198.51.100.2:9"));
    active.protocol = Protocol::Tcp;
    assert!(
        !scene
            .server
            .agent
            .add_remote_candidate(scene.start, &active)
    );
    scene.server.agent.handle_timeout(scene.at(100));
    assert!(scene.server.agent.poll_transmit().is_none());
}

#[test]
fn a_connection_proves_itself_by_its_checks() {
    let mut scene = Scene::new();
    assert!(!scene.server.agent.is_valid(tcp(1_000)));
    assert_eq!(scene.check(0, tcp(1_000), true), StunOutcome::Verified);
    assert!(scene.server.agent.is_valid(tcp(1_000)));
    assert!(!scene.server.agent.is_valid(tcp(1_001)), "and no other");
    assert_eq!(scene.selected(), Some(tcp(1_000)));
    // The same addresses over UDP are another path, and none of ours.
    let over_udp = Path::udp(addr(SERVER_TCP), tcp(1_000).remote);
    assert!(!scene.server.agent.is_valid(over_udp));
    assert_eq!(scene.check(10, over_udp, true), StunOutcome::UnknownLocal);
}

#[test]
fn a_client_is_followed_from_udp_to_tcp_and_back() {
    let mut scene = Scene::new();
    scene.check(0, udp(), true);
    assert_eq!(scene.selected(), Some(udp()));
    // Both work; UDP goes on being checked.
    for (from, nominated, other) in [(2_000, tcp(1_000), udp()), (9_000, udp(), tcp(1_000))] {
        for ms in (0..1_000).step_by(100) {
            scene.check(from + ms, nominated, true);
            scene.check(from + ms + 5, other, false);
            scene.server.agent.handle_timeout(scene.at(from + ms + 10));
        }
        assert_eq!(scene.selected(), Some(nominated), "within a second");
    }
}

#[test]
fn media_moves_from_a_closed_connection_to_another_path_at_once() {
    let mut scene = Scene::new();
    scene.check(0, udp(), false);
    scene.check(10, tcp(1_000), true);
    assert_eq!(scene.selected(), Some(tcp(1_000)));
    scene.events();
    scene
        .server
        .agent
        .handle_path_closed(scene.at(500), tcp(1_000));
    assert_eq!(scene.selected(), Some(udp()));
    assert_eq!(scene.events(), [IceEvent::Nominated(udp())]);
    assert!(!scene.server.agent.is_valid(tcp(1_000)));
}

#[test]
fn a_path_that_closes_beside_the_selected_one_changes_nothing() {
    let mut scene = Scene::new();
    scene.check(0, udp(), true);
    scene.check(10, tcp(1_000), false);
    scene.events();
    scene
        .server
        .agent
        .handle_path_closed(scene.at(500), tcp(1_000));
    assert_eq!(scene.selected(), Some(udp()));
    assert_eq!(scene.events(), []);
    for ms in (500..4_000).step_by(20) {
        scene.server.agent.handle_timeout(scene.at(ms));
        while let Some(sent) = scene.server.agent.poll_transmit() {
            assert_ne!(sent.path, tcp(1_000), "nothing is sent to what is closed");
        }
    }
}

#[test]
fn a_client_that_connects_again_gets_its_media_after_the_first_check() {
    // From another port, and from the same one.
    for again in [1_001, 1_000] {
        let mut scene = Scene::new();
        scene.check(0, tcp(1_000), true);
        scene.events();
        scene
            .server
            .agent
            .handle_path_closed(scene.at(500), tcp(1_000));
        assert_eq!(scene.selected(), None);
        assert_eq!(
            scene.events(),
            [
                IceEvent::PathClosed,
                IceEvent::State(IceState::Disconnected)
            ]
        );
        scene.server.agent.handle_timeout(scene.at(20_000));
        assert_eq!(scene.server.agent.state(), IceState::Disconnected);
        scene.check(20_000, tcp(again), false);
        scene.server.agent.handle_timeout(scene.at(20_020));
        scene.answer(20_020);
        assert_eq!(scene.selected(), Some(tcp(again)));
        assert_eq!(
            scene.events(),
            [
                IceEvent::Nominated(tcp(again)),
                IceEvent::State(IceState::Connected)
            ]
        );
    }
}

#[test]
fn a_client_that_does_not_connect_again_fails_after_thirty_seconds() {
    let mut scene = Scene::new();
    scene.check(0, tcp(1_000), true);
    scene
        .server
        .agent
        .handle_path_closed(scene.at(500), tcp(1_000));
    for (ms, state) in [(30_400, IceState::Disconnected), (30_500, IceState::Failed)] {
        scene.server.agent.handle_timeout(scene.at(ms));
        assert_eq!(scene.server.agent.state(), state, "after {ms} ms");
    }
}

#[test]
fn connections_that_come_and_go_cost_no_memory_and_no_connection() {
    let mut scene = Scene::new();
    scene.check(0, udp(), true);
    for n in 0..500_u16 {
        let ms = 100 + u64::from(n) * 20;
        assert_eq!(
            scene.check(ms, tcp(1_000 + n), false),
            StunOutcome::Verified
        );
        scene.check(ms, udp(), true);
        scene
            .server
            .agent
            .handle_path_closed(scene.at(ms), tcp(1_000 + n));
    }
    assert_eq!(scene.selected(), Some(udp()));
}

#[test]
fn a_relayed_client_is_answered_the_way_it_comes() {
    let mut scene = Scene::new();
    let mut candidate = host(addr(RELAYED));
    candidate.kind = sluice_ice::CandidateKind::Relayed;
    assert!(
        scene
            .server
            .agent
            .add_remote_candidate(scene.start, &candidate)
    );
    // What we know of it is an address: our checks go there as to any other.
    let ask = scene.server.agent.poll_transmit().expect("a check");
    assert_eq!(ask.path.via, Via::Udp);
    // The answer comes out of our own relay.
    let id = StunMessage::parse(&ask.bytes).expect("valid").trans_id();
    let reply = seal(
        &StunMessage::binding_reply(id, addr(SERVER)),
        &scene.client.pwd,
    );
    let path = relay(Via::RelayTls);
    assert_eq!(
        scene
            .server
            .agent
            .handle_datagram(scene.start, path, &reply),
        StunOutcome::Verified
    );
    scene.check(10, path, true);
    scene.server.agent.handle_timeout(scene.at(30));
    assert_eq!(scene.selected(), Some(path));
    scene.server.agent.handle_timeout(scene.at(2_100));
    let again = scene.server.agent.poll_transmit().expect("a check");
    assert_eq!(again.path, path);
}

#[test]
fn a_client_that_reaches_its_relay_another_way_is_followed_within_a_second() {
    let mut scene = Scene::new();
    scene.check(0, relay(Via::RelayTls), true);
    assert_eq!(scene.selected(), Some(relay(Via::RelayTls)));
    for ms in (1_000..1_900).step_by(100) {
        scene.check(ms, relay(Via::RelayUdp), true);
    }
    assert_eq!(scene.selected(), Some(relay(Via::RelayUdp)));
}

#[test]
fn media_follows_a_client_that_roams_from_any_way_to_any_other_within_a_second() {
    let paths = [udp(), tcp(1_000), relay(Via::RelayTcp)];
    for from in paths {
        for to in paths.into_iter().filter(|to| *to != from) {
            let mut scene = Scene::new();
            scene.check(0, from, true);
            for ms in (0..5_000).step_by(20) {
                let at = scene.at(ms);
                scene.server.agent.handle_authenticated(at, from);
            }
            // Its first network is gone: one check, without nomination, and media behind it.
            scene.check(5_100, to, false);
            let mut moved = None;
            for ms in (5_120..6_500).step_by(20) {
                let at = scene.at(ms);
                scene.server.agent.handle_authenticated(at, to);
                scene.server.agent.handle_timeout(at);
                scene.answer(ms);
                if scene.selected() == Some(to) {
                    moved.get_or_insert(ms - 5_100);
                }
            }
            assert!(
                moved.is_some_and(|ms| ms < 1_000),
                "{from} to {to}: {moved:?}"
            );
        }
    }
}
