//! One incoming RTP stream of a model client: order, repair, reports, and whether the media made sense.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use sluice_wire::codec::Codec;
use sluice_wire::id::{PayloadType, Ssrc};
use sluice_wire::rtcp::{ReportBlock, Rtcp};
use sluice_wire::rtp::RtpView;
use sluice_wire::seq::{Unwrap16, Unwrap32};

use super::decoder::{Decoder, DecoderReport};
use super::stamp::Stamp;

/// What is known of an incoming stream from signalling.
#[derive(Debug, Clone)]
pub struct InboundSettings {
    /// Its SSRC.
    pub ssrc: Ssrc,
    /// Its payload type.
    pub payload_type: PayloadType,
    /// SSRC and payload type of its retransmissions.
    pub rtx: Option<(Ssrc, PayloadType)>,
    /// Opus or VP8.
    pub codec: Codec,
    /// Whether lost packets are asked for again.
    pub nack: bool,
}

/// One incoming stream.
#[derive(Debug)]
pub struct Inbound {
    settings: InboundSettings,
    sequences: Unwrap16,
    timestamps: Unwrap32,
    held: BTreeMap<u64, Held>,
    /// Sequence of the next packet to hand on.
    next: Option<u64>,
    first: u64,
    /// One past the highest sequence seen.
    ahead: u64,
    missing: BTreeMap<u64, Missing>,
    given_up: BTreeSet<u64>,
    last_timestamp: Option<u64>,
    last_frame: Option<u32>,
    decoder: Decoder,
    last_pli: Option<Instant>,
    next_report: Option<Instant>,
    polled_at: Option<Instant>,
    reported: (u64, u64),
    jitter: Jitter,
    sender_report: Option<(u64, u32, Instant)>,
    gaps: Option<Gaps>,
    report: InboundReport,
}

/// What a stream brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InboundReport {
    /// Packets, retransmissions counted once they fill a gap.
    pub received: u64,
    /// Packets there already.
    pub duplicates: u64,
    /// Gaps that a retransmission filled.
    pub recovered: u64,
    /// Packets given up.
    pub lost: u64,
    /// Packets that came after they were given up.
    pub late: u64,
    /// Packets of another payload type than announced.
    pub foreign: u64,
    /// Timestamps that went back in sequence order.
    pub timestamps_back: u64,
    /// Audio frames that came twice or out of order.
    pub frames_back: u64,
    /// Audio frames handed on.
    pub audio_frames: u64,
    /// Sender reports.
    pub sender_reports: u64,
    /// Sender reports whose clock ran at another pace than the stream's, by more than 5 %.
    pub crooked_reports: u64,
    /// What the decoder saw; all zero for audio.
    pub video: DecoderReport,
}

#[derive(Debug)]
struct Held {
    timestamp: u32,
    marker: bool,
    payload: Vec<u8>,
}

#[derive(Debug)]
struct Missing {
    since: Instant,
    asked_at: Option<Instant>,
}

/// Times without a packet.
#[derive(Debug, Clone, Copy)]
struct Gaps {
    last: Instant,
    longest: Duration,
}

/// Interarrival jitter (RFC 3550 appendix A.8).
#[derive(Debug, Default)]
struct Jitter {
    last: Option<(Instant, u64)>,
    value: f64,
}

impl Inbound {
    /// A stream of which nothing came yet.
    pub fn new(settings: InboundSettings) -> Self {
        Self {
            settings,
            sequences: Unwrap16::default(),
            timestamps: Unwrap32::default(),
            held: BTreeMap::new(),
            next: None,
            first: 0,
            ahead: 0,
            missing: BTreeMap::new(),
            given_up: BTreeSet::new(),
            last_timestamp: None,
            last_frame: None,
            decoder: Decoder::default(),
            last_pli: None,
            next_report: None,
            polled_at: None,
            reported: (0, 0),
            jitter: Jitter::default(),
            sender_report: None,
            gaps: None,
            report: InboundReport::default(),
        }
    }

    /// Whether packets of this SSRC are for this stream.
    pub fn owns(&self, ssrc: Ssrc) -> bool {
        self.settings.ssrc == ssrc || self.settings.rtx.is_some_and(|(rtx, _)| rtx == ssrc)
    }

    /// Its SSRC.
    pub fn ssrc(&self) -> Ssrc {
        self.settings.ssrc
    }

    /// What it brought so far.
    pub fn report(&self) -> InboundReport {
        InboundReport {
            video: self.decoder.report().clone(),
            ..self.report.clone()
        }
    }

    /// When its decoder last showed a frame.
    pub fn shown_at(&self) -> Option<Instant> {
        self.decoder.shown_at()
    }

    /// Packets asked for and not there yet.
    pub fn missing(&self) -> usize {
        self.missing.len()
    }

