//! How long turns take, and how long packets stay.

use std::time::Duration;

use sluice_sfu::histogram::Histogram;

/// Histograms of one worker, in nanoseconds; told as counters `<name>_le_<bound>`, `<name>_sum` and `<name>_count`.
#[derive(Debug)]
pub struct Timings {
    turns: Histogram<10>,
    forwards: Histogram<10>,
    /// Sum of the squares of what `forwards` counts, in square microseconds: how much it varies.
    forward_squares: u64,
}

impl Timings {
    /// A turn that moved something took so long.
    pub fn handle_turn(&mut self, turn: Duration) {
        self.turns.add(nanoseconds(turn), 1);
    }

    /// So many packets left at once. Each is counted with the longest that it can have been here, from before the
    /// gathering to the end of its part of the turn: a packet that came just before the turn stayed shorter.
    pub fn handle_sends(&mut self, stayed: Duration, packets: u64) {
        let stayed = nanoseconds(stayed);
        self.forwards.add(stayed, packets);
        let square = (stayed / 1_000).saturating_pow(2);
        self.forward_squares = self
            .forward_squares
            .saturating_add(square.saturating_mul(packets));
    }

    /// Every counter with its name.
    pub fn counters(&self) -> impl Iterator<Item = (String, u64)> + use<> {
        let turns = self.turns.counters("turn_ns");
        let forwards = self.forwards.counters("forward_ns");
        let squares = ("forward_us_squares".to_owned(), self.forward_squares);
        turns.into_iter().chain(forwards).chain([squares])
    }
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            turns: Histogram::new(BOUNDS_NS),
            forwards: Histogram::new(BOUNDS_NS),
            forward_squares: 0,
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// 50 µs to 20 ms: livekit-server's bounds for its forwarding latency (livekit-facts 10).
const BOUNDS_NS: [u64; 10] = [
    50_000, 100_000, 250_000, 500_000, 1_000_000, 2_000_000, 3_000_000, 5_000_000, 10_000_000,
    20_000_000,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_what_is_at_most_their_bound() {
        let mut timings = Timings::default();
        for turn in [40, 70, 1_000_000] {
            timings.handle_turn(Duration::from_micros(turn));
        }
        timings.handle_sends(Duration::from_micros(50), 3);
        timings.handle_sends(Duration::from_secs(1), 2);
        let told: std::collections::HashMap<_, _> = timings.counters().collect();
        let of = |name: &str| told.get(name).copied();
        assert_eq!(of("turn_ns_le_50000"), Some(1));
        assert_eq!(of("turn_ns_le_100000"), Some(2));
        assert_eq!(of("turn_ns_le_20000000"), Some(2));
        assert_eq!(of("turn_ns_count"), Some(3));
        assert_eq!(of("forward_ns_le_50000"), Some(3));
        assert_eq!(of("forward_ns_count"), Some(5));
        assert_eq!(of("forward_ns_sum"), Some(3 * 50_000 + 2_000_000_000));
        assert_eq!(
            of("forward_us_squares"),
            Some(3 * 2_500 + 2 * 1_000_000_000_000)
        );
    }
}
