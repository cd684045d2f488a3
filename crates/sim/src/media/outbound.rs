//! One outgoing RTP stream of a model client: numbering, sealing, retransmission, sender reports.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sluice_peer::Peer;
use sluice_wire::id::{PayloadType, Ssrc};
use sluice_wire::rtcp::{Rtcp, write_compound};
use sluice_wire::rtp::{AudioLevel, ExtensionBlock, OutHeader, write_header};

use crate::network::Datagram;

/// How an outgoing stream is numbered and named.
#[derive(Debug, Clone)]
pub struct OutboundSettings {
    /// Its SSRC.
    pub ssrc: Ssrc,
    /// Its payload type.
    pub payload_type: PayloadType,
    /// SSRC and payload type of its retransmissions (RFC 4588). Without, the same protected bytes go out again.
    pub rtx: Option<(Ssrc, PayloadType)>,
    /// First sequence number.
    pub sequence: u16,
    /// Its section.
    pub mid: String,
    /// Its simulcast name, if it has one.
    pub rid: Option<String>,
    /// Header extension ids.
    pub extensions: ExtensionNumbers,
}

/// Negotiated header extension ids.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExtensionNumbers {
    /// `urn:ietf:params:rtp-hdrext:sdes:mid`
    pub mid: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id`
    pub rid: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id`
    pub repaired_rid: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:ssrc-audio-level`
    pub audio_level: Option<u8>,
    /// Transport-wide sequence numbers.
    pub transport_cc: Option<u8>,
}

/// One outgoing stream.
#[derive(Debug)]
pub struct Outbound {
    settings: OutboundSettings,
    clock_rate: u32,
    sequence: u16,
    rtx_sequence: u16,
    history: VecDeque<Sent>,
    packets: u32,
    octets: u32,
    retransmitted: u64,
    next_report: Option<Instant>,
}

#[derive(Debug)]
struct Sent {
    sequence: u16,
    timestamp: u32,
    marker: bool,
    payload: Vec<u8>,
    protected: Vec<u8>,
}

/// Where packets are sealed and put.
pub struct Sealer<'a> {
    /// The transport.
    pub peer: &'a mut Peer,
    /// What it sends.
    pub transmits: &'a mut VecDeque<Datagram>,
    /// Where the client's wall clock starts.
    pub origin: Instant,
}

impl Outbound {
    /// A stream without packets.
    pub fn new(settings: OutboundSettings, clock_rate: u32) -> Self {
        Self {
            sequence: settings.sequence,
            rtx_sequence: settings.sequence.wrapping_add(77),
            settings,
            clock_rate,
            history: VecDeque::new(),
            packets: 0,
            octets: 0,
            retransmitted: 0,
            next_report: None,
        }
    }

    /// Its SSRC.
    pub fn ssrc(&self) -> Ssrc {
        self.settings.ssrc
    }

    /// Packets sent, retransmissions not counted.
    pub fn packets(&self) -> u32 {
        self.packets
    }

    /// Packets sent again.
    pub fn retransmitted(&self) -> u64 {
        self.retransmitted
    }

    /// Sends one packet of `prefix` and `payload`.
    pub fn send(
        &mut self,
        sealer: &mut Sealer<'_>,
        timestamp: u32,
        marker: bool,
        level: Option<AudioLevel>,
        prefix: &[u8],
        payload: &[u8],
    ) {
        let header = OutHeader {
            marker,
            payload_type: self.settings.payload_type,
            sequence: self.sequence,
            timestamp,
            ssrc: self.settings.ssrc,
            padding: false,
        };
        let mut extensions = self.names(false);
        if let (Some(id), Some(level)) = (self.settings.extensions.audio_level, level) {
            extensions.push(id, &level.to_bytes());
        }
        let Some(protected) = sealer.seal(
            &header,
            extensions,
            self.settings.extensions,
            prefix,
            payload,
        ) else {
            return;
        };
        self.packets += 1;
        self.octets = self
            .octets
            .wrapping_add((prefix.len() + payload.len()) as u32);
        let payload = [prefix, payload].concat();
        self.history.push_back(Sent {
            sequence: self.sequence,
            timestamp,
            marker,
            payload,
            protected,
        });
        if self.history.len() > HISTORY {
            self.history.pop_front();
        }
        self.sequence = self.sequence.wrapping_add(1);
    }

    /// Sends lost packets again, as far as they are still there.
    pub fn retransmit(&mut self, lost: &[u16], sealer: &mut Sealer<'_>) {
        for sequence in lost {
            let Some(sent) = self.history.iter().find(|sent| sent.sequence == *sequence) else {
                continue;
            };
            self.retransmitted += 1;
            let Some((ssrc, payload_type)) = self.settings.rtx else {
                sealer.put(sent.protected.clone());
                continue;
            };
            let header = OutHeader {
                marker: sent.marker,
                payload_type,
                sequence: self.rtx_sequence,
                timestamp: sent.timestamp,
                ssrc,
                padding: false,
            };
            self.rtx_sequence = self.rtx_sequence.wrapping_add(1);
            let original = sent.sequence.to_be_bytes();
            sealer.seal(
                &header,
                self.names(true),
                self.settings.extensions,
                &original,
                &sent.payload,
            );
        }
    }

    /// Sends a sender report each second. `timestamp` is that of media captured at `now`.
    pub fn report(&mut self, now: Instant, timestamp: u32, sealer: &mut Sealer<'_>) {
        if self.packets == 0 || self.next_report.is_some_and(|at| now < at) {
            return;
        }
        self.next_report = Some(now + REPORT_INTERVAL);
        let report = Rtcp::SenderReport {
            ssrc: self.settings.ssrc,
            ntp: ntp(now - sealer.origin),
            rtp: timestamp,
            packets: self.packets,
            octets: self.octets,
            reports: Vec::new(),
        };
        sealer.send_rtcp(&[report]);
    }

    /// Ticks of its clock per second.
    pub fn clock_rate(&self) -> u32 {
        self.clock_rate
    }

    /// Section and stream names: on the first packets only, as browsers do until a report acknowledges them.
    fn names(&self, repaired: bool) -> ExtensionBlock {
        let mut block = ExtensionBlock::new();
        if self.packets >= NAMED_PACKETS {
            return block;
        }
        let numbers = self.settings.extensions;
        if let Some(id) = numbers.mid {
            block.push(id, self.settings.mid.as_bytes());
        }
        let id = if repaired {
            numbers.repaired_rid
        } else {
            numbers.rid
        };
        if let (Some(id), Some(rid)) = (id, &self.settings.rid) {
            block.push(id, rid.as_bytes());
        }
        block
    }
}

impl Sealer<'_> {
    /// Seals a packet and sends it; returns the protected bytes, or `None` before the transport stands.
    pub fn seal(
        &mut self,
        header: &OutHeader,
        mut extensions: ExtensionBlock,
        numbers: ExtensionNumbers,
        prefix: &[u8],
        payload: &[u8],
    ) -> Option<Vec<u8>> {
        self.peer.path()?;
        let stream = self.peer.send_stream(header.ssrc)?;
        if let Some(id) = numbers.transport_cc {
            extensions.push(id, &self.peer.next_transport_sequence().to_be_bytes());
        }
        let mut out = vec![0; 400 + prefix.len() + payload.len()];
        let header_len = write_header(&mut out, header, &extensions)?;
        let len = self
            .peer
            .seal_rtp(stream, &mut out, header_len, prefix, payload)
            .expect("each index is used once");
        out.truncate(len);
        self.put(out.clone());
        Some(out)
    }

    /// Seals and sends a compound RTCP packet.
    pub fn send_rtcp(&mut self, packets: &[Rtcp]) {
        let mut bytes = Vec::new();
        write_compound(packets, &mut bytes);
        if self.peer.seal_rtcp(&mut bytes).is_ok() {
            self.put(bytes);
        }
    }

    fn put(&mut self, bytes: Vec<u8>) {
        if let Some(pair) = self.peer.path() {
            self.transmits.push_back(Datagram {
                from: pair.local,
                to: pair.remote,
                bytes,
            });
        }
    }
}

/// The timestamp so long before `timestamp`.
pub(super) fn behind(timestamp: u32, by: Duration, clock_rate: u32) -> u32 {
    timestamp.wrapping_sub((by.as_secs_f64() * f64::from(clock_rate)) as u32)
}

/// A wall clock that read this much at the start of the run, in NTP format.
pub fn ntp(since_origin: Duration) -> u64 {
    let fraction = (u64::from(since_origin.subsec_nanos()) << 32) / 1_000_000_000;
    (NTP_ORIGIN + since_origin.as_secs()) << 32 | fraction
}

/// Some day in 2026, in seconds since 1900.
const NTP_ORIGIN: u64 = 3_990_000_000;

/// Packets that may be asked for again.
const HISTORY: usize = 1_024;

/// Packets that carry their section's and stream's name.
const NAMED_PACKETS: u32 = 100;
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
