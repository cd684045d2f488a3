//! The ports that one worker's allocations may have.

use std::net::{IpAddr, SocketAddr};

use rand::Rng;

/// Every `step`th port of a range: workers share a range without sharing a table, and the port tells the worker.
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
        let step = u32::from(self.step.max(1));
        let first = u32::from(self.start) + u32::from(self.offset);
        let end = u32::from(self.end);
        if first > end {
            return Vec::new();
        }
        let count = (end - first) / step + 1;
        let from = rng.random_range(0..count);
        let ports = (0..count).map(|at| first + ((from + at) % count) * step);
        ports
            .filter(|port| !even || port % 2 == 0)
            .filter_map(|port| u16::try_from(port).ok())
            .map(|port| SocketAddr::new(ip, port))
            .filter(is_free)
            .take(MAX_TRIES)
            .collect()
    }
}

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
        assert!(first.iter().all(|port| (port - 30_000) % 2 == 0));
    }

    #[test]
    fn even_ports_are_there_if_asked_for() {
        let mut rng = SmallRng::seed_from_u64(1);
        let ip = IpAddr::from([192, 0, 2, 1]);
        assert!(ports(1).candidates(ip, true, &mut rng, |_| true).is_empty());
        assert_eq!(ports(0).candidates(ip, true, &mut rng, |_| true).len(), 11);
    }
}
