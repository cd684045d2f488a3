//! Reception of one RTP stream of a published track: a simulcast layer, an SVC stream or audio.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sluice_wire::codec::{Codec, MediaKind};
use sluice_wire::dependency_descriptor::Reader;
use sluice_wire::id::{PayloadType, Ssrc};
use sluice_wire::rtcp::Rtcp;

use crate::close_up::CloseUp;
use crate::key_frame::KeyFrameRequests;
use crate::nack::NackQueue;
use crate::receive_stats::{Arrival, ReceiveStats};
use crate::ring::PacketRing;
use crate::sender_report::SenderReportMap;
use crate::up_track::{Discard, UpCodec};

/// State of one stream. Its SSRC is the one that its packets carry.
#[derive(Debug)]
pub(crate) struct UpStream {
    ssrc: Option<Ssrc>,
    /// The SSRC before and when it was replaced, so that stragglers don't bring it back.
    retired: Option<(Ssrc, Instant)>,
    /// As of the last packet.
    codec: Option<(PayloadType, Codec)>,
    pub(crate) clock_rate: u32,
    nack_enabled: bool,
    pub(crate) epoch: u16,
    /// From received to published numbers, modulo 2^64; changes with the epoch.
    shift: u64,
    /// After a jump: the number which would confirm it.
    probation: Option<u16>,
    pub(crate) stats: ReceiveStats,
    close_up: CloseUp,
    pub(crate) nack: NackQueue,
    pub(crate) key_frames: KeyFrameRequests,
    pub(crate) descriptors: Reader,
    pub(crate) sender_report: Option<SenderReportMap>,
    pub(crate) ring: PacketRing,
    /// Of the newest packet.
    newest_timestamp: Option<u32>,
}

/// A packet on its way in, as its header tells it; of a repair, the header of the packet it brings back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Incoming {
    /// The stream's SSRC; `None` for a repair, which comes on another.
    pub ssrc: Option<Ssrc>,
    pub sequence: u16,
    pub timestamp: u32,
    /// False for padding alone.
    pub has_payload: bool,
}

/// A packet that is new and has a place in the stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Admitted {
    /// Published number.
    pub sequence: u64,
    pub late: bool,
    /// The first of a timestamp, as far as order tells.
    pub new_timestamp: bool,
    /// What the packet started, if anything.
    pub start: Start,
}

/// Whether a packet starts something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    No,
    /// A new epoch of a known stream.
    Epoch,
    /// The stream, or the stream in another video codec.
    Stream,
}

impl UpStream {
    pub(crate) fn new(throttle: Duration, packet_buffer: usize, kind: MediaKind) -> Self {
        let typical_len = match kind {
            MediaKind::Audio => TYPICAL_AUDIO,
            MediaKind::Video => TYPICAL_VIDEO,
        };
        Self {
            ssrc: None,
            retired: None,
            codec: None,
            clock_rate: 0,
            nack_enabled: false,
            epoch: 0,
            shift: 0,
            probation: None,
            stats: ReceiveStats::default(),
            close_up: CloseUp::new(),
            nack: NackQueue::new(),
            key_frames: KeyFrameRequests::new(throttle),
            descriptors: Reader::default(),
            sender_report: None,
            ring: PacketRing::new(packet_buffer, typical_len),
            newest_timestamp: None,
        }
    }

    pub(crate) const fn ssrc(&self) -> Option<Ssrc> {
        self.ssrc
    }

    /// Takes a packet into the statistics and gives it its place, or says why it has none.
    pub(crate) fn admit(
        &mut self,
        now: Instant,
        packet: &Incoming,
        codec: &UpCodec,
        rtt: Duration,
    ) -> Result<Admitted, Discard> {
        let start = self.bind(now, packet, codec)?;
        let start = if self.confirm_sequence(packet)? {
            self.restart(now, packet.sequence, codec.codec);
            Start::Epoch
        } else {
            start
        };
        let extended = self.stats.extend(packet.sequence);
        let arrival = self
            .stats
            .handle_packet(now, packet.sequence, packet.ssrc.is_none());
        self.nack.set_rtt(rtt);
        let late = match arrival {
            Arrival::Newest { former } => {
                if let Some(former) = former.filter(|_| self.nack_enabled) {
                    self.nack.handle_gap(now, former, extended);
                }
                false
            }
            Arrival::Late => {
                self.nack.handle_arrival(extended);
                true
            }
            Arrival::Duplicate => return Err(Discard::Duplicate),
            Arrival::TooOld => return Err(Discard::TooOld),
        };
        if !packet.has_payload {
            if !late {
                self.close_up.drop_newest(extended);
            }
            return Err(Discard::Padding);
        }
        let published = self.close_up.map(extended).ok_or(Discard::TooOld)?;
        let new_timestamp = !late && self.newest_timestamp != Some(packet.timestamp);
        if !late {
            self.stats
                .handle_timing(now, packet.timestamp, self.clock_rate);
            self.newest_timestamp = Some(packet.timestamp);
        }
        Ok(Admitted {
            sequence: published.wrapping_add(self.shift),
            late,
            new_timestamp,
            start,
        })
    }

