//! How loud a track is, from the levels its packets carry (RFC 6464).

use std::time::{Duration, Instant};

/// livekit-server's `audio` configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioSettings {
    /// Levels up to this are active, -dBov (0 is the loudest).
    pub active_level: u8,
    /// Share of a window that must be active, percent.
    pub min_percentile: u8,
    /// Length of a window; zero turns the measurement off.
    pub update_interval: Duration,
    /// Windows to smooth over; 0 for none.
    pub smooth_intervals: u32,
}

impl Default for AudioSettings {
    fn default() -> Self {
        Self {
            active_level: 35,
            min_percentile: 40,
            update_interval: Duration::from_millis(400),
            smooth_intervals: 2,
        }
    }
}

/// What a listener would hear.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Loudness {
    /// Linear, 0 to 1.
    pub level: f32,
    /// Loud enough to be a speaker.
    pub active: bool,
}

/// Measures one track. A window is as long as the RTP time its packets cover, so that silence suppression, where few
/// packets come, weighs as silence.
#[derive(Debug)]
pub struct AudioLevelMeter {
    settings: AudioSettings,
    smoothed: f64,
    loudest: u8,
    active: Duration,
    observed: Duration,
    last_at: Option<Instant>,
    last_timestamp: Option<u32>,
}

impl AudioLevelMeter {
    /// Silent at first.
    pub const fn new(settings: AudioSettings) -> Self {
        Self {
            settings,
            smoothed: 0.0,
            loudest: SILENCE,
            active: Duration::ZERO,
            observed: Duration::ZERO,
            last_at: None,
            last_timestamp: None,
        }
    }

    /// A packet's level, -dBov; late packets have no say. `clock_rate` in Hz.
    pub fn handle_packet(&mut self, now: Instant, level: u8, timestamp: u32, clock_rate: u32) {
        let ticks = timestamp.wrapping_sub(self.last_timestamp.unwrap_or(timestamp));
        if self.settings.update_interval.is_zero() || ticks >= 1 << 31 {
            return;
        }
        self.last_timestamp = Some(timestamp);
        self.last_at = Some(now);
        let covered =
            Duration::from_micros(u64::from(ticks) * 1_000_000 / u64::from(clock_rate.max(1)));
        self.observed += covered;
        if level <= self.settings.active_level {
            self.active += covered;
            self.loudest = self.loudest.min(level);
        }
        if self.observed >= self.settings.update_interval {
            let smoothed = self.window_level();
            self.start_window(smoothed);
        }
    }

    /// The level now; two windows without packets are silence.
    pub fn loudness(&mut self, now: Instant) -> Loudness {
        let stale = self.last_at.is_some_and(|at| {
            now.saturating_duration_since(at) >= self.settings.update_interval * 2
        });
        if stale {
            self.start_window(0.0);
            self.last_at = None;
        }
        let threshold = linear(f64::from(self.settings.active_level));
        Loudness {
            level: self.smoothed.min(1.0) as f32,
            active: self.smoothed > 0.0 && self.smoothed >= threshold,
        }
    }

    /// Silence from here on, as when muted; timestamps may start over.
    pub const fn reset(&mut self) {
        self.start_window(0.0);
        self.last_at = None;
        self.last_timestamp = None;
    }

    fn window_level(&self) -> f64 {
        let window = self.settings.update_interval.as_secs_f64();
        let active = self.active.as_secs_f64();
        if active < window * f64::from(self.settings.min_percentile) / 100.0 || active == 0.0 {
            return 0.0;
        }
        let adjusted = f64::from(self.loudest) - 20.0 * (active / window).log10();
        let factor = match self.settings.smooth_intervals {
            0 => 1.0,
            intervals => 2.0 / (f64::from(intervals) + 1.0),
        };
        self.smoothed + (linear(adjusted) - self.smoothed) * factor
    }

    const fn start_window(&mut self, smoothed: f64) {
        self.smoothed = smoothed;
        self.loudest = SILENCE;
        self.active = Duration::ZERO;
        self.observed = Duration::ZERO;
    }
}

/// From -dBov to amplitude.
fn linear(level: f64) -> f64 {
    10_f64.powf(-level / 20.0)
}

/// The quietest level, -dBov.
const SILENCE: u8 = 127;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_packets::at;

    /// 20 ms packets at 48 kHz from a timestamp shortly before the wrap; levels by packet index.
    fn measure(packets: u64, level: impl Fn(u64) -> u8) -> (AudioLevelMeter, Instant) {
        let mut meter = AudioLevelMeter::new(AudioSettings::default());
        for packet in 0..=packets {
            let timestamp = (u32::MAX - 1_000).wrapping_add(packet as u32 * 960);
            meter.handle_packet(at(packet * 20), level(packet), timestamp, 48_000);
        }
        (meter, at(packets * 20))
    }

    #[test]
    fn a_window_of_speech_is_its_loudest_packet_smoothed() {
        let (mut meter, now) = measure(20, |_| 20);
        let once = meter.loudness(now);
        assert!((once.level - 0.1 * 2.0 / 3.0).abs() < 1e-4, "{once:?}");
        assert!(once.active);
        let (mut meter, now) = measure(200, |_| 20);
        assert!((meter.loudness(now).level - 0.1).abs() < 1e-4);
    }

    #[test]
    fn speech_in_less_than_40_percent_of_a_window_is_silence() {
        let (mut meter, now) = measure(20, |packet| if packet < 8 { 10 } else { 90 });
        assert_eq!(meter.loudness(now), Loudness::default());
        let (mut meter, now) = measure(20, |packet| if packet < 10 { 10 } else { 90 });
        assert!(meter.loudness(now).active);
    }

    #[test]
    fn levels_above_the_threshold_are_inactive() {
        let (mut meter, now) = measure(40, |_| 36);
        assert_eq!(meter.loudness(now), Loudness::default());
    }

    #[test]
    fn two_windows_without_packets_are_silence() {
        let (mut meter, now) = measure(40, |_| 20);
        assert!(meter.loudness(now + Duration::from_millis(799)).active);
        assert_eq!(
            meter.loudness(now + Duration::from_millis(800)),
            Loudness::default()
        );
    }

    #[test]
    fn a_reset_silences_at_once() {
        let (mut meter, now) = measure(40, |_| 20);
        meter.reset();
        assert_eq!(meter.loudness(now), Loudness::default());
    }
}
