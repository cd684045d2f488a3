//! The ports that one worker's allocations may have.

use std::net::{IpAddr, SocketAddr};

use rand::Rng;

/// Every `step`th pair of ports of a range: workers share a range without sharing a table, the port tells the worker,
/// and each has even ports and odd ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelayPorts {
    /// What clients are told for IPv4; none without such relays.
    pub v4: Option<IpAddr>,
    /// As `v4`.
    pub v6: Option<IpAddr>,
    /// First port of the range.
    pub start: u16,
    /// Last port, included.
    pub end: u16,
    /// Workers that share it.
    pub step: u16,
    /// Which of them this is, from 0.
    pub offset: u16,
}

impl RelayPorts {
    /// How many workers a range has ports for.
    pub fn shares(start: u16, end: u16) -> u16 {
        end.saturating_sub(start) / PAIR + 1
    }

    /// Whose port it is, by the worker's offset; none outside the range.
    pub fn owner(&self, port: u16) -> Option<u16> {
        let at = port.checked_sub(self.start)?;
        (port <= self.end).then(|| at / PAIR % self.step.max(1))
    }

    /// The address of a family.
    pub(crate) fn address(&self, is_v6: bool) -> Option<IpAddr> {
        if is_v6 { self.v6 } else { self.v4 }
    }

    /// Free ports to try, from a random one on, so that they can't be guessed; only even ones if asked.
    pub(crate) fn candidates(
        &self,
        ip: IpAddr,
        even: bool,
        rng: &mut impl Rng,
        is_free: impl Fn(&SocketAddr) -> bool,
    ) -> Vec<SocketAddr> {
        let (start, end) = (u32::from(self.start), u32::from(self.end));
        let (pair, step) = (u32::from(PAIR), u32::from(self.step.max(1)));
        let pairs = (end.saturating_sub(start) / pair + 1).saturating_sub(u32::from(self.offset));
        let count = pairs.div_ceil(step) * pair;
        if count == 0 {
            return Vec::new();
        }
        let from = rng.random_range(0..count);
        let ports = (0..count).map(|at| (from + at) % count).map(|at| {
            let of_all = at / pair * step + u32::from(self.offset);
            start + of_all * pair + at % pair
        });
        ports
            // The last pair may be half a pair.
            .filter(|port| *port <= end && (!even || port % 2 == 0))
            .filter_map(|port| u16::try_from(port).ok())
            .map(|port| SocketAddr::new(ip, port))
            .filter(is_free)
            .take(MAX_TRIES)
            .collect()
    }
}

/// Ports that stay together.
const PAIR: u16 = 2;

/// Ports tried for one allocation. Where others hold so many neighbours, the range is as good as full.
const MAX_TRIES: usize = 64;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;

    fn ports(offset: u16) -> RelayPorts {
        RelayPorts {
            v4: None,
            v6: None,
            start: 30_000,
            end: 30_020,
            step: 2,
            offset,
        }
    }

    #[test]
    fn workers_share_a_range_without_sharing_a_port() {
        let mut rng = SmallRng::seed_from_u64(1);
        let ip = IpAddr::from([192, 0, 2, 1]);
        let of = |offset, rng: &mut SmallRng| -> HashSet<u16> {
            ports(offset)
                .candidates(ip, false, rng, |_| true)
                .iter()
                .map(SocketAddr::port)
                .collect()
        };
        let (first, second) = (of(0, &mut rng), of(1, &mut rng));
        assert_eq!((first.len(), second.len()), (11, 10));
        assert!(first.is_disjoint(&second));
        for (worker, of_worker) in [(0, first), (1, second)] {
            assert!(of_worker.iter().any(|port| port % 2 == 0));
            assert!(of_worker.iter().any(|port| port % 2 == 1));
            for port in of_worker {
                assert_eq!(ports(0).owner(port), Some(worker), "{port}");
            }
        }
        assert_eq!(
            (ports(0).owner(29_999), ports(0).owner(30_021)),
            (None, None)
        );
    }

    #[test]
    fn even_ports_are_there_if_asked_for() {
        let mut rng = SmallRng::seed_from_u64(1);
        let ip = IpAddr::from([192, 0, 2, 1]);
        let even = |offset, rng: &mut SmallRng| {
            let candidates = ports(offset).candidates(ip, true, rng, |_| true);
            assert!(candidates.iter().all(|address| address.port() % 2 == 0));
            candidates.len()
        };
        assert_eq!((even(0, &mut rng), even(1, &mut rng)), (6, 5));
    }

    #[test]
    fn a_short_range_is_for_few_workers() {
        let shares = |count: u16| RelayPorts::shares(30_000, 30_000 + count - 1);
        assert_eq!([1, 2, 3, 4, 5].map(shares), [1, 1, 2, 2, 3]);
        assert_eq!(RelayPorts::shares(1, u16::MAX), 32_768);
        let mut rng = SmallRng::seed_from_u64(1);
        let mut short = ports(1);
        short.end = 30_001;
        let ip = IpAddr::from([192, 0, 2, 1]);
        assert!(short.candidates(ip, false, &mut rng, |_| true).is_empty());
        short.offset = 0;
        assert_eq!(short.candidates(ip, false, &mut rng, |_| true).len(), 2);
    }
}
