//! RTCP (RFC 3550, 3611, 4585, 5104, the transport-wide congestion control and REMB drafts) as our own types
//! over `rtc-rtcp`, whose types stay inside this module. Hostile numbers are clamped on the way in.

mod read;
mod source_description;
mod transport_cc;
mod write;

pub use read::{RtcpError, parse_compound};
pub use source_description::SourceChunk;
pub use transport_cc::TransportCcFeedback;
pub use write::write_compound;

use crate::id::Ssrc;

/// One packet of a compound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rtcp {
    /// RFC 3550 section 6.4.1.
    SenderReport {
        /// The sender.
        ssrc: Ssrc,
        /// NTP time of the report, UQ32.32 seconds.
        ntp: u64,
        /// The same instant on the stream's RTP clock.
        rtp: u32,
        /// Packets sent so far.
        packets: u32,
        /// Payload bytes sent so far.
        octets: u32,
        /// What the sender receives.
        reports: Vec<ReportBlock>,
    },
    /// RFC 3550 section 6.4.2.
    ReceiverReport {
        /// The receiver.
        ssrc: Ssrc,
        /// What it receives.
        reports: Vec<ReportBlock>,
    },
    /// RFC 3550 section 6.5.
    SourceDescription {
        /// One per source.
        chunks: Vec<SourceChunk>,
    },
    /// RFC 3550 section 6.6.
    Bye {
        /// Sources that end.
        ssrcs: Vec<Ssrc>,
    },
    /// Generic NACK (RFC 4585 section 6.2.1).
    Nack {
        /// Who misses them.
        sender: Ssrc,
        /// The stream they belong to.
        media: Ssrc,
        /// Sequence numbers; at most [`MAX_NACK`] are read.
        lost: Vec<u16>,
    },
    /// Picture loss indication (RFC 4585 section 6.3.1).
    Pli {
        /// Who asks.
        sender: Ssrc,
        /// The stream asked for a key frame.
        media: Ssrc,
    },
    /// Full intra request (RFC 5104 section 4.3.1).
    Fir {
        /// Who asks.
        sender: Ssrc,
        /// Streams asked, each with the request's sequence number.
        requests: Vec<(Ssrc, u8)>,
    },
    /// draft-holmer-rmcat-transport-wide-cc-extensions-01.
    TransportCc(TransportCcFeedback),
    /// draft-alvestrand-rmcat-remb-03.
    Remb {
        /// Who estimates.
        sender: Ssrc,
        /// Bits per second, read within [`MIN_REMB`] and [`MAX_REMB`].
        bitrate: u64,
        /// The streams that share it.
        ssrcs: Vec<Ssrc>,
    },
    /// RFC 3611; blocks other than these two are not kept.
    ExtendedReport {
        /// The reporter.
        sender: Ssrc,
        /// Receiver reference time block: NTP, UQ32.32 seconds.
        reference_time: Option<u64>,
        /// DLRR block.
        delays: Vec<ReferenceDelay>,
    },
    /// A well-framed packet of another type, or one whose content is malformed.
    Unknown {
        /// RTCP packet type.
        packet_type: u8,
        /// Feedback format or count, 5 bits.
        format: u8,
    },
}

/// Reception of one stream (RFC 3550 section 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReportBlock {
    /// The stream.
    pub ssrc: u32,
    /// Lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Lost since the beginning, 24 bits signed; duplicates make it smaller.
    pub total_lost: i32,
    /// Highest sequence number received, extended to 32 bits.
    pub highest_sequence: u32,
    /// Interarrival jitter, RTP clock units.
    pub jitter: u32,
    /// Middle 32 bits of the last sender report's NTP time; 0 for none.
    pub last_sender_report: u32,
    /// Since that report came in, in 1/65,536 s.
    pub delay: u32,
}

/// One entry of a DLRR block (RFC 3611 section 4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReferenceDelay {
    /// Whose reference time this answers.
    pub ssrc: Ssrc,
    /// Middle 32 bits of that reference time.
    pub last_reference: u32,
    /// Since it came in, in 1/65,536 s.
    pub delay: u32,
}

/// Most sequence numbers read of one NACK: two packet buffers of the largest size.
pub const MAX_NACK: usize = 1_024;
/// Bits per second; an estimate below is read as this: audio alone needs more.
pub const MIN_REMB: u64 = 5_000;
/// Bits per second; an estimate above is read as this: no link of ours is faster.
pub const MAX_REMB: u64 = 100_000_000_000;

#[cfg(test)]
mod tests;
