//! Counts by size, as Prometheus reads them.

/// How many values were at most each of `N` bounds, and the sum and number of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram<const N: usize> {
    bounds: [u64; N],
    /// Each with what is at most its bound and above the one before; what is above all is in `count` only.
    buckets: [u64; N],
    sum: u64,
    count: u64,
}

impl<const N: usize> Histogram<N> {
    /// An empty one with these bounds, the least first.
    pub const fn new(bounds: [u64; N]) -> Self {
        Self {
            bounds,
            buckets: [0; N],
            sum: 0,
            count: 0,
        }
    }

    /// Counts a value that came so many times.
    #[inline]
    pub fn add(&mut self, value: u64, times: u64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        if let Some(bucket) = self.buckets.get_mut(at) {
            *bucket += times;
        }
        self.sum = self.sum.saturating_add(value.saturating_mul(times));
        self.count += times;
    }

    /// As counters `<name>_le_<bound>`, `<name>_sum` and `<name>_count`.
    pub fn counters(&self, name: &str) -> Vec<(String, u64)> {
        let mut below = 0;
        let bounded = self.bounds.iter().zip(self.buckets).map(|(bound, count)| {
            below += count;
            (format!("{name}_le_{bound}"), below)
        });
        let rest = [
            (format!("{name}_sum"), self.sum),
            (format!("{name}_count"), self.count),
        ];
        bounded.chain(rest).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_what_is_at_most_their_bound() {
        let mut histogram = Histogram::new([5, 10]);
        for (value, times) in [(0, 1), (5, 2), (6, 3), (11, 4)] {
            histogram.add(value, times);
        }
        let told = histogram.counters("size");
        let told: Vec<_> = told
            .iter()
            .map(|(name, value)| (name.as_str(), *value))
            .collect();
        assert_eq!(
            told,
            [
                ("size_le_5", 3),
                ("size_le_10", 6),
                ("size_sum", 72),
                ("size_count", 10)
            ]
        );
    }
}
