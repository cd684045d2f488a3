use super::*;
use crate::test_svc::L3T3Key;

fn video() -> Bench {
    Bench::new(settings(MediaKind::Video, true)).with_reports()
}

/// Feeds frames `range` of all layers; those numbers in `keys` are key frames of every layer.
fn run(bench: &mut Bench, range: std::ops::Range<u64>, keys: &[u64]) {
    for n in range {
        for layer in 0..3 {
            bench.frame(Frame::of(layer, n, keys.contains(&n)));
        }
    }
}

#[test]
fn layers_switch_up_and_down_at_key_frames_with_continuous_numbers() {
    let mut bench = video();
    bench.wish(0, 0, 1);
    run(&mut bench, 0..10, &[0]);
    bench.wish(330, 2, 1);
    run(&mut bench, 10..20, &[15]);
    bench.wish(660, 1, 1);
    run(&mut bench, 20..30, &[25]);

    // Picture 15 goes out twice: layer 0 came before the key frame of layer 2.
    assert_eq!(bench.media().count(), 31);
    assert!(rising(bench.sequences().into_iter()));
    let layers: Vec<_> = bench
        .media()
        .map(|seen| *seen.view().payload().last().unwrap())
        .collect();
    let expected: Vec<_> = [(0, 16), (2, 10), (1, 5)]
        .iter()
        .flat_map(|&(l, n)| vec![l; n])
        .collect();
    assert_eq!(layers, expected);
    let timestamps: Vec<_> = bench.media().map(Seen::timestamp).collect();
    let steps: Vec<_> = timestamps
        .windows(2)
        .map(|pair| pair[1].wrapping_sub(pair[0]))
        .collect();
    let mut expected = vec![3_000; 30];
    expected[15] = 1;
    expected[25] = 2_999;
    assert_eq!(steps, expected);
    assert!(rising(
        bench
            .media()
            .map(|seen| u64::from(seen.vp8().picture_id.unwrap().value))
    ));
    assert_eq!(bench.down.poll_event(), Some(DownEvent::Started));
    assert_eq!(bench.down.poll_event(), None);
}

#[test]
fn late_packet_after_layer_switch_is_dropped() {
    let mut bench = video();
    bench.wish(0, 0, 1);
    run(&mut bench, 0..5, &[0]);
    let lost = Frame::of(0, 5, false);
    run(&mut bench, 6..7, &[]);
    bench.wish(231, 2, 1);
    run(&mut bench, 7..10, &[7]);
    assert_eq!(bench.late(lost), 0);
    assert_eq!(
        bench.late(Frame::of(2, 6, false)),
        0,
        "from before the switch"
    );
}

#[test]
fn picture_ids_stay_contiguous_through_temporal_drops_and_late_frames() {
    let mut bench = video();
    bench.wish(0, 0, 0);
    for n in (0..40).filter(|n| *n != 20) {
        bench.frame(Frame {
            picture: (32_750 + n) as u16 & 0x7fff,
            ..Frame::of(0, n, n == 0)
        });
    }
    assert_eq!(
        bench.late(Frame {
            picture: 2,
            ..Frame::of(0, 20, false)
        }),
        1
    );
    let mut pictures: Vec<_> = bench
        .media()
        .map(|s| (s.sequence, s.vp8().picture_id.unwrap().value))
        .collect();
    pictures.sort_unstable();
    assert_eq!(pictures.len(), 20);
    assert!(
        pictures
            .windows(2)
            .all(|p| p[1].0 == p[0].0 + 1 && p[1].1 == (p[0].1 + 1) & 0x7fff),
        "{pictures:?}"
    );
}

#[test]
fn a_late_packet_of_an_unwanted_temporal_layer_is_replaced_by_padding() {
    let mut bench = video();
    bench.wish(0, 0, 0);
    bench.frame(Frame::of(0, 0, true));
    bench.frame(Frame::of(0, 2, false));
    assert_eq!(bench.sequences(), [0, 2]);
    assert_eq!(bench.late(Frame::of(0, 1, false)), 1);
    let padding = bench.seen.last().unwrap();
    assert_eq!(padding.kind, OutgoingKind::Padding);
    assert_eq!(padding.sequence, bench.seen[0].sequence + 1);
    assert_eq!(padding.view().payload(), []);
    assert_eq!(bench.late(Frame::of(0, 1, false)), 0, "once");
}

