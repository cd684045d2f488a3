//! How long turns take, and how long packets stay.

use std::time::Duration;

/// Histograms of one worker, in nanoseconds; told as counters `<name>_le_<bound>`, `<name>_sum` and `<name>_count`.
#[derive(Debug, Default)]
pub struct Timings {
    turns: Histogram,
    forwards: Histogram,
}

impl Timings {
    /// A turn that moved something took so long.
    pub fn handle_turn(&mut self, turn: Duration) {
        self.turns.add(turn, 1);
    }

    /// So many packets left at once. Each is counted with the longest that it can have been here, from before the
    /// gathering to the end of its part of the turn: a packet that came just before the turn stayed shorter.
    pub fn handle_sends(&mut self, stayed: Duration, packets: u64) {
        self.forwards.add(stayed, packets);
    }

    /// Every counter with its name.
    pub fn counters(&self) -> impl Iterator<Item = (String, u64)> + use<> {
        let turns = self.turns.counters("turn_ns");
        turns.chain(self.forwards.counters("forward_ns"))
    }
}

#[derive(Debug, Default)]
struct Histogram {
    /// Each with what is at most its bound and above the one before; what is above all is in `count` only.
    buckets: [u64; BOUNDS_NS.len()],
    sum: u64,
    count: u64,
}

impl Histogram {
    fn add(&mut self, value: Duration, times: u64) {
        let value = u64::try_from(value.as_nanos()).unwrap_or(u64::MAX);
        let at = BOUNDS_NS.partition_point(|bound| *bound < value);
        if let Some(bucket) = self.buckets.get_mut(at) {
            *bucket += times;
        }
        self.sum = self.sum.saturating_add(value.saturating_mul(times));
        self.count += times;
    }

    fn counters(&self, name: &'static str) -> impl Iterator<Item = (String, u64)> + use<> {
        let buckets = BOUNDS_NS.into_iter().zip(self.buckets);
        let mut below = 0;
        let bounded = buckets.map(move |(bound, count)| {
            below += count;
            (format!("{name}_le_{bound}"), below)
        });
        bounded.chain([
            (format!("{name}_sum"), self.sum),
            (format!("{name}_count"), self.count),
        ])
    }
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
    }
}
