//! One direction of a path: when a datagram arrives, if it does.

use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// What a link does to datagrams. The default is an ideal local network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinkSettings {
    /// Propagation delay.
    pub delay: Duration,
    /// Up to so much more, evenly spread; order is kept.
    pub jitter: Duration,
    /// Which datagrams vanish.
    pub loss: Loss,
    /// Share of datagrams that come up to [`LinkSettings::reorder_by`] later than their successors, 0 to 1.
    pub reorder: f64,
    /// How late a reordered datagram is at most.
    pub reorder_by: Duration,
    /// Share of datagrams that arrive twice, 0 to 1.
    pub duplicate: f64,
    /// Bits per second, with 28 bytes of IP and UDP header on each datagram; none for no limit.
    pub rate: Option<u64>,
    /// Bytes that wait in front of a limited rate before datagrams are dropped.
    pub queue: u64,
}

/// Which datagrams vanish.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Loss {
    /// None.
    None,
    /// Each with this probability, 0 to 1.
    Random(f64),
    /// All within bursts, which begin and end at each datagram with these probabilities (Gilbert's model).
    Bursts {
        /// Probability that a burst begins.
        begin: f64,
        /// Probability that it ends; its inverse is the mean length.
        end: f64,
    },
    /// All.
    Total,
}

impl Default for LinkSettings {
    fn default() -> Self {
        Self {
            delay: Duration::from_millis(1),
            jitter: Duration::ZERO,
            loss: Loss::None,
            reorder: 0.0,
            reorder_by: Duration::from_millis(30),
            duplicate: 0.0,
            rate: None,
            queue: 256 * 1_024,
        }
    }
}

impl LinkSettings {
    /// An ideal link with this delay.
    pub fn delayed(delay: Duration) -> Self {
        Self {
            delay,
            ..Self::default()
        }
    }

    /// A link with this delay that loses this share of datagrams.
    pub fn lossy(delay: Duration, loss: f64) -> Self {
        Self {
            delay,
            loss: Loss::Random(loss),
            ..Self::default()
        }
    }

    /// A poor radio link: loss, bursts' worth of jitter, reordering and duplicates.
    pub fn rough(delay: Duration, loss: f64) -> Self {
        Self {
            delay,
            jitter: Duration::from_millis(20),
            loss: Loss::Random(loss),
            reorder: 0.05,
            duplicate: 0.02,
            ..Self::default()
        }
    }
}

/// One direction between two hosts.
#[derive(Debug)]
pub struct Link {
    settings: LinkSettings,
    rng: SmallRng,
    in_burst: bool,
    busy_until: Option<Instant>,
    last_arrival: Option<Instant>,
    counters: LinkCounters,
}

/// What became of the datagrams of a link.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// Given to the link.
    pub offered: u64,
    /// Vanished.
    pub lost: u64,
    /// Dropped in front of the limited rate.
    pub overflowed: u64,
    /// Delivered twice.
    pub duplicated: u64,
    /// Bytes that arrived, duplicates not counted.
    pub bytes: u64,
}

impl Link {
    /// A link; equal seeds treat equal datagrams alike.
    pub fn new(settings: LinkSettings, seed: u64) -> Self {
        Self {
            settings,
            rng: SmallRng::seed_from_u64(seed),
            in_burst: false,
            busy_until: None,
            last_arrival: None,
            counters: LinkCounters::default(),
        }
    }

    /// Changes the weather; datagrams under way are not affected.
    pub fn set(&mut self, settings: LinkSettings) {
        self.settings = settings;
    }

    /// What the link does now.
    pub fn settings(&self) -> LinkSettings {
        self.settings
    }

    /// Counters since the start.
    pub fn counters(&self) -> LinkCounters {
        self.counters
    }

    /// When a datagram of `len` bytes given to the link at `now` arrives: never, once or twice.
    pub fn carry(&mut self, now: Instant, len: usize) -> [Option<Instant>; 2] {
        self.counters.offered += 1;
        if self.loses() {
            self.counters.lost += 1;
            return [None, None];
        }
        let Some(left) = self.transmit(now, len) else {
            self.counters.overflowed += 1;
            return [None, None];
        };
        self.counters.bytes += len as u64;
        let mut arrival =
            left + self.settings.delay + self.settings.jitter.mul_f64(self.rng.random());
        if self.rng.random_bool(self.settings.reorder) {
            arrival += self.settings.reorder_by.mul_f64(self.rng.random());
        } else {
            arrival = self.last_arrival.map_or(arrival, |last| last.max(arrival));
            self.last_arrival = Some(arrival);
        }
        let again = self.rng.random_bool(self.settings.duplicate);
        self.counters.duplicated += u64::from(again);
        [
            Some(arrival),
            again.then(|| arrival + DUPLICATE_LAG.mul_f64(self.rng.random())),
        ]
    }

