//! Asking the publisher of a layer for key frames, no more often than it may be asked.

use std::time::{Duration, Instant};

/// Throttled requests for one layer, and the seeder which asks on its own until a started layer shows a key frame.
#[derive(Debug)]
pub struct KeyFrameRequests {
    throttle: Duration,
    last_sent: Option<Instant>,
    /// A request waits for the throttle; a key frame settles it.
    wanted: bool,
    seeder: Seeder,
}

#[derive(Debug, Clone, Copy)]
enum Seeder {
    Idle,
    /// Asks at `next` unless `until` has passed.
    Asking {
        next: Instant,
        until: Instant,
    },
}

impl KeyFrameRequests {
    /// No request yet; two are at least `throttle` apart.
    pub const fn new(throttle: Duration) -> Self {
        Self {
            throttle,
            last_sent: None,
            wanted: false,
            seeder: Seeder::Idle,
        }
    }

    /// Somebody needs a key frame.
    pub const fn handle_request(&mut self) {
        self.wanted = true;
    }

    /// The layer started, or started over: a key frame is asked for until one is seen.
    pub fn handle_start(&mut self, now: Instant) {
        self.seeder = Seeder::Asking {
            next: now,
            until: now + SEED_FOR,
        };
    }

    /// A key frame came in.
    pub const fn handle_key_frame(&mut self) {
        self.wanted = false;
        self.seeder = Seeder::Idle;
    }

    /// Forgets requests: nothing is to be had from a muted track.
    pub const fn cancel(&mut self) {
        self.handle_key_frame();
    }

    /// True where a request is to be sent now; it counts as sent.
    pub fn handle_timeout(&mut self, now: Instant) -> bool {
        if let Seeder::Asking { next, until } = self.seeder {
            if now >= until {
                self.seeder = Seeder::Idle;
            } else if now >= next {
                self.wanted = true;
                self.seeder = Seeder::Asking {
                    next: now + SEED_INTERVAL,
                    until,
                };
            }
        }
        let send = self.wanted && self.allowed_at().is_none_or(|at| now >= at);
        if send {
            self.wanted = false;
            self.last_sent = Some(now);
        }
        send
    }

    /// When [`Self::handle_timeout`] has something to do; an instant in the past means now.
    pub fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        let request = self.wanted.then(|| self.allowed_at().unwrap_or(now));
        let seed = match self.seeder {
            Seeder::Idle => None,
            Seeder::Asking { next, .. } => Some(next),
        };
        [request, seed].into_iter().flatten().min()
    }

    fn allowed_at(&self) -> Option<Instant> {
        self.last_sent.map(|sent| sent + self.throttle)
    }
}

/// Between requests of the seeder.
const SEED_INTERVAL: Duration = Duration::from_secs(1);
/// A layer without a key frame for so long is broken or paused.
const SEED_FOR: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_packets::at;

    #[test]
    fn requests_are_no_closer_than_the_throttle() {
        let mut requests = KeyFrameRequests::new(Duration::from_millis(500));
        let mut sent = Vec::new();
        for ms in 0..2_000 {
            requests.handle_request();
            if requests.handle_timeout(at(ms)) {
                sent.push(ms);
            }
        }
        assert_eq!(sent, [0, 500, 1_000, 1_500]);
    }

    #[test]
    fn a_request_within_the_throttle_waits_and_a_key_frame_settles_it() {
        let mut requests = KeyFrameRequests::new(Duration::from_millis(500));
        requests.handle_request();
        assert!(requests.handle_timeout(at(0)));
        requests.handle_request();
        assert!(!requests.handle_timeout(at(100)));
        assert_eq!(requests.poll_timeout(at(100)), Some(at(500)));
        requests.handle_key_frame();
        assert_eq!(requests.poll_timeout(at(100)), None);
        assert!(!requests.handle_timeout(at(500)));
    }

    #[test]
    fn the_seeder_asks_each_second_until_a_key_frame_is_seen() {
        let mut requests = KeyFrameRequests::new(Duration::from_millis(500));
        requests.handle_start(at(0));
        let sent: Vec<u64> = (0..3_000)
            .filter(|&ms| requests.handle_timeout(at(ms)))
            .collect();
        assert_eq!(sent, [0, 1_000, 2_000]);
        requests.handle_key_frame();
        assert!((3_000..9_000).all(|ms| !requests.handle_timeout(at(ms))));
    }

    #[test]
    fn the_seeder_gives_up_after_30_seconds() {
        let mut requests = KeyFrameRequests::new(Duration::from_millis(500));
        requests.handle_start(at(0));
        let sent = (0..60)
            .filter(|second| requests.handle_timeout(at(second * 1_000)))
            .count();
        assert_eq!(sent, 30);
        assert_eq!(requests.poll_timeout(at(60_000)), None);
    }
}