    /// Ties the stream to the packet's SSRC and codec.
    fn bind(&mut self, now: Instant, packet: &Incoming, codec: &UpCodec) -> Result<Start, Discard> {
        let Some(ssrc) = packet.ssrc else {
            return if self.ssrc.is_some() {
                Ok(Start::No)
            } else {
                Err(Discard::NotStarted)
            };
        };
        if self.ssrc == Some(ssrc) && self.codec == Some((codec.pt, codec.codec)) {
            return Ok(Start::No);
        }
        if let Some((retired, at)) = self.retired
            && retired == ssrc
            && now.saturating_duration_since(at) < RETIRED_FOR
        {
            return Err(Discard::RetiredSsrc);
        }
        let former = self.codec.replace((codec.pt, codec.codec));
        self.clock_rate = codec.clock_rate;
        self.nack_enabled = codec.nack && codec.codec != Codec::Red;
        // Opus and RED packets of one stream alternate freely and share their numbers.
        let new_codec = former.is_some_and(|(_, former)| former != codec.codec)
            && codec.codec.kind() == MediaKind::Video;
        match self.ssrc {
            None => {
                self.ssrc = Some(ssrc);
                self.seed(now, codec.codec);
                Ok(Start::Stream)
            }
            Some(former) if former != ssrc || new_codec => {
                if former != ssrc {
                    self.retired = Some((former, now));
                    self.ssrc = Some(ssrc);
                }
                self.restart(now, packet.sequence, codec.codec);
                Ok(if new_codec {
                    Start::Stream
                } else {
                    Start::Epoch
                })
            }
            Some(_) => Ok(Start::No),
        }
    }

    /// Checks a number that is far from the newest. A single packet there is dropped; the next one confirms that the
    /// publisher started over (RFC 3550 appendix A.1): true.
    fn confirm_sequence(&mut self, packet: &Incoming) -> Result<bool, Discard> {
        let Some(highest) = self.stats.highest() else {
            return Ok(false);
        };
        if self.stats.extend(packet.sequence).abs_diff(highest) <= MAX_JUMP {
            if packet.ssrc.is_some() {
                self.probation = None;
            }
            return Ok(false);
        }
        if packet.ssrc.is_none() {
            return Err(Discard::Jump);
        }
        if self.probation.take() == Some(packet.sequence) {
            return Ok(true);
        }
        self.probation = Some(packet.sequence.wrapping_add(1));
        Err(Discard::Jump)
    }

    /// Begins an epoch with the packet of this number.
    fn restart(&mut self, now: Instant, sequence: u16, codec: Codec) {
        self.stats = ReceiveStats::default();
        self.close_up = CloseUp::new();
        self.nack.clear();
        self.descriptors = Reader::default();
        self.sender_report = None;
        self.newest_timestamp = None;
        self.probation = None;
        self.epoch = self.epoch.wrapping_add(1);
        let base = self.ring.highest().map_or(0, |highest| highest + EPOCH_GAP);
        self.shift = base.wrapping_sub(self.stats.extend(sequence));
        self.seed(now, codec);
    }

    fn seed(&mut self, now: Instant, codec: Codec) {
        if codec.kind() == MediaKind::Video {
            self.key_frames.handle_start(now);
        }
    }

    /// Appends what is due to be said to the publisher.
    pub(crate) fn handle_timeout(&mut self, now: Instant, feedback: &mut VecDeque<Rtcp>) {
        let Some(ssrc) = self.ssrc else { return };
        let mut lost = Vec::new();
        self.nack.handle_timeout(now, &mut lost);
        if !lost.is_empty() {
            feedback.push_back(Rtcp::Nack {
                sender: ssrc,
                media: ssrc,
                lost,
            });
        }
        // Subscribers' decoders wait for seconds before they ask by themselves.
        if self.nack.take_hopeless() && self.is_video() {
            self.key_frames.handle_request();
        }
        if self.key_frames.handle_timeout(now) {
            feedback.push_back(Rtcp::Pli {
                sender: ssrc,
                media: ssrc,
            });
        }
        if let Some(block) = self
            .stats
            .handle_timeout(now, ssrc, self.sender_report.as_ref())
        {
            feedback.push_back(Rtcp::ReceiverReport {
                ssrc,
                reports: vec![block],
            });
        }
    }

    fn is_video(&self) -> bool {
        self.codec
            .is_some_and(|(_, codec)| codec.kind() == MediaKind::Video)
    }

    /// When [`Self::handle_timeout`] has something to say.
    pub(crate) fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        self.ssrc?;
        let timers = [
            self.nack.poll_timeout(),
            self.key_frames.poll_timeout(now),
            self.stats.poll_timeout(),
        ];
        timers.into_iter().flatten().min()
    }
}

/// Bytes reserved for a packet: Opus at 64 kbit/s in 20 ms packets with one level of redundancy.
const TYPICAL_AUDIO: usize = 350;
/// What browsers put in a packet at most, with a dependency descriptor.
const TYPICAL_VIDEO: usize = 1_280;
/// Packets of a replaced SSRC are stragglers for so long; later ones mean that the publisher returned to it.
const RETIRED_FOR: Duration = Duration::from_secs(5);
/// Numbers further away are no loss or reordering: 8 s at 1,000 packets a second.
const MAX_JUMP: u64 = 8_192;
/// Numbers left free between epochs, for packets sent before the first one that came in.
const EPOCH_GAP: u64 = 1_024;
