//! Two transports with nothing between them but weather: ICE, DTLS, SCTP and RTP in virtual time.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use sluice_peer::{
    Certificate, ChannelSettings, CloseReason, DtlsRole, DtlsVersions, IceState, PeerEvent,
    SendOutcome,
};
use sluice_sim::media::InboundReport;
use sluice_sim::{Client, ClientSettings, Datagram, LinkSettings, Loss, World, presets};
use sluice_wire::id::Ssrc;

const BROWSER: usize = 0;
const SERVER: usize = 1;
const MS: fn(u64) -> Duration = Duration::from_millis;
const SEC: fn(u64) -> Duration = Duration::from_secs;

static CERTIFICATES: LazyLock<[Certificate; 2]> =
    LazyLock::new(|| [1, 2].map(|seed| Certificate::generate().unwrap().seeded(seed).unwrap()));

fn address(host: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, host], 5_000))
}

fn browser(seed: u64) -> ClientSettings {
    ClientSettings::browser(address(1), CERTIFICATES[0].clone(), seed)
}

fn server(seed: u64) -> ClientSettings {
    ClientSettings::answerer(address(2), CERTIFICATES[1].clone(), seed + 1_000)
}

fn pair_of(
    links: LinkSettings,
    seed: u64,
    browser: ClientSettings,
    server: ClientSettings,
) -> World {
    let mut world = World::new(links, seed);
    let now = world.now;
    world.add(Client::new(now, browser));
    world.add(Client::new(now, server));
    world.introduce(BROWSER, SERVER);
    world
}

fn pair(links: LinkSettings, seed: u64) -> World {
    pair_of(links, seed, browser(seed), server(seed))
}

fn connected(world: &World) -> bool {
    world.clients.iter().all(Client::is_connected)
}

fn connect(world: &mut World, limit: Duration) {
    assert!(
        world.run_until(limit, connected),
        "not connected after {:?}: {:?}",
        world.elapsed(),
        world.clients[0].events
    );
}

/// Audio and three video layers from the browser, each expected on the other side.
fn publish(world: &mut World, temporal_layers: u8) {
    world.clients[BROWSER].publish_audio(presets::microphone("0", 100));
    world.clients[BROWSER].publish_video(&presets::camera("1", 200, temporal_layers));
    let server = &mut world.clients[SERVER];
    server.expect(presets::hear(100));
    for layer in 0..3 {
        server.expect(presets::watch(200 + layer, Some(210 + layer)));
    }
}

fn report(world: &World, ssrc: u32) -> InboundReport {
    world.clients[SERVER].stream(Ssrc(ssrc)).unwrap().report()
}

/// What must hold of any stream that nobody rewrote.
fn assert_sound(report: &InboundReport, context: &str) {
    assert_eq!(report.timestamps_back, 0, "{context}: {report:?}");
    assert_eq!(report.frames_back, 0, "{context}: {report:?}");
    assert_eq!(report.foreign, 0, "{context}: {report:?}");
    assert_eq!(report.crooked_reports, 0, "{context}: {report:?}");
    let video = &report.video;
    assert_eq!(
        (video.undecodable, video.corrupt),
        (0, 0),
        "{context}: {report:?}"
    );
    assert_eq!(
        (video.picture_id_jumps, video.tl0_jumps),
        (0, 0),
        "{context}: {report:?}"
    );
}

#[test]
fn clean_link_connects_in_a_few_round_trips() {
    for seed in 0..10 {
        let mut world = pair(LinkSettings::delayed(MS(25)), seed);
        connect(&mut world, SEC(5));
        assert!(
            world.elapsed() < MS(500),
            "seed {seed}: {:?}",
            world.elapsed()
        );
    }
}

#[test]
fn lossy_links_connect() {
    for percent in [5, 10, 20, 30] {
        for seed in 0..15 {
            let links = LinkSettings::rough(MS(40), f64::from(percent) / 100.0);
            let mut world = pair(links, seed);
            let done = world.run_until(SEC(25), connected);
            assert!(
                done,
                "loss {percent} %, seed {seed}: {:?}",
                world.clients[BROWSER].events
            );
        }
    }
}

