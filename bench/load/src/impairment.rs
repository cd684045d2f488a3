//! A bad line, for what a client receives: loss, delay, jitter and a rate, by a seed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::scenario::Impair;

/// Datagrams on a bad line.
pub struct Impairment {
    settings: Impair,
    rng: SmallRng,
    /// When the line has sent what it took before.
    free_at: Instant,
    waiting: BTreeMap<(Instant, u64), (SocketAddr, Vec<u8>)>,
    count: u64,
}

impl Impairment {
    /// An empty line.
    pub fn new(now: Instant, settings: Impair, seed: u64) -> Self {
        Self {
            settings,
            rng: SmallRng::seed_from_u64(seed),
            free_at: now,
            waiting: BTreeMap::new(),
            count: 0,
        }
    }

    /// Takes a datagram; some are lost here.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        let Impair {
            loss_percent,
            delay_ms,
            jitter_ms,
            rate_kbps,
        } = self.settings;
        if self.rng.random_range(0.0..100.0) < loss_percent {
            return;
        }
        let mut at = now;
        if rate_kbps > 0.0 {
            let start = self.free_at.max(now);
            if start - now > QUEUE {
                return;
            }
            self.free_at =
                start + Duration::from_secs_f64(bytes.len() as f64 * 8.0 / (rate_kbps * 1_000.0));
            at = self.free_at;
        }
        let jitter = if jitter_ms > 0.0 {
            self.rng.random_range(0.0..jitter_ms)
        } else {
            0.0
        };
        at += Duration::from_secs_f64((delay_ms + jitter) / 1_000.0);
        self.count += 1;
        self.waiting
            .insert((at, self.count), (from, bytes.to_vec()));
    }

    /// The next datagram that has come through.
    pub fn poll_datagram(&mut self, now: Instant) -> Option<(SocketAddr, Vec<u8>)> {
        let entry = self.waiting.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    /// When the next one will have.
    pub fn poll_timeout(&self) -> Option<Instant> {
        Some(self.waiting.first_key_value()?.0.0)
    }
}

/// What waits longer than that is dropped, as routers do.
const QUEUE: Duration = Duration::from_millis(300);

#[cfg(test)]
mod tests {
    use super::*;

    fn through(settings: Impair, datagrams: usize, spacing: Duration) -> Vec<Duration> {
        let begin = Instant::now();
        let from = SocketAddr::from(([127, 0, 0, 1], 9));
        let mut line = Impairment::new(begin, settings, 7);
        for at in 0..datagrams {
            line.handle_datagram(begin + spacing * at as u32, from, &[0; 1_000]);
        }
        let mut times = Vec::new();
        while let Some(at) = line.poll_timeout() {
            assert!(line.poll_datagram(at).is_some());
            times.push(at - begin);
        }
        times
    }

    #[test]
    fn a_thin_line_delays_and_then_drops() {
        let thin = Impair {
            rate_kbps: 800.0,
            ..Impair::default()
        };
        let times = through(thin, 100, Duration::ZERO);
        assert_eq!(times[0], Duration::from_millis(10));
        assert_eq!(times.len(), 31);
    }

    #[test]
    fn loss_and_delay_are_as_asked() {
        let bad = Impair {
            loss_percent: 10.0,
            delay_ms: 50.0,
            jitter_ms: 5.0,
            rate_kbps: 0.0,
        };
        let times = through(bad, 2_000, Duration::ZERO);
        assert!((1_740..1_860).contains(&times.len()), "{}", times.len());
        let (first, last) = (times[0].as_millis(), times[times.len() - 1].as_millis());
        assert!(first >= 50 && last <= 55, "{first} {last}");
    }
}
