//! Candidates of both sides, as signalling carries them.

use std::net::{IpAddr, SocketAddr};

use sluice_wire::path::{Path, Via};

/// Transport of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// RFC 8445.
    Udp,
    /// RFC 6544.
    Tcp,
}

impl Protocol {
    /// What a path looks like to the checks: a relayed one is UDP behind the relay.
    pub(crate) fn of(via: Via) -> Self {
        match via {
            Via::Tcp => Self::Tcp,
            Via::Udp | Via::RelayUdp | Via::RelayTcp | Via::RelayTls => Self::Udp,
        }
    }
}

/// How a candidate was found (RFC 8445 section 5.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CandidateKind {
    /// An address of the host itself.
    Host,
    /// As a STUN server saw it.
    ServerReflexive,
    /// As the other peer saw it.
    PeerReflexive,
    /// On a TURN server.
    Relayed,
}

/// One of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalCandidate {
    /// Groups candidates of one base address and kind.
    pub foundation: String,
    /// RFC 8445 section 5.1.2.
    pub priority: u32,
    /// Where the client reaches us: differs from `bound` behind a 1:1 NAT.
    pub addr: SocketAddr,
    /// What our socket is bound to; datagrams carry this as their local address.
    pub bound: SocketAddr,
    /// Always a host candidate: we ask no STUN server.
    pub kind: CandidateKind,
    /// A TCP one is passive.
    pub protocol: Protocol,
}

impl LocalCandidate {
    /// True where the path ends at this candidate's socket.
    pub(crate) fn serves(&self, path: Path) -> bool {
        self.bound == path.local && self.protocol == Protocol::of(path.via)
    }
}

/// One of the client's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteCandidate {
    /// As signalled.
    pub foundation: String,
    /// As signalled.
    pub priority: u32,
    /// A literal address: names are never resolved here.
    pub addr: SocketAddr,
    /// As signalled.
    pub kind: CandidateKind,
    /// TCP candidates are ignored: we never connect out, and an inbound connection proves itself by its checks.
    pub protocol: Protocol,
}

/// The priority of a passive TCP host candidate, the `nth` of them (RFC 6544 section 4.2): below all of UDP, IPv6
/// before IPv4 as there.
pub(crate) fn tcp_priority(ip: IpAddr, nth: usize) -> u32 {
    let nth = u32::try_from(nth).unwrap_or(u32::MAX);
    let family = u32::from(ip.is_ipv4());
    let other = TCP_OTHER_PREFERENCE.saturating_sub(nth.saturating_mul(2) + family);
    let local = (TCP_PASSIVE_PREFERENCE << 13) + other;
    (TCP_TYPE_PREFERENCE << 24) + (local << 8) + 255
}

/// Of host candidates over TCP: what browsers use, below any of UDP but relayed ones.
const TCP_TYPE_PREFERENCE: u32 = 90;
/// Direction preference of a passive host candidate (RFC 6544 section 4.2).
const TCP_PASSIVE_PREFERENCE: u32 = 4;
/// The highest other-preference (13 bits).
const TCP_OTHER_PREFERENCE: u32 = 8_191;

/// A foundation that is equal for equal addresses and protocols and nothing else, without telling the address (FNV-1a).
pub(crate) fn foundation_of(protocol: Protocol, ip: IpAddr) -> String {
    let mut hash: u32 = 0x811c_9dc5;
    let mut eat = |octets: &[u8]| {
        for octet in octets {
            hash = (hash ^ u32::from(*octet)).wrapping_mul(0x0100_0193);
        }
    };
    if protocol == Protocol::Tcp {
        eat(b"tcp");
    }
    match ip {
        IpAddr::V4(v4) => eat(&v4.octets()),
        IpAddr::V6(v6) => eat(&v6.octets()),
    }
    hash.to_string()
}
