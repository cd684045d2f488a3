//! RTCP that we send: feedback to publishers, sender reports and their companions to subscribers.

use std::time::{Duration, Instant};

use sluice_forward::up_track::UpTrack;
use sluice_wire::rtcp::{ReportBlock, Rtcp, SourceChunk, write_compound};

use super::{Media, Turn};
use crate::egress::Egress;
use crate::outbox::Outbox;
use crate::transports::Transport;

impl Media {
    /// Sends the reports of a transport's subscriptions where they are due, and says when the next ones are.
    pub fn report_downs(&mut self, turn: &mut Turn, index: usize) {
        let Some(transport) = turn.transports.get_mut(index) else {
            return;
        };
        if transport.report_due().is_none_or(|due| turn.now < due) {
            return;
        }
        transport.next_report = Some(turn.now + REPORT_INTERVAL);
        let mut batch = Batch::default();
        for down in transport.downs.clone() {
            let Some((track, position)) = self.tracks.with_down(down.down) else {
                continue;
            };
            let layers = track.up().map(UpTrack::view).unwrap_or_default();
            let Some(down) = track.downs.get_mut(position) else {
                continue;
            };
            let Some(report) = down.track.sender_report(turn.now, &layers) else {
                continue;
            };
            let report = Rtcp::SenderReport {
                ssrc: report.ssrc,
                ntp: report.ntp,
                rtp: report.rtp,
                packets: report.packets,
                octets: report.octets,
                reports: Vec::new(),
            };
            let chunk = SourceChunk {
                ssrc: down.ssrc,
                cname: down.cname.clone(),
                mid: Some(down.mid.clone()),
            };
            if batch.is_full_for(&chunk) {
                batch.send(transport, turn.egress, turn.outbox);
            }
            batch.add(report, chunk);
        }
        batch.send(transport, turn.egress, turn.outbox);
    }
}

/// Reports of several subscriptions, in one compound packet.
#[derive(Default)]
struct Batch {
    packets: Vec<Rtcp>,
    chunks: Vec<SourceChunk>,
    bytes: usize,
}

impl Batch {
    fn add(&mut self, report: Rtcp, chunk: SourceChunk) {
        self.bytes += len_with(&chunk);
        self.packets.push(report);
        self.chunks.push(chunk);
    }

    fn is_full_for(&self, chunk: &SourceChunk) -> bool {
        self.packets.len() >= MAX_BATCH || self.bytes + len_with(chunk) > MAX_COMPOUND
    }

    fn send(&mut self, transport: &mut Transport, egress: &mut Egress, outbox: &mut Outbox) {
        if self.packets.is_empty() {
            return;
        }
        let chunks = std::mem::take(&mut self.chunks);
        self.packets.push(Rtcp::SourceDescription { chunks });
        send(transport, &self.packets, egress, outbox);
        *self = Self::default();
    }
}

/// Sends the feedback that gathered for a publisher: receiver reports first and together, as a compound begins
/// (RFC 3550 section 6.1).
pub fn send_feedback(transport: &mut Transport, egress: &mut Egress, outbox: &mut Outbox) {
    if transport.feedback.is_empty() {
        return;
    }
    let ssrc = transport.feedback_ssrc;
    let mut reports: Vec<ReportBlock> = Vec::new();
    let mut rest = Vec::new();
    for packet in transport.feedback.drain(..) {
        match packet {
            Rtcp::ReceiverReport {
                reports: blocks, ..
            } => reports.extend(blocks),
            other => rest.push(other),
        }
    }
    for blocks in reports.chunks(MAX_BLOCKS) {
        rest.insert(
            0,
            Rtcp::ReceiverReport {
                ssrc,
                reports: blocks.to_vec(),
            },
        );
    }
    for packets in rest.chunks(MAX_BATCH) {
        send(transport, packets, egress, outbox);
    }
}

/// Seals one compound packet and sends it.
fn send(transport: &mut Transport, packets: &[Rtcp], egress: &mut Egress, outbox: &mut Outbox) {
    let Some(path) = transport.peer.path() else {
        return;
    };
    let mut bytes = Vec::with_capacity(MAX_COMPOUND + 64);
    write_compound(packets, &mut bytes);
    if transport.peer.seal_rtcp(&mut bytes).is_ok() {
        outbox.counters.packets_out += 1;
        outbox.counters.bytes_out += bytes.len() as u64;
        egress.push(path, &bytes);
    }
}

/// Bytes that a report and its description take.
fn len_with(chunk: &SourceChunk) -> usize {
    let texts = chunk.cname.len() + chunk.mid.as_ref().map_or(0, String::len);
    SENDER_REPORT_LEN + CHUNK_OVERHEAD + texts
}

/// Of a transport's subscriptions, the first at once.
const REPORT_INTERVAL: Duration = Duration::from_secs(3);

/// First report of a new subscription, so that lip sync need not wait for the interval.
pub const FIRST_REPORT: Duration = Duration::from_millis(100);

/// Reports in one compound packet (livekit-facts 4.4).
const MAX_BATCH: usize = 30;

/// Report blocks in one receiver report: the count has five bits.
const MAX_BLOCKS: usize = 31;

/// Bytes of one compound packet, before protection.
const MAX_COMPOUND: usize = 1_150;

const SENDER_REPORT_LEN: usize = 28;

/// SSRC, two item headers, end and padding of an SDES chunk.
const CHUNK_OVERHEAD: usize = 12;

/// Makes the next sender reports of a transport come soon.
pub fn report_soon(transport: &mut Transport, now: Instant) {
    let soon = now + FIRST_REPORT;
    transport.next_report = Some(transport.next_report.map_or(soon, |due| due.min(soon)));
}
