//! Counters.

/// Why a request was refused; each is an error code of RFC 8489 or RFC 8656.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// 400.
    BadRequest,
    /// 401 to credentials that are wrong.
    Unauthorized,
    /// 401 to credentials whose time is over.
    Expired,
    /// 403: no such peer for clients, or an extension that is not offered.
    Forbidden,
    /// 420.
    UnknownAttribute,
    /// 437: an allocation too many, or none.
    Mismatch,
    /// 438.
    StaleNonce,
    /// 440.
    FamilyNotSupported,
    /// 441: the allocation is somebody else's.
    WrongCredentials,
    /// 442.
    TransportNotSupported,
    /// 443.
    FamilyMismatch,
    /// 486.
    Quota,
    /// 508.
    NoPort,
}

/// Why a packet was dropped without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Drop {
    /// No message of ours.
    Malformed,
    /// Nobody's.
    NoAllocation,
    /// No permission for the peer.
    NoPermission,
    /// The peer is not permitted.
    ForbiddenPeer,
    /// No such channel.
    NoChannel,
    /// A stranger that asks too often.
    Flood,
}

/// Since the server began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Allocations there are.
    pub allocations: u64,
    /// Allocations there have been.
    pub allocated: u64,
    /// Requests without credentials that were told how to sign.
    pub challenged: u64,
    /// Payload packets from clients to peers.
    pub packets_to_peer: u64,
    /// Their bytes.
    pub bytes_to_peer: u64,
    /// Payload packets from peers to clients.
    pub packets_to_client: u64,
    /// Their bytes.
    pub bytes_to_client: u64,
    refused: [u64; REFUSALS.len()],
    dropped: [u64; DROPS.len()],
}

impl Stats {
    /// Requests refused for a reason.
    pub fn refused(&self, why: Refusal) -> u64 {
        let at = REFUSALS.iter().position(|(refusal, _)| *refusal == why);
        at.and_then(|at| self.refused.get(at)).copied().unwrap_or(0)
    }

    /// Packets dropped for a reason.
    pub fn dropped(&self, why: Drop) -> u64 {
        let at = DROPS.iter().position(|(drop, _)| *drop == why);
        at.and_then(|at| self.dropped.get(at)).copied().unwrap_or(0)
    }

    /// All, by name.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let plain = [
            ("turn_allocations", self.allocations),
            ("turn_allocated", self.allocated),
            ("turn_challenged", self.challenged),
            ("turn_packets_to_peer", self.packets_to_peer),
            ("turn_bytes_to_peer", self.bytes_to_peer),
            ("turn_packets_to_client", self.packets_to_client),
            ("turn_bytes_to_client", self.bytes_to_client),
        ];
        let refused = REFUSALS
            .iter()
            .zip(self.refused)
            .map(|((_, name), count)| (*name, count));
        let dropped = DROPS
            .iter()
            .zip(self.dropped)
            .map(|((_, name), count)| (*name, count));
        plain.into_iter().chain(refused).chain(dropped)
    }

    pub(crate) fn refuse(&mut self, why: Refusal) {
        let at = REFUSALS.iter().position(|(refusal, _)| *refusal == why);
        if let Some(count) = at.and_then(|at| self.refused.get_mut(at)) {
            *count += 1;
        }
    }

    pub(crate) fn drop(&mut self, why: Drop) {
        let at = DROPS.iter().position(|(drop, _)| *drop == why);
        if let Some(count) = at.and_then(|at| self.dropped.get_mut(at)) {
            *count += 1;
        }
    }
}

const REFUSALS: [(Refusal, &str); 13] = [
    (Refusal::BadRequest, "turn_refused_bad_request"),
    (Refusal::Unauthorized, "turn_refused_unauthorized"),
    (Refusal::Expired, "turn_refused_expired"),
    (Refusal::Forbidden, "turn_refused_forbidden"),
    (Refusal::UnknownAttribute, "turn_refused_unknown_attribute"),
    (Refusal::Mismatch, "turn_refused_mismatch"),
    (Refusal::StaleNonce, "turn_refused_stale_nonce"),
    (
        Refusal::FamilyNotSupported,
        "turn_refused_family_not_supported",
    ),
    (Refusal::WrongCredentials, "turn_refused_wrong_credentials"),
    (
        Refusal::TransportNotSupported,
        "turn_refused_transport_not_supported",
    ),
    (Refusal::FamilyMismatch, "turn_refused_family_mismatch"),
    (Refusal::Quota, "turn_refused_quota"),
    (Refusal::NoPort, "turn_refused_no_port"),
];

const DROPS: [(Drop, &str); 6] = [
    (Drop::Malformed, "turn_dropped_malformed"),
    (Drop::NoAllocation, "turn_dropped_no_allocation"),
    (Drop::NoPermission, "turn_dropped_no_permission"),
    (Drop::ForbiddenPeer, "turn_dropped_forbidden_peer"),
    (Drop::NoChannel, "turn_dropped_no_channel"),
    (Drop::Flood, "turn_dropped_flood"),
];