    /// From now on the longest time without a packet is kept.
    pub fn watch_gaps(&mut self, now: Instant) {
        self.gaps = Some(Gaps {
            last: now,
            longest: Duration::ZERO,
        });
    }

    /// The longest time without a packet since [`Inbound::watch_gaps`].
    pub fn longest_gap(&self, now: Instant) -> Duration {
        self.gaps
            .map_or(Duration::ZERO, |gaps| gaps.longest.max(now - gaps.last))
    }

    /// Takes a packet of the stream or of its retransmissions.
    pub fn handle_rtp(&mut self, now: Instant, packet: &RtpView<'_>) {
        if let Some(gaps) = &mut self.gaps {
            gaps.longest = gaps.longest.max(now - gaps.last);
            gaps.last = now;
        }
        let header = packet.header();
        let is_media =
            header.ssrc == self.settings.ssrc && header.payload_type == self.settings.payload_type;
        let is_rtx = self.settings.rtx == Some((header.ssrc, header.payload_type));
        let (sequence, payload) = match packet.payload().split_first_chunk::<2>() {
            _ if is_media => (header.sequence, packet.payload()),
            Some((original, payload)) if is_rtx => (u16::from_be_bytes(*original), payload),
            None if is_rtx => return,
            _ => {
                self.report.foreign += 1;
                return;
            }
        };
        if payload.is_empty() {
            // Padding: a probe, or the tail of a frame cut in equal parts.
            return self.hold(now, sequence, is_rtx, None);
        }
        let held = Held {
            timestamp: header.timestamp,
            marker: header.marker,
            payload: payload.to_vec(),
        };
        if !is_rtx {
            let timestamp = self.timestamps.peek(header.timestamp);
            self.jitter.update(now, timestamp, self.clock_rate());
        }
        self.hold(now, sequence, is_rtx, Some(held));
    }

    /// Takes a sender report of the stream.
    pub fn handle_sender_report(&mut self, now: Instant, ntp: u64, rtp: u32) {
        self.report.sender_reports += 1;
        if let Some((last_ntp, last_rtp, _)) = self.sender_report.replace((ntp, rtp, now)) {
            let seconds = ntp.wrapping_sub(last_ntp).cast_signed() as f64 / 4_294_967_296.0;
            let ticks = f64::from(rtp.wrapping_sub(last_rtp).cast_signed());
            let pace = ticks / seconds / f64::from(self.clock_rate());
            self.report.crooked_reports += u64::from(!(0.95..1.05).contains(&pace));
        }
    }

    /// Gives up what is too late, and adds what is to be reported to `feedback`.
    pub fn handle_timeout(&mut self, now: Instant, sender: Ssrc, feedback: &mut Vec<Rtcp>) {
        self.polled_at = Some(now);
        let patience = self.patience();
        while let Some(entry) = self.missing.first_entry() {
            if now.saturating_duration_since(entry.get().since) < patience {
                break;
            }
            self.given_up.insert(entry.remove_entry().0);
            self.report.lost += 1;
        }
        self.hand_on(now);
        if self.settings.nack {
            self.ask_again(now, sender, feedback);
        }
        let is_video = self.settings.codec == Codec::Vp8;
        if is_video && self.next.is_some() && self.decoder.wants_key_frame() {
            let due = self.last_pli.is_none_or(|last| now - last >= PLI_INTERVAL);
            if due {
                self.last_pli = Some(now);
                feedback.push(Rtcp::Pli {
                    sender,
                    media: self.settings.ssrc,
                });
            }
        }
        if self.next.is_some() && self.next_report.is_none_or(|at| now >= at) {
            self.next_report = Some(now + REPORT_INTERVAL);
            feedback.push(Rtcp::ReceiverReport {
                ssrc: sender,
                reports: vec![self.report_block(now)],
            });
        }
    }

