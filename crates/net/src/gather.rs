//! When a worker lets arrivals gather: only packets that are handled together leave together, and what that saves grows
//! with how many they leave to. A worker that has time, and few receivers for each packet, answers at once.

use std::time::{Duration, Instant};

/// Packets that a turn moved.
#[derive(Debug, Clone, Copy, Default)]
pub struct Moved {
    /// Taken in.
    pub arrived: u64,
    /// Of these what is to be forwarded: no reports, acknowledgements, checks.
    pub published: u64,
    /// Sent.
    pub left: u64,
}

/// Measures the load of one worker and says how long to wait before the next turn.
pub struct Gather {
    longest: Duration,
    window_start: Instant,
    counted: Moved,
    /// Packets per second over the last windows.
    arriving: f64,
    published: f64,
    leaving: f64,
}

impl Gather {
    /// Waits at most `longest`; zero never waits.
    pub fn new(now: Instant, longest: Duration) -> Self {
        Self {
            longest,
            window_start: now,
            counted: Moved::default(),
            arriving: 0.0,
            published: 0.0,
            leaving: 0.0,
        }
    }

    /// Counts what a turn moved.
    pub fn handle_turn(&mut self, now: Instant, moved: Moved) {
        self.counted.arrived += moved.arrived;
        self.counted.published += moved.published;
        self.counted.left += moved.left;
        let elapsed = now.saturating_duration_since(self.window_start);
        if elapsed < WINDOW {
            return;
        }
        let moved = std::mem::take(&mut self.counted);
        // A pause of several windows has outlived what was known before it.
        let weight = if elapsed > WINDOW * 4 { 1.0 } else { 0.5 };
        let blend = |known: &mut f64, packets: u64| {
            *known += (packets as f64 / elapsed.as_secs_f64() - *known) * weight;
        };
        blend(&mut self.arriving, moved.arrived);
        blend(&mut self.published, moved.published);
        blend(&mut self.leaving, moved.left);
        self.window_start = now;
    }

    /// How long arrivals may gather; zero while the worker has time to answer each at once.
    pub fn wait(&self) -> Duration {
        let rate = self.arriving + self.leaving;
        let spread = self.leaving >= self.published * FAN_OUT;
        if rate < if spread { BUSY_RATE } else { FULL_RATE } {
            return Duration::ZERO;
        }
        if rate < HIGH_RATE {
            self.longest / 2
        } else {
            self.longest
        }
    }
}

/// Packets per second, in and out, from which gathering pays where each leaves to many.
const BUSY_RATE: f64 = 2_000.0;

/// Packets sent for each that is published from which a packet more in a train, and an acknowledgement more at once, are
/// worth the wait: above what a meeting of eight has.
const FAN_OUT: f64 = 8.0;

/// Packets per second from which it pays in any case: more than half of what a core does. Below, what it saves is less than
/// the time that all packets lose by it (docs/performance.md).
const FULL_RATE: f64 = 80_000.0;

/// Packets per second from which it pays to wait for longer than the burst of a frame takes.
const HIGH_RATE: f64 = 40_000.0;

/// Long enough to see through the gaps between video frames, short enough to follow a join.
const WINDOW: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_millis(1);

    /// So many turns of a millisecond, each of which moves as much.
    fn run(gather: &mut Gather, from: Instant, turns: u64, arrived: u64, left: u64) -> Instant {
        let mut now = from;
        for _ in 0..turns {
            now += Duration::from_millis(1);
            let moved = Moved {
                arrived,
                published: arrived,
                left,
            };
            gather.handle_turn(now, moved);
        }
        now
    }

    #[test]
    fn a_worker_that_has_time_answers_at_once() {
        let start = Instant::now();
        let mut gather = Gather::new(start, LONGEST);
        let now = run(&mut gather, start, 500, 0, 1);
        assert_eq!(gather.wait(), Duration::ZERO);
        // Meetings: much arrives for what leaves.
        run(&mut gather, now, 500, 10, 50);
        assert_eq!(gather.wait(), Duration::ZERO);
    }

    #[test]
    fn load_makes_the_tick_longer_up_to_the_limit() {
        let start = Instant::now();
        let mut gather = Gather::new(start, LONGEST);
        let now = run(&mut gather, start, 500, 1, 20);
        assert_eq!(gather.wait(), LONGEST / 2);
        run(&mut gather, now, 500, 1, 80);
        assert_eq!(gather.wait(), LONGEST);
    }

    #[test]
    fn a_full_worker_gathers_whatever_it_serves() {
        let start = Instant::now();
        let mut gather = Gather::new(start, LONGEST);
        run(&mut gather, start, 500, 20, 80);
        assert_eq!(gather.wait(), LONGEST);
    }

    #[test]
    fn acknowledgements_do_not_count_as_published() {
        let start = Instant::now();
        let mut gather = Gather::new(start, LONGEST);
        let moved = Moved {
            arrived: 5,
            published: 1,
            left: 10,
        };
        for millisecond in 1..500 {
            gather.handle_turn(start + Duration::from_millis(millisecond), moved);
        }
        assert_eq!(gather.wait(), LONGEST / 2);
    }

    #[test]
    fn a_pause_ends_gathering() {
        let start = Instant::now();
        let mut gather = Gather::new(start, LONGEST);
        let now = run(&mut gather, start, 500, 1, 40);
        assert_ne!(gather.wait(), Duration::ZERO);
        let one = Moved {
            arrived: 1,
            ..Moved::default()
        };
        gather.handle_turn(now + Duration::from_secs(1), one);
        assert_eq!(gather.wait(), Duration::ZERO);
    }

    #[test]
    fn gathering_can_be_turned_off() {
        let start = Instant::now();
        let mut gather = Gather::new(start, Duration::ZERO);
        run(&mut gather, start, 500, 1, 40);
        assert_eq!(gather.wait(), Duration::ZERO);
    }
}
