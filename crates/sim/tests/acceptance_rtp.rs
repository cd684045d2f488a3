//! Acceptance 9, 10 and 12: media of somebody who has the keys and means harm, and packets that are none.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod scene;
mod support;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use scene::{ALLOCATOR, FAR, NEAR, PUBLISHER, RTP_LEN, Scene, WORKERS, rtp, stranger};
use sluice_sfu::command::{
    Codec, Command, DownTrackConfig, ExtensionIds, MediaKind, PayloadMap, UpCodec, UpSsrc,
    UpTrackConfig,
};
use sluice_sfu::event::Event;
use sluice_sim::{Datagram, presets};
use sluice_wire::id::{DownTrackId, PayloadType, PeerId, Ssrc, TrackId};
use sluice_wire::path::Path;
use sluice_wire::rtp::{ExtensionBlock, OutHeader, write_header};
use stats_alloc::Region;
use support::MS;

const MID: u8 = 4;
const RID: u8 = 10;
const DESCRIPTOR: u8 = 12;
const VIDEO: PayloadType = PayloadType(98);
const GUESTS_TRACK: TrackId = TrackId(900);

fn section(peer: PeerId, codec: Codec, ssrcs: Vec<UpSsrc>, rids: &[&str]) -> UpTrackConfig {
    let audio = codec == Codec::Opus;
    UpTrackConfig {
        track: GUESTS_TRACK,
        peer,
        kind: if audio {
            MediaKind::Audio
        } else {
            MediaKind::Video
        },
        mid: "7".to_owned(),
        codecs: vec![UpCodec {
            pt: if audio { presets::OPUS } else { VIDEO },
            codec,
            clock_rate: if audio { 48_000 } else { 90_000 },
            rtx_pt: None,
            nack: true,
        }],
        ssrcs,
        rids: rids.iter().map(|&rid| rid.to_owned()).collect(),
        screen_share: false,
        encrypted: false,
        muted: false,
    }
}

/// A packet that names its section, and its layer if it has one.
fn named(header: &OutHeader, rid: Option<&str>, descriptor: &[u8]) -> (Vec<u8>, usize) {
    let mut extensions = ExtensionBlock::default();
    assert!(extensions.push(MID, b"7"));
    if let Some(rid) = rid {
        assert!(extensions.push(RID, rid.as_bytes()));
    }
    if !descriptor.is_empty() {
        assert!(extensions.push(DESCRIPTOR, descriptor));
    }
    let mut out = vec![0; 400];
    let len = write_header(&mut out, header, &extensions).unwrap();
    out.truncate(len);
    (out, len)
}

fn header(ssrc: u32, payload_type: PayloadType, sequence: u16, timestamp: u32) -> OutHeader {
    OutHeader {
        marker: true,
        payload_type,
        sequence,
        timestamp,
        ssrc: Ssrc(ssrc),
        padding: false,
    }
}