#[test]
fn every_combination_of_roles_connects() {
    for (seed, (swap_dtls, both_control, lite, versions)) in [
        (false, false, false, DtlsVersions::V12),
        (true, false, false, DtlsVersions::V12),
        (false, true, false, DtlsVersions::V12),
        (false, false, true, DtlsVersions::V12),
        (true, true, false, DtlsVersions::V13OrV12),
        (false, false, true, DtlsVersions::V13OrV12),
    ]
    .into_iter()
    .enumerate()
    {
        let (mut a, mut b) = (browser(seed as u64), server(seed as u64));
        if swap_dtls {
            (a.dtls, b.dtls) = (DtlsRole::Server, DtlsRole::Client);
        }
        b.controlling |= both_control;
        b.lite = lite;
        (a.versions, b.versions) = (versions, versions);
        let mut world = pair_of(LinkSettings::lossy(MS(20), 0.05), seed as u64, a, b);
        connect(&mut world, SEC(15));
    }
}

#[test]
fn media_on_a_clean_link_arrives_whole_across_every_wrap() {
    let mut world = pair(LinkSettings::delayed(MS(20)), 1);
    connect(&mut world, SEC(5));
    publish(&mut world, 3);
    world.run_for(SEC(10));
    let audio = report(&world, 100);
    assert_sound(&audio, "audio");
    assert!((495..=501).contains(&audio.audio_frames), "{audio:?}");
    assert_eq!((audio.lost, audio.duplicates), (0, 0));
    assert!(audio.sender_reports >= 9);
    for layer in 0..3 {
        let video = report(&world, 200 + layer);
        assert_sound(&video, "video");
        assert!(
            (297..=301).contains(&video.video.frames),
            "layer {layer}: {video:?}"
        );
        assert_eq!(video.video.key_frames, 1);
        assert!(
            video
                .video
                .by_temporal
                .iter()
                .take(3)
                .all(|frames| *frames >= 70),
            "{video:?}"
        );
    }
}

#[test]
fn media_survives_loss_reordering_jitter_and_duplicates() {
    for (percent, seed) in [(1, 1), (5, 2), (5, 3), (10, 4), (10, 5)] {
        let context = format!("loss {percent} %, seed {seed}");
        let mut world = pair(
            LinkSettings::rough(MS(30), f64::from(percent) / 100.0),
            seed,
        );
        connect(&mut world, SEC(25));
        publish(&mut world, 1);
        world.run_for(SEC(20));
        let audio = report(&world, 100);
        assert_sound(&audio, &context);
        assert!(audio.audio_frames >= 960, "{context}: {audio:?}");
        for layer in 0..3 {
            let video = report(&world, 200 + layer);
            assert_sound(&video, &context);
            assert!(video.recovered > 0, "{context}: {video:?}");
            assert!(video.lost <= video.received / 200, "{context}: {video:?}");
            assert!(
                video.video.frames >= 540,
                "{context}, layer {layer}: {video:?}"
            );
            assert!(video.video.longest_freeze < SEC(3), "{context}: {video:?}");
        }
    }
}

#[test]
fn bursts_of_loss_cost_moments_not_the_stream() {
    let bursts = Loss::Bursts {
        begin: 0.002,
        end: 0.1,
    };
    let mut world = pair(
        LinkSettings {
            loss: bursts,
            ..LinkSettings::delayed(MS(30))
        },
        6,
    );
    connect(&mut world, SEC(25));
    publish(&mut world, 3);
    world.run_for(SEC(30));
    for layer in 0..3 {
        let video = report(&world, 200 + layer);
        assert_sound(&video, "bursts");
        assert!(video.video.frames >= 850, "{video:?}");
    }
}

#[test]
fn outage_is_followed_by_a_key_frame() {
    let mut world = pair(LinkSettings::delayed(MS(20)), 7);
    connect(&mut world, SEC(5));
    publish(&mut world, 1);
    world.run_for(SEC(3));
    world.network.set_all(LinkSettings {
        loss: Loss::Total,
        ..LinkSettings::default()
    });
    world.run_for(SEC(5));
    world.network.set_all(LinkSettings::delayed(MS(20)));
    let before = report(&world, 202).video.frames;
    world.run_for(SEC(4));
    let video = report(&world, 202);
    assert_sound(&video, "after the outage");
    assert!(video.video.frames > before + 60, "{video:?}");
    assert!(world.clients.iter().all(|client| !client.peer.is_closed()));
}

