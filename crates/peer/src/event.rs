//! What a transport reports.

use std::time::Duration;

use bytes::Bytes;
use sluice_data::{ChannelId, ChannelSettings};
use sluice_ice::{IceState, Path};
use sluice_secure::{DtlsRole, SrtpProfile};

/// A report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerEvent {
    /// ICE moved; with the selected pair, once there is one.
    Ice(IceState, Option<Path>),
    /// Media goes along this pair from now on: first nomination, re-nomination or a client that roamed.
    Path(Path),
    /// ICE and DTLS stand.
    Connected {
        /// The negotiated profile.
        profile: SrtpProfile,
        /// Our DTLS role.
        role: DtlsRole,
        /// From the other side's description to the first pair that DTLS could go along.
        ice: Duration,
        /// From the handshake's begin, which may come before a nomination, to its end.
        dtls: Duration,
    },
    /// A data channel is open in both directions.
    ChannelOpened {
        /// The channel.
        id: ChannelId,
        /// How it delivers.
        settings: ChannelSettings,
    },
    /// A message on a data channel.
    Message {
        /// The channel.
        id: ChannelId,
        /// False for text.
        binary: bool,
        /// The message.
        bytes: Bytes,
    },
    /// A data channel was closed.
    ChannelClosed {
        /// The channel.
        id: ChannelId,
    },
    /// The transport ended by itself. The last event.
    Closed {
        /// Why.
        reason: CloseReason,
        /// For the log: what exactly.
        detail: String,
    },
}

/// Why a transport ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The certificate matched no fingerprint.
    FingerprintMismatch,
    /// Any other handshake failure.
    DtlsFailed,
    /// The other side closed DTLS or SCTP.
    RemoteClosed,
    /// Our bug, caught here.
    InternalError,
}
