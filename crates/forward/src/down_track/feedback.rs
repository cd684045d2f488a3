//! What the subscriber sends back, and the key frames that it or we need.

use std::time::{Duration, Instant};

use sluice_wire::codec::MediaKind;
use sluice_wire::id::Ssrc;
use sluice_wire::rtcp::ReportBlock;

use super::compose::{Stream, compose, compose_probe};
use super::{DownTrack, ReceiverStats};
use crate::layers::Layers;
use crate::outgoing::Outgoing;
use crate::ring::Stored;
use crate::rtx::Origin;

/// Key frames that are to be asked of the publisher.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// When to ask again for one that we need; at once where none.
    next: Option<Instant>,
    /// The subscriber asked for one, which was not asked of the publisher yet.
    asked: bool,
    /// When the subscriber asked for one that did not go out yet.
    awaited_since: Option<Instant>,
}

impl Requests {
    pub fn key_frame_sent(&mut self) {
        self.awaited_since = None;
    }

    /// Opened again: asks at once.
    pub fn restart(&mut self, now: Instant) {
        *self = Self {
            next: Some(now),
            ..Self::default()
        };
    }
}

/// Fields of a sender report (RFC 3550 section 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutgoingReport {
    /// The media stream.
    pub ssrc: Ssrc,
    /// The publisher's clock, NTP format.
    pub ntp: u64,
    /// The same moment on our stream's clock.
    pub rtp: u32,
    /// Packets sent, wrapping.
    pub packets: u32,
    /// Payload bytes sent, wrapping.
    pub octets: u32,
}

impl DownTrack {
    /// The subscriber misses packets. `fetch` gives a packet of a layer by its sequence number, as long as the
    /// publisher's ring has it. Returns how many go out again.
    pub fn handle_nack<'a>(
        &mut self,
        now: Instant,
        lost: &[u16],
        mut fetch: impl FnMut(u8, u64) -> Option<Stored<'a>>,
        emit: &mut impl FnMut(&mut Outgoing<'_>),
    ) -> usize {
        self.counters.nacks += lost.len() as u64;
        if !self.settings.nack || self.awaits_key_frame(now) {
            return 0;
        }
        let interval = self.rtt().max(MIN_REPEAT_INTERVAL);
        let mut count = 0;
        for &sequence in lost {
            let Some(sent) = self.history.repeat(now, sequence, interval) else {
                continue;
            };
            let packet = match sent.origin {
                Origin::Packet { layer, sequence }
                | Origin::Block {
                    layer, sequence, ..
                } => fetch(layer, sequence),
                Origin::Silence | Origin::Padding => None,
            };
            let rtx = self
                .settings
                .payloads
                .iter()
                .find(|map| map.to == sent.payload_type)
                .and_then(|map| map.rtx);
            let stream = match (self.settings.rtx_ssrc, rtx) {
                (Some(ssrc), Some(payload_type)) => Stream::Rtx {
                    ssrc,
                    payload_type,
                    sequence: self.rtx_sequence + 1,
                    now,
                },
                _ => Stream::Again,
            };
            let composed = compose(
                &self.settings,
                &sent,
                packet.as_ref(),
                stream,
                &mut self.extensions,
            );
            let Some(mut outgoing) = composed else {
                continue;
            };
            emit(&mut outgoing);
            self.counters.retransmitted += 1;
            self.counters.retransmitted_bytes += outgoing.body_len() as u64;
            if matches!(stream, Stream::Rtx { .. }) {
                self.rtx_sequence += 1;
            }
            count += 1;
        }
        count
    }

    /// The subscriber asked for a key frame (PLI or FIR).
    pub fn handle_key_frame_request(&mut self, now: Instant) {
        self.counters.plis += 1;
        if self.settings.kind == MediaKind::Video && self.is_open() {
            self.requests.asked = true;
            self.requests.awaited_since.get_or_insert(now);
        }
    }