#[test]
fn reliable_messages_arrive_once_and_in_order() {
    for (percent, seed) in [(0, 1), (5, 2), (15, 3), (30, 4)] {
        let mut world = pair(
            LinkSettings::rough(MS(20), f64::from(percent) / 100.0),
            seed,
        );
        let now = world.now;
        world.clients[BROWSER].open_channel(now, ChannelSettings::reliable("_reliable"));
        connect(&mut world, SEC(25));
        let open = |world: &World| {
            world
                .clients
                .iter()
                .all(|client| client.peer.data_channel("_reliable").is_some())
                && world.clients.iter().all(|client| {
                    client
                        .events
                        .iter()
                        .any(|event| matches!(event, PeerEvent::ChannelOpened { .. }))
                })
        };
        assert!(
            world.run_until(SEC(60), open),
            "loss {percent} %, seed {seed}"
        );
        for i in 0..100_u32 {
            let now = world.now;
            let message = Bytes::from(
                [
                    i.to_be_bytes().as_slice(),
                    &vec![7; 1_000 * (i as usize % 5)],
                ]
                .concat(),
            );
            for end in [BROWSER, SERVER] {
                assert_eq!(
                    world.clients[end].send(now, "_reliable", &message),
                    SendOutcome::Sent
                );
            }
            world.run_for(MS(20));
        }
        let all = |world: &World| {
            world
                .clients
                .iter()
                .all(|client| client.messages.len() >= 100)
        };
        assert!(
            world.run_until(SEC(120), all),
            "loss {percent} %, seed {seed}: {}",
            world.clients[1].messages.len()
        );
        for client in &world.clients {
            let order: Vec<u32> = client
                .messages
                .iter()
                .map(|(_, _, bytes)| u32::from_be_bytes(*bytes.first_chunk().unwrap()))
                .collect();
            assert_eq!(
                order,
                (0..100).collect::<Vec<_>>(),
                "loss {percent} %, seed {seed}"
            );
        }
    }
}

#[test]
fn lossy_messages_arrive_at_most_once() {
    let mut world = pair(LinkSettings::rough(MS(20), 0.05), 9);
    let now = world.now;
    world.clients[BROWSER].open_channel(now, ChannelSettings::lossy("_lossy"));
    connect(&mut world, SEC(25));
    world.run_for(SEC(5));
    for i in 0..500_u32 {
        let now = world.now;
        world.clients[BROWSER].send(now, "_lossy", &Bytes::copy_from_slice(&i.to_be_bytes()));
        world.run_for(MS(10));
    }
    world.run_for(SEC(5));
    let mut seen: Vec<&[u8]> = world.clients[SERVER]
        .messages
        .iter()
        .map(|(_, _, bytes)| bytes.as_ref())
        .collect();
    let count = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), count, "a message came twice");
    assert!((400..=500).contains(&count), "{count} of 500");
}

#[test]
fn silence_stops_the_transport_when_consent_expires() {
    let mut world = pair(LinkSettings::delayed(MS(20)), 10);
    connect(&mut world, SEC(5));
    world.network.set_all(LinkSettings {
        loss: Loss::Total,
        ..LinkSettings::default()
    });
    let began = world.now;
    let ended = |world: &World| {
        let failed = |client: &Client| client.peer.ice_state() == IceState::Failed;
        world.clients.iter().all(failed)
    };
    assert!(world.run_until(SEC(60), ended));
    assert!(world.now - began <= SEC(35), "{:?}", world.now - began);
    for client in &world.clients {
        assert!(!client.peer.is_closed(), "a restart may still save it");
        assert_eq!(client.peer.path(), None);
    }
}

