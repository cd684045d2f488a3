use super::*;
use crate::test_packets::Dice;

#[test]
fn a_nack_is_answered_on_the_rtx_stream_with_the_original_number() {
    let mut bench = Bench::new(settings(MediaKind::Video, true));
    bench.wish(0, 0, 1);
    for n in 0..5 {
        bench.frame(Frame::of(0, n, n == 0));
    }
    let original = bench.seen[2].clone();
    assert_eq!(bench.nack(200, &[original.sequence as u16, 9]), 1);
    let again = bench.seen.last().unwrap();
    let header = again.view().header();
    assert_eq!((header.ssrc, header.payload_type), (RTX, PayloadType(101)));
    assert_eq!(
        (header.timestamp, header.marker),
        (original.timestamp(), true)
    );
    let (number, payload) = again.view().payload().split_at(2);
    assert_eq!(number, (original.sequence as u16).to_be_bytes());
    assert_eq!(payload, original.view().payload());
    assert_eq!(
        bench.nack(210, &[original.sequence as u16]),
        0,
        "within a round trip"
    );
    assert_eq!(bench.nack(400, &[original.sequence as u16]), 1);
    let rtx: Vec<_> = bench
        .seen
        .iter()
        .filter(|s| s.kind == OutgoingKind::Retransmission)
        .collect();
    assert_eq!(rtx[1].sequence, rtx[0].sequence + 1);
}

#[test]
fn without_rtx_a_packet_goes_out_again_byte_for_byte() {
    let mut bench = Bench::new(settings(MediaKind::Video, false));
    bench.wish(0, 0, 1);
    for n in 0..5 {
        bench.frame(Frame::of(0, n, n == 0));
    }
    let original = bench.seen[3].clone();
    assert_eq!(bench.nack(500, &[original.sequence as u16]), 1);
    assert_eq!(bench.seen.last().unwrap().bytes, original.bytes);
}

#[test]
fn nacks_wait_while_the_subscriber_awaits_a_key_frame() {
    let mut bench = Bench::new(settings(MediaKind::Video, true));
    bench.wish(0, 0, 1);
    for n in 0..5 {
        bench.frame(Frame::of(0, n, n == 0));
    }
    let number = bench.seen[1].sequence as u16;
    bench.down.handle_key_frame_request(at(200));
    assert_eq!(bench.nack(210, &[number]), 0);
    bench.frame(Frame::of(0, 7, true));
    assert_eq!(bench.nack(240, &[number]), 1);
}

#[test]
fn padding_probes_need_an_rtx_stream() {
    let mut bench = Bench::new(settings(MediaKind::Video, true));
    assert!(
        !bench.down.probe(at(0), &mut |_| {}),
        "nothing was sent yet"
    );
    bench.frame(Frame::of(2, 0, true));
    let mut sizes = Vec::new();
    assert!(
        bench
            .down
            .probe(at(10), &mut |outgoing| sizes.push(outgoing.body_len()))
    );
    assert_eq!(sizes, [255]);
    let mut without = Bench::new(settings(MediaKind::Video, false));
    without.frame(Frame::of(2, 0, true));
    assert!(!without.down.probe(at(10), &mut |_| {}));
}

#[test]
fn the_next_subscription_on_the_ssrc_uses_no_number_again() {
    let mut bench = Bench::new(settings(MediaKind::Video, true));
    for n in 0..5 {
        bench.frame(Frame::of(2, n, n == 0));
    }
    bench.nack(300, &[bench.seen[1].sequence as u16]);
    let resume = bench.down.state();
    bench.down = DownTrack::new(DownTrackSettings {
        resume,
        ..settings(MediaKind::Video, true)
    });
    for n in 20..25 {
        bench.frame(Frame::of(2, n, n == 20));
    }
    bench.nack(2_000, &[bench.seen.last().unwrap().sequence as u16]);
    assert_eq!(bench.media().count(), 10);
    assert!(rising(bench.sequences().into_iter()));
}