#[test]
fn case_09_ssrc_flood_of_one_publisher_is_capped() {
    const FLOOD: u32 = 100_000;
    let mut scene = Scene::new(1);
    let guest = scene.join();
    let (_, peer) = scene.room.peer_of(guest);
    let (client, server) = scene.path(guest);
    let known = vec![UpSsrc {
        ssrc: Ssrc(5),
        rtx: None,
    }];
    scene
        .room
        .publish_as(guest, section(peer, Codec::Opus, known, &[]));
    let names = ["drop_unknown_ssrc", "drop_ssrc_cap", "drop_retired_ssrc"];
    let before = names.map(|name| scene.counter(WORKERS[0], name));
    let mut most = 0;
    for batch in 0..100 {
        let mut flood: Vec<Datagram> = (0..FLOOD / 100)
            .map(|n| {
                let ssrc = 1_000 + batch * (FLOOD / 100) + n;
                // Half of them claim to belong to the section that the guest does publish.
                let (mut packet, len) = if n % 2 == 0 {
                    named(&header(ssrc, presets::OPUS, 1, 0), None, &[])
                } else {
                    (rtp(ssrc, presets::OPUS.0, 1), RTP_LEN)
                };
                packet.extend([1; 40]);
                let bytes = scene.seal(guest, &packet, len).unwrap();
                Datagram {
                    from: client,
                    to: server,
                    bytes,
                }
            })
            .collect();
        let now = scene.room.world.now;
        let worker = scene.room.world.server_mut().worker_mut(WORKERS[0]);
        let region = Region::new(ALLOCATOR);
        for datagram in &mut flood {
            worker.handle_datagram(
                now,
                Path::udp(datagram.to, datagram.from),
                &mut datagram.bytes,
            );
        }
        worker.flush(now);
        let change = region.change();
        if batch > 0 {
            let grown = change
                .bytes_allocated
                .saturating_sub(change.bytes_deallocated);
            most = most.max(grown);
        }
        scene.room.world.run_for(MS(10));
    }
    assert!(most < 16 << 10, "{most} bytes more for a batch");
    let after = names.map(|name| scene.counter(WORKERS[0], name));
    let refused: u64 = before
        .iter()
        .zip(after)
        .map(|(before, after)| after - before)
        .sum();
    assert!(refused >= u64::from(FLOOD) - 64, "{refused} of {FLOOD}");
    assert!(after[1] > before[1], "the cap was reached");
    scene.assert_passed();
}

#[test]
fn case_09_publisher_that_publishes_again_and_again_is_still_heard() {
    let mut scene = Scene::new(2);
    let guest = scene.join();
    let (_, peer) = scene.room.peer_of(guest);
    scene.take_events();
    for again in 0..150 {
        let ssrc = 5_000 + again;
        let announced = vec![UpSsrc {
            ssrc: Ssrc(ssrc),
            rtx: None,
        }];
        let section = section(peer, Codec::Opus, announced, &[]);
        scene.room.publish_as(guest, section);
        let mut packet = rtp(ssrc, presets::OPUS.0, 7);
        packet.extend([9; 40]);
        scene.send_sealed(guest, &packet, RTP_LEN);
        scene.room.world.run_for(MS(50));
        let events = scene.take_events();
        let started = events.iter().any(
            |event| matches!(event, Event::TrackStarted { track, .. } if *track == GUESTS_TRACK),
        );
        assert!(
            started,
            "nobody heard the track when it was published for the {again}th time"
        );
        let track = GUESTS_TRACK;
        scene
            .room
            .command(WORKERS[0], Command::CloseUpTrack { track });
    }
    scene.assert_passed();
}

/// Packets that are no RTP, or not what they say.
fn malformed() -> Vec<Vec<u8>> {
    let ssrc = 10_000;
    let good = rtp(ssrc, presets::OPUS.0, 9);
    let with = |first: u8, rest: &[u8]| {
        let mut packet = good.clone();
        packet[0] = first;
        packet.extend(rest);
        packet
    };
    let mut all = vec![
        Vec::new(),
        vec![0x80],
        good[..11].to_vec(),
        good.clone(),
        // More CSRCs than there is packet.
        with(0x8f, &[0; 20]),
        // Extension blocks longer than the packet, or cut.
        with(0x90, &[0xbe, 0xde, 0xff, 0xff, 1, 2, 3, 4]),
        with(0x90, &[0xbe, 0xde, 0]),
        with(0x90, &[0x10, 0x00, 0, 40, 1, 200]),
        with(0x9f, &[0xbe; 30]),
        // Padding longer than the payload, and of no bytes.
        with(0xa0, &[1, 2, 3, 200]),
        with(0xa0, &[1, 2, 3, 0]),
        // Versions that never were.
        with(0x00, &[0; 40]),
        with(0x40, &[0; 40]),
        with(0xc0, &[0; 40]),
    ];
    all.extend([1_501, 2_001, 9_000, 65_507].map(|len| with(0x80, &vec![7; len - RTP_LEN])));
    all
}

