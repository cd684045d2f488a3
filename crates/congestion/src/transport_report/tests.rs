use std::collections::BTreeMap;
use std::sync::LazyLock;

use sluice_wire::rtcp::{Rtcp, parse_compound, write_compound};

use super::*;

const MEDIA: Ssrc = Ssrc(77);

fn at_us(us: u64) -> Instant {
    #[allow(
        clippy::disallowed_methods,
        reason = "an arbitrary origin for virtual time"
    )]
    static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    *ORIGIN + Duration::from_micros(us)
}

fn at(ms: u64) -> Instant {
    at_us(ms * 1_000)
}

/// What a publisher makes of reports after a trip over the wire: number to arrival in microseconds since the origin,
/// for numbers that came in, and how many statuses there were in all.
fn read(builder: &mut TransportReportBuilder) -> (BTreeMap<u16, i64>, usize) {
    let (arrivals, missing) = read_all(builder);
    let statuses = arrivals.len() + missing.len();
    (arrivals, statuses)
}

/// As [`read`], with the numbers told missing.
fn read_all(builder: &mut TransportReportBuilder) -> (BTreeMap<u16, i64>, Vec<u16>) {
    let (mut arrivals, mut missing) = (BTreeMap::new(), Vec::new());
    while let Some(report) = builder.poll_report() {
        let mut bytes = Vec::new();
        write_compound(&[Rtcp::TransportCc(report.clone())], &mut bytes);
        let mut packets = Vec::new();
        parse_compound(&bytes, &mut packets).unwrap();
        assert_eq!(packets, [Rtcp::TransportCc(report.clone())]);
        assert_eq!((report.sender, report.media), (MEDIA, MEDIA));
        let mut now = i64::from(report.reference_time) * 64_000;
        for (index, delta) in (0..).zip(&report.arrivals) {
            let sequence = report.base_sequence.wrapping_add(index);
            if let Some(delta) = delta {
                now += i64::from(*delta) * 250;
                arrivals.insert(sequence, now);
            } else {
                missing.push(sequence);
            }
        }
    }
    (arrivals, missing)
}

#[test]
fn a_report_needs_more_than_20_packets_and_100_ms() {
    let mut builder = TransportReportBuilder::new(at(0));
    for sequence in 0..20 {
        builder.handle_packet(at(u64::from(sequence) * 50), sequence, MEDIA, true);
    }
    assert!(builder.poll_report().is_none());
    builder.handle_packet(at(1_000), 20, MEDIA, false);
    assert_eq!(builder.poll_report().unwrap().arrivals.len(), 21);
}

#[test]
fn the_end_of_a_frame_reports_after_50_ms_and_many_packets_at_once() {
    let mut builder = TransportReportBuilder::new(at(0));
    for sequence in 0..30 {
        builder.handle_packet(at(u64::from(sequence)), sequence, MEDIA, false);
    }
    builder.handle_packet(at(49), 30, MEDIA, true);
    assert!(builder.poll_report().is_none());
    builder.handle_packet(at(50), 31, MEDIA, true);
    assert_eq!(builder.poll_report().unwrap().arrivals.len(), 32);
    for sequence in 32..132 {
        builder.handle_packet(at(51), sequence, MEDIA, false);
    }
    assert!(builder.poll_report().is_none());
    builder.handle_packet(at(51), 132, MEDIA, false);
    assert_eq!(builder.poll_report().unwrap().arrivals.len(), 101);
}

#[test]
fn arrivals_are_told_to_250_us_across_the_wrap() {
    let mut builder = TransportReportBuilder::new(at(0));
    let mut expected = BTreeMap::new();
    for step in 0..100_u16 {
        let us = 5_000_000 + u64::from(step) * 1_730;
        let sequence = 65_500_u16.wrapping_add(step);
        builder.handle_packet(at_us(us), sequence, MEDIA, step % 10 == 9);
        expected.insert(sequence, us / 250 * 250);
    }
    let (arrivals, _) = read(&mut builder);
    assert!(arrivals.len() > 70);
    for (sequence, us) in arrivals {
        assert_eq!(us.cast_unsigned(), expected[&sequence], "packet {sequence}");
    }
}

