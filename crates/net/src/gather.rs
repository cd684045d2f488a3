//! When a busy worker lets arrivals gather: waking up for a single packet costs ten times what the packet costs in
//! a batch, and only packets that are handled together leave together. One that has time answers at once.

use std::time::{Duration, Instant};

/// Measures the load of one worker and says how long to wait before the next turn.
pub struct Gather {
    longest: Duration,
    window_start: Instant,
    packets: u64,
    /// Packets per second, in and out, over the last windows.
    rate: f64,
}

impl Gather {
    /// Waits at most `longest`; zero never waits.
    pub fn new(now: Instant, longest: Duration) -> Self {
        Self {
            longest,
            window_start: now,
            packets: 0,
            rate: 0.0,
        }
    }

    /// Counts what a turn moved, in and out.
    pub fn handle_turn(&mut self, now: Instant, packets: u64) {
        self.packets += packets;
        let elapsed = now.saturating_duration_since(self.window_start);
        if elapsed < WINDOW {
            return;
        }
        let measured = self.packets as f64 / elapsed.as_secs_f64();
        // A pause of several windows has outlived what was known before it.
        self.rate = if elapsed > WINDOW * 4 {
            measured
        } else {
            f64::midpoint(self.rate, measured)
        };
        self.packets = 0;
        self.window_start = now;
    }

    /// How long arrivals may gather; zero while the worker has time to answer each at once.
    pub fn wait(&self) -> Duration {
        if self.rate < BUSY_RATE {
            return Duration::ZERO;
        }
        if self.rate < HIGH_RATE {
            self.longest / 2
        } else {
            self.longest
        }
    }
}

/// Packets per second, in and out, from which gathering pays: half of what a core does and more. Below, what it saves is
/// less than the time that all packets lose by it (docs/performance.md).
const BUSY_RATE: f64 = 80_000.0;

/// Packets per second from which it pays to wait for longer than the burst of a frame takes.
const HIGH_RATE: f64 = 150_000.0;

/// Long enough to see through the gaps between video frames, short enough to follow a join.
const WINDOW: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_millis(1);

    fn run(gather: &mut Gather, from: Instant, turns: u64, packets: u64) -> Instant {
        let mut now = from;
        for _ in 0..turns {
            now += Duration::from_millis(1);
            gather.handle_turn(now, packets);
        }
        now
    }

    #[test]
    fn a_worker_that_has_time_answers_at_once() {
        let start = Instant::now();
        let mut gather = Gather::new(start, LONGEST);
        run(&mut gather, start, 500, 50);
        assert_eq!(gather.wait(), Duration::ZERO);
    }

    #[test]
    fn load_makes_the_tick_longer_up_to_the_limit() {
        let start = Instant::now();
        let mut gather = Gather::new(start, LONGEST);
        let now = run(&mut gather, start, 500, 100);
        assert_eq!(gather.wait(), LONGEST / 2);
        run(&mut gather, now, 500, 200);
        assert_eq!(gather.wait(), LONGEST);
    }

    #[test]
    fn a_pause_ends_gathering() {
        let start = Instant::now();
        let mut gather = Gather::new(start, LONGEST);
        let now = run(&mut gather, start, 500, 200);
        assert_ne!(gather.wait(), Duration::ZERO);
        gather.handle_turn(now + Duration::from_secs(1), 1);
        assert_eq!(gather.wait(), Duration::ZERO);
    }

    #[test]
    fn gathering_can_be_turned_off() {
        let start = Instant::now();
        let mut gather = Gather::new(start, Duration::ZERO);
        run(&mut gather, start, 500, 200);
        assert_eq!(gather.wait(), Duration::ZERO);
    }
}
