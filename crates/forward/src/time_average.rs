//! The average of a value over time.

use std::time::Instant;

/// Weighs each value by how long it held.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimeAverage {
    value: f64,
    since: Instant,
    started: Instant,
    sum: f64,
}

impl TimeAverage {
    pub(crate) const fn new(now: Instant, value: f64) -> Self {
        Self {
            value,
            since: now,
            started: now,
            sum: 0.0,
        }
    }

    pub(crate) fn set(&mut self, now: Instant, value: f64) {
        self.sum += self.value * now.saturating_duration_since(self.since).as_secs_f64();
        self.since = now;
        self.value = value;
    }

    /// The average since the last call.
    pub(crate) fn take(&mut self, now: Instant) -> f64 {
        self.set(now, self.value);
        let length = now.saturating_duration_since(self.started).as_secs_f64();
        let average = if length > 0.0 {
            self.sum / length
        } else {
            self.value
        };
        *self = Self::new(now, self.value);
        average
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_packets::at;

    #[test]
    fn values_weigh_by_how_long_they_held() {
        let mut average = TimeAverage::new(at(0), 0.0);
        average.set(at(3_000), 2.0);
        assert!((average.take(at(4_000)) - 0.5).abs() < 1e-9);
        assert!((average.take(at(4_000)) - 2.0).abs() < 1e-9);
    }
}
