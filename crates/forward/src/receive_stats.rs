//! Reception of one RTP stream: what is new, lost and late, and the report blocks that say so (RFC 3550 section 6.4).

use std::time::{Duration, Instant};

use sluice_wire::id::Ssrc;
use sluice_wire::rtcp::ReportBlock;
use sluice_wire::seq::Unwrap16;

use crate::sender_report::SenderReportMap;

/// State of one SSRC. Sequence numbers are the extended ones as received, padding packets included.
#[derive(Debug, Default)]
pub struct ReceiveStats {
    sequence: Unwrap16,
    first: Option<u64>,
    seen: SeenWindow,
    /// Came in on the stream itself, duplicates included as RFC 3550 wants it.
    received: u64,
    jitter: Jitter,
    reported: Totals,
    report_due: Option<Instant>,
    window: WindowCounts,
}

/// What a sequence number is to the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// Newest so far; `gap` tells that numbers between `former` and it are missing.
    Newest {
        /// The newest before it.
        former: Option<u64>,
    },
    /// Behind the newest, and for the first time.
    Late,
    /// Came in before.
    Duplicate,
    /// Too far behind to know.
    TooOld,
}

/// Counts of a quality window; see [`crate::quality`].
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct WindowCounts {
    /// Packets that the sender sent, by sequence numbers.
    pub expected: u64,
    /// Distinct packets that came in, repaired ones too.
    pub received: u64,
    /// Of them, those that a later one overtook.
    pub late: u64,
    /// Largest jitter, seconds.
    pub jitter_max: f64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Totals {
    expected: u64,
    received: u64,
}

impl ReceiveStats {
    /// The extended form of a received number; nothing is remembered.
    pub fn extend(&self, sequence: u16) -> u64 {
        self.sequence.peek(sequence)
    }

    /// The highest extended number so far.
    pub const fn highest(&self) -> Option<u64> {
        self.sequence.highest()
    }

    /// A packet on the stream itself, or with `repair` one that a retransmission stream brought back. Repairs do not
    /// count in reports: those tell the sender about the path, and quality counts them by itself.
    pub fn handle_packet(&mut self, now: Instant, sequence: u16, repair: bool) -> Arrival {
        let former = self.sequence.highest();
        let extended = self.sequence.unwrap(sequence);
        let first = *self.first.get_or_insert(extended);
        if extended < first {
            // Sent before the first one that came in, which was overtaken.
            self.first = Some(extended);
            self.window.expected += first - extended;
        }
        if !repair {
            self.received += 1;
            self.report_due.get_or_insert(now + REPORT_INTERVAL);
        }
        let arrival = self.seen.insert(former, extended);
        match arrival {
            Arrival::Newest { former } => {
                self.window.expected += extended - former.unwrap_or(extended - 1);
                self.window.received += 1;
            }
            Arrival::Late => {
                self.window.received += 1;
                self.window.late += u64::from(!repair);
            }
            Arrival::Duplicate | Arrival::TooOld => {}
        }
        arrival
    }

    /// The arrival time of a newest packet against its timestamp; `clock_rate` in Hz.
    pub fn handle_timing(&mut self, now: Instant, timestamp: u32, clock_rate: u32) {
        self.jitter.handle_packet(now, timestamp, clock_rate);
        self.window.jitter_max = self.window.jitter_max.max(self.jitter.seconds(clock_rate));
    }

    /// A report block, where packets came in and the last one is a second ago.
    pub fn handle_timeout(
        &mut self,
        now: Instant,
        ssrc: Ssrc,
        sender_report: Option<&SenderReportMap>,
    ) -> Option<ReportBlock> {
        self.report_due.take_if(|due| *due <= now)?;
        let (highest, first) = (self.sequence.highest()?, self.first?);
        let totals = Totals {
            expected: highest - first + 1,
            received: self.received,
        };
        let expected = totals.expected - self.reported.expected.min(totals.expected);
        let received = totals.received - self.reported.received;
        self.reported = totals;
        let lost = expected.saturating_sub(received);
        let fraction_lost = (lost * 256).checked_div(expected).unwrap_or(0).min(255);
        let total_lost = totals.expected.cast_signed() - totals.received.cast_signed();
        Some(ReportBlock {
            ssrc: ssrc.0,
            fraction_lost: fraction_lost as u8,
            total_lost: total_lost.clamp(-0x0080_0000, 0x007f_ffff) as i32,
            // Our numbering begins in the second cycle.
            highest_sequence: highest.wrapping_sub(1 << 16) as u32,
            jitter: self.jitter.ticks as u32,
            last_sender_report: sender_report.map_or(0, SenderReportMap::last_sender_report),
            delay: sender_report.map_or(0, |report| report.delay(now)),
        })
    }

    /// When [`Self::handle_timeout`] has a report.
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.report_due
    }

    /// The counts since the last call.
    pub fn take_window(&mut self) -> WindowCounts {
        std::mem::take(&mut self.window)
    }
}