    fn loses(&mut self) -> bool {
        match self.settings.loss {
            Loss::None => false,
            Loss::Total => true,
            Loss::Random(share) => self.rng.random_bool(share),
            Loss::Bursts { begin, end } => {
                let turns = self
                    .rng
                    .random_bool(if self.in_burst { end } else { begin });
                self.in_burst ^= turns;
                self.in_burst
            }
        }
    }

    /// When the last bit leaves, or `None` when the queue is full.
    fn transmit(&mut self, now: Instant, len: usize) -> Option<Instant> {
        let Some(rate) = self.settings.rate else {
            return Some(now);
        };
        let begin = self.busy_until.map_or(now, |busy| busy.max(now));
        let waiting = (begin - now).as_secs_f64() * rate as f64 / 8.0;
        if waiting > self.settings.queue as f64 {
            return None;
        }
        let bits = 8 * (len as u64 + HEADER_BYTES);
        let done = begin + Duration::from_secs_f64(bits as f64 / rate as f64);
        self.busy_until = Some(done);
        Some(done)
    }
}

/// IPv4 and UDP.
const HEADER_BYTES: u64 = 28;
const DUPLICATE_LAG: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn arrivals(settings: LinkSettings, seed: u64, count: usize) -> Vec<Option<Duration>> {
        let start = clock::start();
        let mut link = Link::new(settings, seed);
        (0..count)
            .map(|i| {
                link.carry(start + Duration::from_millis(i as u64), 1_000)[0].map(|at| at - start)
            })
            .collect()
    }

    #[test]
    fn equal_seeds_give_equal_links() {
        let settings = LinkSettings::rough(Duration::from_millis(20), 0.1);
        assert_eq!(arrivals(settings, 3, 500), arrivals(settings, 3, 500));
        assert_ne!(arrivals(settings, 3, 500), arrivals(settings, 4, 500));
    }

    #[test]
    fn jitter_alone_keeps_the_order_and_reordering_breaks_it() {
        let jittery = LinkSettings {
            jitter: Duration::from_millis(50),
            ..LinkSettings::default()
        };
        let in_order = |times: Vec<Option<Duration>>| times.iter().flatten().is_sorted();
        assert!(in_order(arrivals(jittery, 1, 1_000)));
        assert!(!in_order(arrivals(
            LinkSettings {
                reorder: 0.1,
                ..jittery
            },
            1,
            1_000
        )));
    }

    #[test]
    fn losses_come_in_the_wanted_share_and_in_bursts() {
        let lost = |times: &[Option<Duration>]| times.iter().filter(|at| at.is_none()).count();
        let random = arrivals(LinkSettings::lossy(Duration::ZERO, 0.1), 1, 10_000);
        assert!((800..1_200).contains(&lost(&random)));
        let bursts = arrivals(
            LinkSettings {
                loss: Loss::Bursts {
                    begin: 0.01,
                    end: 0.1,
                },
                ..LinkSettings::default()
            },
            1,
            10_000,
        );
        let runs = bursts
            .windows(2)
            .filter(|pair| pair[0].is_some() && pair[1].is_none())
            .count();
        assert!(
            lost(&bursts) / runs >= 5,
            "{} lost in {runs} bursts",
            lost(&bursts)
        );
    }

    #[test]
    fn limited_rate_spaces_datagrams_and_drops_beyond_the_queue() {
        let start = clock::start();
        let settings = LinkSettings {
            rate: Some(1_000_000),
            queue: 10_000,
            ..LinkSettings::default()
        };
        let mut link = Link::new(settings, 1);
        let arrived: Vec<_> = (0..100).filter_map(|_| link.carry(start, 972)[0]).collect();
        assert_eq!(
            arrived.len(),
            11,
            "ten thousand bytes wait, one datagram is on the wire"
        );
        assert_eq!(arrived[1] - arrived[0], Duration::from_millis(8));
        assert_eq!(link.counters().overflowed, 89);
    }
}
