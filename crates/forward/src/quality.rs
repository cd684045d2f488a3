//! The quality score of a track (livekit-server's simplified E-model).

use std::time::{Duration, Instant};

use sluice_wire::codec::Codec;

/// A score and whether the stream is gone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// 0 to 100: above 80 excellent, above 40 good, above 20 poor.
    pub score: f32,
    /// Neither packets nor reports came during the last window.
    pub lost: bool,
}

/// What came of a stream during a window. Delays that one side of the server cannot measure are left zero.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct WindowSample {
    /// Packets that should have come.
    pub expected: u64,
    /// Packets that came, at last.
    pub received: u64,
    /// Largest round-trip time.
    pub rtt: Duration,
    /// Largest jitter.
    pub jitter: Duration,
    /// Since the last report of the other side; `None` if there never was one.
    pub report_age: Option<Duration>,
    /// Average number of spatial layers that were wanted but missing.
    pub layer_distance: f32,
    /// Packets that were overtaken.
    pub late: u64,
}

/// Scores one track, a window at a time.
#[derive(Debug)]
pub struct QualityScorer {
    loss_weight: f64,
    score: f64,
    lost: bool,
    window_started: Instant,
    /// While muted or paused windows do not count.
    muted: bool,
    paused: bool,
    released: Option<Instant>,
    packet_rate: PacketRateMode,
    last: WindowSample,
}

impl QualityScorer {
    /// Excellent until a window says otherwise.
    pub fn new(now: Instant, codec: Codec) -> Self {
        Self {
            loss_weight: loss_weight(codec),
            score: MAX_SCORE,
            lost: false,
            window_started: now,
            muted: false,
            paused: false,
            released: None,
            packet_rate: PacketRateMode::default(),
            last: WindowSample::default(),
        }
    }

    /// The codec turned out to be another one.
    pub const fn set_codec(&mut self, codec: Codec) {
        self.loss_weight = loss_weight(codec);
    }

    /// Muted, or nobody wants the track: excellent at once, unless it was lost.
    pub fn set_muted(&mut self, now: Instant, muted: bool) {
        if muted && !self.lost {
            self.score = MAX_SCORE;
        }
        let was_held = self.is_held();
        self.muted = muted;
        self.note_release(now, was_held);
    }

    /// Paused for lack of bandwidth: poor at once.
    pub fn set_paused(&mut self, now: Instant, paused: bool) {
        if paused && !self.paused {
            self.score = MIN_SCORE;
        }
        let was_held = self.is_held();
        self.paused = paused;
        self.note_release(now, was_held);
    }

    /// Ends a window; call at [`Self::poll_timeout`].
    pub fn handle_window(&mut self, now: Instant, sample: &WindowSample) {
        let length = now.saturating_duration_since(self.window_started);
        let counted = self
            .released
            .map_or(length, |at| now.saturating_duration_since(at).min(length));
        self.window_started = now;
        self.last = *sample;
        // A window counts where more than half of it was unmuted.
        if self.is_held() || counted * 2 <= length {
            return;
        }
        if sample.received == 0 {
            self.lost = sample.report_age.is_some_and(|age| age > length);
            self.score = if self.lost { LOST_SCORE } else { DRY_SCORE };
            return;
        }
        self.lost = false;
        let rate = sample.received as f64 / length.as_secs_f64();
        let weight = self.loss_weight * self.packet_rate.weight(now, rate);
        let layer_score =
            (MAX_SCORE - f64::from(sample.layer_distance) * LAYER_WEIGHT).clamp(0.0, MAX_SCORE);
        let score = packet_score(sample, weight).min(layer_score);
        let factor = if score < self.score {
            DECREASE
        } else {
            INCREASE
        };
        self.score = (factor * score + (1.0 - factor) * self.score).max(MIN_SCORE);
    }

    /// The end of the window.
    pub fn poll_timeout(&self) -> Instant {
        self.window_started + WINDOW
    }

    /// The score as of the last window.
    pub const fn quality(&self) -> Quality {
        Quality {
            score: self.score as f32,
            lost: self.lost,
        }
    }

