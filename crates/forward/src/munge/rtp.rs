//! Sequence numbers and timestamps of one outgoing stream, continuous over layer switches, pauses and restarts.

use std::time::{Duration, Instant};

use super::offsets::OffsetMap;
use crate::layers::Layers;
use crate::packet::PacketMeta;
use crate::sender_report::SenderReportMap;

/// The state that another subscription on the same SSRC must go on with: a sequence number is never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamState {
    /// Highest extended sequence number used.
    pub sequence: u64,
    /// Highest timestamp used, and when.
    pub timestamp: u32,
    /// When it was used.
    pub at: Instant,
}

/// Place of a packet in the outgoing stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Extended sequence number.
    pub sequence: u64,
    /// Timestamp.
    pub timestamp: u32,
    /// How it follows the packet before.
    pub step: Step,
}

/// How a packet follows the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Next, or late, in the same stream.
    Same,
    /// First after a pause, of the stream from before it.
    Resumed,
    /// First of another stream.
    Switched,
}

/// Numbers the packets of one outgoing stream.
#[derive(Debug)]
pub struct RtpMunger {
    clock_rate: u32,
    /// Highest extended sequence number used.
    sequence: u64,
    /// Highest timestamp used and when; none before the first packet.
    newest: Option<(u32, Instant)>,
    /// First timestamp, if there is nothing to go on from.
    initial_timestamp: u32,
    source: Option<Source>,
    /// False from a pause to the next packet: it follows without a gap whatever came in meanwhile.
    attached: bool,
}

/// The stream that is being forwarded.
#[derive(Debug)]
struct Source {
    layer: u8,
    epoch: u16,
    sequences: OffsetMap,
    /// Outgoing minus incoming timestamp.
    delta: u32,
    /// What `delta` has too much, ticks: where the sender's clock asked for a time that was already used.
    excess: u32,
}

impl RtpMunger {
    /// Starts at random numbers, which the caller draws; the sequence number below 2^15 so that the first wrap is
    /// far off (RFC 3711 section 3.3.1).
    pub fn new(clock_rate: u32, random: u64) -> Self {
        Self {
            clock_rate,
            sequence: random & 0x7fff,
            newest: None,
            initial_timestamp: (random >> 32) as u32,
            source: None,
            attached: false,
        }
    }

    /// Goes on from a former stream on the same SSRC.
    pub fn resume(clock_rate: u32, state: StreamState) -> Self {
        Self {
            sequence: state.sequence,
            newest: Some((state.timestamp, state.at)),
            ..Self::new(clock_rate, 0)
        }
    }

    /// What another stream on this SSRC must go on from; none where nothing was sent.
    pub fn state(&self) -> Option<StreamState> {
        let (timestamp, at) = self.newest?;
        Some(StreamState {
            sequence: self.sequence,
            timestamp,
            at,
        })
    }

    /// Highest extended sequence number used.
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// True where `meta` belongs to the stream that is being forwarded.
    #[inline]
    pub fn follows(&self, meta: &PacketMeta) -> bool {
        self.attached && self.is_source(meta)
    }

    /// Numbers for a packet that is forwarded; one from another source than the last becomes the source.
    /// None for a packet whose place was closed up, or that is too old to tell.
    #[inline]
    pub fn keep(&mut self, meta: &PacketMeta, layers: &Layers) -> Option<Place> {
        let step = self.step_to(meta);
        if step != Step::Same {
            self.attach(meta, layers);
        }
        let source = self.source.as_mut()?;
        let sequence = source.sequences.keep(meta.sequence)?;
        let timestamp = meta.timestamp.wrapping_add(source.delta);
        self.sequence = self.sequence.max(sequence);
        self.note_timestamp(timestamp, meta.arrival);
        Some(Place {
            sequence,
            timestamp,
            step,
        })
    }

    fn step_to(&self, meta: &PacketMeta) -> Step {
        match (self.follows(meta), self.is_source(meta)) {
            (true, _) => Step::Same,
            (false, true) => Step::Resumed,
            (false, false) => Step::Switched,
        }
    }

