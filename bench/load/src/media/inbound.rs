//! One stream that a client receives: continuity, delay, and what it reports and asks for.

use std::collections::VecDeque;
use std::ops::{AddAssign, Sub};
use std::time::{Duration, Instant};

use sluice_wire::id::Ssrc;
use sluice_wire::rtcp::{ReportBlock, Rtcp};
use sluice_wire::rtp::RtpView;
use sluice_wire::seq::Unwrap16;

use super::stamp;
use crate::signal::{Kind, Subscription};

/// One stream.
pub struct Inbound {
    /// SID of the track.
    pub track: String,
    /// Audio or video.
    pub kind: Kind,
    ssrc: Ssrc,
    rtx: Option<Ssrc>,
    nack: bool,
    clock_rate: u32,
    numbers: Unwrap16,
    /// The first number, and the highest so far.
    range: Option<(u64, u64)>,
    /// Of the last numbers up to the highest, a bit each by its remainder: it has come.
    come: [u64; WINDOW / 64],
    missing: VecDeque<Missing>,
    counts: Counts,
    reported: (u64, u64),
    jitter: f64,
    transit: Option<f64>,
    sender_report: Option<(u32, Instant)>,
    next_report: Instant,
    last_pli: Option<Instant>,
    key_wanted: bool,
}

struct Missing {
    index: u64,
    since: Instant,
    asked_at: Option<Instant>,
}

/// What came, and what did not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Different packets of the stream.
    pub received: u64,
    /// Came again.
    pub duplicates: u64,
    /// Came after later ones, not asked for.
    pub reordered: u64,
    /// Filled a gap on the stream of retransmissions.
    pub retransmitted: u64,
    /// Gaps that nothing filled within a second.
    pub lost: u64,
    /// Of all packets, from the RTP header on.
    pub bytes: u64,
    /// Numbers asked for again.
    pub nacks: u64,
}

impl Inbound {
    /// A stream that nothing came of yet.
    pub fn new(now: Instant, subscription: &Subscription) -> Self {
        let format = subscription.formats.first();
        Self {
            track: subscription.track.clone(),
            kind: subscription.kind,
            ssrc: subscription.ssrc,
            rtx: subscription.rtx,
            nack: format.is_some_and(|format| format.nack),
            clock_rate: format.map_or(90_000, |format| format.clock_rate),
            numbers: Unwrap16::default(),
            range: None,
            come: [0; WINDOW / 64],
            missing: VecDeque::new(),
            counts: Counts::default(),
            reported: (0, 0),
            jitter: 0.0,
            transit: None,
            sender_report: None,
            next_report: now + REPORT_INTERVAL,
            last_pli: None,
            key_wanted: false,
        }
    }

    /// Whether packets of this SSRC are for this stream.
    pub fn owns(&self, ssrc: Ssrc) -> bool {
        self.ssrc == ssrc || self.rtx == Some(ssrc)
    }

    /// Whether anything came.
    pub fn has_begun(&self) -> bool {
        self.range.is_some()
    }

    /// Since its begin.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Takes a packet; returns how old it is, where it is none that was asked for again.
    pub fn handle_rtp(
        &mut self,
        now: Instant,
        begin: Instant,
        packet: &RtpView<'_>,
        len: usize,
    ) -> Option<Duration> {
        let header = packet.header();
        let payload = packet.payload();
        self.counts.bytes += len as u64;
        if Some(header.ssrc) == self.rtx {
            let (original, _) = payload.split_first_chunk::<2>()?;
            self.range?;
            let index = self.numbers.peek(u16::from_be_bytes(*original));
            if self.take(now, index) {
                self.counts.retransmitted += 1;
            }
            return None;
        }
        let index = self.numbers.unwrap(header.sequence);
        self.note_jitter(now - begin, header.timestamp);
        self.take(now, index);
        stamp::age(payload, now, begin)
    }

    /// Takes a sender report.
    pub fn handle_sender_report(&mut self, now: Instant, ntp: u64) {
        self.sender_report = Some(((ntp >> 16) as u32, now));
    }

    /// Gives up what is too late, and adds what is to be said to the transport's report and feedback.
    pub fn handle_timeout(
        &mut self,
        now: Instant,
        sender: Ssrc,
        blocks: &mut Vec<ReportBlock>,
        feedback: &mut Vec<Rtcp>,
    ) {
        self.give_up(now);
        self.ask_again(now, sender, feedback);
        if self.key_wanted && self.last_pli.is_none_or(|last| now - last >= PLI_INTERVAL) {
            self.key_wanted = false;
            self.last_pli = Some(now);
            feedback.push(Rtcp::Pli {
                sender,
                media: self.ssrc,
            });
        }
        if self.next_report <= now {
            self.next_report = now + REPORT_INTERVAL;
            blocks.extend(self.report_block(now));
        }
    }

