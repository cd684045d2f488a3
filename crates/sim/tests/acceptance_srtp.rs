//! Acceptance 6 to 8: media that no key of the sender made, or that was heard before.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod scene;
mod support;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use scene::{NEAR, PUBLISHER, RTP_LEN, Scene, WORKERS, rtp, stranger};
use sluice_sfu::event::Event;
use sluice_sim::{Datagram, presets};
use sluice_wire::classify::{Kind, classify};
use support::{MS, SEC};

/// SSRCs of the publisher's microphone and lowest video layer.
const MICROPHONE: u32 = 10_000;
const CAMERA: u32 = 20_000;

/// Media that the publisher sent, as it was on the wire.
fn media_of_publisher(scene: &mut Scene) -> Vec<Vec<u8>> {
    let (client, _) = scene.path(PUBLISHER);
    let media = |datagram: &Datagram| {
        datagram.from == client && matches!(classify(&datagram.bytes), Some(Kind::Rtp | Kind::Rtcp))
    };
    let record = scene.take_record();
    let media = record.into_iter().filter(media);
    media.map(|datagram| datagram.bytes).collect()
}

#[test]
fn case_06_flood_of_invalid_media_on_the_publishers_tuple_is_counted_and_nothing_else() {
    const PER_MS: u64 = 10;
    let mut scene = Scene::new(1);
    scene.room.world.network.tap = Some(Vec::new());
    scene.room.world.run_for(SEC(1));
    let seen = media_of_publisher(&mut scene);
    scene.room.world.network.tap = None;
    let (client, server) = scene.path(PUBLISHER);
    let before = scene.peer_counter(PUBLISHER, "srtp_rejected");
    let mut rng = SmallRng::seed_from_u64(1);
    scene.each_ms(6_000, |scene, _| {
        for _ in 0..PER_MS {
            let mut bytes = seen[rng.random_range(0..seen.len())].clone();
            match rng.random_range(0..4) {
                // A bit anywhere behind the fields that say what it is.
                0 => {
                    let at = rng.random_range(2..bytes.len());
                    bytes[at] ^= 1 << rng.random_range(0..8);
                    if classify(&bytes) == Some(Kind::Rtcp) {
                        // Its E flag stays, so that the tag is what is wrong.
                        let at = rng.random_range(8..bytes.len() - 4);
                        bytes[at] ^= 1;
                    }
                }
                // Far ahead: the rollover counter must not move.
                1 => {
                    bytes = rtp(MICROPHONE, presets::OPUS.0, rng.random());
                    bytes.extend((0..rng.random_range(0..200)).map(|_| rng.random::<u8>()));
                }
                2 => {
                    bytes = vec![0x80, 200, 0, 6];
                    bytes.extend(CAMERA.to_be_bytes());
                    bytes.extend((0..40).map(|_| rng.random::<u8>()));
                }
                _ => {
                    let last = bytes.len() - 1;
                    bytes[last] = bytes[last].wrapping_add(1);
                }
            }
            scene.inject(client, server, bytes);
        }
    });
    scene.room.world.run_for(MS(100));
    let rejected = scene.peer_counter(PUBLISHER, "srtp_rejected") - before;
    assert_eq!(rejected, 6_000 * PER_MS);
    let closed = scene
        .take_events()
        .into_iter()
        .find(|event| matches!(event, Event::PeerClosed { .. }));
    assert!(closed.is_none(), "{closed:?}");
    scene.assert_passed();
}

#[test]
fn case_07_replayed_media_is_dropped_however_old() {
    let mut scene = Scene::recorded(2);
    // From the first packet on: the numbers have wrapped since.
    let (client, server) = scene.path(PUBLISHER);
    let seen = media_of_publisher(&mut scene);
    let wrapped = seen
        .iter()
        .filter(|bytes| classify(bytes) == Some(Kind::Rtp))
        .any(|bytes| bytes[2] == 0xff);
    assert!(wrapped && seen.len() > 2_000, "{}", seen.len());
    let before = scene.peer_counter(PUBLISHER, "srtp_rejected");
    scene.room.world.network.tap = Some(Vec::new());
    let mut replayed = 0;
    scene.each_ms(2_000, |scene, n| {
        // What went by this very moment, and what is long past.
        let mut again = media_of_publisher(scene);
        again.extend([0, 1].map(|offset| seen[(2 * n as usize + offset) % seen.len()].clone()));
        for bytes in again {
            scene.inject(client, server, bytes);
            replayed += 1;
        }
        // What is injected is not the publisher's own.
        scene.take_record();
    });
    scene.room.world.run_for(MS(100));
    assert!(replayed > 4_500, "{replayed}");
    // None of it passed.
    let rejected = scene.peer_counter(PUBLISHER, "srtp_rejected") - before;
    assert_eq!(rejected, replayed);
    drop(seen);
    scene.assert_passed();
}