    fn is_source(&self, meta: &PacketMeta) -> bool {
        let source = self.source.as_ref().map(|s| (s.layer, s.epoch));
        source == Some((meta.layer, meta.epoch))
    }

    /// Closes up over a packet of the source that is not forwarded.
    pub fn leave_out(&mut self, meta: &PacketMeta) {
        if self.follows(meta)
            && let Some(source) = &mut self.source
        {
            source.sequences.leave_out(meta.sequence);
        }
    }

    /// The numbers that a late packet of the source has, or would have. None where its place was closed up.
    pub fn place_of(&self, meta: &PacketMeta) -> Option<Place> {
        self.place_before(meta, 0, 0)
    }

    /// As [`Self::place_of`], for the packet `back` places and `age` ticks before `meta`.
    pub fn place_before(&self, meta: &PacketMeta, back: u64, age: u32) -> Option<Place> {
        let source = self.source.as_ref().filter(|_| self.follows(meta))?;
        let sequence = source.sequences.peek(meta.sequence.checked_sub(back)?)?;
        let timestamp = meta.timestamp.wrapping_sub(age).wrapping_add(source.delta);
        Some(Place {
            sequence,
            timestamp,
            step: Step::Same,
        })
    }

    /// Numbers for a packet of our own, `ticks` after the newest one; what comes next follows it.
    pub fn inject(&mut self, now: Instant, ticks: u32) -> Option<Place> {
        let (timestamp, _) = self.newest?;
        let timestamp = timestamp.wrapping_add(ticks);
        self.sequence += 1;
        self.newest = Some((timestamp, now));
        self.attached = false;
        Some(Place {
            sequence: self.sequence,
            timestamp,
            step: Step::Same,
        })
    }

    /// Pauses: the next packet follows the last one without a gap.
    pub const fn detach(&mut self) {
        self.attached = false;
    }

    /// The outgoing timestamp at a time of the source's sender, for sender reports.
    pub fn outgoing_timestamp(&self, layers: &Layers, ntp: u64) -> Option<u32> {
        let source = self.source.as_ref()?;
        let report = report_of(layers, source.layer)?;
        Some(
            report
                .timestamp_at(ntp, self.clock_rate)
                .wrapping_add(source.delta),
        )
    }

    /// The RTP stream being forwarded.
    pub fn layer(&self) -> Option<u8> {
        self.source.as_ref().map(|s| s.layer)
    }

    fn attach(&mut self, meta: &PacketMeta, layers: &Layers) {
        let (timestamp, excess) = self.next_timestamp(meta, layers);
        let next = self.sequence + 1;
        let sequences = match self.source.take() {
            Some(former) => {
                let mut sequences = former.sequences;
                sequences.restart(meta.sequence, next);
                sequences
            }
            None => OffsetMap::new(meta.sequence, next),
        };
        self.source = Some(Source {
            layer: meta.layer,
            epoch: meta.epoch,
            sequences,
            delta: timestamp.wrapping_sub(meta.timestamp),
            excess,
        });
        self.attached = true;
    }

    /// The timestamp of the first packet of a source, and how much later that is than its sender asked for.
    fn next_timestamp(&self, meta: &PacketMeta, layers: &Layers) -> (u32, u32) {
        let Some((newest, at)) = self.newest else {
            return (self.initial_timestamp, 0);
        };
        let elapsed = self.ticks(meta.arrival.saturating_duration_since(at));
        let by_arrival = newest.wrapping_add(elapsed);
        let same_source = self.source.as_ref().filter(|_| self.is_source(meta));
        let wanted = match same_source {
            Some(source) => Some(
                meta.timestamp
                    .wrapping_add(source.delta)
                    .wrapping_sub(source.excess),
            ),
            None => self.by_sender_clock(meta, layers),
        };
        let ahead = if same_source.is_some() {
            RESUME_AHEAD
        } else {
            SWITCH_AHEAD
        };
        let wanted = wanted.filter(|wanted| {
            let difference = i64::from(wanted.wrapping_sub(by_arrival).cast_signed());
            (-i64::from(self.ticks(BEHIND))..=i64::from(self.ticks(ahead))).contains(&difference)
        });
        let asked = wanted.unwrap_or(by_arrival);
        let forward = asked.wrapping_sub(newest).cast_signed() > 0;
        let timestamp = if forward {
            asked
        } else {
            newest.wrapping_add(1)
        };
        (
            timestamp,
            wanted.map_or(0, |wanted| timestamp.wrapping_sub(wanted)),
        )
    }

