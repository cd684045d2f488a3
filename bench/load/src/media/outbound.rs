//! One outgoing RTP stream: numbering, sealing, retransmission, sender reports.

use std::time::{Duration, Instant};

use sluice_peer::{Peer, SendStream};
use sluice_wire::id::{PayloadType, Ssrc};
use sluice_wire::rtcp::{Rtcp, write_compound};
use sluice_wire::rtp::{AudioLevel, ExtensionBlock, OutHeader, write_header};

use super::stamp;
use crate::signal::{Encoding, Extensions, Publication};
use crate::transport::Line;

/// Where packets are sealed and sent, and what time it is.
pub struct Out<'a> {
    /// The transport.
    pub peer: &'a mut Peer,
    /// Its way out.
    pub line: &'a Line,
    /// Of this turn.
    pub now: Instant,
    /// When the load began.
    pub begin: Instant,
    /// Packets sent.
    pub sent: &'a mut u64,
    /// Their bytes, from the RTP header on.
    pub sent_bytes: &'a mut u64,
}

/// One stream.
pub struct Outbound {
    ssrc: Ssrc,
    payload_type: PayloadType,
    rtx: Option<(Ssrc, PayloadType)>,
    mid: String,
    rid: Option<String>,
    extensions: Extensions,
    clock_rate: u32,
    sequence: u16,
    rtx_sequence: u16,
    kept: Vec<Kept>,
    streams: Option<(SendStream, Option<SendStream>)>,
    packets: u32,
    octets: u32,
    next_report: Option<Instant>,
}

#[derive(Default)]
struct Kept {
    sequence: u16,
    timestamp: u32,
    marker: bool,
    payload: Vec<u8>,
}

/// One packet before it is numbered.
pub struct Frame<'a> {
    /// On the stream's clock.
    pub timestamp: u32,
    /// The last packet of its picture, or the first of a talk spurt.
    pub marker: bool,
    /// Of audio.
    pub level: Option<AudioLevel>,
    /// The whole, with room for the stamp at its end.
    pub payload: &'a mut [u8],
}

impl Outbound {
    /// A stream of a publication, beginning at this number.
    pub fn new(publication: &Publication, encoding: &Encoding, sequence: u16) -> Self {
        let format = publication.format;
        Self {
            ssrc: encoding.ssrc,
            payload_type: PayloadType(format.payload_type),
            rtx: encoding.rtx.zip(format.rtx.map(PayloadType)),
            mid: publication.mid.clone(),
            rid: encoding.rid.clone(),
            extensions: publication.extensions,
            clock_rate: format.clock_rate,
            sequence,
            rtx_sequence: sequence.wrapping_add(77),
            kept: Vec::new(),
            streams: None,
            packets: 0,
            octets: 0,
            next_report: None,
        }
    }

    /// Its SSRC.
    pub fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// Stamps, numbers, seals and sends.
    pub fn send(&mut self, out: &mut Out<'_>, frame: &mut Frame<'_>) {
        let Some((stream, _)) = self.streams(out.peer) else {
            return;
        };
        if let Some(tail) = frame.payload.last_chunk_mut::<{ stamp::LEN }>() {
            // As it is now, not when the turn began: a batch of frames takes its time.
            *tail = stamp::write(out.begin.elapsed());
        }
        let header = OutHeader {
            marker: frame.marker,
            payload_type: self.payload_type,
            sequence: self.sequence,
            timestamp: frame.timestamp,
            ssrc: self.ssrc,
            padding: false,
        };
        let mut extensions = self.names(false);
        if let (Some(id), Some(level)) = (self.extensions.audio_level, frame.level) {
            extensions.push(id, &level.to_bytes());
        }
        self.seal(out, stream, &header, extensions, &[], frame.payload);
        self.packets += 1;
        self.octets = self.octets.wrapping_add(frame.payload.len() as u32);
        self.keep(frame);
        self.sequence = self.sequence.wrapping_add(1);
    }

    /// Sends lost packets again, as far as they are still there. Returns how many.
    pub fn retransmit(&mut self, out: &mut Out<'_>, lost: &[u16]) -> u64 {
        let Some((_, again)) = self.streams(out.peer) else {
            return 0;
        };
        let mut count = 0;
        for sequence in lost {
            let at = usize::from(*sequence) % HISTORY;
            let Some(kept) = self
                .kept
                .get_mut(at)
                .filter(|kept| kept.sequence == *sequence)
            else {
                continue;
            };
            let payload = std::mem::take(&mut kept.payload);
            if payload.is_empty() {
                continue;
            }
            // The same number must not be sealed twice: without a stream for repetitions there are none.
            let (Some((ssrc, payload_type)), Some(stream)) = (self.rtx, again) else {
                return 0;
            };
            let header = OutHeader {
                marker: kept.marker,
                payload_type,
                sequence: self.rtx_sequence,
                timestamp: kept.timestamp,
                ssrc,
                padding: false,
            };
            let prefix = sequence.to_be_bytes();
            self.rtx_sequence = self.rtx_sequence.wrapping_add(1);
            let names = self.names(true);
            self.seal(out, stream, &header, names, &prefix, &payload);
            if let Some(kept) = self.kept.get_mut(at) {
                kept.payload = payload;
            }
            count += 1;
        }
        count
    }