#[test]
fn case_10_malformed_rtp_from_anybody_is_dropped_and_counted() {
    let mut scene = Scene::new(3);
    let guest = scene.join();
    let (client, server) = scene.path(PUBLISHER);
    let at_guest = scene.path(guest);
    let packets = malformed();
    let before = scene.dropped();
    let mut sent = 0;
    scene.each_ms(2_000, |scene, n| {
        let bytes = &packets[n as usize % packets.len()];
        // From nowhere, in the publisher's name, and from the guest itself.
        for (from, to) in [(stranger(n), server), (client, server), at_guest] {
            scene.inject(from, to, bytes.clone());
            sent += 1;
        }
    });
    scene.room.world.run_for(MS(100));
    assert_eq!(scene.dropped() - before, sent);
    scene.assert_passed();
}

#[test]
fn case_10_malformed_rtp_under_valid_keys_is_dropped_and_counted() {
    let mut scene = Scene::new(4);
    let guest = scene.join();
    let (_, peer) = scene.room.peer_of(guest);
    let announced = vec![UpSsrc {
        ssrc: Ssrc(5),
        rtx: None,
    }];
    scene
        .room
        .publish_as(guest, section(peer, Codec::Opus, announced, &[]));
    let down = subscribe(&mut scene, NEAR, MediaKind::Audio, 1);
    let mut sequence = 0_u16;
    let before = scene.counter(WORKERS[0], "drop_malformed_rtp");
    let mut broken = 0;
    scene.each_ms(1_400, |scene, n| {
        sequence += 1;
        let mut packet = rtp(5, presets::OPUS.0, sequence);
        let (first, behind, header_len): (u8, &[u8], usize) = match n % 7 {
            0 => (0xa0, &[1, 2, 3, 200], RTP_LEN),
            1 => (0xa0, &[1, 2, 3, 0], RTP_LEN),
            2 => (0xa0, &[], RTP_LEN),
            // Elements that overrun their block, and a block of no known kind.
            3 => (0x90, &[0xbe, 0xde, 0, 1, 0x1f, 0, 0, 0, 5, 5], RTP_LEN + 8),
            4 => (0x90, &[0x10, 0, 0, 1, 1, 255, 0, 0, 5, 5], RTP_LEN + 8),
            5 => (0x90, &[0xab, 0xcd, 0, 1, 1, 2, 3, 4, 5, 5], RTP_LEN + 8),
            _ => (0x80, &[], RTP_LEN),
        };
        packet[0] = first;
        packet.extend(behind);
        broken += u64::from(n % 7 < 3);
        scene.send_sealed(guest, &packet, header_len);
    });
    scene.room.world.run_for(MS(100));
    let dropped = scene.counter(WORKERS[0], "drop_malformed_rtp") - before;
    assert_eq!(dropped, broken);
    assert!(scene.room.world.clients[guest].is_connected());
    // The stream goes on, and its subscriber hears it.
    let heard = heard_after(&mut scene, NEAR, |scene| {
        for _ in 0..50 {
            sequence += 1;
            let mut packet = rtp(5, presets::OPUS.0, sequence);
            packet.extend([sequence as u8; 40]);
            scene.send_sealed(guest, &packet, RTP_LEN);
            scene.room.world.run_for(MS(20));
        }
    });
    assert!(heard.len() >= 45, "{} of 50", heard.len());
    scene
        .room
        .command(WORKERS[0], Command::CloseDownTrack { down });
    scene.assert_passed();
}

/// Subscribes a witness to the guest's track.
fn subscribe(scene: &mut Scene, witness: usize, kind: MediaKind, max_spatial: u8) -> DownTrackId {
    let (worker, peer) = scene.room.peer_of(witness);
    let down = DownTrackId(700 + witness as u32);
    let payload = if kind == MediaKind::Audio {
        presets::OPUS
    } else {
        VIDEO
    };
    let config = DownTrackConfig {
        down,
        peer,
        track: GUESTS_TRACK,
        home: WORKERS[0],
        kind,
        mid: "20".to_owned(),
        cname: "guest".to_owned(),
        ssrc: Ssrc(700_000),
        rtx_ssrc: None,
        payloads: vec![PayloadMap {
            from: payload,
            to: payload,
            rtx: None,
        }],
        nack: true,
        encrypted: false,
        playout_delay: None,
        enabled: true,
        max_spatial,
        max_temporal: 3,
        max_fps: 0,
    };
    scene.room.command(worker, Command::OpenDownTrack(config));
    down
}

