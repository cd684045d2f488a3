//! Which media port is whose, and how clients of the relay know it.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;

use sluice_turn::MediaAddress;
use sluice_wire::id::WorkerId;
use sluice_wire::path::Path;

use crate::config::{AddressConfig, EngineConfig, UdpPorts};
use crate::mux::Handoff;
use crate::ports::PortBook;

/// This node's media ports, as peers of relays.
pub struct MediaPorts {
    me: WorkerId,
    workers: u16,
    addresses: Vec<AddressConfig>,
    udp: Option<UdpPorts>,
    ports: Vec<RangeInclusive<u16>>,
    book: Option<Arc<PortBook>>,
}

impl MediaPorts {
    /// Those of an engine, as seen from one worker.
    pub fn new(me: WorkerId, config: &EngineConfig, book: Option<Arc<PortBook>>) -> Self {
        Self {
            me,
            workers: config.workers,
            addresses: config.addresses.clone(),
            udp: config.udp.clone(),
            ports: served(config),
            book,
        }
    }

    /// All of them, by the addresses that clients may know.
    pub fn all(&self) -> Vec<MediaAddress> {
        let both = |address: &AddressConfig| [address.advertise, address.bind];
        let mut ips: Vec<IpAddr> = self.addresses.iter().flat_map(both).collect();
        ips.retain(|ip| !ip.is_unspecified());
        ips.sort_unstable();
        ips.dedup();
        ips.into_iter()
            .map(|ip| MediaAddress {
                ip,
                ports: self.ports.clone(),
            })
            .collect()
    }

    /// What our socket is bound to that a client knows as `peer`; none where that is no media port of ours.
    pub fn bound(&self, peer: SocketAddr) -> Option<SocketAddr> {
        let (ip, port) = (peer.ip(), peer.port());
        if ip.is_unspecified() || !self.ports.iter().any(|ports| ports.contains(&port)) {
            return None;
        }
        let mut addresses = self.addresses.iter();
        let address = addresses.find(|address| address.advertise == ip || address.bind == ip)?;
        Some(SocketAddr::new(name(address), port))
    }

    /// The ways in which clients may know a bound address, the likeliest first.
    pub fn known_as(&self, bound: SocketAddr) -> impl Iterator<Item = SocketAddr> + '_ {
        let of = move |address: &&AddressConfig| name(address) == bound.ip();
        let advertised = self.addresses.iter().filter(of).map(|a| a.advertise);
        advertised
            .chain([bound.ip()])
            .map(move |ip| SocketAddr::new(ip, bound.port()))
    }

    /// The worker that a datagram to a media port is for; none while nobody has the port.
    pub fn owner(&self, path: Path, datagram: &[u8], handoff: &Handoff) -> Option<WorkerId> {
        let port = path.local.port();
        let (mux_ports, common_ports) = match &self.udp {
            Some(UdpPorts::Range { .. }) => return self.book.as_ref()?.owner(port),
            Some(UdpPorts::Mux {
                mux_ports,
                common_ports,
            }) => (mux_ports, common_ports),
            None => return None,
        };
        let serves = |worker: WorkerId| {
            common_ports.contains(&port)
                || mux_ports.get(usize::from(worker.0) % mux_ports.len().max(1)) == Some(&port)
        };
        let named = handoff.owner(path, datagram);
        named
            .filter(|worker| worker.0 < self.workers && serves(*worker))
            .or_else(|| serves(self.me).then_some(self.me))
            .or_else(|| {
                (0..self.workers)
                    .map(WorkerId)
                    .find(|worker| serves(*worker))
            })
    }
}

/// The ports that some worker serves, or may.
fn served(config: &EngineConfig) -> Vec<RangeInclusive<u16>> {
    match &config.udp {
        Some(UdpPorts::Range {
            port_range_start,
            port_range_end,
        }) => vec![*port_range_start..=*port_range_end],
        Some(UdpPorts::Mux {
            mux_ports,
            common_ports,
        }) => {
            let own = mux_ports.iter().take(usize::from(config.workers));
            own.chain(common_ports).map(|port| *port..=*port).collect()
        }
        None => Vec::new(),
    }
}

/// By what a socket of this address is known inside (`Sockets::name`).
fn name(address: &AddressConfig) -> IpAddr {
    if address.bind.is_unspecified() {
        address.advertise
    } else {
        address.bind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    fn ports(me: u16, workers: u16, udp: &str) -> MediaPorts {
        let json = format!(
            r#"{{"workers":{workers},"udp":{udp},"addresses":[{{"bind":"10.0.0.1","advertise":"192.0.2.1"}},
                {{"bind":"::","advertise":"2001:db8::1"}}]}}"#
        );
        let config: EngineConfig = serde_json::from_str(&json).expect("it parses");
        MediaPorts::new(WorkerId(me), &config, None)
    }

    #[test]
    fn a_media_port_has_one_bound_address_and_all_its_names() {
        let ports = ports(0, 1, r#"{"muxPorts":[7882,7883],"commonPorts":[3478]}"#);
        for known in ["192.0.2.1:7882", "10.0.0.1:7882"] {
            assert_eq!(ports.bound(at(known)), Some(at("10.0.0.1:7882")));
        }
        assert_eq!(
            ports.bound(at("[2001:db8::1]:3478")),
            Some(at("[2001:db8::1]:3478"))
        );
        for other in ["192.0.2.1:7880", "192.0.2.2:7882", "[::]:7882"] {
            assert_eq!(ports.bound(at(other)), None);
        }
        let names: Vec<_> = ports.known_as(at("10.0.0.1:7882")).collect();
        assert_eq!(names, [at("192.0.2.1:7882"), at("10.0.0.1:7882")]);
        let open: Vec<_> = ports.all().into_iter().map(|a| (a.ip, a.ports)).collect();
        assert_eq!(open.len(), 3, "the wildcard is nobody's address: {open:?}");
        assert_eq!(
            open[0].1,
            [7882..=7882, 3478..=3478],
            "one worker, one port"
        );
    }

    #[test]
    fn datagrams_go_to_a_worker_that_serves_the_port() {
        let owner = |me, port| {
            let ports = ports(me, 3, r#"{"muxPorts":[7882,7883],"commonPorts":[3478]}"#);
            let path = Path::udp(at(&format!("10.0.0.1:{port}")), at("192.0.2.1:30000"));
            let handoff = Handoff::new(WorkerId(me), Vec::new());
            ports.owner(path, &[0x80; 12], &handoff).map(|w| w.0)
        };
        assert_eq!(owner(0, 7882), Some(0));
        assert_eq!(owner(1, 7882), Some(0));
        assert_eq!(owner(2, 7882), Some(2), "its own, where nobody claimed it");
        assert_eq!(owner(2, 7883), Some(1));
        assert_eq!(owner(2, 3478), Some(2));
    }
}