/// Which of the last numbers came in.
#[derive(Debug)]
struct SeenWindow {
    bits: [u64; WINDOW_WORDS],
}

impl SeenWindow {
    fn insert(&mut self, highest: Option<u64>, sequence: u64) -> Arrival {
        let Some(highest) = highest else {
            self.set(sequence);
            return Arrival::Newest { former: None };
        };
        if sequence > highest {
            if sequence - highest >= WINDOW {
                self.bits = [0; WINDOW_WORDS];
            } else {
                (highest + 1..sequence).for_each(|skipped| self.clear(skipped));
            }
            self.set(sequence);
            return Arrival::Newest {
                former: Some(highest),
            };
        }
        if highest - sequence >= WINDOW {
            return Arrival::TooOld;
        }
        if self.set(sequence) {
            Arrival::Late
        } else {
            Arrival::Duplicate
        }
    }

    /// True where the bit was clear.
    fn set(&mut self, sequence: u64) -> bool {
        let bit = 1 << (sequence % 64);
        let Some(word) = self.bits.get_mut((sequence / 64) as usize % WINDOW_WORDS) else {
            return false;
        };
        let clear = *word & bit == 0;
        *word |= bit;
        clear
    }

    fn clear(&mut self, sequence: u64) {
        if let Some(word) = self.bits.get_mut((sequence / 64) as usize % WINDOW_WORDS) {
            *word &= !(1 << (sequence % 64));
        }
    }
}

impl Default for SeenWindow {
    fn default() -> Self {
        Self {
            bits: [0; WINDOW_WORDS],
        }
    }
}

/// Interarrival jitter (RFC 3550 appendix A.8), taken once per timestamp: packets of one video frame share it and
/// are spread by the sender's pacer, which says nothing about the path.
#[derive(Debug, Default)]
struct Jitter {
    last: Option<(Instant, u32)>,
    /// Clock units.
    ticks: f64,
}

impl Jitter {
    fn handle_packet(&mut self, now: Instant, timestamp: u32, clock_rate: u32) {
        if let Some((then, former)) = self.last {
            if former == timestamp {
                return;
            }
            let elapsed = now.saturating_duration_since(then).as_secs_f64() * f64::from(clock_rate);
            let deviation =
                (elapsed - f64::from(timestamp.wrapping_sub(former).cast_signed())).abs();
            // A pause or a new timestamp base is no jitter.
            if deviation < f64::from(clock_rate) * MAX_DEVIATION_S {
                self.ticks += (deviation - self.ticks) / 16.0;
            }
        }
        self.last = Some((now, timestamp));
    }

    fn seconds(&self, clock_rate: u32) -> f64 {
        self.ticks / f64::from(clock_rate.max(1))
    }
}

