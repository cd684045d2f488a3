//! What the subscriber reports: loss, jitter, round trips; and the score made of it.

use std::time::{Duration, Instant};

use sluice_wire::codec::Codec;
use sluice_wire::rtcp::ReportBlock;

use crate::quality::{Quality, QualityScorer, WindowSample};

/// The subscriber's side of a subscription, from its receiver reports.
#[derive(Debug)]
pub(super) struct Receiver {
    /// When each of our last sender reports left, by the middle 32 bits of its NTP time.
    sent_reports: [Option<(u32, Instant)>; 4],
    next_report: usize,
    last: Option<(ReportBlock, Instant)>,
    rtt: Option<Duration>,
    jitter: Duration,
    scorer: Option<QualityScorer>,
    window: Window,
}

/// Sums since the quality window began.
#[derive(Debug, Default)]
struct Window {
    /// Highest sequence and total lost at its start.
    base: Option<(u32, i32)>,
    rtt: Duration,
    jitter: Duration,
}

/// What the subscriber last reported.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ReceiverStats {
    /// Share of packets lost since the report before, 0 to 1.
    pub fraction_lost: f32,
    /// Packets lost since the beginning.
    pub total_lost: i32,
    /// Interarrival jitter.
    pub jitter: Duration,
    /// Round-trip time, once known.
    pub rtt: Option<Duration>,
}

impl Receiver {
    pub fn new() -> Self {
        Self {
            sent_reports: [None; 4],
            next_report: 0,
            last: None,
            rtt: None,
            jitter: Duration::ZERO,
            scorer: None,
            window: Window::default(),
        }
    }

    /// The codec is known: scores begin.
    pub fn start(&mut self, now: Instant, codec: Codec) {
        match &mut self.scorer {
            Some(scorer) => scorer.set_codec(codec),
            None => self.scorer = Some(QualityScorer::new(now, codec)),
        }
    }

    pub fn note_sender_report(&mut self, now: Instant, ntp: u64) {
        if let Some(slot) = self.sent_reports.get_mut(self.next_report) {
            *slot = Some(((ntp >> 16) as u32, now));
        }
        self.next_report = (self.next_report + 1) % self.sent_reports.len();
    }

    pub fn handle_report(&mut self, now: Instant, block: &ReportBlock, clock_rate: u32) {
        let sent = self
            .sent_reports
            .iter()
            .flatten()
            .find(|(ntp, _)| *ntp == block.last_sender_report);
        if let Some((_, sent)) = sent.filter(|_| block.last_sender_report != 0) {
            let held = Duration::from_micros(u64::from(block.delay) * 1_000_000 / 65_536);
            let rtt = now.saturating_duration_since(*sent).checked_sub(held);
            self.set_rtt(rtt.unwrap_or_default());
        }
        self.jitter = Duration::from_micros(
            u64::from(block.jitter) * 1_000_000 / u64::from(clock_rate.max(1)),
        );
        self.window.jitter = self.window.jitter.max(self.jitter);
        self.window
            .base
            .get_or_insert((block.highest_sequence, block.total_lost));
        self.last = Some((*block, now));
    }

    pub fn set_rtt(&mut self, rtt: Duration) {
        let rtt = rtt.min(MAX_RTT);
        self.rtt = Some(rtt);
        self.window.rtt = self.window.rtt.max(rtt);
    }

    pub fn rtt(&self) -> Option<Duration> {
        self.rtt
    }

    /// Highest sequence number that the subscriber reported, extended by its own count of wraps.
    pub fn highest_sequence(&self) -> Option<u32> {
        self.last.map(|(block, _)| block.highest_sequence)
    }

    pub fn stats(&self) -> ReceiverStats {
        let block = self.last.map(|(block, _)| block);
        ReceiverStats {
            fraction_lost: block.map_or(0.0, |b| f32::from(b.fraction_lost) / 256.0),
            total_lost: block.map_or(0, |b| b.total_lost),
            jitter: self.jitter,
            rtt: self.rtt,
        }
    }

    /// Muted, or not wanted.
    pub fn set_muted(&mut self, now: Instant, muted: bool) {
        if let Some(scorer) = &mut self.scorer {
            scorer.set_muted(now, muted);
        }
    }

    /// Paused for lack of bandwidth.
    pub fn set_paused(&mut self, now: Instant, paused: bool) {
        if let Some(scorer) = &mut self.scorer {
            scorer.set_paused(now, paused);
        }
    }

    /// Ends a window that is due.
    pub fn handle_timeout(&mut self, now: Instant, layer_distance: f32) {
        let Some(scorer) = self
            .scorer
            .as_mut()
            .filter(|scorer| now >= scorer.poll_timeout())
        else {
            return;
        };
        let (expected, lost) = match (self.window.base, self.last) {
            (Some((sequence, lost)), Some((block, _))) => (
                u64::from(block.highest_sequence.wrapping_sub(sequence)),
                u64::try_from(block.total_lost.wrapping_sub(lost)).unwrap_or(0),
            ),
            _ => (0, 0),
        };
        scorer.handle_window(
            now,
            &WindowSample {
                expected,
                received: expected.saturating_sub(lost),
                rtt: self.window.rtt,
                jitter: self.window.jitter,
                report_age: self.last.map(|(_, at)| now.saturating_duration_since(at)),
                layer_distance,
                late: 0,
            },
        );
        let base = self
            .last
            .map(|(block, _)| (block.highest_sequence, block.total_lost));
        self.window = Window {
            base,
            ..Window::default()
        };
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.scorer.as_ref().map(QualityScorer::poll_timeout)
    }

    pub fn quality(&self) -> Option<Quality> {
        self.scorer.as_ref().map(QualityScorer::quality)
    }

    pub fn last_window(&self) -> Option<&WindowSample> {
        self.scorer.as_ref().map(QualityScorer::last_window)
    }
}

/// A longer round trip is an error of somebody's clock.
const MAX_RTT: Duration = Duration::from_secs(10);