    /// When to call [`Inbound::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next?;
        let waiting = !self.missing.is_empty()
            || self.decoder.wants_key_frame() && self.settings.codec == Codec::Vp8;
        let soon = self
            .polled_at
            .filter(|_| waiting)
            .map(|at| at + POLL_INTERVAL);
        [soon, self.next_report].into_iter().flatten().min()
    }

    fn hold(&mut self, now: Instant, sequence: u16, is_rtx: bool, held: Option<Held>) {
        if is_rtx && self.next.is_none() {
            return;
        }
        let index = if is_rtx {
            self.sequences.peek(sequence)
        } else {
            self.sequences.unwrap(sequence)
        };
        let next = *self.next.get_or_insert(index);
        if self.report.received == 0 {
            (self.first, self.ahead) = (index, index);
        }
        if index < next || self.held.contains_key(&index) {
            let late = index < self.first || self.given_up.remove(&index);
            self.report.late += u64::from(late);
            self.report.duplicates += u64::from(!late);
            return;
        }
        self.report.received += 1;
        let was_missing = self.missing.remove(&index).is_some();
        self.report.recovered += u64::from(was_missing && is_rtx);
        for gap in self.ahead..index {
            self.missing.insert(
                gap,
                Missing {
                    since: now,
                    asked_at: None,
                },
            );
        }
        self.ahead = self.ahead.max(index + 1);
        let empty = Held {
            timestamp: 0,
            marker: false,
            payload: Vec::new(),
        };
        self.held.insert(index, held.unwrap_or(empty));
        self.hand_on(now);
    }

    /// Hands on every packet that nothing missing stands in front of.
    fn hand_on(&mut self, now: Instant) {
        while let (Some(next), Some(entry)) = (self.next, self.held.first_entry()) {
            let index = *entry.key();
            if self
                .missing
                .first_key_value()
                .is_some_and(|(missing, _)| *missing < index)
            {
                return;
            }
            let held = entry.remove();
            if index > next {
                self.decoder.lose();
            }
            self.next = Some(index + 1);
            self.consume(now, &held);
        }
    }

    fn consume(&mut self, now: Instant, held: &Held) {
        if held.payload.is_empty() {
            return;
        }
        let timestamp = self.timestamps.unwrap(held.timestamp);
        self.report.timestamps_back +=
            u64::from(self.last_timestamp.is_some_and(|last| timestamp < last));
        self.last_timestamp = Some(timestamp);
        if self.settings.codec == Codec::Vp8 {
            return self
                .decoder
                .decode(now, held.timestamp, held.marker, &held.payload);
        }
        self.report.audio_frames += 1;
        if let Some(stamp) = Stamp::of(&held.payload) {
            self.report.frames_back +=
                u64::from(self.last_frame.is_some_and(|last| stamp.frame <= last));
            self.last_frame = Some(stamp.frame);
        }
    }

    fn ask_again(&mut self, now: Instant, sender: Ssrc, feedback: &mut Vec<Rtcp>) {
        let mut lost = Vec::new();
        for (index, missing) in &mut self.missing {
            let (since, wait) = missing
                .asked_at
                .map_or((missing.since, NACK_DELAY), |at| (at, NACK_INTERVAL));
            if now.saturating_duration_since(since) >= wait {
                missing.asked_at = Some(now);
                lost.push(*index as u16);
            }
        }
        for lost in lost.chunks(200) {
            feedback.push(Rtcp::Nack {
                sender,
                media: self.settings.ssrc,
                lost: lost.to_vec(),
            });
        }
    }

    fn report_block(&mut self, now: Instant) -> ReportBlock {
        let highest = self.sequences.highest().unwrap_or(self.first);
        let expected = highest + 1 - self.first;
        let received = self.report.received;
        let (expected_before, received_before) =
            std::mem::replace(&mut self.reported, (expected, received));
        let interval = expected.saturating_sub(expected_before);
        let lost = interval.saturating_sub(received - received_before);
        let (last_sender_report, delay) = self.sender_report.map_or((0, 0), |(ntp, _, at)| {
            (
                (ntp >> 16) as u32,
                ((now - at).as_secs_f64() * 65_536.0) as u32,
            )
        });
        ReportBlock {
            ssrc: self.settings.ssrc.0,
            fraction_lost: (256 * lost).checked_div(interval).unwrap_or(0).min(255) as u8,
            total_lost: (expected as i64 - received as i64) as i32,
            highest_sequence: highest as u32,
            jitter: self.jitter.value as u32,
            last_sender_report,
            delay,
        }
    }

    fn clock_rate(&self) -> u32 {
        if self.settings.codec == Codec::Vp8 {
            super::vp8::CLOCK_RATE
        } else {
            super::opus::CLOCK_RATE
        }
    }

    fn patience(&self) -> Duration {
        if self.settings.codec == Codec::Vp8 {
            VIDEO_PATIENCE
        } else {
            AUDIO_PATIENCE
        }
    }
}

impl Jitter {
    fn update(&mut self, now: Instant, timestamp: u64, clock_rate: u32) {
        if let Some((last_now, last_timestamp)) = self.last.replace((now, timestamp)) {
            let passed = (now - last_now).as_secs_f64() * f64::from(clock_rate);
            let ticks = timestamp.wrapping_sub(last_timestamp).cast_signed() as f64;
            self.value += ((passed - ticks).abs() - self.value) / 16.0;
        }
    }
}

/// A gap may be reordering.
const NACK_DELAY: Duration = Duration::from_millis(20);
const NACK_INTERVAL: Duration = Duration::from_millis(100);
/// How long a jitter buffer holds frames back for a missing packet.
const VIDEO_PATIENCE: Duration = Duration::from_secs(1);
const AUDIO_PATIENCE: Duration = Duration::from_millis(200);
const PLI_INTERVAL: Duration = Duration::from_millis(300);
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
