//! What became of STUN datagrams, one by one and in numbers.

/// What became of a STUN datagram. All but the first two are noise: dropped without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StunOutcome {
    /// Integrity verified; handled.
    Verified,
    /// Integrity verified; kept until the remote credentials are known.
    Early,
    /// Not a well-formed STUN message, or FINGERPRINT is wrong.
    Malformed,
    /// For other credentials than ours.
    UnknownUser,
    /// MESSAGE-INTEGRITY is wrong.
    BadIntegrity,
    /// An answer to nothing we asked there.
    Unsolicited,
    /// No binding request or response.
    Unsupported,
    /// Received on an address that is none of our candidates.
    UnknownLocal,
}

/// Counters since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IceStats {
    /// Verified requests.
    pub requests_in: u64,
    /// Verified responses.
    pub responses_in: u64,
    /// STUN datagrams dropped.
    pub dropped: u64,
    /// Changes of the selected pair.
    pub switches: u64,
}