    /// What came during the last window, counted or not.
    pub const fn last_window(&self) -> &WindowSample {
        &self.last
    }

    const fn is_held(&self) -> bool {
        self.muted || self.paused
    }

    const fn note_release(&mut self, now: Instant, was_held: bool) {
        if was_held && !self.is_held() {
            self.released = Some(now);
        }
    }
}

fn packet_score(sample: &WindowSample, loss_weight: f64) -> f64 {
    let delay_ms = sample.rtt.as_secs_f64() * 500.0 + sample.jitter.as_secs_f64() * 2_000.0;
    let delay_effect = if delay_ms > 160.0 {
        (delay_ms - 120.0) / 10.0
    } else {
        delay_ms / 40.0
    };
    let lost = sample.expected.saturating_sub(sample.received);
    let loss_percent = lost as f64 * 100.0 / (sample.expected.max(1)) as f64;
    (MAX_SCORE - delay_effect - loss_percent * loss_weight).max(0.0)
}

/// Score lost per percent of packets lost.
const fn loss_weight(codec: Codec) -> f64 {
    match codec {
        // Our SDP always has useinbandfec=1.
        Codec::Opus => 8.0 / 1.5,
        Codec::Red => 4.0,
        Codec::Pcmu | Codec::Pcma => 8.0,
        Codec::Vp8 | Codec::Vp9 | Codec::H264 | Codec::H265 | Codec::Av1 => 10.0,
    }
}

/// The usual packet rate: loss weighs less while a stream sends less than usual (silence, a static screen).
#[derive(Debug)]
struct PacketRateMode {
    histogram: [u16; RATE_BUCKETS],
    readings: u32,
    mode: Option<usize>,
    computed: Option<Instant>,
}

impl PacketRateMode {
    /// Adds a reading in packets per second; the factor for the loss weight.
    fn weight(&mut self, now: Instant, rate: f64) -> f64 {
        let bucket = ((rate / RATE_STEP + 0.5) as usize).min(RATE_BUCKETS - 1);
        if let Some(count) = self.histogram.get_mut(bucket) {
            *count = count.saturating_add(1);
        }
        self.readings += 1;
        let due = self
            .computed
            .is_none_or(|at| now.saturating_duration_since(at) > MODE_INTERVAL);
        if self.readings > MIN_READINGS && due {
            let best = self
                .histogram
                .iter()
                .enumerate()
                .max_by_key(|(_, count)| **count);
            self.mode = best.map(|(bucket, _)| bucket);
            self.computed = Some(now);
        }
        match self.mode {
            Some(mode) if mode > 0 && mode < RATE_BUCKETS - 1 => {
                (rate / (mode as f64 * RATE_STEP)).min(1.0).sqrt()
            }
            _ => 1.0,
        }
    }
}

impl Default for PacketRateMode {
    fn default() -> Self {
        Self {
            histogram: [0; RATE_BUCKETS],
            readings: 0,
            mode: None,
            computed: None,
        }
    }
}

