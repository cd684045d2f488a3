//! Acceptance 14 and 15: consent that ends or moves, restarts under load, role conflicts, candidates without end.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod scene;
mod support;

use std::net::{IpAddr, SocketAddr};

use scene::{HONEST, NEAR, Scene, WORKERS};
use sluice_sfu::command::{Candidate, Command};
use sluice_sfu::event::{Event, IceState};
use sluice_sim::{LinkSettings, Loss};
use support::{MS, SEC};

/// Cuts a host off, or lets it back.
fn cut(scene: &mut Scene, host: IpAddr, cut: bool) {
    let mut links = LinkSettings::delayed(MS(15));
    if cut {
        links.loss = Loss::Total;
    }
    for worker in WORKERS {
        let server = IpAddr::from([10, 1, 0, worker.0 as u8 + 1]);
        scene.room.world.network.set_both(host, server, links);
    }
}

fn states(scene: &mut Scene, of: usize) -> Vec<IceState> {
    let (_, id) = scene.room.peer_of(of);
    let events = scene.take_events().into_iter();
    events
        .filter_map(|event| match event {
            Event::IceState { peer, state, .. } if peer == id => Some(state),
            _ => None,
        })
        .collect()
}

#[test]
fn case_14_media_to_a_silent_client_stops_within_thirty_seconds() {
    let mut scene = Scene::new(21);
    let guest = scene.join();
    for track in [scene.watched[0].track, scene.watched[1].track] {
        scene.room.subscribe(guest, track);
    }
    scene.room.world.run_for(SEC(2));
    let address = scene.room.world.clients[guest].address();
    scene.take_events();
    cut(&mut scene, address.ip(), true);
    scene.room.world.run_for(SEC(20));
    let before = scene.sent_to(address);
    scene.room.world.run_for(SEC(1));
    assert!(scene.sent_to(address) > before, "consent lives on");
    scene.room.world.run_for(SEC(9));
    let after = scene.sent_to(address);
    scene.room.world.run_for(SEC(10));
    assert_eq!(scene.sent_to(address), after, "not a datagram more");
    let states = states(&mut scene, guest);
    assert_eq!(states.last(), Some(&IceState::Failed), "{states:?}");
    // The control plane closes what failed: nothing stays.
    scene.assert_passed();
}

#[test]
fn case_14_media_moves_to_a_new_address_within_a_second() {
    let mut scene = Scene::new(22);
    let guest = scene.join();
    let audio = scene.watched[0].track;
    let heard = scene.room.subscribe(guest, audio);
    let spoken = scene.room.publish_audio(guest);
    let echo = scene.room.subscribe(NEAR, spoken);
    scene.room.world.run_for(SEC(2));
    // A NAT that rebinds, another network, and back.
    for (address, n) in [
        ("10.0.9.1:40000", 0),
        ("10.0.9.1:41000", 1),
        ("10.0.8.7:9", 2),
    ] {
        let address: SocketAddr = address.parse().unwrap();
        scene.room.world.clients[guest].roam(address);
        scene.room.world.run_for(SEC(4));
        let (_, server) = scene.path(guest);
        assert!(server.port() > 0);
        let before = (
            scene.room.report(heard).audio_frames,
            scene.room.report(echo).audio_frames,
        );
        scene.room.world.run_for(SEC(1));
        let after = (
            scene.room.report(heard).audio_frames,
            scene.room.report(echo).audio_frames,
        );
        assert!(
            after.0 >= before.0 + 45,
            "to the guest, move {n}: {before:?} {after:?}"
        );
        assert!(
            after.1 >= before.1 + 45,
            "from the guest, move {n}: {before:?} {after:?}"
        );
    }
    scene.assert_passed();
}

#[test]
fn case_15_restarts_under_full_load_cost_nobody_a_packet() {
    let mut scene = Scene::new(23);
    for _ in 0..5 {
        for member in 0..HONEST {
            scene.room.restart_ice(member);
            scene.room.world.run_for(MS(50));
        }
        scene.room.world.run_for(SEC(3));
    }
    scene.assert_passed();
}

#[test]
fn case_15_both_sides_may_claim_to_control() {
    let mut scene = Scene::new(24);
    scene.room.world.server_mut().controlling = true;
    let guest = scene.room.join(WORKERS[0].0);
    let connected = scene
        .room
        .world
        .run_until(SEC(10), |world| world.clients[guest].is_connected());
    assert!(connected, "the conflict is settled");
    scene.room.world.run_for(SEC(5));
    let before = scene.peer_counter(guest, "path_switches");
    scene.room.world.run_for(SEC(20));
    let after = scene.peer_counter(guest, "path_switches");
    assert_eq!(after, before, "and stays so");
    scene.assert_passed();
}

#[test]
fn case_15_candidates_without_end_names_and_junk_are_bounded() {
    let mut scene = Scene::new(25);
    let guest = scene.join();
    let (worker, peer) = scene.room.peer_of(guest);
    let names = [
        "4f3c1b1e-1c6a.local",
        "example.org",
        "",
        "999.1.1.1",
        "10.0.7.1%eth0",
    ];
    for n in 0..500_u16 {
        let ip = match n % 10 {
            5..=9 => names[usize::from(n % 10 - 5)].to_owned(),
            _ => format!("10.0.{}.{}", 200 + n / 250, n % 250 + 1),
        };
        let candidate = Candidate {
            foundation: n.to_string(),
            protocol: if n % 7 == 0 { "tcp" } else { "udp" }.to_owned(),
            priority: u32::from(n),
            ip,
            port: 9,
            kind: "host".to_owned(),
            tcp_type: None,
        };
        scene
            .room
            .command(worker, Command::AddRemoteCandidate { peer, candidate });
    }
    scene.room.world.network.tap = Some(Vec::new());
    scene.room.world.run_for(SEC(10));
    let record = scene.take_record();
    scene.room.world.network.tap = None;
    let strangers: std::collections::HashSet<IpAddr> = record
        .iter()
        .map(|datagram| datagram.to.ip())
        .filter(|ip| ip.to_string().starts_with("10.0.20"))
        .collect();
    assert!(
        !strangers.is_empty() && strangers.len() <= 64,
        "{}",
        strangers.len()
    );
    let checks = record
        .iter()
        .filter(|datagram| strangers.contains(&datagram.to.ip()))
        .count();
    assert!(checks <= 64 * 20, "{checks} checks in ten seconds");
    drop((record, strangers));
    assert!(scene.room.world.clients[guest].is_connected());
    scene.assert_passed();
}