#[test]
fn a_pause_resumes_at_a_key_frame_without_gap_and_on_the_clock() {
    let mut bench = video();
    bench.wish(0, 0, 1);
    run(&mut bench, 0..10, &[0]);
    bench.down.set_allowed(at(330), None);
    run(&mut bench, 10..100, &[50]);
    assert_eq!(bench.media().count(), 10);
    bench.down.set_allowed(
        at(3_300),
        Some(Target {
            spatial: 2,
            temporal: 3,
        }),
    );
    run(&mut bench, 100..110, &[105]);
    assert!(rising(bench.sequences().into_iter()));
    let timestamps: Vec<_> = bench.media().map(Seen::timestamp).collect();
    assert_eq!(timestamps[10].wrapping_sub(timestamps[9]), 96 * 3_000);
    let events: Vec<_> = std::iter::from_fn(|| bench.down.poll_event()).collect();
    assert_eq!(events, [DownEvent::Started; 2]);
}

#[test]
fn a_disabled_track_sends_nothing_and_asks_for_nothing() {
    let mut bench = video();
    bench.down.set_wish(
        at(0),
        false,
        Target {
            spatial: 2,
            temporal: 3,
        },
        0,
    );
    run(&mut bench, 0..3, &[0]);
    assert!(bench.seen.is_empty());
    assert_eq!(bench.down.poll_key_frame_request(at(100)), None);
    assert_eq!(bench.down.target(), None);
}

#[test]
fn key_frames_are_asked_for_until_one_comes() {
    let mut bench = video();
    bench.wish(0, 1, 1);
    let mut asked = Vec::new();
    for n in 0..20 {
        run(&mut bench, n..n + 1, &[12]);
        if let Some(layer) = bench.down.poll_key_frame_request(at(n * 33)) {
            asked.push((n * 33, layer));
        }
    }
    // Twice the default round trip is below the minimum of 200 ms.
    assert_eq!(asked, [(0, 1), (231, 1)]);
    bench.down.handle_key_frame_request(at(700));
    assert_eq!(bench.down.poll_key_frame_request(at(700)), Some(1));
    assert_eq!(bench.down.poll_key_frame_request(at(700)), None);
}

#[test]
fn a_lower_layer_is_taken_where_the_wanted_one_stays_away() {
    let mut bench = video();
    bench.layers.active = [false; 3];
    for n in 0..60 {
        bench.frame(Frame::of(0, n, n % 10 == 0));
    }
    // Frame 40 is the first key frame after the second of grace.
    assert_eq!(bench.media().count(), 20);
    assert_eq!(bench.down.current().map(|current| current.spatial), Some(0));
}

#[test]
fn an_inactive_layer_is_left_for_the_next_one() {
    let mut bench = video();
    run(&mut bench, 0..5, &[0]);
    bench.layers.active = [true, true, false];
    for n in 5..15 {
        bench.frame(Frame::of(0, n, false));
        bench.frame(Frame::of(1, n, n == 8));
    }
    assert_eq!(bench.down.current().map(|current| current.spatial), Some(1));
    assert!(rising(bench.sequences().into_iter()));
}

#[test]
fn numbers_wrap_without_anybody_noticing() {
    let mut bench = video();
    bench.wish(0, 0, 1);
    let wrapping = |n: u64| Frame {
        sequence: 131_000 + n,
        timestamp: (u32::MAX - 5_000).wrapping_add(n as u32 * 3_000),
        picture: (32_700 + n) as u16 & 0x7fff,
        tl0: (200 + n / 2) as u8,
        ..Frame::of(0, n, n == 0)
    };
    for n in 0..60_000 {
        bench.frame(wrapping(n));
    }
    assert_eq!(bench.media().count(), 60_000);
    assert!(rising(bench.sequences().into_iter()));
    let last = bench.seen.last().unwrap();
    assert_ne!(last.sequence >> 16, 0, "the rollover counter moved");
}

