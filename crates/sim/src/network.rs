//! Datagrams under way between addresses.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use crate::link::{Link, LinkCounters, LinkSettings};

/// A datagram with its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    /// From.
    pub from: SocketAddr,
    /// To.
    pub to: SocketAddr,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Links between hosts, made as they are used.
#[derive(Debug)]
pub struct Network {
    seed: u64,
    default: LinkSettings,
    links: HashMap<(IpAddr, IpAddr), Link>,
    /// By arrival, then by order of sending.
    under_way: BTreeMap<(Instant, u64), Datagram>,
    sent: u64,
    /// Everything sent, while somebody listens.
    pub tap: Option<Vec<Datagram>>,
}

impl Network {
    /// A network whose links are all like `default` until set otherwise.
    pub fn new(default: LinkSettings, seed: u64) -> Self {
        Self {
            seed,
            default,
            links: HashMap::new(),
            under_way: BTreeMap::new(),
            sent: 0,
            tap: None,
        }
    }

    /// Sets the direction `from` → `to`.
    pub fn set(&mut self, from: IpAddr, to: IpAddr, settings: LinkSettings) {
        self.link(from, to).set(settings);
    }

    /// Sets both directions between two hosts.
    pub fn set_both(&mut self, a: IpAddr, b: IpAddr, settings: LinkSettings) {
        self.set(a, b, settings);
        self.set(b, a, settings);
    }

    /// Sets every link there is or will be.
    pub fn set_all(&mut self, settings: LinkSettings) {
        self.default = settings;
        self.links.values_mut().for_each(|link| link.set(settings));
    }

    /// Counters of the direction `from` → `to`.
    pub fn counters(&self, from: IpAddr, to: IpAddr) -> LinkCounters {
        self.links
            .get(&(from, to))
            .map(Link::counters)
            .unwrap_or_default()
    }

    /// Takes a datagram.
    pub fn send(&mut self, now: Instant, datagram: &Datagram) {
        if let Some(tap) = &mut self.tap {
            tap.push(datagram.clone());
        }
        let arrivals = self
            .link(datagram.from.ip(), datagram.to.ip())
            .carry(now, datagram.bytes.len());
        for arrival in arrivals.into_iter().flatten() {
            self.sent += 1;
            self.under_way
                .insert((arrival, self.sent), datagram.clone());
        }
    }

    /// The next datagram that has arrived by `now`.
    pub fn poll(&mut self, now: Instant) -> Option<Datagram> {
        let first = self.under_way.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    /// When the next datagram arrives.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.under_way.first_key_value().map(|((at, _), _)| *at)
    }

    fn link(&mut self, from: IpAddr, to: IpAddr) -> &mut Link {
        let (default, seed) = (self.default, self.seed);
        self.links
            .entry((from, to))
            .or_insert_with(|| Link::new(default, seed ^ name(from) << 1 ^ name(to)))
    }
}

/// Makes links differ under one seed, in the same way each run.
fn name(ip: IpAddr) -> u64 {
    let bits = match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits(),
    };
    (bits as u64 ^ (bits >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use std::time::Duration;

    #[test]
    fn datagrams_arrive_at_their_time_and_in_order() {
        let now = clock::start();
        let mut network = Network::new(LinkSettings::delayed(Duration::from_millis(10)), 1);
        let (a, b) = ("10.0.0.1:1".parse().unwrap(), "10.0.0.2:2".parse().unwrap());
        for i in 0..3 {
            network.send(
                now,
                &Datagram {
                    from: a,
                    to: b,
                    bytes: vec![i],
                },
            );
        }
        assert_eq!(network.poll(now), None);
        assert_eq!(
            network.poll_timeout(),
            Some(now + Duration::from_millis(10))
        );
        let later = now + Duration::from_millis(10);
        let arrived: Vec<u8> = std::iter::from_fn(|| network.poll(later))
            .map(|datagram| datagram.bytes[0])
            .collect();
        assert_eq!(arrived, [0, 1, 2]);
    }
}