#[test]
fn lost_packets_show_also_between_two_reports() {
    let mut builder = TransportReportBuilder::new(at(0));
    let feed = |builder: &mut TransportReportBuilder, from: u16, to: u16| {
        for sequence in from..to {
            builder.handle_packet(at(u64::from(sequence) * 5), sequence, MEDIA, false);
        }
    };
    feed(&mut builder, 0, 21);
    let (arrivals, statuses) = read(&mut builder);
    assert_eq!((arrivals.len(), statuses), (21, 21));
    feed(&mut builder, 31, 41);
    feed(&mut builder, 43, 60);
    let (arrivals, statuses) = read(&mut builder);
    let newest = *arrivals.last_key_value().unwrap().0;
    assert_eq!(statuses, usize::from(newest) - 20);
    assert!(!arrivals.contains_key(&25) && !arrivals.contains_key(&42));
}

#[test]
fn reordered_packets_have_negative_deltas_and_late_ones_are_reported_after_all() {
    let mut builder = TransportReportBuilder::new(at(0));
    for sequence in [0, 1, 3, 2, 4].into_iter().chain(6..24) {
        let ms = if sequence == 3 {
            12
        } else {
            20 + u64::from(sequence) * 5
        };
        builder.handle_packet(at(ms), sequence, MEDIA, false);
    }
    let (arrivals, statuses) = read(&mut builder);
    assert_eq!((arrivals[&2], arrivals[&3]), (30_000, 12_000));
    assert_eq!((arrivals.len(), statuses), (statuses - 1, statuses));
    builder.handle_packet(at(300), 5, MEDIA, false);
    for sequence in 24..45 {
        builder.handle_packet(at(301 + u64::from(sequence)), sequence, MEDIA, false);
    }
    assert_eq!(read(&mut builder).0[&5], 300_000);
}

#[test]
fn duplicates_are_reported_once() {
    let mut builder = TransportReportBuilder::new(at(0));
    for step in 0..60_u16 {
        builder.handle_packet(at(u64::from(step) * 5), step / 2, MEDIA, false);
    }
    let (arrivals, statuses) = read(&mut builder);
    assert_eq!(arrivals.len(), statuses);
    assert_eq!(arrivals[&7], 70_000);
}

#[test]
fn a_pause_longer_than_a_delta_starts_another_report() {
    let mut builder = TransportReportBuilder::new(at(0));
    for sequence in 0..15 {
        builder.handle_packet(at(u64::from(sequence)), sequence, MEDIA, false);
    }
    for sequence in 15..21 {
        builder.handle_packet(at(60_000 + u64::from(sequence)), sequence, MEDIA, false);
    }
    let first = builder.poll_report().unwrap();
    let second = builder.poll_report().unwrap();
    assert_eq!((first.arrivals.len(), second.arrivals.len()), (15, 6));
    assert_eq!((first.feedback_count, second.feedback_count), (0, 1));
    assert_eq!(second.base_sequence, 15);
}

#[test]
fn hostile_numbers_stay_bounded() {
    let mut builder = TransportReportBuilder::new(at(0));
    let mut state = 1_u32;
    for step in 0..50_000_u64 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        builder.handle_packet(at(step), (state >> 16) as u16, MEDIA, state & 0x100 == 0);
        assert!(builder.arrivals.len() <= MAX_ARRIVALS && builder.ready.len() <= MAX_READY);
    }
    read(&mut builder);
}

#[test]
fn seeded_loss_reordering_and_duplication_are_told_truthfully() {
    for seed in 1..20_u32 {
        let mut state = seed;
        let mut roll = |bound: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % bound
        };
        let mut arrivals: Vec<(u64, u16)> = Vec::new();
        for step in 0..5_000_u64 {
            let sequence = (65_000 + step) as u16;
            let sent = step * 2_000;
            for _ in 0..[1, 1, 1, 1, 1, 1, 1, 1, 0, 2][roll(10) as usize] {
                arrivals.push((sent + 10_000 + u64::from(roll(8_000)), sequence));
            }
        }
        arrivals.sort_unstable();
        let mut builder = TransportReportBuilder::new(at(0));
        let mut first_arrival = BTreeMap::new();
        let mut told = BTreeMap::new();
        for (us, sequence) in arrivals {
            first_arrival.entry(sequence).or_insert(us / 250 * 250);
            builder.handle_packet(at_us(us), sequence, MEDIA, roll(5) == 0);
            let (arrivals, missing) = read_all(&mut builder);
            for sequence in missing {
                assert!(
                    !told.contains_key(&sequence),
                    "seed {seed}: packet {sequence} had come in"
                );
            }
            for (sequence, us) in arrivals {
                told.entry(sequence).or_insert(us.cast_unsigned());
            }
        }
        assert!(told.len() + 200 > first_arrival.len(), "seed {seed}");
        for (sequence, us) in told {
            assert_eq!(
                us, first_arrival[&sequence],
                "seed {seed}, packet {sequence}"
            );
        }
    }
}
