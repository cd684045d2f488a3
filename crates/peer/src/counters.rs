//! What is counted of a transport.

use sluice_ice::StunOutcome;
use sluice_secure::Reject;

/// Why a datagram was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum DropReason {
    /// Longer than any packet we could pass on.
    Oversize,
    /// No protocol of ours (RFC 7983).
    Unclassified,
    StunMalformed,
    StunUnknownUser,
    StunBadIntegrity,
    /// A STUN answer to nothing we asked there.
    StunUnsolicited,
    StunUnsupported,
    /// STUN on an address that is none of our candidates.
    StunUnknownLocal,
    /// DTLS from a tuple that ICE has not validated.
    DtlsUnvalidated,
    /// DTLS that its screen turned away, or before the fingerprints are known.
    DtlsRefused,
    /// SRTP or SRTCP from a tuple that ICE has not validated.
    SrtpUnvalidated,
    /// SRTP or SRTCP before the keys.
    SrtpTooEarly,
    SrtpMalformed,
    /// SRTP or SRTCP whose tag is wrong.
    SrtpUnauthentic,
    SrtpReplayed,
    SrtpTooOld,
    /// RTCP in the clear.
    SrtpUnencrypted,
    /// After the end.
    Closed,
}

impl DropReason {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::Oversize,
        Self::Unclassified,
        Self::StunMalformed,
        Self::StunUnknownUser,
        Self::StunBadIntegrity,
        Self::StunUnsolicited,
        Self::StunUnsupported,
        Self::StunUnknownLocal,
        Self::DtlsUnvalidated,
        Self::DtlsRefused,
        Self::SrtpUnvalidated,
        Self::SrtpTooEarly,
        Self::SrtpMalformed,
        Self::SrtpUnauthentic,
        Self::SrtpReplayed,
        Self::SrtpTooOld,
        Self::SrtpUnencrypted,
        Self::Closed,
    ];

    /// Its name in counters.
    pub fn name(self) -> &'static str {
        match self {
            Self::Oversize => "oversize",
            Self::Unclassified => "unclassified",
            Self::StunMalformed => "stun_malformed",
            Self::StunUnknownUser => "stun_unknown_user",
            Self::StunBadIntegrity => "stun_bad_integrity",
            Self::StunUnsolicited => "stun_unsolicited",
            Self::StunUnsupported => "stun_unsupported",
            Self::StunUnknownLocal => "stun_unknown_local",
            Self::DtlsUnvalidated => "dtls_unvalidated",
            Self::DtlsRefused => "dtls_refused",
            Self::SrtpUnvalidated => "srtp_unvalidated",
            Self::SrtpTooEarly => "srtp_too_early",
            Self::SrtpMalformed => "srtp_malformed",
            Self::SrtpUnauthentic => "srtp_unauthentic",
            Self::SrtpReplayed => "srtp_replayed",
            Self::SrtpTooOld => "srtp_too_old",
            Self::SrtpUnencrypted => "srtp_unencrypted",
            Self::Closed => "closed",
        }
    }

    pub(crate) fn of_stun(outcome: StunOutcome) -> Option<Self> {
        match outcome {
            StunOutcome::Verified | StunOutcome::Early => None,
            StunOutcome::Malformed => Some(Self::StunMalformed),
            StunOutcome::UnknownUser => Some(Self::StunUnknownUser),
            StunOutcome::BadIntegrity => Some(Self::StunBadIntegrity),
            StunOutcome::Unsolicited => Some(Self::StunUnsolicited),
            StunOutcome::Unsupported => Some(Self::StunUnsupported),
            StunOutcome::UnknownLocal => Some(Self::StunUnknownLocal),
        }
    }

    pub(crate) fn of_srtp(reject: Reject) -> Self {
        match reject {
            Reject::Malformed => Self::SrtpMalformed,
            Reject::Unauthentic => Self::SrtpUnauthentic,
            Reject::Replayed => Self::SrtpReplayed,
            Reject::TooOld => Self::SrtpTooOld,
            Reject::Unencrypted => Self::SrtpUnencrypted,
        }
    }
}

/// Counters of one transport since its start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerStats {
    /// RTP packets that authenticated.
    pub rtp_in: u64,
    /// Their bytes, decrypted.
    pub rtp_bytes_in: u64,
    /// Compound RTCP packets that authenticated.
    pub rtcp_in: u64,
    /// RTP packets sealed.
    pub rtp_out: u64,
    /// Their bytes, sealed.
    pub rtp_bytes_out: u64,
    /// Compound RTCP packets sealed.
    pub rtcp_out: u64,
    /// Packets that could not be sealed.
    pub seal_errors: u64,
    /// Verified STUN messages.
    pub stun_in: u64,
    /// Changes of the path.
    pub path_switches: u64,
    /// Messages received on data channels.
    pub messages_in: u64,
    /// Messages taken for sending on data channels.
    pub messages_out: u64,
    /// Messages that slow readers or closed channels cost.
    pub messages_dropped: u64,
    drops: [u64; DropReason::ALL.len()],
}

impl PeerStats {
    /// Datagrams dropped for one reason.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.drops.get(reason as usize).copied().unwrap_or(0)
    }

    /// SRTP and SRTCP packets dropped for any reason.
    pub fn srtp_rejected(&self) -> u64 {
        DropReason::ALL
            .iter()
            .filter(|reason| reason.name().starts_with("srtp_"))
            .map(|reason| self.dropped(*reason))
            .sum()
    }

    pub(crate) fn count(&mut self, reason: DropReason) {
        if let Some(count) = self.drops.get_mut(reason as usize) {
            *count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_place_and_a_name_of_its_own() {
        for (index, reason) in DropReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, index);
            assert_eq!(
                DropReason::ALL
                    .iter()
                    .filter(|other| other.name() == reason.name())
                    .count(),
                1
            );
        }
    }
}
