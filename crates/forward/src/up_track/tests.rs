use std::collections::BTreeMap;

use sluice_wire::rtp::{ExtensionBlock, OutHeader, write_header};

use sluice_wire::id::PayloadType;

mod formats;

use super::*;
use crate::audio_level::AudioSettings;
use crate::layers::LayerStates;
use crate::test_packets::{Dice, at};

const VP8: PayloadType = PayloadType(96);
const VP8_RTX: PayloadType = PayloadType(97);
const OPUS: PayloadType = PayloadType(111);
const LEVEL_ID: u8 = 1;

fn video(streams: u8) -> UpTrackSettings {
    let codec = UpCodec {
        pt: VP8,
        codec: Codec::Vp8,
        clock_rate: 90_000,
        rtx_pt: Some(VP8_RTX),
        nack: true,
    };
    UpTrackSettings {
        kind: MediaKind::Video,
        codecs: vec![codec],
        streams,
        screen_share: false,
        encrypted: false,
        muted: false,
        extensions: UpExtensions::default(),
        pli_throttle: [500, 1_000, 1_000].map(Duration::from_millis),
        packet_buffer: 500,
        audio: AudioSettings::default(),
    }
}

fn audio() -> UpTrackSettings {
    let opus = UpCodec {
        pt: OPUS,
        codec: Codec::Opus,
        clock_rate: 48_000,
        rtx_pt: None,
        nack: true,
    };
    let red = UpCodec {
        pt: PayloadType(63),
        codec: Codec::Red,
        nack: false,
        ..opus
    };
    UpTrackSettings {
        kind: MediaKind::Audio,
        codecs: vec![opus, red],
        extensions: UpExtensions {
            audio_level: Some(LEVEL_ID),
            ..UpExtensions::default()
        },
        packet_buffer: 200,
        ..video(1)
    }
}

/// A packet to be sent to the track under test.
#[derive(Clone)]
struct Packet {
    ssrc: u32,
    pt: PayloadType,
    sequence: u16,
    timestamp: u32,
    marker: bool,
    level: Option<u8>,
    payload: Vec<u8>,
    padding: u8,
}

impl Packet {
    fn vp8(ssrc: u32, sequence: u16, timestamp: u32) -> Self {
        Self {
            ssrc,
            pt: VP8,
            sequence,
            timestamp,
            marker: true,
            level: None,
            payload: delta_frame(),
            padding: 0,
        }
    }

    fn key_frame(self) -> Self {
        // Descriptor with S, then a frame tag with P = 0, the start code, 640x360.
        let payload = vec![
            0x10, 0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01, 7, 7,
        ];
        Self { payload, ..self }
    }

