use super::*;
use sluice_wire::codec::opus;

fn audio(rtx: bool) -> Bench {
    let mut bench = Bench::new(settings(MediaKind::Audio, rtx));
    bench.layers.streams = 1;
    bench
}

fn opus_packet(n: u64) -> (PacketMeta, Vec<u8>) {
    let meta = PacketMeta {
        codec: Codec::Opus,
        pt: PayloadType(111),
        timestamp: (n * 960) as u32,
        arrival: at(n * 20),
        ..meta(70_000 + n)
    };
    (meta, frame(n))
}

/// The encoded frame of packet `n`.
fn frame(n: u64) -> Vec<u8> {
    vec![n as u8; 5 + (n % 3) as usize]
}

/// RED with the two frames before (RFC 2198).
fn red_packet(n: u64) -> (PacketMeta, Vec<u8>) {
    let mut payload = Vec::new();
    for back in [2u64, 1] {
        let offset = (960 * back) as u16;
        let len = frame(n - back).len() as u16;
        payload.extend([
            0x80 + 111,
            (offset >> 6) as u8,
            (offset << 2) as u8 | (len >> 8) as u8,
            len as u8,
        ]);
    }
    payload.push(111);
    for back in [2, 1, 0] {
        payload.extend(frame(n - back));
    }
    let (meta, _) = opus_packet(n);
    (
        PacketMeta {
            codec: Codec::Red,
            pt: PayloadType(63),
            ..meta
        },
        payload,
    )
}

#[test]
fn lost_red_packets_are_recovered_from_later_ones_once() {
    let mut bench = audio(false);
    for n in (10..40).filter(|n| ![15, 20, 21, 30, 31, 32].contains(n)) {
        let (meta, payload) = red_packet(n);
        bench.receive(&meta, &[], &payload);
    }
    let (late, payload) = red_packet(15);
    assert_eq!(
        bench.receive(&PacketMeta { late: true, ..late }, &[], &payload),
        0,
        "recovered before"
    );

    let heard: Vec<_> = bench
        .media()
        .map(|seen| u64::from(seen.view().payload()[0]))
        .collect();
    // 33 carries only two older frames: 30 is lost.
    let expected: Vec<_> = (10..40).filter(|n| *n != 30).collect();
    assert_eq!(heard, expected);
    let first = &bench.seen[0];
    for seen in bench.media() {
        let n = u64::from(seen.view().payload()[0]);
        assert_eq!(seen.view().payload(), frame(n));
        assert_eq!(seen.view().header().payload_type, PayloadType(111));
        assert_eq!(seen.sequence - first.sequence, n - 10);
        assert_eq!(
            seen.timestamp().wrapping_sub(first.timestamp()),
            ((n - 10) * 960) as u32
        );
    }
    let at_15 = (first.sequence + 5) as u16;
    assert_eq!(
        bench.nack(900, &[at_15]),
        1,
        "a recovered frame goes out again as it was"
    );
}

#[test]
fn red_is_passed_on_where_it_was_negotiated_and_left_alone_where_encrypted() {
    let mut with_red = settings(MediaKind::Audio, false);
    with_red.payloads.push(PayloadMap {
        from: PayloadType(63),
        to: PayloadType(64),
        rtx: None,
    });
    let mut bench = Bench::new(with_red);
    let (meta, payload) = red_packet(10);
    bench.receive(&meta, &[], &payload);
    assert_eq!(bench.seen[0].view().payload(), payload);
    assert_eq!(bench.seen[0].view().header().payload_type, PayloadType(64));

    let mut encrypted = Bench::new(DownTrackSettings {
        encrypted: true,
        ..settings(MediaKind::Audio, false)
    });
    assert_eq!(encrypted.receive(&meta, &[], &payload), 0);
}

#[test]
fn muting_is_followed_by_a_second_of_silence_and_unmuting_by_no_gap() {
    let mut bench = audio(false);
    for n in 0..10 {
        let (meta, payload) = opus_packet(n);
        bench.receive(&meta, &[], &payload);
    }
    bench.down.set_source_muted(at(200), true);
    let mut now = 200;
    while let Some(due) = bench
        .down
        .poll_timeout(at(now))
        .filter(|due| *due < at(3_000))
    {
        now = due.saturating_duration_since(at(0)).as_millis() as u64;
        bench.timeout(now);
    }
    assert_eq!(now, 1_200);
    let silent = bench
        .media()
        .filter(|seen| seen.view().payload() == opus::SILENCE)
        .count();
    assert_eq!(silent, 50);

    bench.down.set_source_muted(at(5_000), false);
    for n in 250..260 {
        let (meta, payload) = opus_packet(n);
        bench.receive(&meta, &[], &payload);
    }
    assert_eq!(bench.media().count(), 70);
    assert!(rising(bench.sequences().into_iter()));
    let timestamps: Vec<_> = bench.media().map(Seen::timestamp).collect();
    assert_eq!(
        timestamps[60].wrapping_sub(timestamps[0]),
        250 * 960,
        "on the publisher's clock"
    );
    let silence = bench.media().nth(30).unwrap().sequence as u16;
    assert_eq!(bench.nack(5_300, &[silence]), 1);
}

#[test]
fn nothing_is_put_between_encrypted_packets() {
    let mut bench = Bench::new(DownTrackSettings {
        encrypted: true,
        ..settings(MediaKind::Audio, false)
    });
    let (meta, payload) = opus_packet(0);
    bench.receive(&meta, &[], &payload);
    bench.down.set_source_muted(at(100), true);
    assert_eq!(bench.timeout(2_000), 0);
}

#[test]
fn a_payload_type_that_was_not_negotiated_is_refused() {
    let mut bench = audio(false);
    let (meta, payload) = opus_packet(0);
    let stored = Stored {
        meta: &PacketMeta {
            pt: PayloadType(0),
            ..meta
        },
        descriptor: &[],
        payload: &payload,
    };
    let layers = Layers::default();
    let moment = Moment::new(at(0), at(0), &layers);
    let verdict = bench
        .down
        .handle_packet(&moment, &stored, &mut |_| panic!("sent"));
    assert_eq!(verdict, Verdict::Unmapped);
}

#[test]
fn audio_level_and_capture_time_are_passed_on() {
    use sluice_wire::rtp::{AbsCaptureTime, AudioLevel};
    let mut bench = audio(false);
    let (meta, payload) = opus_packet(0);
    let level = AudioLevel {
        level: 33,
        voice: true,
    };
    let time = AbsCaptureTime {
        ntp: 77 << 32,
        clock_offset: None,
    };
    let meta = PacketMeta {
        audio_level: Some(level),
        abs_capture_time: Some(time),
        ..meta
    };
    bench.receive(&meta, &[], &payload);
    let view = bench.seen[0].view();
    assert_eq!(view.extension(1), Some(&b"7"[..]));
    assert_eq!(view.extension(6).and_then(AudioLevel::parse), Some(level));
    assert_eq!(
        view.extension(5).and_then(AbsCaptureTime::parse),
        Some(time)
    );
}