    /// Sends a sender report each second; `timestamp` is that of media made now.
    pub fn report(&mut self, out: &mut Out<'_>, timestamp: u32) {
        if self.packets == 0 || self.next_report.is_some_and(|at| out.now < at) {
            return;
        }
        self.next_report = Some(out.now + REPORT_INTERVAL);
        let report = Rtcp::SenderReport {
            ssrc: self.ssrc,
            ntp: ntp(out.now - out.begin),
            rtp: timestamp,
            packets: self.packets,
            octets: self.octets,
            reports: Vec::new(),
        };
        out.send_rtcp(&[report]);
    }

    /// Ticks of its clock per second.
    pub fn clock_rate(&self) -> u32 {
        self.clock_rate
    }

    fn streams(&mut self, peer: &mut Peer) -> Option<(SendStream, Option<SendStream>)> {
        if self.streams.is_none() && peer.path().is_some() {
            let rtx = self.rtx.and_then(|(ssrc, _)| peer.send_stream(ssrc));
            self.streams = peer.send_stream(self.ssrc).map(|media| (media, rtx));
        }
        self.streams
    }

    fn seal(
        &self,
        out: &mut Out<'_>,
        stream: SendStream,
        header: &OutHeader,
        mut extensions: ExtensionBlock,
        prefix: &[u8],
        payload: &[u8],
    ) {
        if let Some(id) = self.extensions.transport_cc {
            extensions.push(id, &out.peer.next_transport_sequence().to_be_bytes());
        }
        let mut slot = [0; SLOT];
        let Some(header_len) = write_header(&mut slot, header, &extensions) else {
            return;
        };
        if let Ok(len) = out
            .peer
            .seal_rtp(stream, &mut slot, header_len, prefix, payload)
        {
            *out.sent += 1;
            *out.sent_bytes += len as u64;
            out.put(&slot[..len]);
        }
    }

    fn keep(&mut self, frame: &Frame<'_>) {
        if self.rtx.is_none() {
            return;
        }
        if self.kept.is_empty() {
            self.kept.resize_with(HISTORY, Kept::default);
        }
        if let Some(kept) = self.kept.get_mut(usize::from(self.sequence) % HISTORY) {
            kept.sequence = self.sequence;
            kept.timestamp = frame.timestamp;
            kept.marker = frame.marker;
            kept.payload.clear();
            kept.payload.extend_from_slice(frame.payload);
        }
    }

    /// Section and stream names: on the first packets only, as browsers do until a report acknowledges them.
    fn names(&self, repaired: bool) -> ExtensionBlock {
        let mut block = ExtensionBlock::new();
        if self.packets >= NAMED_PACKETS && !repaired {
            return block;
        }
        let ids = self.extensions;
        if let Some(id) = ids.mid {
            block.push(id, self.mid.as_bytes());
        }
        let id = if repaired { ids.repaired_rid } else { ids.rid };
        if let (Some(id), Some(rid)) = (id, &self.rid) {
            block.push(id, rid.as_bytes());
        }
        block
    }
}

impl Out<'_> {
    /// Seals and sends a compound RTCP packet.
    pub fn send_rtcp(&mut self, packets: &[Rtcp]) {
        let mut bytes = Vec::new();
        write_compound(packets, &mut bytes);
        if self.peer.seal_rtcp(&mut bytes).is_ok() {
            self.put(&bytes);
        }
    }

    fn put(&self, bytes: &[u8]) {
        if let Some(path) = self.peer.path() {
            self.line.send(path.remote, bytes);
        }
    }
}

/// A wall clock that read some day in 2026 when the load began, in NTP format.
fn ntp(since_begin: Duration) -> u64 {
    let fraction = (u64::from(since_begin.subsec_nanos()) << 32) / 1_000_000_000;
    ((NTP_BEGIN + since_begin.as_secs()) << 32) | fraction
}

/// Seconds since 1900.
const NTP_BEGIN: u64 = 3_990_000_000;
/// Packets that may be asked for again.
const HISTORY: usize = 512;
/// Packets that carry their section's and stream's name.
const NAMED_PACKETS: u32 = 100;
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// The longest packet, with header and tag.
const SLOT: usize = 1_700;