    /// A receiver report on our media stream.
    pub fn handle_report(&mut self, now: Instant, block: &ReportBlock) {
        self.receiver.handle_report(now, block, self.clock_rate);
        let acknowledged = self
            .receiver
            .highest_sequence()
            .map(|highest| highest as u16);
        if let (Some(sent), Some(highest)) = (self.playout_delay_sent, acknowledged) {
            self.playout_delay_known |= self.history.extend(highest) >= sent;
        }
    }

    /// Round-trip time to the subscriber as measured elsewhere (transport-wide feedback, DLRR).
    pub fn set_rtt(&mut self, rtt: Duration) {
        self.receiver.set_rtt(rtt);
    }

    /// What the subscriber last reported.
    pub fn receiver_stats(&self) -> ReceiverStats {
        self.receiver.stats()
    }

    /// A sender report on our media stream, mapped through the publisher's. None before the first packet, and before
    /// the publisher's first report.
    pub fn sender_report(&mut self, now: Instant, layers: &Layers) -> Option<OutgoingReport> {
        let rtp = self.rtp.as_ref()?;
        let report = layers.reports.get(usize::from(rtp.layer()?))?.as_ref()?;
        let ntp = report.ntp_now(now);
        let timestamp = rtp.outgoing_timestamp(layers, ntp)?;
        self.receiver.note_sender_report(now, ntp);
        Some(OutgoingReport {
            ssrc: self.settings.ssrc,
            ntp,
            rtp: timestamp,
            packets: self.counters.packets as u32,
            octets: self.counters.bytes as u32,
        })
    }

    /// The RTP stream of which a key frame is to be asked of the publisher now; repeated until one comes.
    pub fn poll_key_frame_request(&mut self, now: Instant) -> Option<u8> {
        if self.next_key_frame_request(now)? > now {
            return None;
        }
        let layer = match self.selector.needs_key_frame(now, &self.context) {
            Some(layer) => {
                self.requests.next =
                    Some(now + (2 * self.rtt()).clamp(MIN_REQUEST_INTERVAL, MAX_REQUEST_INTERVAL));
                layer
            }
            None => self
                .rtp
                .as_ref()
                .and_then(crate::munge::rtp::RtpMunger::layer)?,
        };
        self.requests.asked = false;
        Some(layer)
    }

    /// Sends padding on the RTX stream, to see what bandwidth there is. False where there is no such stream or
    /// nothing was sent yet.
    pub fn probe(&mut self, now: Instant, emit: &mut impl FnMut(&mut Outgoing<'_>)) -> bool {
        let payload_type = self.settings.payloads.iter().find_map(|map| map.rtx);
        let newest = self
            .rtp
            .as_ref()
            .and_then(crate::munge::rtp::RtpMunger::state);
        let (Some(ssrc), Some(payload_type), Some(newest)) =
            (self.settings.rtx_ssrc, payload_type, newest)
        else {
            return false;
        };
        self.rtx_sequence += 1;
        let stream = (ssrc, payload_type, self.rtx_sequence);
        emit(&mut compose_probe(
            &self.settings,
            stream,
            newest.timestamp,
            now,
            &mut self.extensions,
        ));
        true
    }

    /// When [`Self::poll_key_frame_request`] has an answer.
    pub(super) fn next_key_frame_request(&self, now: Instant) -> Option<Instant> {
        if self.settings.kind == MediaKind::Audio || !self.is_open() || self.source_muted {
            return None;
        }
        if self.requests.asked {
            return Some(now);
        }
        self.selector.needs_key_frame(now, &self.context)?;
        Some(self.requests.next.unwrap_or(now))
    }

    /// True while a key frame that the subscriber asked for is under way: what it misses from before is of no use.
    fn awaits_key_frame(&self, now: Instant) -> bool {
        let since = self.requests.awaited_since;
        since.is_some_and(|since| now.saturating_duration_since(since) < MAX_REQUEST_INTERVAL / 2)
    }
}

/// A repeated request for the same packet is ignored for a round trip, and for this long at least.
const MIN_REPEAT_INTERVAL: Duration = Duration::from_millis(20);
/// Bounds of twice the round trip between our requests for a key frame.
const MIN_REQUEST_INTERVAL: Duration = Duration::from_millis(200);
const MAX_REQUEST_INTERVAL: Duration = Duration::from_secs(1);