#[test]
fn sender_reports_map_the_publishers_clock_to_our_timestamps() {
    let mut bench = video();
    bench.wish(0, 1, 1);
    run(&mut bench, 0..30, &[0]);
    let report = bench
        .down
        .sender_report(at(29 * 33), &bench.layers)
        .unwrap();
    assert_eq!(report.packets, 30);
    // Frame 29 was captured 29 × 3,000 ticks after the publisher's report, its time is 29 × 33 ms after it.
    let last = bench.seen.last().unwrap().timestamp();
    let difference = report.rtp.wrapping_sub(last).cast_signed();
    assert_eq!(difference, 29 * (33 * 90 - 3_000));
    let block = sluice_wire::rtcp::ReportBlock {
        ssrc: SSRC.0,
        fraction_lost: 64,
        total_lost: 3,
        highest_sequence: 0,
        jitter: 900,
        last_sender_report: (report.ntp >> 16) as u32,
        delay: 65_536 / 10,
    };
    bench.down.handle_report(at(29 * 33 + 150), &block);
    let stats = bench.down.receiver_stats();
    assert!(stats.rtt.unwrap().abs_diff(Duration::from_millis(50)) < Duration::from_millis(1));
    assert_eq!(
        (stats.fraction_lost, stats.jitter),
        (0.25, Duration::from_millis(10))
    );
}

#[test]
fn svc_layers_go_down_and_up_with_markers_and_frame_numbers_in_place() {
    let mut bench = Bench::new(settings(MediaKind::Video, true));
    bench.layers.streams = 1;
    bench.wish(0, 2, 2);
    let mut source = L3T3Key::new(65_500, 70_000);
    let mut reader = sluice_wire::dependency_descriptor::Reader::default();
    for n in 0..60u64 {
        match n {
            20 => bench.wish(n * 33, 0, 2),
            40 => bench.wish(n * 33, 2, 2),
            _ => {}
        }
        let before = bench.seen.len();
        for packet in source.picture(n % 10 == 0) {
            bench.receive(&packet.meta, &packet.descriptor, &[n as u8; 20]);
        }
        let sent = &bench.seen[before..];
        let markers = sent
            .iter()
            .filter(|seen| seen.view().header().marker)
            .count();
        assert_eq!(markers, 1, "one picture, one marker");
        assert!(sent.last().unwrap().view().header().marker);
        let low = (20..40).contains(&n);
        assert_eq!(sent.len(), if n % 10 == 0 && !low { 3 } else { 1 });
        for seen in sent {
            let descriptor = reader.read(seen.view().extension(4).unwrap()).unwrap();
            let number = 65_500u16.wrapping_add(3 * n as u16 + u16::from(descriptor.spatial));
            assert_eq!(
                descriptor.frame_number, number,
                "frames keep their distances"
            );
            let told = descriptor.active_targets;
            match (low, descriptor.has_structure) {
                (true, false) => assert_eq!(told, Some(0b111)),
                (false, false) => assert_eq!(told, None),
                (_, true) => assert_eq!(told, Some(0x1ff)),
            }
        }
    }
    assert!(rising(bench.sequences().into_iter()));
}

#[test]
fn a_track_without_simulcast_starts_at_its_first_key_frame() {
    let mut bench = video();
    bench.layers = Layers {
        streams: 1,
        ..Layers::default()
    };
    for n in 0..10 {
        bench.frame(Frame::of(0, n, n == 2));
    }
    assert_eq!(bench.media().count(), 8);
    assert_eq!(bench.down.poll_key_frame_request(at(400)), None);
}

#[test]
fn frames_after_unmuting_keep_their_distance_to_those_before() {
    let mut bench = video();
    bench.wish(0, 0, 1);
    for n in 0..4 {
        bench.frame(Frame::of(0, n, n == 0));
    }
    bench.down.set_source_muted(at(150), true);
    bench.down.set_source_muted(at(3_300), false);
    let resumed = Frame {
        timestamp: Frame::of(0, 100, false).timestamp,
        ms: 3_300,
        ..Frame::of(0, 5, false)
    };
    bench.frame(resumed);
    let (last, first) = (&bench.seen[4], &bench.seen[3]);
    assert_eq!(last.sequence, first.sequence + 1, "no gap");
    assert_eq!(last.timestamp().wrapping_sub(first.timestamp()), 97 * 3_000);
    assert_eq!(
        last.vp8().tl0_pic_idx.unwrap(),
        first.vp8().tl0_pic_idx.unwrap() + 1
    );
    assert_eq!(
        last.vp8().picture_id.unwrap().value,
        first.vp8().picture_id.unwrap().value + 2
    );
}
