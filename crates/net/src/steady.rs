//! Whether a socket's sends have settled on one destination, so that a connected socket pays.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Watches the destinations of one socket.
#[derive(Debug)]
pub struct Steady {
    remote: SocketAddr,
    since: Instant,
    /// Sends to `remote` less sends elsewhere: checks of other paths hardly lower it, another path soon does.
    score: u32,
    /// True once told.
    told: bool,
}

impl Steady {
    /// Begins with the first destination.
    pub fn new(now: Instant, remote: SocketAddr) -> Self {
        Self {
            remote,
            since: now,
            score: 0,
            told: false,
        }
    }

    /// Counts a send. True once for each destination that proves to last.
    pub fn handle_send(&mut self, now: Instant, remote: SocketAddr) -> bool {
        if remote != self.remote {
            match self.score.checked_sub(1) {
                Some(less) => self.score = less,
                None => *self = Self::new(now, remote),
            }
            return false;
        }
        self.score = (self.score + 1).min(SCORE);
        if self.told || self.score < SCORE || now.saturating_duration_since(self.since) < AGE {
            return false;
        }
        self.told = true;
        true
    }
}

/// Sends before a socket counts as busy enough for a twin: an idle viewer's checks take minutes to get there.
const SCORE: u32 = 100;

/// ICE has nominated by then.
const AGE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    /// Sends each 10 ms; how often the destination was told to last.
    fn send(steady: &mut Steady, from: Instant, ports: impl Iterator<Item = u16>) -> usize {
        let mut now = from;
        ports
            .filter(|&port| {
                now += Duration::from_millis(10);
                steady.handle_send(now, address(port))
            })
            .count()
    }

    #[test]
    fn a_destination_that_lasts_is_told_once() {
        let start = Instant::now();
        let mut steady = Steady::new(start, address(1));
        assert_eq!(send(&mut steady, start, [1; 199].into_iter()), 0);
        let later = start + Duration::from_millis(1990);
        assert_eq!(send(&mut steady, later, [1; 500].into_iter()), 1);
    }

    #[test]
    fn checks_of_other_paths_do_not_matter() {
        let start = Instant::now();
        let mut steady = Steady::new(start, address(1));
        let ports = (0..500).map(|n| if n % 10 == 0 { 2 } else { 1 });
        assert_eq!(send(&mut steady, start, ports), 1);
    }

    #[test]
    fn a_client_that_roams_is_followed() {
        let start = Instant::now();
        let mut steady = Steady::new(start, address(1));
        send(&mut steady, start, [1; 500].into_iter());
        let later = start + Duration::from_secs(5);
        assert_eq!(send(&mut steady, later, [2; 500].into_iter()), 1);
        assert_eq!(steady.remote, address(2));
    }
}