// livekit-server's numbers.
const WINDOW: Duration = Duration::from_secs(5);
const MAX_SCORE: f64 = 100.0;
/// Lower scores would take too long to climb back.
const MIN_SCORE: f64 = 30.0;
/// No packets, but the other side lives.
const DRY_SCORE: f64 = 40.0;
const LOST_SCORE: f64 = 20.0;
const INCREASE: f64 = 0.4;
const DECREASE: f64 = 0.8;
/// Score lost per missing spatial layer: one quality step.
const LAYER_WEIGHT: f64 = 35.0;
/// Packets per second to a bucket.
const RATE_STEP: f64 = 2.0;
const RATE_BUCKETS: usize = 250;
const MIN_READINGS: u32 = 10;
const MODE_INTERVAL: Duration = Duration::from_mins(2);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_packets::at;

    fn sample(expected: u64, received: u64) -> WindowSample {
        WindowSample {
            expected,
            received,
            report_age: Some(Duration::from_secs(1)),
            ..WindowSample::default()
        }
    }

    fn score_after(samples: &[WindowSample]) -> f32 {
        let mut scorer = QualityScorer::new(at(0), Codec::Vp8);
        for (window, sample) in (1..).zip(samples) {
            scorer.handle_window(at(window * 5_000), sample);
        }
        scorer.quality().score
    }

    #[test]
    fn a_clean_window_is_excellent() {
        assert!((score_after(&[sample(500, 500)]) - 100.0).abs() < 0.01);
    }

    #[test]
    fn loss_weighs_by_codec_and_falls_faster_than_it_recovers() {
        let four_percent = sample(500, 480);
        assert!((score_after(&[four_percent]) - 68.0).abs() < 0.01);
        assert!((score_after(&[four_percent, sample(500, 500)]) - 80.8).abs() < 0.01);
        let mut opus = QualityScorer::new(at(0), Codec::Opus);
        opus.handle_window(at(5_000), &sample(250, 240));
        assert!((opus.quality().score - 82.93).abs() < 0.01);
    }

    #[test]
    fn delay_counts_in_two_slopes() {
        let delayed = |rtt_ms, jitter_ms| WindowSample {
            rtt: Duration::from_millis(rtt_ms),
            jitter: Duration::from_millis(jitter_ms),
            ..sample(500, 500)
        };
        assert!((packet_score(&delayed(100, 15), 10.0) - 98.0).abs() < 0.01);
        assert!((packet_score(&delayed(400, 10), 10.0) - 90.0).abs() < 0.01);
    }

    #[test]
    fn missing_layers_lower_the_score() {
        let missing = WindowSample {
            layer_distance: 1.0,
            ..sample(500, 500)
        };
        assert!((score_after(&[missing]) - 72.0).abs() < 0.01);
    }

    #[test]
    fn no_packets_is_poor_with_reports_and_lost_without() {
        assert!((score_after(&[sample(0, 0)]) - 40.0).abs() < 0.01);
        let mut scorer = QualityScorer::new(at(0), Codec::Vp8);
        let silent = WindowSample {
            report_age: Some(Duration::from_secs(6)),
            ..WindowSample::default()
        };
        scorer.handle_window(at(5_000), &silent);
        assert_eq!(
            scorer.quality(),
            Quality {
                score: 20.0,
                lost: true
            }
        );
        scorer.set_muted(at(6_000), true);
        assert_eq!(
            scorer.quality(),
            Quality {
                score: 20.0,
                lost: true
            }
        );
    }

    #[test]
    fn the_score_has_a_floor() {
        assert!((score_after(&[sample(500, 100); 5]) - 30.0).abs() < 0.01);
    }

    #[test]
    fn muting_is_excellent_at_once_and_windows_wait_for_half_a_window_unmuted() {
        let mut scorer = QualityScorer::new(at(0), Codec::Vp8);
        scorer.handle_window(at(5_000), &sample(500, 400));
        assert!(scorer.quality().score < 50.0);
        scorer.set_muted(at(6_000), true);
        assert!((scorer.quality().score - 100.0).abs() < 0.01);
        scorer.handle_window(at(10_000), &sample(0, 0));
        scorer.set_muted(at(13_000), false);
        scorer.handle_window(at(15_000), &sample(100, 50));
        assert!((scorer.quality().score - 100.0).abs() < 0.01);
        scorer.handle_window(at(20_000), &sample(500, 400));
        assert!(scorer.quality().score < 50.0);
    }

    #[test]
    fn loss_during_silence_weighs_less() {
        let mut scorer = QualityScorer::new(at(0), Codec::Opus);
        let mut now = 0;
        let mut window = |expected, received| {
            now += 5_000;
            scorer.handle_window(at(now), &sample(expected, received));
            scorer.quality().score
        };
        for _ in 0..20 {
            window(250, 250);
        }
        // 2 of 13 packets: 15 % of what would be 5.3 points each, but at a twentieth of the usual rate.
        let score = window(13, 11);
        assert!(score > 80.0, "{score}");
    }
}
