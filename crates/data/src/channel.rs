//! One data channel.

/// The SCTP stream of a channel: one number for both directions (RFC 8831 section 6.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(pub u16);

/// How a channel delivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelSettings {
    /// Its name; several channels may share one.
    pub label: String,
    /// In order, or as packets come.
    pub ordered: bool,
    /// Retransmissions of each message at most; none for full reliability.
    pub max_retransmits: Option<u16>,
    /// Lifetime of each message in milliseconds instead of a count; only clients use it.
    pub max_lifetime_ms: Option<u16>,
}

impl ChannelSettings {
    /// Ordered and reliable.
    pub fn reliable(label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            ordered: true,
            max_retransmits: None,
            max_lifetime_ms: None,
        }
    }

    /// Unordered and sent once.
    pub fn lossy(label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            ordered: false,
            max_retransmits: Some(0),
            max_lifetime_ms: None,
        }
    }
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendOutcome {
    /// Taken; goes out as the receiver's window allows.
    Sent,
    /// Dropped: no such channel, or it is not open yet or any more.
    NotOpen,
    /// Dropped: more than the given limit already waits for this receiver.
    Full,
    /// Dropped: longer than [`crate::MAX_MESSAGE_BYTES`].
    TooLong,
}

/// Where a channel stands.
///
/// ```text
/// ours:   Queued ──association──▶ Opening ──ACK──▶ Open ──reset──▶ (gone)
/// theirs:                                 OPEN ──▶ Open ──reset──▶ (gone)
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The association does not stand yet.
    Queued,
    /// OPEN is sent. Messages may follow, in order (RFC 8832 section 6).
    Opening,
    /// Open in both directions.
    Open,
}

#[derive(Debug)]
pub(crate) struct Channel {
    pub id: ChannelId,
    pub settings: ChannelSettings,
    pub phase: Phase,
}
