//! How many connections may be open without having proved anything.

use std::collections::HashMap;
use std::net::IpAddr;

/// Counts unproven connections of one worker.
#[derive(Debug, Default)]
pub struct Admission {
    unproven: usize,
    by_source: HashMap<IpAddr, usize>,
    /// True where a source is a balancer with everybody behind it.
    sources_are_shared: bool,
}

impl Admission {
    /// From now on only the number of all connections counts.
    pub fn share_sources(&mut self) {
        self.sources_are_shared = true;
    }

    /// Counts a connection in. False where there are too many: it is to be closed at once.
    pub fn enter(&mut self, source: IpAddr) -> bool {
        let source = prefix(source);
        let of_source = self.by_source.get(&source).copied().unwrap_or(0);
        let greedy = of_source >= MAX_UNPROVEN_PER_SOURCE && !self.sources_are_shared;
        if self.unproven >= MAX_UNPROVEN || greedy {
            return false;
        }
        self.unproven += 1;
        self.by_source.insert(source, of_source + 1);
        true
    }

    /// A connection that was counted in proved itself or ended.
    pub fn leave(&mut self, source: IpAddr) {
        let source = prefix(source);
        self.unproven = self.unproven.saturating_sub(1);
        if let Some(count) = self.by_source.get_mut(&source) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.by_source.remove(&source);
            }
        }
    }

    /// Connections counted in.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        debug_assert_eq!(self.by_source.values().sum::<usize>(), self.unproven);
        self.unproven
    }
}

/// What one customer of an access network has: an IPv4 address, or an IPv6 network of /64.
fn prefix(source: IpAddr) -> IpAddr {
    match source {
        IpAddr::V4(_) => source,
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

/// Per worker and kind: clients prove themselves within two round trips, so that this many can join in each second
/// of the ten that a hostile one may stay, and memory stays small.
const MAX_UNPROVEN: usize = 2_048;
/// Per source, so that one can't take all places; large offices join behind one address.
const MAX_UNPROVEN_PER_SOURCE: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_source_gets_its_share_and_leaves_room_for_others() {
        let mut admission = Admission::default();
        let (flood, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        for _ in 0..MAX_UNPROVEN_PER_SOURCE {
            assert!(admission.enter(flood));
        }
        assert!(!admission.enter(flood));
        assert!(admission.enter(other));
        admission.leave(flood);
        assert!(admission.enter(flood));
    }

    #[test]
    fn behind_a_balancer_all_are_one_source() {
        let mut admission = Admission::default();
        admission.share_sources();
        let balancer = IpAddr::from([192, 0, 2, 1]);
        for _ in 0..MAX_UNPROVEN {
            assert!(admission.enter(balancer));
        }
        assert!(!admission.enter(balancer));
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_as_one_source() {
        let mut admission = Admission::default();
        let host = |n: u16| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, n]);
        for n in 0..MAX_UNPROVEN_PER_SOURCE as u16 {
            assert!(admission.enter(host(n)));
        }
        assert!(!admission.enter(host(9_999)));
        assert!(admission.enter(IpAddr::from([0x2001, 0xdb8, 0, 2, 0, 0, 0, 1])));
    }

    #[test]
    fn all_sources_together_are_bounded_and_nothing_stays() {
        let mut admission = Admission::default();
        let sources: Vec<IpAddr> = (0..3_000_u32)
            .map(|n| IpAddr::from((0xc000_0000 + n).to_be_bytes()))
            .collect();
        let entered: Vec<IpAddr> = sources
            .into_iter()
            .filter(|source| admission.enter(*source))
            .collect();
        assert_eq!(entered.len(), MAX_UNPROVEN);
        for source in entered {
            admission.leave(source);
        }
        assert_eq!(admission.len(), 0);
        assert!(admission.by_source.is_empty());
    }
}
