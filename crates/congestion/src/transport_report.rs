//! Tells a publisher when its packets came in (draft-holmer-rmcat-transport-wide-cc-extensions-01), so that it can
//! estimate its bandwidth.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sluice_wire::id::Ssrc;
use sluice_wire::rtcp::TransportCcFeedback;
use sluice_wire::seq::Unwrap16;

/// Collects the arrivals of one transport. A report is made by the arrival that makes it due, so there is no timer.
///
/// Each number after the last report is told as received or missing. A packet that comes in after it was reported
/// missing is told in a report of its own, so long as it is not further behind than [`MAX_BEHIND`].
#[derive(Debug)]
pub struct TransportReportBuilder {
    /// Epoch of reference times.
    origin: Instant,
    sequence: Unwrap16,
    /// By sequence number, ascending, each once.
    arrivals: VecDeque<Arrival>,
    /// The number after the last reported one.
    next: Option<u64>,
    last_report: Option<Instant>,
    feedback_count: u8,
    ready: VecDeque<TransportCcFeedback>,
}

#[derive(Debug, Clone, Copy)]
struct Arrival {
    sequence: u64,
    /// Since the origin, in units of 250 µs.
    at: i64,
    media: Ssrc,
}

impl TransportReportBuilder {
    /// Nothing received yet.
    pub fn new(now: Instant) -> Self {
        Self {
            // A packet may not come in before the epoch.
            origin: now,
            sequence: Unwrap16::default(),
            arrivals: VecDeque::with_capacity(MAX_ARRIVALS),
            next: None,
            last_report: None,
            feedback_count: 0,
            ready: VecDeque::with_capacity(MAX_READY),
        }
    }

    /// A packet of stream `media` came in with this transport-wide sequence number.
    pub fn handle_packet(&mut self, now: Instant, sequence: u16, media: Ssrc, marker: bool) {
        let sequence = self.extend(sequence);
        if self.next.is_some_and(|next| sequence + MAX_BEHIND < next) {
            return;
        }
        let since = now.saturating_duration_since(self.origin).as_micros();
        let at = i64::try_from(since / u128::from(TransportCcFeedback::DELTA_UNIT_US))
            .unwrap_or(i64::MAX);
        let arrival = Arrival {
            sequence,
            at,
            media,
        };
        // Nearly always the newest: search from the back.
        let behind = self
            .arrivals
            .iter()
            .rev()
            .take_while(|other| other.sequence > sequence)
            .count();
        let index = self.arrivals.len() - behind;
        let former = index
            .checked_sub(1)
            .and_then(|index| self.arrivals.get(index));
        if former.is_some_and(|former| former.sequence == sequence) {
            return;
        }
        self.arrivals.insert(index, arrival);
        let last_report = *self.last_report.get_or_insert(now);
        if is_due(
            self.arrivals.len(),
            now.saturating_duration_since(last_report),
            marker,
        ) {
            self.report(now, media);
        }
    }

    /// The next report to send; its `sender` is the media SSRC, as in all our feedback.
    pub fn poll_report(&mut self) -> Option<TransportCcFeedback> {
        self.ready.pop_front()
    }

    /// Extends a number. One that is impossibly far from the newest means that the publisher started over.
    fn extend(&mut self, sequence: u16) -> u64 {
        let extended = self.sequence.peek(sequence);
        if self
            .sequence
            .highest()
            .is_some_and(|highest| extended.abs_diff(highest) > MAX_JUMP)
        {
            self.sequence = Unwrap16::default();
            self.arrivals.clear();
            self.next = None;
        }
        self.sequence.unwrap(sequence)
    }

    /// Turns the arrivals into as many reports as their span takes.
    fn report(&mut self, now: Instant, media: Ssrc) {
        self.last_report = Some(now);
        while let Some(&first) = self.arrivals.front() {
            // Missing numbers since the last report belong to this one, but a late packet alone starts at itself.
            let base = self
                .next
                .filter(|&next| next < first.sequence)
                .unwrap_or(first.sequence);
            let base = base.max(first.sequence.saturating_sub(MAX_LEADING_LOSS));
            let feedback = self.take_feedback(base, &first, media);
            if self.ready.len() == MAX_READY {
                self.ready.pop_front();
            }
            self.ready.push_back(feedback);
        }
    }

    /// Takes from the front what one report from `base` on can hold: at least the first arrival.
    fn take_feedback(&mut self, base: u64, first: &Arrival, media: Ssrc) -> TransportCcFeedback {
        let reference = first.at.div_euclid(DELTAS_PER_REFERENCE);
        let mut former = reference * DELTAS_PER_REFERENCE;
        let mut statuses = Vec::with_capacity(self.arrivals.len() + MAX_LEADING_LOSS as usize);
        let mut media = media;
        // Between late packets lie numbers that were reported as received: a report must not call them missing.
        let late = self.next.is_some_and(|next| base < next);
        while let Some(arrival) = self.arrivals.front() {
            let index = (arrival.sequence - base) as usize;
            let Ok(delta) = i16::try_from(arrival.at - former) else {
                break;
            };
            if index >= TransportCcFeedback::MAX_STATUSES || (late && index > statuses.len()) {
                break;
            }
            statuses.resize(index, None);
            statuses.push(Some(delta));
            former = arrival.at;
            media = arrival.media;
            self.next = self.next.max(Some(arrival.sequence + 1));
            self.arrivals.pop_front();
        }
        let feedback_count = self.feedback_count;
        self.feedback_count = feedback_count.wrapping_add(1);
        TransportCcFeedback {
            sender: media,
            media,
            base_sequence: base as u16,
            reference_time: (reference as u32) & 0x00ff_ffff,
            feedback_count,
            arrivals: statuses,
        }
    }
}

/// livekit-server's rule: more than 20 packets, and 100 ms since the last report, more than 100 packets, or the end of
/// a frame after 50 ms.
fn is_due(packets: usize, elapsed: Duration, marker: bool) -> bool {
    packets > MIN_PACKETS
        && (elapsed >= INTERVAL || packets > MANY_PACKETS || (marker && elapsed >= FRAME_INTERVAL))
}

const MIN_PACKETS: usize = 20;
const MANY_PACKETS: usize = 100;
const INTERVAL: Duration = Duration::from_millis(100);
const FRAME_INTERVAL: Duration = Duration::from_millis(50);
/// Arrivals between two reports: the report is made when there are more than [`MANY_PACKETS`].
const MAX_ARRIVALS: usize = MANY_PACKETS + 2;
/// Reports waiting to be fetched.
const MAX_READY: usize = 32;
/// A packet further behind the last report is of no use to the publisher's estimate.
const MAX_BEHIND: u64 = 500;
/// Numbers further away are a new count.
const MAX_JUMP: u64 = 16_384;
/// Of a gap before the first arrival of a report this much is told.
const MAX_LEADING_LOSS: u64 = 500;
/// A reference time unit (64 ms) in units of 250 µs.
const DELTAS_PER_REFERENCE: i64 =
    (TransportCcFeedback::REFERENCE_UNIT_US / TransportCcFeedback::DELTA_UNIT_US).cast_signed();

#[cfg(test)]
mod tests;