/// What a witness gets of the guest's track meanwhile.
fn heard_after(scene: &mut Scene, witness: usize, act: impl FnOnce(&mut Scene)) -> Vec<Vec<u8>> {
    scene.room.world.clients[witness].unknown = Some(Vec::new());
    act(scene);
    let client = &mut scene.room.world.clients[witness];
    client.unknown.take().unwrap()
}

/// The head of a frame's payload in each format; its last byte is the layer's mark.
fn frame(codec: Codec, key: bool, picture: u16, layer: u8) -> Vec<u8> {
    let id = [0x80 | (picture >> 8) as u8 & 0x7f, picture as u8];
    let mut payload = match (codec, key) {
        (Codec::Vp8, true) => {
            let head = [0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 64, 1, 180, 0];
            [&[0x90, 0x80], &id[..], &head].concat()
        }
        (Codec::Vp8, false) => [&[0x90, 0x80], &id[..], &[0x11, 0x02, 0x00]].concat(),
        (Codec::Vp9, true) => [&[0x8c], &id[..], &[0x82, 0x49]].concat(),
        (Codec::Vp9, false) => [&[0xcc], &id[..], &[0x86, 0x00]].concat(),
        // A parameter set and, to the end of the packet, a picture.
        (Codec::H264, true) => {
            vec![0x78, 0, 4, 0x67, 0x42, 0xe0, 0x1f, 0, 34, 0x65, 0x88, 0x84]
        }
        (Codec::H264, false) => vec![0x41, 0x9a, 0x24],
        // A sequence header and a frame, or a frame; lengths but for the last element's.
        (_, true) => vec![0x28, 3, 0x08, 0x00, 0x00, 0x30, 0x10],
        (_, false) => vec![0x10, 0x30, 0x10],
    };
    payload.extend([0x55; 30]);
    payload.push(0xa0 | layer);
    payload
}

/// What an attacker writes where a descriptor or a payload head is expected.
fn garbage(rng: &mut SmallRng, codec: Codec, layer: u8) -> Vec<u8> {
    let mut bytes: Vec<u8> = match rng.random_range(0..5) {
        // One byte, as in VP8 with nothing behind its descriptor.
        0 => vec![rng.random()],
        // OBU sizes, NAL unit sizes and partition lengths beyond the end.
        1 => vec![rng.random(), 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x65, 0x08],
        2 => [&[0x78, 0xff, 0xff], &[0x67; 9][..]].concat(),
        // All flags of all descriptors at once, and every layer there could be.
        3 => (0..12).map(|_| 0xff).collect(),
        _ => {
            let mut good = frame(codec, rng.random(), rng.random(), layer);
            let at = rng.random_range(0..good.len().min(12));
            good[at] = rng.random();
            good.truncate(rng.random_range(1..=good.len()));
            good
        }
    };
    if rng.random_bool(0.3) {
        bytes.extend((0..rng.random_range(0..60)).map(|_| rng.random::<u8>()));
    }
    bytes
}

/// A guest's simulcast in two layers.
struct Simulcast {
    guest: usize,
    codec: Codec,
    sequences: [u16; 2],
    timestamp: u32,
    picture: u16,
}

impl Simulcast {
    fn send(&mut self, scene: &mut Scene, layer: u8, descriptor: &[u8], payload: &[u8]) {
        let at = usize::from(layer);
        self.sequences[at] = self.sequences[at].wrapping_add(1);
        let ssrc = 800_000 + u32::from(layer);
        let header = header(ssrc, VIDEO, self.sequences[at], self.timestamp);
        let (mut packet, len) = named(&header, Some(["q", "h"][at]), descriptor);
        packet.extend(payload);
        scene.send_sealed(self.guest, &packet, len);
    }

