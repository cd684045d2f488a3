//! Sequence numbers without the places of dropped packets.

use std::collections::VecDeque;

/// Maps received sequence numbers to published ones: each packet dropped at the head of the stream moves all
/// later ones down by one, so that subscribers see no gap.
#[derive(Debug)]
pub struct CloseUp {
    /// Ascending; each offset holds from its start to the next one's.
    ranges: VecDeque<Range>,
    /// Numbers below have left the map.
    oldest: u64,
}

#[derive(Debug, Clone, Copy)]
struct Range {
    start: u64,
    offset: u64,
}

impl CloseUp {
    /// Nothing dropped.
    pub fn new() -> Self {
        let mut ranges = VecDeque::with_capacity(MAX_RANGES);
        ranges.push_back(Range {
            start: 0,
            offset: 0,
        });
        Self { ranges, oldest: 0 }
    }

    /// Takes the place of `sequence` out; it must be the highest number so far.
    pub fn drop_newest(&mut self, sequence: u64) {
        let next = sequence + 1;
        match self.ranges.back_mut() {
            Some(last) if last.start >= next => {
                debug_assert!(false, "only the newest packet's place can be closed up");
            }
            // The last range has no number yet.
            Some(last) if last.start == sequence => {
                *last = Range {
                    start: next,
                    offset: last.offset + 1,
                }
            }
            last => {
                let offset = last.map_or(0, |last| last.offset) + 1;
                if self.ranges.len() == MAX_RANGES {
                    self.ranges.pop_front();
                    self.oldest = self.ranges.front().map_or(0, |range| range.start);
                }
                self.ranges.push_back(Range {
                    start: next,
                    offset,
                });
            }
        }
    }

    /// The published number of a received one; `None` where it is too old to know, or the place was taken out.
    pub fn map(&self, sequence: u64) -> Option<u64> {
        if sequence < self.oldest {
            return None;
        }
        let range = self
            .ranges
            .iter()
            .rev()
            .find(|range| range.start <= sequence)?;
        sequence.checked_sub(range.offset)
    }
}

impl Default for CloseUp {
    fn default() -> Self {
        Self::new()
    }
}

/// Runs of dropped packets remembered: a probe makes one or few, so this reaches far behind any packet buffer.
const MAX_RANGES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_places_close_up() {
        let mut map = CloseUp::new();
        assert_eq!(map.map(100), Some(100));
        for dropped in [101, 102, 105] {
            map.drop_newest(dropped);
        }
        let published: Vec<_> = [100, 103, 104, 106, 107]
            .map(|sequence| map.map(sequence))
            .into();
        assert_eq!(published, [100, 101, 102, 103, 104].map(Some));
    }

    #[test]
    fn a_packet_that_comes_in_late_keeps_the_number_of_its_time() {
        let mut map = CloseUp::new();
        map.drop_newest(110);
        assert_eq!(map.map(108), Some(108));
        assert_eq!(map.map(111), Some(110));
    }

    #[test]
    fn what_is_too_old_to_know_has_no_number() {
        let mut map = CloseUp::new();
        for step in 0..200 {
            map.drop_newest(1_000 + step * 2);
        }
        assert_eq!(map.map(1_001), None);
        assert_eq!(map.map(1_399), Some(1_399 - 200));
        assert_eq!(map.ranges.len(), MAX_RANGES);
    }
}