    /// Where the sender's clock, by the reports on both layers, puts a packet in the outgoing stream.
    fn by_sender_clock(&self, meta: &PacketMeta, layers: &Layers) -> Option<u32> {
        let source = self.source.as_ref()?;
        let to = report_of(layers, meta.layer)?;
        let from = report_of(layers, source.layer).filter(|_| source.layer != meta.layer)?;
        let captured = to.ntp_at(meta.timestamp, self.clock_rate);
        let there = from.timestamp_at(captured, self.clock_rate);
        Some(there.wrapping_add(source.delta).wrapping_sub(source.excess))
    }

    #[inline]
    fn note_timestamp(&mut self, timestamp: u32, at: Instant) {
        let newer = self
            .newest
            .is_none_or(|(newest, _)| timestamp.wrapping_sub(newest).cast_signed() > 0);
        if newer {
            self.newest = Some((timestamp, at));
        }
    }

    fn ticks(&self, duration: Duration) -> u32 {
        (duration.as_micros() * u128::from(self.clock_rate) / 1_000_000) as u32
    }
}

fn report_of(layers: &Layers, layer: u8) -> Option<&SenderReportMap> {
    layers.reports.get(usize::from(layer))?.as_ref()
}

/// How far behind its arrival the sender's clock may put a packet before we go by the arrival.
const BEHIND: Duration = Duration::from_millis(200);
/// How far ahead at a layer switch.
const SWITCH_AHEAD: Duration = Duration::from_millis(200);
/// How far ahead after a pause.
const RESUME_AHEAD: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_packets::{at, meta};

    const SECOND: u64 = 1 << 32;

    fn packet(layer: u8, sequence: u64, timestamp: u32, ms: u64) -> PacketMeta {
        PacketMeta {
            layer,
            timestamp,
            arrival: at(ms),
            ..meta(sequence)
        }
    }

    fn report(ntp_ms: u64, rtp: u32) -> SenderReportMap {
        SenderReportMap {
            ntp: 100 * SECOND + ntp_ms * SECOND / 1000,
            rtp,
            at: at(0),
        }
    }

    fn munger() -> RtpMunger {
        RtpMunger::new(90_000, 5_000 << 32 | 0x7ff0)
    }

    #[test]
    fn numbers_continue_over_a_switch_by_the_senders_clock() {
        let layers = Layers {
            reports: [Some(report(0, 1_000)), Some(report(0, 500_000)), None],
            ..Layers::default()
        };
        let mut munger = munger();
        munger.keep(&packet(0, 70_000, 1_000, 0), &layers);
        let last = munger
            .keep(&packet(0, 70_001, 1_000 + 3_000, 33), &layers)
            .unwrap();
        // Captured at 66 ms, but 40 ms late.
        let first = munger
            .keep(&packet(1, 90_000, 500_000 + 6_000, 106), &layers)
            .unwrap();
        assert_eq!(first.step, Step::Switched);
        assert_eq!(first.sequence, last.sequence + 1);
        assert_eq!(first.timestamp, last.timestamp + 3_000);
    }

    #[test]
    fn a_switch_into_the_past_takes_one_tick_and_does_not_add_up() {
        let layers = Layers {
            reports: [Some(report(0, 0)), Some(report(0, 0)), None],
            ..Layers::default()
        };
        let mut munger = munger();
        let first = munger.keep(&packet(0, 1, 9_000, 100), &layers).unwrap();
        let same_frame = munger.keep(&packet(1, 1, 9_000, 110), &layers).unwrap();
        assert_eq!(same_frame.timestamp, first.timestamp + 1);
        let back = munger.keep(&packet(0, 5, 18_000, 210), &layers).unwrap();
        assert_eq!(back.timestamp, first.timestamp + 9_000);
    }

    #[test]
    fn without_reports_arrival_decides() {
        let mut munger = munger();
        let first = munger
            .keep(&packet(0, 1, 9_000, 100), &Layers::default())
            .unwrap();
        let other = munger
            .keep(&packet(2, 1, 1_234_567, 150), &Layers::default())
            .unwrap();
        assert_eq!(other.timestamp, first.timestamp + 50 * 90);
    }

    #[test]
    fn an_absurd_sender_clock_is_not_followed() {
        let layers = Layers {
            reports: [Some(report(0, 0)), Some(report(3_600_000, 0)), None],
            ..Layers::default()
        };
        let mut munger = munger();
        let first = munger.keep(&packet(0, 1, 9_000, 100), &layers).unwrap();
        let other = munger.keep(&packet(1, 1, 9_000, 150), &layers).unwrap();
        assert_eq!(other.timestamp, first.timestamp + 50 * 90);
    }

    #[test]
    fn a_pause_closes_the_sequence_and_keeps_the_clock() {
        let layers = Layers::default();
        let mut munger = munger();
        let first = munger.keep(&packet(0, 1, 0, 0), &layers).unwrap();
        munger.detach();
        assert_eq!(munger.place_of(&packet(0, 2, 0, 0)), None);
        let next = munger
            .keep(&packet(0, 500, 900_000, 10_020), &layers)
            .unwrap();
        assert_eq!(next.sequence, first.sequence + 1);
        assert_eq!(next.timestamp, first.timestamp + 900_000);
        assert_eq!(next.step, Step::Resumed);
    }

    #[test]
    fn a_restarted_clock_goes_on_by_arrival() {
        let layers = Layers {
            reports: [Some(report(0, 0)), None, None],
            ..Layers::default()
        };
        let mut munger = munger();
        let first = munger.keep(&packet(0, 1, 77, 0), &layers).unwrap();
        let restarted = PacketMeta {
            epoch: 1,
            ..packet(0, 100_000, 4_000_000_000, 1_000)
        };
        let next = munger.keep(&restarted, &layers).unwrap();
        assert_eq!(
            (next.sequence, next.timestamp),
            (first.sequence + 1, first.timestamp + 90_000)
        );
    }

    #[test]
    fn another_subscription_on_the_ssrc_goes_on_after_the_last_number() {
        let mut munger = munger();
        let first = munger
            .keep(&packet(0, 1, 77, 0), &Layers::default())
            .unwrap();
        let mut next = RtpMunger::resume(90_000, munger.state().unwrap());
        let place = next
            .keep(&packet(0, 8, 40, 100), &Layers::default())
            .unwrap();
        assert_eq!(place.sequence, first.sequence + 1);
        assert_eq!(place.timestamp, first.timestamp + 9_000);
    }

    #[test]
    fn sequence_and_timestamp_wrap() {
        let mut munger = RtpMunger::new(90_000, u64::MAX << 32 | 0x7fff);
        let mut places = Vec::new();
        for n in 0..40_000u64 {
            let packet = packet(0, 65_500 + n, u32::MAX.wrapping_add(n as u32), n);
            places.push(munger.keep(&packet, &Layers::default()).unwrap());
        }
        assert!(
            places
                .windows(2)
                .all(|w| w[1].sequence == w[0].sequence + 1)
        );
        assert!(
            places
                .windows(2)
                .all(|w| w[1].timestamp == w[0].timestamp.wrapping_add(1))
        );
        assert!(places.last().unwrap().sequence > 65_535);
    }
}