    /// Thirty frames a second on both layers, every tenth a key frame.
    fn play(&mut self, scene: &mut Scene, frames: u32) {
        for n in 0..frames {
            self.timestamp = self.timestamp.wrapping_add(3_000);
            self.picture = self.picture.wrapping_add(1);
            for layer in [0, 1] {
                let payload = frame(self.codec, n % 10 == 0, self.picture, layer);
                self.send(scene, layer, &[], &payload);
            }
            scene.room.world.run_for(MS(33));
        }
    }

    fn harass(&mut self, scene: &mut Scene, rng: &mut SmallRng) {
        scene.each_ms(1_000, |scene, n| {
            let layer = (n % 2) as u8;
            self.timestamp = self.timestamp.wrapping_add(90);
            let descriptor: Vec<u8> = (0..rng.random_range(0..16)).map(|_| rng.random()).collect();
            let descriptor = if rng.random() { descriptor } else { Vec::new() };
            let payload = garbage(rng, self.codec, layer);
            self.send(scene, layer, &descriptor, &payload);
        });
    }
}

fn codec_under_garbage(codec: Codec, seed: u64) {
    let mut scene = Scene::new(seed);
    let guest = scene.join();
    let (worker, peer) = scene.room.peer_of(guest);
    let video = ExtensionIds {
        mid: Some(MID),
        rid: Some(RID),
        dependency_descriptor: Some(DESCRIPTOR),
        ..ExtensionIds::default()
    };
    let audio = video.clone();
    let set = Command::SetExtensions { peer, audio, video };
    scene.room.command(worker, set);
    scene
        .room
        .publish_as(guest, section(peer, codec, Vec::new(), &["q", "h"]));
    let downs = [NEAR, FAR].map(|witness| subscribe(&mut scene, witness, MediaKind::Video, 1));
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut source = Simulcast {
        guest,
        codec,
        sequences: [100, 65_000],
        timestamp: 1,
        picture: 1,
    };
    source.play(&mut scene, 60);
    for round in 0..3 {
        source.harass(&mut scene, &mut rng);
        // Whatever that did, good frames of the layer that is wanted get through again.
        for layer in [1_u8, 0, 1] {
            for (down, witness) in downs.into_iter().zip([NEAR, FAR]) {
                let (worker, _) = scene.room.peer_of(witness);
                let set = Command::SetDownTrack {
                    down,
                    enabled: true,
                    max_spatial: layer,
                    max_temporal: 3,
                    max_fps: 0,
                };
                scene.room.command(worker, set);
            }
            source.play(&mut scene, 60);
            let counts = [NEAR, FAR].map(|witness| {
                let heard = heard_after(&mut scene, witness, |scene| source.play(scene, 30));
                let of = |layer: u8| {
                    let marked = |packet: &&Vec<u8>| packet.last() == Some(&(0xa0 | layer));
                    heard.iter().filter(marked).count()
                };
                [of(0), of(1)]
            });
            for of in counts {
                assert!(
                    of[usize::from(layer)] >= 25 && of[1 - usize::from(layer)] == 0,
                    "{codec:?}, round {round}: {counts:?} frames where layer {layer} is wanted"
                );
            }
        }
    }
    assert!(scene.room.world.clients[guest].is_connected());
    for (down, witness) in downs.into_iter().zip([NEAR, FAR]) {
        let (worker, _) = scene.room.peer_of(witness);
        scene.room.command(worker, Command::CloseDownTrack { down });
    }
    scene.assert_passed();
}

#[test]
fn case_12_vp8_descriptor_garbage_locks_no_layer() {
    codec_under_garbage(Codec::Vp8, 12);
}

#[test]
fn case_12_vp9_descriptor_garbage_locks_no_layer() {
    codec_under_garbage(Codec::Vp9, 13);
}

#[test]
fn case_12_h264_garbage_locks_no_layer() {
    codec_under_garbage(Codec::H264, 14);
}

#[test]
fn case_12_av1_and_dependency_descriptor_garbage_locks_no_layer() {
    codec_under_garbage(Codec::Av1, 15);
}