#[test]
fn case_07_replay_from_an_old_rollover_counter_is_dropped() {
    let mut scene = Scene::new(3);
    let guest = scene.join();
    let (client, server) = scene.path(guest);
    let packet = |sequence| {
        let mut packet = rtp(777, presets::OPUS.0, sequence);
        packet.extend([sequence as u8; 60]);
        packet
    };
    let mut old = Vec::new();
    // Once around and a bit, in steps that each stay within half the numbers.
    for sequence in [100, 101, 20_000, 40_000, 60_000, 50, 90, 120] {
        let sealed = scene.seal(guest, &packet(sequence), RTP_LEN).unwrap();
        old.push(sealed.clone());
        scene.inject(client, server, sealed);
        scene.room.world.run_for(MS(1));
    }
    scene.room.world.run_for(MS(100));
    let names = ["rtp_in", "drop_srtp_unauthentic", "srtp_rejected"];
    let before = names.map(|name| scene.peer_counter(guest, name));
    assert_eq!(before[0], 8);
    for sealed in &old {
        for _ in 0..100 {
            scene.inject(client, server, sealed.clone());
        }
    }
    scene.room.world.run_for(MS(100));
    let after = names.map(|name| scene.peer_counter(guest, name));
    assert_eq!(after[0], before[0], "none came through");
    // 100, 101 and 20,000 could be new under today's rollover counter: their tags say they are not.
    assert_eq!(after[1] - before[1], 300);
    assert_eq!(after[2] - before[2], 800);
    scene.assert_passed();
}

#[test]
fn case_08_plain_rtp_and_rtcp_are_dropped_whoever_seems_to_send_them() {
    let mut scene = Scene::new(4);
    let (client, server) = scene.path(PUBLISHER);
    let (witness, at_witness) = scene.path(NEAR);
    let before = scene.peer_counter(PUBLISHER, "srtp_rejected");
    let dropped = scene.counter(WORKERS[0], "drop_transport");
    let mut rng = SmallRng::seed_from_u64(4);
    let mut to_publisher = 0;
    scene.each_ms(2_000, |scene, n| {
        // The numbers that the publisher itself is about to use, and any others.
        let sequence = if n % 2 == 0 {
            (n / 20) as u16
        } else {
            rng.random()
        };
        let (ssrc, payload_type) = [
            (MICROPHONE, presets::OPUS),
            (CAMERA, presets::VP8),
            (CAMERA + 2, presets::VP8),
        ][n as usize % 3];
        let mut media = rtp(ssrc, payload_type.0, sequence);
        media.extend([0x10; 80]);
        // A goodbye and a request for a key frame, in the clear.
        let mut goodbye = vec![0x81, 203, 0, 1];
        goodbye.extend(ssrc.to_be_bytes());
        let mut pli = vec![0x81, 206, 0, 2];
        pli.extend(1_u32.to_be_bytes());
        pli.extend(ssrc.to_be_bytes());
        for bytes in [media, goodbye, pli] {
            scene.inject(client, server, bytes.clone());
            scene.inject(stranger(n), server, bytes.clone());
            scene.inject(witness, at_witness, bytes);
            to_publisher += 2;
        }
    });
    scene.room.world.run_for(MS(100));
    let rejected = scene.peer_counter(PUBLISHER, "srtp_rejected") - before;
    assert_eq!(rejected, to_publisher);
    let dropped = scene.counter(WORKERS[0], "drop_transport") - dropped;
    assert_eq!(dropped, to_publisher * 3 / 2);
    scene.assert_passed();
}