#[test]
fn loss_and_reordering_leave_no_hole_that_a_nack_does_not_fill() {
    for seed in 1..=20 {
        let mut dice = Dice::new(seed);
        let mut bench = Bench::new(settings(MediaKind::Video, true));
        bench.wish(0, 0, 1);
        // Upstream: a tenth comes late by up to eight packets. Downstream: a tenth is lost and asked for.
        let mut pending: Vec<(u64, Frame)> = Vec::new();
        for n in 0..400 {
            let frame = Frame::of(0, n, n == 0);
            if n > 0 && dice.below(10) == 0 {
                pending.push((n + 1 + dice.below(8), frame));
            } else {
                bench.frame(frame);
            }
            for (_, late) in pending.extract_if(.., |(due, _)| *due <= n) {
                bench.late(Frame { ms: n * 33, ..late });
            }
            let lost: Vec<_> = bench
                .seen
                .iter()
                .rev()
                .take(3)
                .map(|seen| seen.sequence as u16)
                .collect();
            if dice.below(10) == 0 {
                bench.nack(n * 33 + 10, &lost);
            }
        }
        for (_, late) in pending {
            bench.late(Frame {
                ms: 400 * 33,
                ..late
            });
        }
        let mut sent: Vec<_> = bench
            .media()
            .map(|s| (s.sequence, s.vp8().picture_id.unwrap().value))
            .collect();
        sent.sort_unstable();
        assert_eq!(sent.len(), 400, "seed {seed}");
        assert!(
            sent.windows(2)
                .all(|p| p[1].0 == p[0].0 + 1 && p[1].1 == p[0].1 + 1),
            "seed {seed}"
        );
    }
}

/// Whatever happens, one number is one packet ([`Bench::check`]); without RTX, so that all is sent on one SSRC.
#[test]
fn no_number_ever_stands_for_two_packets() {
    let mut sent = 0;
    for seed in 1..=60 {
        let mut dice = Dice::new(seed * 7_919);
        let mut bench = Bench::new(settings(MediaKind::Video, false)).with_reports();
        let mut epochs = [0u16; 3];
        let mut held: Vec<(PacketMeta, Vec<u8>)> = Vec::new();
        for n in 0..600u64 {
            for layer in 0..3u8 {
                let (meta, payload) = Frame::of(layer, n, dice.below(25) == 0).meta_and_payload();
                let epoch = &mut epochs[usize::from(layer)];
                *epoch += u16::from(dice.below(200) == 0);
                let meta = PacketMeta {
                    epoch: *epoch,
                    ..meta
                };
                match dice.below(12) {
                    0 => held.push((meta, payload)),
                    1 => {}
                    _ => {
                        bench.receive(&meta, &[], &payload);
                    }
                }
            }
            if !held.is_empty() && dice.below(3) == 0 {
                let (meta, payload) = held.swap_remove(dice.below(held.len() as u64) as usize);
                let late = PacketMeta {
                    late: true,
                    arrival: at(n * 33),
                    ..meta
                };
                bench.receive(&late, &[], &payload);
                bench.receive(&late, &[], &payload);
            }
            disturb(&mut bench, &mut dice, n * 33);
        }
        sent += bench.media().count();
    }
    assert!(sent > 5_000, "{sent}");
}

fn disturb(bench: &mut Bench, dice: &mut Dice, ms: u64) {
    match dice.below(160) {
        0 => bench.wish(ms, dice.below(3) as u8, dice.below(2) as u8),
        1 => bench.down.set_wish(
            at(ms),
            false,
            Target {
                spatial: 2,
                temporal: 1,
            },
            0,
        ),
        2 => bench.down.set_allowed(at(ms), None),
        3 => bench.down.set_allowed(
            at(ms),
            Some(Target {
                spatial: 2,
                temporal: 3,
            }),
        ),
        4 => bench.down.set_source_muted(at(ms), dice.below(2) == 0),
        5 => {
            bench.timeout(ms);
        }
        6 => bench.layers.active = std::array::from_fn(|_| dice.below(4) > 0),
        7 => {
            let resume = bench.down.state();
            bench.down = DownTrack::new(DownTrackSettings {
                resume,
                ..settings(MediaKind::Video, false)
            });
        }
        8..60 => {
            let newest = bench.seen.last().map_or(0, |seen| seen.sequence);
            let lost: Vec<_> = (0..5)
                .map(|_| newest.wrapping_sub(dice.below(200)) as u16)
                .collect();
            bench.nack(ms + 20, &lost);
        }
        _ => {}
    }
}