/// livekit-server reports about once a second.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Duplicates are known this far behind the newest packet: twice the largest packet buffer.
const WINDOW: u64 = 1_024;
const WINDOW_WORDS: usize = (WINDOW / 64) as usize;
const MAX_DEVIATION_S: f64 = 5.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_packets::at;

    fn report(stats: &mut ReceiveStats, ms: u64) -> ReportBlock {
        stats.handle_timeout(at(ms), Ssrc(7), None).unwrap()
    }

    #[test]
    fn arrivals_are_told_apart() {
        let mut stats = ReceiveStats::default();
        let mut arrive = |sequence| stats.handle_packet(at(0), sequence, false);
        assert_eq!(arrive(65_535), Arrival::Newest { former: None });
        assert_eq!(
            arrive(2),
            Arrival::Newest {
                former: Some(131_071)
            }
        );
        assert_eq!(arrive(0), Arrival::Late);
        assert_eq!(arrive(0), Arrival::Duplicate);
        assert_eq!(arrive(2), Arrival::Duplicate);
        assert_eq!(
            arrive(1_500),
            Arrival::Newest {
                former: Some(131_074)
            }
        );
        assert_eq!(arrive(1_500 - 1_024), Arrival::TooOld);
        assert_eq!(arrive(1_500 - 1_023), Arrival::Late);
    }

    #[test]
    fn a_report_says_what_was_lost_since_the_last_one() {
        let mut stats = ReceiveStats::default();
        for sequence in (0..100_u16).filter(|sequence| sequence % 4 != 1) {
            stats.handle_packet(at(0), sequence.wrapping_add(65_500), false);
        }
        assert_eq!(stats.handle_timeout(at(999), Ssrc(7), None), None);
        let first = report(&mut stats, 1_000);
        assert_eq!((first.fraction_lost, first.total_lost), (64, 25));
        assert_eq!(first.highest_sequence, 65_536 + 63);
        for sequence in 64..164 {
            stats.handle_packet(at(1_000), sequence, false);
        }
        let second = report(&mut stats, 2_000);
        assert_eq!((second.fraction_lost, second.total_lost), (0, 25));
    }

    #[test]
    fn duplicates_make_the_loss_negative() {
        let mut stats = ReceiveStats::default();
        for sequence in [1, 1, 1, 2] {
            stats.handle_packet(at(0), sequence, false);
        }
        let block = report(&mut stats, 1_000);
        assert_eq!((block.fraction_lost, block.total_lost), (0, -2));
    }

    #[test]
    fn repairs_count_for_quality_but_not_in_reports() {
        let mut stats = ReceiveStats::default();
        stats.handle_packet(at(0), 1, false);
        stats.handle_packet(at(0), 3, false);
        assert_eq!(stats.handle_packet(at(10), 2, true), Arrival::Late);
        assert_eq!(report(&mut stats, 1_000).total_lost, 1);
        let window = stats.take_window();
        assert_eq!((window.expected, window.received), (3, 3));
        assert_eq!(stats.take_window(), WindowCounts::default());
    }

    #[test]
    fn no_report_without_packets() {
        let mut stats = ReceiveStats::default();
        stats.handle_packet(at(0), 1, false);
        report(&mut stats, 1_000);
        assert_eq!(stats.poll_timeout(), None);
        assert_eq!(stats.handle_timeout(at(9_000), Ssrc(7), None), None);
    }

    #[test]
    fn jitter_follows_rfc_3550_across_the_timestamp_wrap() {
        let mut stats = ReceiveStats::default();
        let mut expected = 0.0;
        let first = u32::MAX - 1_000;
        for step in 0..50_u32 {
            let late = if step % 2 == 0 { 0 } else { 4 };
            let timestamp = first.wrapping_add(step * 960);
            stats.handle_timing(at(u64::from(step) * 20 + late), timestamp, 48_000);
            if step > 0 {
                expected += (192.0 - expected) / 16.0;
            }
        }
        stats.handle_packet(at(0), 1, false);
        let jitter = report(&mut stats, 1_000).jitter;
        assert!(
            (f64::from(jitter) - expected).abs() <= 1.0,
            "{jitter} against {expected}"
        );
    }

    #[test]
    fn the_sender_report_is_answered() {
        let mut stats = ReceiveStats::default();
        stats.handle_packet(at(0), 1, false);
        let map = SenderReportMap {
            ntp: 0xaaaa_bbbb_cccc_dddd,
            rtp: 0,
            at: at(500),
        };
        let block = stats
            .handle_timeout(at(1_000), Ssrc(7), Some(&map))
            .unwrap();
        assert_eq!(
            (block.last_sender_report, block.delay),
            (0xbbbb_cccc, 32_768)
        );
    }
}
