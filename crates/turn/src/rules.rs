//! Which peers clients may reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;

use crate::cidr::Cidr;

/// An address of this node that takes media, and on which ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaAddress {
    /// The address that clients are told, or the one that is bound.
    pub ip: IpAddr,
    /// Its media ports.
    pub ports: Vec<RangeInclusive<u16>>,
}

/// Who may be a peer. A relay that reaches more than it must is an open door into the network it stands in
/// (CVE-2020-26262 and its many kin), so that everything is closed but what is named here.
#[derive(Debug, Clone, Default)]
pub struct PeerRules {
    /// This node's own media ports: always open, unless denied.
    pub media: Vec<MediaAddress>,
    /// Opens global unicast addresses.
    pub allow_public: bool,
    /// Opens these ranges, private ones too.
    pub allow: Vec<Cidr>,
    /// Closes these ranges, whatever else says.
    pub deny: Vec<Cidr>,
}

impl PeerRules {
    /// True where some port at this address may be a peer: all that a permission asks (RFC 8656 section 10.2).
    pub fn permits_ip(&self, ip: IpAddr) -> bool {
        !self.denies(ip) && (self.media.iter().any(|media| media.ip == ip) || self.opens(ip))
    }

    /// True where this very address may be a peer.
    pub fn permits(&self, peer: SocketAddr) -> bool {
        peer.port() != 0
            && !self.denies(peer.ip())
            && (self.is_media(peer) || self.opens(peer.ip()))
    }

    /// True for this node's own media ports.
    pub fn is_media(&self, peer: SocketAddr) -> bool {
        self.media.iter().any(|media| {
            media.ip == peer.ip() && media.ports.iter().any(|ports| ports.contains(&peer.port()))
        })
    }

    fn opens(&self, ip: IpAddr) -> bool {
        if self.allow.iter().any(|range| range.contains(ip)) {
            return true;
        }
        self.allow_public
            && match ip {
                IpAddr::V4(ip) => is_public_v4(ip),
                IpAddr::V6(ip) => is_public_v6(ip),
            }
    }

    fn denies(&self, ip: IpAddr) -> bool {
        let denied = |ip: IpAddr| self.deny.iter().any(|range| range.contains(ip));
        if denied(ip) {
            return true;
        }
        // A packet to such an address may end up at the IPv4 address inside, so that both must be open.
        let IpAddr::V6(v6) = ip else { return false };
        embedded_v4(v6).any(|inner| {
            let inner = IpAddr::V4(inner);
            denied(inner) || !self.opens(inner)
        })
    }
}

/// The IPv4 addresses inside an IPv6 one that lead there: mapped and compatible (RFC 4291), translated (RFC 2765),
/// NAT64 (RFC 6052 and RFC 8215), 6to4 (RFC 3056), Teredo's client (RFC 4380), ISATAP (RFC 5214). One form may hide in
/// another.
fn embedded_v4(ip: Ipv6Addr) -> impl Iterator<Item = Ipv4Addr> {
    let words = ip.segments();
    let v4 = |at: usize| {
        let word = |at: usize| u32::from(words.get(at).copied().unwrap_or(0));
        Ipv4Addr::from_bits((word(at) << 16) | word(at + 1))
    };
    let last = match words {
        // ::1 and :: are themselves.
        [0, 0, 0, 0, 0, 0, 0, ..] => false,
        [0, 0, 0, 0, 0, 0xffff | 0, ..]
        | [0, 0, 0, 0, 0xffff, 0, ..]
        | [0x64, 0xff9b, 0, 0, 0, 0, ..]
        | [0x64, 0xff9b, 1, ..]
        | [_, _, _, _, 0 | 0x200, 0x5efe, ..] => true,
        _ => false,
    };
    let six_to_four = matches!(words, [0x2002, ..]);
    let teredo = matches!(words, [0x2001, 0, ..]);
    let inverted = Ipv4Addr::from_bits(!v4(6).to_bits());
    let found = [
        last.then(|| v4(6)),
        six_to_four.then(|| v4(1)),
        teredo.then_some(inverted),
    ];
    found.into_iter().flatten()
}

/// Global unicast: not in IANA's registry of special addresses (RFC 6890 and later).
fn is_public_v4(ip: Ipv4Addr) -> bool {
    !SPECIAL_V4
        .iter()
        .any(|range| range.contains(IpAddr::V4(ip)))
}

/// Global unicast is 2000::/3 but for the special ranges inside.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let ip = IpAddr::V6(ip);
    GLOBAL_V6.contains(ip) && !SPECIAL_V6.iter().any(|range| range.contains(ip))
}

const fn v4(a: u8, b: u8, c: u8, prefix: u8) -> Cidr {
    Cidr::new(IpAddr::V4(Ipv4Addr::new(a, b, c, 0)), prefix)
}

const fn v6(a: u16, b: u16, prefix: u8) -> Cidr {
    Cidr::new(IpAddr::V6(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0)), prefix)
}

