//! What comes of packets and events of a published track.

use sluice_wire::id::PayloadType;

/// What happened to the track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpEvent {
    /// The first packet of a stream came in, or the first in another video codec.
    Started {
        /// Index of the stream.
        layer: u8,
        /// Its payload type.
        pt: PayloadType,
    },
    /// See [`UpTrack::layers`].
    Layers,
}

/// Why a packet goes no further. None of these is a fault of ours; each is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Discard {
    /// There is no such layer.
    UnknownLayer,
    /// The section has no such payload type.
    UnknownPayloadType,
    /// SSRC 0: a bandwidth probe before any stream.
    Probe,
    /// Of an SSRC that another one replaced.
    RetiredSsrc,
    /// A repair for a stream of which nothing came in yet.
    NotStarted,
    /// Far from the stream's sequence numbers.
    Jump,
    /// Came in before.
    Duplicate,
    /// No subscription can use it any more.
    TooOld,
    /// Nothing but padding.
    Padding,
    /// A repair too short for a sequence number.
    Malformed,
}

/// The highest spatial layer that any subscriber wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Nobody wants anything: no packets are no fault.
    Nothing,
    /// This layer and those below.
    UpTo(u8),
}

impl Wanted {
    /// How many spatial layers that is.
    pub(super) const fn layers(self) -> u8 {
        match self {
            Self::Nothing => 0,
            Self::UpTo(layer) => layer.saturating_add(1),
        }
    }
}
