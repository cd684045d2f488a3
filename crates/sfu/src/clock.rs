//! The worker's NTP clock: sender reports and round trips need one that never jumps, whatever the wall clock does.

use std::time::{Duration, Instant};

/// NTP time by the monotonic clock, from an instant whose wall clock time is known.
#[derive(Debug, Clone, Copy)]
pub struct NtpClock {
    start: Instant,
    /// NTP time at `start`, UQ32.32 seconds.
    base: u64,
}

impl NtpClock {
    /// A clock that shows `unix` (time since 1970) at `start`.
    pub fn new(start: Instant, unix: Duration) -> Self {
        let since_1900 = unix + Duration::from_secs(UNIX_EPOCH_IN_NTP);
        Self { start, base: fixed_point(since_1900) }
    }

    /// NTP time, UQ32.32 seconds.
    pub fn ntp(&self, now: Instant) -> u64 {
        self.base.wrapping_add(fixed_point(now.saturating_duration_since(self.start)))
    }

    /// Time since the clock's own epoch, for abs-send-time.
    pub fn since_start(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.start)
    }

    /// The round trip that a report block tells (RFC 3550 section 6.4.1): `last` is the middle of the NTP time of our
    /// report that it answers, `delay` how long the other side had it, both in 1/65,536 s. None where it answers none,
    /// or tells nonsense.
    pub fn round_trip(&self, now: Instant, last: u32, delay: u32) -> Option<Duration> {
        if last == 0 {
            return None;
        }
        let middle = (self.ntp(now) >> 16) as u32;
        let units = middle.wrapping_sub(last).wrapping_sub(delay);
        let rtt = Duration::from_nanos(u64::from(units) * 1_000_000_000 / 65_536);
        (rtt < MAX_ROUND_TRIP).then_some(rtt)
    }
}

fn fixed_point(duration: Duration) -> u64 {
    let fraction = (u64::from(duration.subsec_nanos()) << 32) / 1_000_000_000;
    duration.as_secs() << 32 | fraction
}

/// 1970 in seconds since 1900.
const UNIX_EPOCH_IN_NTP: u64 = 2_208_988_800;

/// Longer round trips are clock errors of the other side, or lies.
const MAX_ROUND_TRIP: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::disallowed_methods)]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn the_clock_starts_at_the_wall_clock_and_runs_with_the_monotonic_one() {
        let now = start();
        let clock = NtpClock::new(now, Duration::from_secs(1));
        assert_eq!(clock.ntp(now) >> 32, UNIX_EPOCH_IN_NTP + 1);
        let later = clock.ntp(now + Duration::from_millis(1_500));
        assert_eq!(later - clock.ntp(now), 3 << 31);
    }

    #[test]
    fn a_round_trip_is_what_is_left_of_the_time_since_our_report() {
        let now = start();
        let clock = NtpClock::new(now, Duration::from_secs(1_700_000_000));
        let last = (clock.ntp(now) >> 16) as u32;
        let later = now + Duration::from_millis(600);
        let rtt = clock.round_trip(later, last, 65_536 / 2).unwrap();
        assert!(rtt.abs_diff(Duration::from_millis(100)) < Duration::from_millis(1), "{rtt:?}");
        assert_eq!(clock.round_trip(later, 0, 0), None);
        assert_eq!(clock.round_trip(later, last, 65_536), None);
    }
}
