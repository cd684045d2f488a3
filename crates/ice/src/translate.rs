//! Our words for sockets, candidates and messages as the `is` library's.
#![expect(
    clippy::large_types_passed_by_value,
    reason = "messages move on into the library, which takes them so"
)]

use std::net::SocketAddr;

use is::stun::{StunMessage, StunPacket};
use sluice_wire::path::Path;

use crate::candidate::{
    CandidateKind, LocalCandidate, Protocol, RemoteCandidate, foundation_of, tcp_priority,
};

/// One of our sockets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Host {
    pub protocol: Protocol,
    pub bound: SocketAddr,
}

impl Host {
    pub fn of(candidate: &LocalCandidate) -> Self {
        Self {
            protocol: candidate.protocol,
            bound: candidate.bound,
        }
    }

    /// As `is` takes it, behind the hosts before it; none where the address can't be a candidate.
    pub fn candidate(self, before: &[Self]) -> Option<is::Candidate> {
        let plain = is::Candidate::host(self.bound, "udp").ok()?;
        if self.protocol == Protocol::Udp {
            return Some(plain);
        }
        let nth = before.iter().filter(|host| host.protocol == Protocol::Tcp);
        Some(is::Candidate::from_parts(
            foundation_of(Protocol::Tcp, self.bound.ip()),
            1,
            is::Protocol::Tcp,
            tcp_priority(self.bound.ip(), nth.count()),
            self.bound,
            is::CandidateKind::Host,
            None,
            None,
            None,
        ))
    }
}

/// A message as it came along a path.
pub(crate) fn packet(path: Path, message: StunMessage) -> StunPacket {
    StunPacket {
        proto: match Protocol::of(path.via) {
            Protocol::Udp => is::Protocol::Udp,
            Protocol::Tcp => is::Protocol::Tcp,
        },
        source: path.remote,
        destination: path.local,
        message,
    }
}

/// A candidate of the other side.
pub(crate) fn foreign(candidate: &RemoteCandidate) -> is::Candidate {
    let kind = match candidate.kind {
        CandidateKind::Host => is::CandidateKind::Host,
        CandidateKind::ServerReflexive => is::CandidateKind::ServerReflexive,
        CandidateKind::PeerReflexive => is::CandidateKind::PeerReflexive,
        CandidateKind::Relayed => is::CandidateKind::Relayed,
    };
    is::Candidate::from_parts(
        candidate.foundation.clone(),
        1,
        is::Protocol::Udp,
        candidate.priority,
        candidate.addr,
        kind,
        None,
        None,
        None,
    )
}

/// Of what the library sends.
pub(crate) fn protocol_of(proto: is::Protocol) -> Protocol {
    match proto {
        is::Protocol::Tcp => Protocol::Tcp,
        _ => Protocol::Udp,
    }
}