    /// When to call [`Inbound::handle_timeout`].
    pub fn poll_timeout(&self, now: Instant) -> Instant {
        let asked = self.missing.iter().map(|missing| match missing.asked_at {
            None => missing.since + NACK_DELAY,
            Some(at) => at + NACK_INTERVAL,
        });
        let asked = asked.min().filter(|_| self.nack);
        let given_up = self.missing.front().map(|missing| missing.since + PATIENCE);
        let key = self.key_wanted.then_some(now + PLI_INTERVAL);
        [asked, given_up, key]
            .into_iter()
            .flatten()
            .fold(self.next_report, Instant::min)
    }

    /// True where the number is new.
    fn take(&mut self, now: Instant, index: u64) -> bool {
        let Some((_, highest)) = self.range else {
            self.range = Some((index, index));
            self.mark(index);
            self.counts.received += 1;
            return true;
        };
        if index > highest {
            // A jump beyond all memory is a stream that began anew.
            let from = (highest + 1).max(index.saturating_sub(WINDOW as u64 - 1));
            for gap in from..index {
                self.clear(gap);
                self.missing.push_back(Missing {
                    index: gap,
                    since: now,
                    asked_at: None,
                });
            }
            self.mark(index);
            self.range = self.range.map(|(first, _)| (first, index));
            self.counts.received += 1;
            return true;
        }
        if highest - index >= WINDOW as u64 || self.has(index) {
            self.counts.duplicates += 1;
            return false;
        }
        self.mark(index);
        if let Some(at) = self
            .missing
            .iter()
            .position(|missing| missing.index == index)
        {
            let asked = self
                .missing
                .remove(at)
                .is_some_and(|missing| missing.asked_at.is_some());
            self.counts.reordered += u64::from(!asked);
        } else {
            // Given up before.
            self.counts.lost = self.counts.lost.saturating_sub(1);
        }
        self.counts.received += 1;
        true
    }

    fn give_up(&mut self, now: Instant) {
        while self
            .missing
            .front()
            .is_some_and(|missing| now.saturating_duration_since(missing.since) >= PATIENCE)
        {
            self.missing.pop_front();
            self.counts.lost += 1;
            self.key_wanted |= self.kind == Kind::Video;
        }
    }

    fn ask_again(&mut self, now: Instant, sender: Ssrc, feedback: &mut Vec<Rtcp>) {
        if !self.nack || self.missing.is_empty() {
            return;
        }
        let mut lost = Vec::new();
        for missing in &mut self.missing {
            let (since, wait) = missing
                .asked_at
                .map_or((missing.since, NACK_DELAY), |at| (at, NACK_INTERVAL));
            if now.saturating_duration_since(since) >= wait && lost.len() < MOST_ASKED {
                missing.asked_at = Some(now);
                lost.push(missing.index as u16);
            }
        }
        if !lost.is_empty() {
            self.counts.nacks += lost.len() as u64;
            feedback.push(Rtcp::Nack {
                sender,
                media: self.ssrc,
                lost,
            });
        }
    }

    fn note_jitter(&mut self, arrived: Duration, timestamp: u32) {
        let rate = f64::from(self.clock_rate);
        let transit = arrived.as_secs_f64() * rate - f64::from(timestamp);
        if let Some(last) = self.transit.replace(transit) {
            let difference = (transit - last).abs();
            // The timestamp has wrapped.
            if difference < rate {
                self.jitter += (difference - self.jitter) / 16.0;
            }
        }
    }

    fn report_block(&mut self, now: Instant) -> Option<ReportBlock> {
        let (first, highest) = self.range?;
        let expected = highest + 1 - first;
        let (expected_before, received_before) =
            std::mem::replace(&mut self.reported, (expected, self.counts.received));
        let interval = expected.saturating_sub(expected_before);
        let lost = interval.saturating_sub(self.counts.received.saturating_sub(received_before));
        let (last_sender_report, delay) = self.sender_report.map_or((0, 0), |(middle, at)| {
            (middle, ((now - at).as_secs_f64() * 65_536.0) as u32)
        });
        Some(ReportBlock {
            ssrc: self.ssrc.0,
            fraction_lost: (256 * lost).checked_div(interval).unwrap_or(0).min(255) as u8,
            total_lost: (expected as i64 - self.counts.received as i64) as i32,
            highest_sequence: highest as u32,
            jitter: self.jitter as u32,
            last_sender_report,
            delay,
        })
    }

    fn mark(&mut self, index: u64) {
        let at = index as usize % WINDOW;
        self.come[at / 64] |= 1 << (at % 64);
    }

    fn clear(&mut self, index: u64) {
        let at = index as usize % WINDOW;
        self.come[at / 64] &= !(1 << (at % 64));
    }

    fn has(&self, index: u64) -> bool {
        let at = index as usize % WINDOW;
        self.come[at / 64] & (1 << (at % 64)) != 0
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.received += other.received;
        self.duplicates += other.duplicates;
        self.reordered += other.reordered;
        self.retransmitted += other.retransmitted;
        self.lost += other.lost;
        self.bytes += other.bytes;
        self.nacks += other.nacks;
    }
}

