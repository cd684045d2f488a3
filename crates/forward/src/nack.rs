//! Which packets of a layer to ask the publisher for again, and when.

use std::time::{Duration, Instant};

/// Missing packets, oldest first. Sequence numbers are extended ones as received.
#[derive(Debug)]
pub struct NackQueue {
    missing: Vec<Missing>,
    rtt: Duration,
    /// Packets were given up since [`Self::take_hopeless`] was asked.
    hopeless: bool,
}

#[derive(Debug, Clone, Copy)]
struct Missing {
    sequence: u64,
    since: Instant,
    tries: u8,
    next: Instant,
}

impl NackQueue {
    /// An empty queue.
    pub fn new() -> Self {
        Self {
            missing: Vec::with_capacity(MAX_MISSING),
            rtt: DEFAULT_RTT,
            hopeless: false,
        }
    }

    /// The publisher's round-trip time as measured.
    pub const fn set_rtt(&mut self, rtt: Duration) {
        self.rtt = rtt;
    }

    /// The numbers between `former` and `newest`, both of which came in, are missing. The queue keeps the newest.
    pub fn handle_gap(&mut self, now: Instant, former: u64, newest: u64) {
        let first = (former + 1).max(newest.saturating_sub(MAX_MISSING as u64));
        self.hopeless |= first > former + 1;
        for sequence in first..newest {
            if self.missing.len() == MAX_MISSING {
                self.missing.remove(0);
                self.hopeless = true;
            }
            self.missing.push(Missing {
                sequence,
                since: now,
                tries: 0,
                next: now + FIRST_DELAY,
            });
        }
    }

    /// A packet came in; true where it had been missing.
    pub fn handle_arrival(&mut self, sequence: u64) -> bool {
        let Ok(index) = self
            .missing
            .binary_search_by_key(&sequence, |missing| missing.sequence)
        else {
            return false;
        };
        self.missing.remove(index);
        true
    }

    /// Appends the 16-bit numbers to ask for now; given up are those asked for five times or missing for two minutes.
    pub fn handle_timeout(&mut self, now: Instant, due: &mut Vec<u16>) {
        let rtt = self.rtt;
        self.missing.retain_mut(|missing| {
            if missing.next > now {
                return true;
            }
            if missing.tries >= MAX_TRIES || now.duration_since(missing.since) >= EXPIRY {
                self.hopeless = true;
                return false;
            }
            missing.tries += 1;
            missing.next = now + retry_delay(rtt, missing.tries);
            due.push(missing.sequence as u16);
            true
        });
    }

    /// True where packets were given up since the last question: no decoder gets past the hole without a key frame.
    pub const fn take_hopeless(&mut self) -> bool {
        std::mem::replace(&mut self.hopeless, false)
    }

    /// When [`Self::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.missing.iter().map(|missing| missing.next).min()
    }

    /// Forgets everything missing.
    pub fn clear(&mut self) {
        self.missing.clear();
        self.hopeless = false;
    }
}

impl Default for NackQueue {
    fn default() -> Self {
        Self::new()
    }
}

/// After the n-th request: the round-trip time, a quarter longer each time.
fn retry_delay(rtt: Duration, tries: u8) -> Duration {
    rtt.mul_f64(BACKOFF.powi(i32::from(tries) - 1))
        .clamp(MIN_DELAY, MAX_DELAY)
}

// livekit-server's numbers (its NACK queue).
/// A larger burst is answered better by a key frame.
const MAX_MISSING: usize = 100;
const MAX_TRIES: u8 = 5;
/// Lets reordered packets come in by themselves.
const FIRST_DELAY: Duration = Duration::from_millis(20);
const BACKOFF: f64 = 1.25;
const MIN_DELAY: Duration = Duration::from_millis(20);
const MAX_DELAY: Duration = Duration::from_millis(400);
const EXPIRY: Duration = Duration::from_mins(2);
/// Until one is measured.
const DEFAULT_RTT: Duration = Duration::from_millis(70);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_packets::at;

    fn due(queue: &mut NackQueue, ms: u64) -> Vec<u16> {
        let mut due = Vec::new();
        queue.handle_timeout(at(ms), &mut due);
        due
    }

    #[test]
    fn a_missing_packet_is_asked_for_after_20_ms_and_then_by_round_trips() {
        let mut queue = NackQueue::new();
        queue.set_rtt(Duration::from_millis(100));
        queue.handle_gap(at(0), 65_534, 65_537);
        assert_eq!(due(&mut queue, 19), []);
        let mut asked = Vec::new();
        while let Some(next) = queue.poll_timeout() {
            let ms = next.duration_since(at(0)).as_micros().div_ceil(1_000) as u64;
            let numbers = due(&mut queue, ms);
            if !numbers.is_empty() {
                assert_eq!(numbers, [65_535, 0]);
                asked.push(ms);
            }
        }
        assert_eq!(asked, [20, 120, 245, 402, 598]);
    }

    #[test]
    fn packets_that_are_given_up_are_told_of_once() {
        let mut queue = NackQueue::new();
        queue.handle_gap(at(0), 10, 12);
        while let Some(next) = queue.poll_timeout() {
            assert!(!queue.take_hopeless());
            queue.handle_timeout(next, &mut Vec::new());
        }
        assert_eq!(
            [queue.take_hopeless(), queue.take_hopeless()],
            [true, false]
        );

        queue.handle_gap(at(5_000), 12, 12 + 101);
        assert!(!queue.take_hopeless(), "a hundred fit in");
        queue.handle_gap(at(5_000), 113, 115);
        assert!(queue.take_hopeless(), "one of them had to go");
        queue.handle_gap(at(5_000), 115, 500);
        assert!(queue.take_hopeless());
    }

    #[test]
    fn a_packet_that_came_in_is_not_asked_for() {
        let mut queue = NackQueue::new();
        queue.handle_gap(at(0), 10, 13);
        assert!(queue.handle_arrival(11));
        assert!(!queue.handle_arrival(11));
        assert_eq!(due(&mut queue, 20), [12]);
    }

    #[test]
    fn retries_stay_between_20_and_400_ms() {
        assert_eq!(retry_delay(Duration::ZERO, 1), MIN_DELAY);
        assert_eq!(retry_delay(Duration::from_secs(1), 5), MAX_DELAY);
    }

    #[test]
    fn the_newest_hundred_are_kept() {
        let mut queue = NackQueue::new();
        queue.handle_gap(at(0), 10, 5_000);
        let numbers = due(&mut queue, 20);
        assert_eq!(
            (numbers.len(), numbers[0], numbers[99]),
            (100, 4_900, 4_999)
        );
        queue.handle_gap(at(30), 5_000, 5_003);
        let numbers = due(&mut queue, 300);
        assert_eq!(
            (numbers.len(), numbers[0], numbers[99]),
            (100, 4_902, 5_002)
        );
    }
}