const SPECIAL_V4: [Cidr; 16] = [
    v4(0, 0, 0, 8),
    v4(10, 0, 0, 8),
    v4(100, 64, 0, 10),
    v4(127, 0, 0, 8),
    v4(169, 254, 0, 16),
    v4(172, 16, 0, 12),
    v4(192, 0, 0, 24),
    v4(192, 0, 2, 24),
    v4(192, 31, 196, 24),
    v4(192, 52, 193, 24),
    v4(192, 88, 99, 24),
    v4(192, 168, 0, 16),
    v4(198, 18, 0, 15),
    v4(198, 51, 100, 24),
    v4(203, 0, 113, 24),
    // Multicast, reserved and broadcast.
    v4(224, 0, 0, 3),
];
const GLOBAL_V6: Cidr = v6(0x2000, 0, 3);
const SPECIAL_V6: [Cidr; 4] = [
    // Protocol assignments with Teredo and benchmarking, documentation, 6to4.
    v6(0x2001, 0, 23),
    v6(0x2001, 0xdb8, 32),
    v6(0x2002, 0, 16),
    v6(0x3fff, 0, 20),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(change: impl FnOnce(&mut PeerRules)) -> PeerRules {
        let mut rules = PeerRules {
            media: vec![
                MediaAddress {
                    ip: "192.168.1.5".parse().expect("an address"),
                    ports: vec![50_000..=60_000, 7882..=7882],
                },
                MediaAddress {
                    ip: "fd00::5".parse().expect("an address"),
                    ports: vec![50_000..=60_000],
                },
            ],
            ..PeerRules::default()
        };
        change(&mut rules);
        rules
    }

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn by_default_only_the_nodes_own_media_ports_are_peers() {
        let rules = rules(|_| ());
        assert!(rules.permits(at("192.168.1.5:50000")));
        assert!(rules.permits(at("192.168.1.5:7882")));
        assert!(rules.permits(at("[fd00::5]:60000")));
        for other in [
            "192.168.1.5:7880", // its own API
            "192.168.1.5:49999",
            "[fd00::5]:6379", // a Redis of its own
            "192.168.1.6:50000",
            "127.0.0.1:50000",
            "0.0.0.0:50000",
            "[::1]:50000",
            "[::]:50000",
            "[::ffff:127.0.0.1]:50000",
            "[::ffff:192.168.1.5]:50000",
            "[64:ff9b::7f00:1]:50000",
            "169.254.169.254:80",
            "10.0.0.1:50000",
            "172.16.0.1:50000",
            "1.1.1.1:53",
            "[2606:4700::1111]:53",
        ] {
            assert!(!rules.permits(at(other)), "{other}");
        }
        assert!(rules.permits_ip(at("192.168.1.5:1").ip()));
        assert!(!rules.permits_ip(at("1.1.1.1:1").ip()));
    }

    #[test]
    fn public_addresses_open_without_the_special_ones_among_them() {
        let rules = rules(|rules| rules.allow_public = true);
        for open in [
            "1.1.1.1:53",
            "[2606:4700::1111]:53",
            "100.128.0.1:9",
            "172.32.0.1:9",
        ] {
            assert!(rules.permits(at(open)), "{open}");
        }
        for closed in [
            "10.0.0.1:9",
            "100.64.0.1:9",
            "127.1.1.1:9",
            "169.254.169.254:80",
            "192.0.2.1:9",
            "198.18.0.1:9",
            "224.0.0.1:9",
            "240.0.0.1:9",
            "255.255.255.255:9",
            "[fe80::1]:9",
            "[fc00::1]:9",
            "[ff02::1]:9",
            "[::ffff:1.1.1.1]:9",
            "[::ffff:10.0.0.1]:9",
            "[::7f00:1]:9",
            "[64:ff9b::a00:1]:9",
            "[64:ff9b:1::a00:1]:9",
            "[2002:a00:1::1]:9",
            "[2001:0:1:2:3:4:f5ff:fffe]:9",
            "[2001:db8::1]:9",
            "1.1.1.1:0",
        ] {
            assert!(!rules.permits(at(closed)), "{closed}");
        }
    }

    #[test]
    fn allowed_ranges_open_private_addresses_and_denied_ones_close_everything() {
        let rules = rules(|rules| {
            rules.allow = vec![
                "10.0.0.0/8".parse().expect("a range"),
                "::/0".parse().expect("a range"),
            ];
            rules.deny = vec![
                "10.1.0.0/16".parse().expect("a range"),
                "192.168.1.5/32".parse().expect("a range"),
            ];
        });
        assert!(rules.permits(at("10.0.0.1:9")));
        assert!(!rules.permits(at("10.1.0.1:9")));
        assert!(!rules.permits(at("192.168.1.5:50000")), "even our own");
        assert!(rules.permits(at("[::1]:9")));
        assert!(rules.permits(at("[::ffff:10.0.0.1]:9")), "both are open");
        assert!(!rules.permits(at("[::ffff:10.1.0.1]:9")));
        assert!(!rules.permits(at("[::ffff:127.0.0.1]:9")));
        for nested in [
            "[2002:a01:1:0:0:5efe:a00:1]:9",
            "[2001:0:1:2:0:5efe:f5fe:fffe]:9",
        ] {
            assert!(!rules.permits(at(nested)), "{nested}");
        }
    }
}