impl Sub for Counts {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            received: self.received.saturating_sub(other.received),
            duplicates: self.duplicates.saturating_sub(other.duplicates),
            reordered: self.reordered.saturating_sub(other.reordered),
            retransmitted: self.retransmitted.saturating_sub(other.retransmitted),
            lost: self.lost.saturating_sub(other.lost),
            bytes: self.bytes.saturating_sub(other.bytes),
            nacks: self.nacks.saturating_sub(other.nacks),
        }
    }
}

/// Numbers remembered.
const WINDOW: usize = 1_024;
/// A gap may be reordering.
const NACK_DELAY: Duration = Duration::from_millis(20);
const NACK_INTERVAL: Duration = Duration::from_millis(100);
/// After which nobody waits for a packet any more.
const PATIENCE: Duration = Duration::from_secs(1);
const PLI_INTERVAL: Duration = Duration::from_millis(500);
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// In one NACK.
const MOST_ASKED: usize = 200;

#[cfg(test)]
mod tests {
    use sluice_wire::id::PayloadType;
    use sluice_wire::rtp::{ExtensionBlock, OutHeader, write_header};

    use super::*;
    use crate::signal::{Codec, Extensions, Format, Pc};

    fn stream(now: Instant) -> Inbound {
        let format = Format {
            payload_type: 96,
            rtx: Some(97),
            red: None,
            codec: Codec::Vp8,
            clock_rate: 90_000,
            nack: true,
        };
        Inbound::new(
            now,
            &Subscription {
                track: "TR_1".to_owned(),
                publisher: "PA_1".to_owned(),
                publisher_identity: None,
                pc: Pc::Subscriber,
                kind: Kind::Video,
                mid: "0".to_owned(),
                ssrc: Ssrc(1),
                rtx: Some(Ssrc(2)),
                formats: vec![format],
                extensions: Extensions::default(),
            },
        )
    }

    fn packet(ssrc: u32, sequence: u16, payload: &[u8]) -> Vec<u8> {
        let header = OutHeader {
            marker: false,
            payload_type: PayloadType(96),
            sequence,
            timestamp: 0,
            ssrc: Ssrc(ssrc),
            padding: false,
        };
        let mut bytes = vec![0; 100];
        let len = write_header(&mut bytes, &header, &ExtensionBlock::new()).expect("room");
        bytes.truncate(len);
        bytes.extend_from_slice(payload);
        bytes
    }

    fn take(inbound: &mut Inbound, now: Instant, begin: Instant, bytes: &[u8]) -> Option<Duration> {
        let view = RtpView::parse(bytes).expect("a packet");
        inbound.handle_rtp(now, begin, &view, bytes.len())
    }

    #[test]
    fn gaps_are_asked_for_and_filled_by_retransmissions() {
        let begin = Instant::now();
        let mut inbound = stream(begin);
        for sequence in [65_534, 65_535, 1, 2] {
            take(&mut inbound, begin, begin, &packet(1, sequence, &[9; 20]));
        }
        let (mut blocks, mut feedback) = (Vec::new(), Vec::new());
        inbound.handle_timeout(begin, Ssrc(5), &mut blocks, &mut feedback);
        assert!(feedback.is_empty(), "it may be reordering");
        let later = begin + NACK_DELAY;
        inbound.handle_timeout(later, Ssrc(5), &mut blocks, &mut feedback);
        assert!(matches!(feedback.as_slice(), [Rtcp::Nack { lost, .. }] if lost == &[0]));
        take(&mut inbound, later, begin, &packet(2, 7, &[0, 0, 9, 9]));
        let counts = inbound.counts();
        assert_eq!(
            (counts.received, counts.retransmitted, counts.lost),
            (5, 1, 0)
        );
        assert_eq!(counts.nacks, 1);
    }

    #[test]
    fn what_nothing_fills_is_lost_and_asks_for_a_key_frame() {
        let begin = Instant::now();
        let mut inbound = stream(begin);
        for sequence in [10, 12, 11, 11, 15] {
            take(&mut inbound, begin, begin, &packet(1, sequence, &[9; 20]));
        }
        let (mut blocks, mut feedback) = (Vec::new(), Vec::new());
        inbound.handle_timeout(begin + PATIENCE, Ssrc(5), &mut blocks, &mut feedback);
        let counts = inbound.counts();
        assert_eq!((counts.received, counts.lost), (4, 2));
        assert_eq!((counts.reordered, counts.duplicates), (1, 1));
        assert!(feedback.iter().any(|one| matches!(one, Rtcp::Pli { .. })));
        assert_eq!(blocks.len(), 1);
        assert_eq!(blocks[0].total_lost, 2);
    }

    #[test]
    fn the_age_of_a_packet_is_told_once() {
        let begin = Instant::now();
        let mut inbound = stream(begin);
        let mut payload = vec![0; 30];
        payload.extend(stamp::write(Duration::from_millis(5)));
        let now = begin + Duration::from_millis(9);
        let age = take(&mut inbound, now, begin, &packet(1, 3, &payload));
        assert_eq!(age, Some(Duration::from_millis(4)));
        payload.splice(0..0, [0, 3]);
        assert_eq!(
            take(&mut inbound, now, begin, &packet(2, 1, &payload)),
            None
        );
        assert_eq!(inbound.counts().duplicates, 1);
    }
}