#[test]
fn media_follows_a_client_that_roams() {
    let mut world = pair(LinkSettings::delayed(MS(20)), 11);
    connect(&mut world, SEC(5));
    publish(&mut world, 1);
    world.run_for(SEC(2));
    world.clients[SERVER].publish_audio(presets::microphone("0", 900));
    world.clients[BROWSER].expect(presets::hear(900));
    world.run_for(SEC(2));
    world.clients[BROWSER].roam(SocketAddr::from(([10, 0, 0, 77], 6_000)));
    world.run_for(SEC(1));
    let back = world.clients[BROWSER]
        .stream(Ssrc(900))
        .unwrap()
        .report()
        .audio_frames;
    let there = report(&world, 202).video.frames;
    world.run_for(SEC(2));
    assert!(report(&world, 202).video.frames >= there + 55);
    let now = world.clients[BROWSER]
        .stream(Ssrc(900))
        .unwrap()
        .report()
        .audio_frames;
    assert!(
        now >= back + 90,
        "{now} after {back}: media to the new address within a second"
    );
    assert_eq!(
        world.clients[SERVER]
            .peer
            .path()
            .unwrap()
            .remote
            .ip()
            .to_string(),
        "10.0.0.77"
    );
}

#[test]
fn ice_restart_under_media_loses_nothing() {
    let mut world = pair(LinkSettings::delayed(MS(20)), 12);
    connect(&mut world, SEC(5));
    publish(&mut world, 1);
    world.run_for(SEC(2));
    let now = world.now;
    world.clients[BROWSER].restart_ice(now);
    world.run_for(MS(80));
    let now = world.now;
    world.clients[SERVER].restart_ice(now);
    world.introduce(BROWSER, SERVER);
    world.run_for(SEC(3));
    let audio = report(&world, 100);
    assert_sound(&audio, "restart");
    assert_eq!(audio.lost, 0, "{audio:?}");
    assert!(audio.audio_frames >= 250, "{audio:?}");
    assert_eq!(world.clients[BROWSER].peer.ice_state(), IceState::Connected);
    let handshakes = world.clients[SERVER]
        .events
        .iter()
        .filter(|event| matches!(event, PeerEvent::Connected { .. }));
    assert_eq!(handshakes.count(), 1, "DTLS and SRTP stay");
}

#[test]
fn wrong_fingerprint_ends_the_transport_before_any_media() {
    let mut world = World::new(LinkSettings::delayed(MS(20)), 13);
    let now = world.now;
    world.add(Client::new(now, browser(1)));
    world.add(Client::new(now, server(1)));
    let mut of_browser = world.clients[BROWSER].description();
    of_browser.fingerprint = CERTIFICATES[1].fingerprint(sluice_peer::HashAlgorithm::Sha256);
    let of_server = world.clients[SERVER].description();
    world.clients[BROWSER].set_remote(now, &of_server);
    world.clients[SERVER].set_remote(now, &of_browser);
    publish(&mut world, 1);
    world.run_for(SEC(10));
    assert!(world.clients[SERVER].peer.is_closed());
    assert!(matches!(
        world.clients[SERVER].events.last(),
        Some(PeerEvent::Closed {
            reason: CloseReason::FingerprintMismatch,
            ..
        })
    ));
    assert_eq!(report(&world, 100).received, 0);
}

#[test]
fn strangers_and_spoofers_change_nothing() {
    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};
    let mut rng = SmallRng::seed_from_u64(14);
    let mut world = pair(LinkSettings::delayed(MS(20)), 14);
    connect(&mut world, SEC(5));
    publish(&mut world, 1);
    for _ in 0..3_000 {
        // From the peer's own address and from elsewhere: SRTP, DTLS and STUN shapes, all forged.
        let from = if rng.random() {
            address(1)
        } else {
            SocketAddr::from(([192, 0, 2, 9], rng.random_range(1..9_999)))
        };
        let first = [0x80, 0x90, 0x16, 0x17, 0x00, 0x01][rng.random_range(0..6)];
        let mut bytes: Vec<u8> = (0..rng.random_range(0..300))
            .map(|_| rng.random())
            .collect();
        if let Some(byte) = bytes.first_mut() {
            *byte = first;
        }
        let now = world.now;
        world.network.send(
            now,
            &Datagram {
                from,
                to: address(2),
                bytes,
            },
        );
        world.run_for(MS(1));
    }
    world.run_for(SEC(2));
    let audio = report(&world, 100);
    assert_sound(&audio, "under attack");
    assert_eq!(audio.lost, 0, "{audio:?}");
    assert!(report(&world, 202).video.frames >= 140);
    assert!(world.clients[SERVER].peer.stats().srtp_rejected() > 500);
}