    fn padding_only(self) -> Self {
        Self {
            payload: Vec::new(),
            padding: 200,
            marker: false,
            ..self
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let header = OutHeader {
            marker: self.marker,
            payload_type: self.pt,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: Ssrc(self.ssrc),
            padding: self.padding > 0,
        };
        let mut extensions = ExtensionBlock::new();
        if let Some(level) = self.level {
            assert!(extensions.push(LEVEL_ID, &[level]));
        }
        let mut out = vec![0; 100];
        let len = write_header(&mut out, &header, &extensions).unwrap();
        out.truncate(len);
        out.extend(&self.payload);
        out.extend(std::iter::repeat_n(self.padding, usize::from(self.padding)));
        out
    }

    fn send(&self, track: &mut UpTrack, ms: u64, layer: u8) -> Result<PacketMeta, Discard> {
        let bytes = self.bytes();
        track.handle_rtp(at(ms), layer, false, &RtpView::parse(&bytes).unwrap())
    }

    fn send_as_repair(
        &self,
        track: &mut UpTrack,
        ms: u64,
        layer: u8,
    ) -> Result<PacketMeta, Discard> {
        let mut payload = self.sequence.to_be_bytes().to_vec();
        payload.extend(&self.payload);
        let repair = Self {
            ssrc: self.ssrc + 1_000,
            pt: VP8_RTX,
            sequence: 9,
            payload,
            ..self.clone()
        };
        let bytes = repair.bytes();
        track.handle_rtp(at(ms), layer, true, &RtpView::parse(&bytes).unwrap())
    }
}

fn delta_frame() -> Vec<u8> {
    vec![0x10, 0x01, 0x00, 0x00, 5, 5]
}

/// Runs the timers up to `ms`, each at its time; what was said to the publisher, with the time.
fn run_until(track: &mut UpTrack, ms: u64) -> Vec<(u64, Rtcp)> {
    let mut said = Vec::new();
    loop {
        let due = track.poll_timeout(at(0));
        if due > at(ms) {
            break;
        }
        track.handle_timeout(due);
        let since = due.duration_since(at(0)).as_micros().div_ceil(1_000) as u64;
        said.extend(std::iter::from_fn(|| track.poll_feedback()).map(|packet| (since, packet)));
        assert!(
            track.poll_timeout(due) > due,
            "a timer that fired must not be due again"
        );
    }
    said
}

fn plis(said: &[(u64, Rtcp)]) -> Vec<u64> {
    said.iter()
        .filter(|(_, packet)| matches!(packet, Rtcp::Pli { .. }))
        .map(|(ms, _)| *ms)
        .collect()
}

fn events(track: &mut UpTrack) -> Vec<UpEvent> {
    std::iter::from_fn(|| track.poll_event()).collect()
}

#[test]
fn a_packet_is_told_and_kept() {
    let mut track = UpTrack::new(at(0), video(1));
    let meta = Packet::vp8(7, 100, 9_000)
        .key_frame()
        .send(&mut track, 5, 0)
        .unwrap();
    assert!(meta.key_frame && meta.frame_start && meta.frame_end && !meta.late);
    assert_eq!(
        (meta.layer, meta.epoch, meta.timestamp, meta.pt),
        (0, 0, 9_000, VP8)
    );
    let stored = track.stored(0, meta.sequence).unwrap();
    assert_eq!(*stored.meta, meta);
    assert_eq!(stored.payload.len(), usize::from(meta.payload_len));
    assert_eq!(
        events(&mut track),
        [UpEvent::Started { layer: 0, pt: VP8 }, UpEvent::Layers]
    );
    let layers: Vec<_> = track.layers().collect();
    assert_eq!(
        (
            layers.len(),
            layers[0].active,
            layers[0].width,
            layers[0].height
        ),
        (1, true, 640, 360)
    );
    assert_eq!(
        (track.ssrc(0), track.clock_rate(0)),
        (Some(Ssrc(7)), Some(90_000))
    );
}

#[test]
fn what_the_section_does_not_have_is_dropped() {
    let mut track = UpTrack::new(at(0), video(2));
    let packet = Packet::vp8(7, 100, 0);
    assert_eq!(packet.send(&mut track, 0, 2), Err(Discard::UnknownLayer));
    assert_eq!(
        Packet {
            pt: OPUS,
            ..packet.clone()
        }
        .send(&mut track, 0, 0),
        Err(Discard::UnknownPayloadType)
    );
    assert_eq!(
        Packet {
            ssrc: 0,
            ..packet.clone()
        }
        .send(&mut track, 0, 0),
        Err(Discard::Probe)
    );
    assert_eq!(
        packet.send_as_repair(&mut track, 0, 0),
        Err(Discard::NotStarted)
    );
    assert_eq!(events(&mut track), []);
}

#[test]
fn padding_leaves_no_gap_in_published_numbers() {
    let mut track = UpTrack::new(at(0), video(1));
    let mut published = Vec::new();
    for step in 0..100_u16 {
        let packet = Packet::vp8(7, 65_500_u16.wrapping_add(step), u32::from(step) * 3_000);
        if step % 7 == 3 || step % 7 == 4 {
            assert_eq!(
                packet.padding_only().send(&mut track, u64::from(step), 0),
                Err(Discard::Padding)
            );
        } else {
            published.push(
                packet
                    .send(&mut track, u64::from(step), 0)
                    .unwrap()
                    .sequence,
            );
        }
    }
    assert!(published.windows(2).all(|pair| pair[1] == pair[0] + 1));
    assert!(
        run_until(&mut track, 200)
            .iter()
            .all(|(_, packet)| !matches!(packet, Rtcp::Nack { .. }))
    );
}

#[test]
fn a_lost_packet_is_asked_for_and_its_repair_takes_its_place() {
    let mut track = UpTrack::new(at(0), video(1));
    let first = Packet::vp8(7, 65_534, 0)
        .key_frame()
        .send(&mut track, 0, 0)
        .unwrap();
    Packet::vp8(7, 1, 9_000).send(&mut track, 10, 0).unwrap();
    let said = run_until(&mut track, 100);
    let nack = Rtcp::Nack {
        sender: Ssrc(7),
        media: Ssrc(7),
        lost: vec![65_535, 0],
    };
    assert_eq!(said, [(30, nack.clone()), (100, nack)]);
    let repaired = Packet::vp8(7, 65_535, 3_000)
        .send_as_repair(&mut track, 110, 0)
        .unwrap();
    assert_eq!(
        (repaired.sequence, repaired.late, repaired.pt),
        (first.sequence + 1, true, VP8)
    );
    assert_eq!(
        track.stored(0, repaired.sequence).unwrap().payload,
        delta_frame()
    );
    let again = Packet::vp8(7, 65_535, 3_000);
    assert_eq!(
        again.send_as_repair(&mut track, 111, 0),
        Err(Discard::Duplicate)
    );
    assert_eq!(again.send(&mut track, 112, 0), Err(Discard::Duplicate));
    let said = run_until(&mut track, 300);
    assert!(matches!(&said[0].1, Rtcp::Nack { lost, .. } if lost == &[0]));
}

#[test]
fn malformed_and_empty_repairs_are_dropped() {
    let mut track = UpTrack::new(at(0), video(1));
    Packet::vp8(7, 10, 0).send(&mut track, 0, 0).unwrap();
    let repair = |payload: Vec<u8>, padding| Packet {
        ssrc: 8,
        pt: VP8_RTX,
        payload,
        padding,
        ..Packet::vp8(8, 1, 0)
    };
    let mut send = |packet: Packet| {
        let bytes = packet.bytes();
        track.handle_rtp(at(1), 0, true, &RtpView::parse(&bytes).unwrap())
    };
    assert_eq!(send(repair(vec![], 200)), Err(Discard::Padding));
    assert_eq!(send(repair(vec![1], 0)), Err(Discard::Malformed));
    assert_eq!(send(repair(vec![0x7f, 0xff, 1, 2], 0)), Err(Discard::Jump));
}

#[test]
fn seeded_loss_reordering_and_duplication_across_both_wraps() {
    for seed in 1..30 {
        let mut dice = Dice::new(seed);
        let mut track = UpTrack::new(at(0), video(1));
        let first_timestamp = u32::MAX - 1_000;
        let mut wire = Vec::new();
        for step in 0..3_000_u64 {
            let packet = Packet {
                payload: [&delta_frame()[..], &step.to_be_bytes()].concat(),
                ..Packet::vp8(
                    7,
                    (65_500 + step) as u16,
                    first_timestamp.wrapping_add(step as u32 * 3_000),
                )
            };
            for _ in 0..[1, 1, 1, 1, 1, 1, 1, 1, 0, 2][dice.below(10) as usize] {
                wire.push((step * 10 + dice.below(60), step, packet.clone()));
            }
        }
        wire.sort_by_key(|(ms, ..)| *ms);
        let mut published = BTreeMap::new();
        let mut asked = 0;
        for (ms, step, packet) in &wire {
            asked += run_until(&mut track, *ms)
                .iter()
                .map(|(_, packet)| {
                    if let Rtcp::Nack { lost, .. } = packet {
                        lost.len()
                    } else {
                        0
                    }
                })
                .sum::<usize>();
            match packet.send(&mut track, *ms, 0) {
                Ok(meta) => {
                    assert!(
                        published.insert(*step, meta.sequence).is_none(),
                        "seed {seed}: {step} came twice"
                    );
                    let stored = track.stored(0, meta.sequence).unwrap();
                    assert_eq!(stored.payload[6..], step.to_be_bytes());
                }
                Err(discard) => {
                    assert_eq!(discard, Discard::Duplicate, "seed {seed}");
                    assert!(published.contains_key(step));
                }
            }
        }
        let (&first_step, &first) = published.first_key_value().unwrap();
        assert!(
            published
                .iter()
                .all(|(step, sequence)| sequence - first == step - first_step),
            "seed {seed}"
        );
        assert!(asked > 200, "seed {seed}: {asked}");
    }
}

#[test]
fn another_ssrc_is_another_epoch_above_the_last_one() {
    let mut track = UpTrack::new(at(0), video(1));
    let before = Packet::vp8(7, 40_000, 0)
        .key_frame()
        .send(&mut track, 0, 0)
        .unwrap();
    track.handle_sender_report(at(1), 0, 1 << 40, 5);
    run_until(&mut track, 1_100);
    let after = Packet::vp8(8, 3, 77).send(&mut track, 1_200, 0).unwrap();
    assert_eq!((before.epoch, after.epoch), (0, 1));
    assert!(after.sequence > before.sequence + 500);
    assert!(track.sender_report(0).is_none());
    assert_eq!(
        Packet::vp8(7, 40_001, 3_000).send(&mut track, 1_210, 0),
        Err(Discard::RetiredSsrc)
    );
    let earlier = Packet::vp8(8, 2, 0).send(&mut track, 1_211, 0).unwrap();
    assert_eq!(earlier.sequence, after.sequence - 1);
    assert_eq!(plis(&run_until(&mut track, 1_300)), [1_200]);
    let returned = Packet::vp8(7, 40_002, 0)
        .send(&mut track, 6_300, 0)
        .unwrap();
    assert_eq!(returned.epoch, 2, "after five seconds it is no straggler");
    let started = events(&mut track)
        .iter()
        .filter(|event| matches!(event, UpEvent::Started { .. }))
        .count();
    assert_eq!(started, 1, "a new epoch is no new track");
}

#[test]
fn a_jump_needs_two_packets_in_a_row() {
    let mut track = UpTrack::new(at(0), video(1));
    Packet::vp8(7, 100, 0).send(&mut track, 0, 0).unwrap();
    assert_eq!(
        Packet::vp8(7, 30_000, 0).send(&mut track, 1, 0),
        Err(Discard::Jump)
    );
    assert!(Packet::vp8(7, 101, 3_000).send(&mut track, 2, 0).is_ok());
    assert_eq!(
        Packet::vp8(7, 30_001, 0).send(&mut track, 3, 0),
        Err(Discard::Jump)
    );
    let restarted = Packet::vp8(7, 30_002, 0).send(&mut track, 4, 0).unwrap();
    assert_eq!(restarted.epoch, 1);
    assert!(Packet::vp8(7, 30_003, 0).send(&mut track, 5, 0).is_ok());
}

#[test]
fn receiver_reports_leave_each_second_while_packets_come() {
    let mut track = UpTrack::new(at(0), video(1));
    track.handle_sender_report(at(0), 0, 0x0001_2345_6789_abcd, 5);
    let mut reports = Vec::new();
    for step in 0..300_u16 {
        let ms = u64::from(step) * 10;
        reports.extend(run_until(&mut track, ms));
        if step % 10 != 9 {
            let packet = Packet::vp8(7, 65_500_u16.wrapping_add(step), u32::from(step) * 900);
            packet.key_frame().send(&mut track, ms, 0).unwrap();
        }
    }
    reports.extend(run_until(&mut track, 10_000));
    let blocks: Vec<_> = reports
        .into_iter()
        .filter_map(|(ms, packet)| match packet {
            Rtcp::ReceiverReport { ssrc, reports } => {
                assert_eq!(ssrc, Ssrc(7));
                Some((ms, reports[0]))
            }
            _ => None,
        })
        .collect();
    assert_eq!(blocks.len(), 3);
    let (ms, last) = blocks[2];
    assert!((20..=30).contains(&last.fraction_lost), "{last:?}");
    assert_eq!(last.last_sender_report, 0x2345_6789);
    assert!(last.delay.abs_diff((ms * 65_536 / 1_000) as u32) < 100);
}

#[test]
fn key_frame_requests_keep_to_the_throttle_of_each_layer() {
    let mut track = UpTrack::new(at(0), video(3));
    for layer in 0..3 {
        Packet::vp8(7 + u32::from(layer), 1, 0)
            .key_frame()
            .send(&mut track, 0, layer)
            .unwrap();
    }
    let mut sent: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    for ms in 0..3_000 {
        (0..3).for_each(|layer| track.request_key_frame(layer));
        track.handle_timeout(at(ms));
        while let Some(packet) = track.poll_feedback() {
            if let Rtcp::Pli { media, .. } = packet {
                sent.entry(media.0).or_default().push(ms);
            }
        }
    }
    assert_eq!(sent[&7], [0, 500, 1_000, 1_500, 2_000, 2_500]);
    assert_eq!(sent[&8], [0, 1_000, 2_000]);
    assert_eq!(sent[&9], [0, 1_000, 2_000]);
}

#[test]
fn a_started_stream_is_asked_for_a_key_frame_until_it_shows_one() {
    let mut track = UpTrack::new(at(0), video(1));
    Packet::vp8(7, 1, 0).send(&mut track, 0, 0).unwrap();
    assert_eq!(plis(&run_until(&mut track, 2_500)), [0, 1_000, 2_000]);
    Packet::vp8(7, 2, 0)
        .key_frame()
        .send(&mut track, 2_500, 0)
        .unwrap();
    assert_eq!(plis(&run_until(&mut track, 9_000)), Vec::<u64>::new());
}

#[test]
fn a_layer_that_disappears_and_returns_is_reported() {
    let mut track = UpTrack::new(at(0), video(2));
    let mut sequence = [100_u16, 65_500];
    let mut changes = Vec::new();
    let mut shown = [false; 2];
    for ms in (0..20_000_u64).step_by(20) {
        for layer in 0..2_u8 {
            let paused = layer == 1 && (2_000..6_000).contains(&ms);
            if !paused {
                let number = &mut sequence[usize::from(layer)];
                *number = number.wrapping_add(1);
                let packet = Packet::vp8(7 + u32::from(layer), *number, ms as u32 * 90);
                packet.key_frame().send(&mut track, ms, layer).unwrap();
            }
        }
        run_until(&mut track, ms);
        if events(&mut track).contains(&UpEvent::Layers) {
            let active: Vec<_> = track.layers().map(|layer| layer.active).collect();
            if active != shown {
                shown.copy_from_slice(&active);
                changes.push((ms, shown));
            }
        }
    }
    assert_eq!(changes[0], (0, [true, true]));
    assert_eq!(changes[1], (2_500, [true, false]));
    assert_eq!(changes.len(), 3, "{changes:?}");
    assert!((6_500..=7_500).contains(&changes[2].0) && changes[2].1 == [true, true]);
    let view = track.view();
    assert_eq!((view.streams, view.active), (2, [true, true, false]));
    assert!((45.0..55.0).contains(&view.fps[0][0]), "{view:?}");
}

#[test]
fn mute_silences_stops_layers_and_asks_for_nothing() {
    let mut track = UpTrack::new(at(0), video(1));
    Packet::vp8(7, 1, 0).send(&mut track, 0, 0).unwrap();
    track.set_muted(at(10), true);
    track.request_key_frame(0);
    assert_eq!(plis(&run_until(&mut track, 5_000)), Vec::<u64>::new());
    assert!(track.layers().all(|layer| !layer.active));
    assert!((track.quality().score - 100.0).abs() < 0.01);
    Packet::vp8(7, 2, 0).send(&mut track, 5_000, 0).unwrap();
    assert!(track.layers().all(|layer| !layer.active));
    track.set_muted(at(6_000), false);
    events(&mut track);
    Packet::vp8(7, 3, 0).send(&mut track, 6_001, 0).unwrap();
    assert_eq!(events(&mut track), [UpEvent::Layers]);
    assert!(track.layers().all(|layer| layer.active));
}

#[test]
fn loudness_follows_the_level_extension_until_muted() {
    let mut track = UpTrack::new(at(0), audio());
    let packet = |step: u16| Packet {
        pt: if step.is_multiple_of(2) {
            OPUS
        } else {
            PayloadType(63)
        },
        level: Some(20),
        payload: vec![1, 2, 3],
        ..Packet::vp8(
            7,
            65_500_u16.wrapping_add(step),
            (u32::MAX - 1_000).wrapping_add(u32::from(step) * 960),
        )
    };
    for step in 0..100 {
        let meta = packet(step)
            .send(&mut track, u64::from(step) * 20, 0)
            .unwrap();
        assert_eq!(
            (meta.epoch, meta.audio_level.map(|level| level.level)),
            (0, Some(20))
        );
    }
    let loudness = track.loudness(at(2_000));
    assert!(
        loudness.active && (loudness.level - 0.1).abs() < 0.01,
        "{loudness:?}"
    );
    track.set_muted(at(2_001), true);
    packet(100).send(&mut track, 2_010, 0).unwrap();
    assert_eq!(track.loudness(at(2_010)), Loudness::default());
    assert_eq!(plis(&run_until(&mut track, 3_000)), Vec::<u64>::new());
}

#[test]
fn red_is_not_asked_for_again() {
    let mut track = UpTrack::new(at(0), audio());
    for sequence in [1, 5] {
        Packet {
            pt: PayloadType(63),
            ..Packet::vp8(7, sequence, 0)
        }
        .send(&mut track, 0, 0)
        .unwrap();
    }
    assert!(run_until(&mut track, 500).is_empty());
}

#[test]
fn quality_falls_with_unrepaired_loss_and_missing_layers() {
    let feed = |repair: bool, layers: u8, wanted: Wanted| {
        let mut track = UpTrack::new(at(0), video(2));
        track.set_wanted(at(0), wanted);
        for step in 0..1_000_u16 {
            let ms = u64::from(step) * 10;
            run_until(&mut track, ms);
            for layer in 0..layers {
                let packet = Packet::vp8(7 + u32::from(layer), step, u32::from(step) * 900);
                if step % 20 != 10 {
                    packet.send(&mut track, ms, layer).unwrap();
                }
                if repair && step % 20 == 11 {
                    Packet::vp8(7 + u32::from(layer), step - 1, 0)
                        .send_as_repair(&mut track, ms, layer)
                        .unwrap();
                }
            }
        }
        run_until(&mut track, 10_000);
        track.quality().score
    };
    assert!(feed(true, 2, Wanted::UpTo(1)) > 95.0);
    assert!(feed(false, 2, Wanted::UpTo(1)) < 60.0);
    let one_missing = feed(true, 1, Wanted::UpTo(1));
    assert!((60.0..80.0).contains(&one_missing), "{one_missing}");
    assert!(feed(true, 1, Wanted::UpTo(0)) > 95.0);
    assert!(feed(false, 0, Wanted::Nothing) > 95.0);
}

#[test]
fn a_linked_packet_is_kept_without_feedback() {
    let mut home = UpTrack::new(at(0), video(1));
    let mut far = UpTrack::new(at(0), video(1));
    for step in 0..50_u16 {
        let packet = Packet::vp8(7, step * 2, 0);
        let meta = packet.send(&mut home, u64::from(step) * 10, 0).unwrap();
        let stored = home.stored(0, meta.sequence).unwrap();
        far.handle_linked(
            at(u64::from(step) * 10 + 1),
            stored.meta,
            stored.descriptor,
            stored.payload,
        )
        .unwrap();
        assert_eq!(
            far.stored(0, meta.sequence).unwrap().payload,
            stored.payload
        );
        let again = far.handle_linked(at(1_000), stored.meta, stored.descriptor, stored.payload);
        assert_eq!(again, Err(Discard::Duplicate));
    }
    assert!(run_until(&mut far, 2_000).is_empty());
    assert_eq!(far.clock_rate(0), Some(90_000));
}

#[test]
fn a_paused_layer_that_is_wanted_again_is_active_with_its_first_packet() {
    let mut track = UpTrack::new(at(0), video(3));
    track.set_wanted(at(0), Wanted::UpTo(2));
    let send = |track: &mut UpTrack, ms: u64, layer: u8| {
        let sequence = (ms / 20) as u16;
        Packet::vp8(7 + u32::from(layer), sequence, 0).send(track, ms, layer)
    };
    send(&mut track, 0, 2).unwrap();
    track.set_wanted(at(100), Wanted::UpTo(0));
    run_until(&mut track, 2_000);
    assert_eq!(track.view().active, [false; 3]);
    send(&mut track, 2_000, 2).unwrap();
    assert_eq!(
        track.view().active,
        [false; 3],
        "a straggler, or the publisher's own doing"
    );
    track.set_wanted(at(2_100), Wanted::UpTo(2));
    assert_eq!(track.view().active, [false; 3]);
    send(&mut track, 2_120, 2).unwrap();
    assert_eq!(track.view().active, [false, false, true]);
}

#[test]
fn the_far_end_of_a_link_shows_the_layers_that_home_sees() {
    let mut home = UpTrack::new(at(0), video(3));
    let mut far = UpTrack::new(at(0), video(3));
    for layer in 0..3 {
        let packet = Packet::vp8(7 + layer, 1, 0);
        let meta = packet.send(&mut home, 0, layer as u8).unwrap();
        if layer < 2 {
            let stored = home.stored(meta.layer, meta.sequence).unwrap();
            far.handle_linked(at(1), stored.meta, stored.descriptor, stored.payload)
                .unwrap();
        }
    }
    assert_eq!(far.view().active, [false; 3], "unknown until it is told");
    let states = home.layer_states();
    assert!(states.differ(&LayerStates::default()) && !states.differ(&states));
    far.handle_linked_layers(states);
    assert_eq!(far.view().active, [true; 3]);
    run_until(&mut far, 60_000);
    assert_eq!(far.view().active, [true; 3], "it measures nothing itself");
}

#[test]
fn random_streams_keep_the_newest_in_the_ring_and_time_moving() {
    let mut dice = Dice::new(99);
    let mut track = UpTrack::new(at(0), video(3));
    let mut newest = None;
    for ms in 0..20_000 {
        let packet = Packet::vp8(
            7 + dice.below(3) as u32,
            dice.below(65_536) as u16,
            dice.below(1 << 32) as u32,
        );
        let repair = dice.below(4) == 0;
        let layer = dice.below(4) as u8;
        let outcome = if repair {
            packet.send_as_repair(&mut track, ms, layer)
        } else {
            packet.send(&mut track, ms, layer)
        };
        if let Ok(meta) = outcome {
            assert!(track.stored(meta.layer, meta.sequence).is_some());
            newest = newest.max(Some(meta.epoch));
        }
        run_until(&mut track, ms);
    }
    assert!(newest.is_some());
}
