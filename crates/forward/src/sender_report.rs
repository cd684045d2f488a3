//! The publisher's sender reports: its wall clock against the RTP clock of each layer.

use std::time::{Duration, Instant};

/// The last sender report of one layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderReportMap {
    /// The publisher's NTP time, UQ32.32 seconds.
    pub ntp: u64,
    /// The same instant on the layer's RTP clock.
    pub rtp: u32,
    /// When the report came in.
    pub at: Instant,
}

impl SenderReportMap {
    /// Takes a report over a former one; `None` where it must be ignored: a report without wall clock (NTP 0, RFC 3550
    /// section 6.4.1), or one that was overtaken by a later one.
    pub fn update(former: Option<Self>, now: Instant, ntp: u64, rtp: u32) -> Option<Self> {
        let overtaken = former.is_some_and(|former| {
            let behind = former.ntp.wrapping_sub(ntp);
            behind > 0 && behind < MAX_OVERTAKEN
        });
        (ntp != 0 && !overtaken).then_some(Self { ntp, rtp, at: now })
    }

    /// LSR of our report blocks: the middle 32 bits.
    pub const fn last_sender_report(&self) -> u32 {
        (self.ntp >> 16) as u32
    }

    /// DLSR of our report blocks, 1/65,536 s.
    pub fn delay(&self, now: Instant) -> u32 {
        let units = now.saturating_duration_since(self.at).as_micros() * 65_536 / 1_000_000;
        u32::try_from(units).unwrap_or(u32::MAX)
    }

    /// The RTP timestamp of a NTP time, by a clock of `clock_rate` Hz, rounded; wraps as timestamps do.
    pub fn timestamp_at(&self, ntp: u64, clock_rate: u32) -> u32 {
        let ahead = i128::from(ntp.wrapping_sub(self.ntp).cast_signed()) * i128::from(clock_rate);
        self.rtp.wrapping_add(((ahead + (1 << 31)) >> 32) as u32)
    }

    /// The NTP time of an RTP timestamp, by a clock of `clock_rate` Hz, rounded; the nearer way around the wrap.
    pub fn ntp_at(&self, timestamp: u32, clock_rate: u32) -> u64 {
        let rate = i128::from(clock_rate.max(1));
        let ahead = i128::from(timestamp.wrapping_sub(self.rtp).cast_signed()) << 32;
        self.ntp
            .wrapping_add((ahead + rate / 2).div_euclid(rate) as u64)
    }

    /// The publisher's NTP time now, by the time since the report came in.
    pub fn ntp_now(&self, now: Instant) -> u64 {
        self.ntp
            .wrapping_add(ntp_duration(now.saturating_duration_since(self.at)))
    }
}

/// A duration as UQ32.32 seconds.
pub fn ntp_duration(duration: Duration) -> u64 {
    let fraction = (u64::from(duration.subsec_nanos()) << 32) / 1_000_000_000;
    duration.as_secs() << 32 | fraction
}

/// A report behind the last one by less than this was overtaken; by more, the publisher's clock was set back. 10 s.
const MAX_OVERTAKEN: u64 = 10 << 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_packets::at;

    const SECOND: u64 = 1 << 32;

    #[test]
    fn timestamps_and_wall_clock_convert_across_the_wrap() {
        let map = SenderReportMap {
            ntp: 100 * SECOND,
            rtp: u32::MAX - 1_000,
            at: at(0),
        };
        let timestamp = map.timestamp_at(101 * SECOND, 90_000);
        assert_eq!(timestamp, (u32::MAX - 1_000).wrapping_add(90_000));
        assert_eq!(map.ntp_at(timestamp, 90_000), 101 * SECOND);
        assert_eq!(
            map.ntp_at(u32::MAX - 46_000, 90_000),
            100 * SECOND - SECOND / 2
        );
        assert_eq!(map.ntp_now(at(500)), 100 * SECOND + SECOND / 2);
    }

    #[test]
    fn a_report_without_wall_clock_or_overtaken_is_ignored() {
        let first = SenderReportMap::update(None, at(0), 100 * SECOND, 5);
        assert!(first.is_some());
        assert_eq!(SenderReportMap::update(first, at(1), 0, 5), None);
        assert_eq!(SenderReportMap::update(first, at(1), 99 * SECOND, 5), None);
        assert!(
            SenderReportMap::update(first, at(1), 50 * SECOND, 5).is_some(),
            "the clock was set back"
        );
    }

    #[test]
    fn the_delay_since_a_report_is_in_65536ths() {
        let map = SenderReportMap {
            ntp: 0x0001_2345_6789_abcd,
            rtp: 0,
            at: at(0),
        };
        assert_eq!(map.last_sender_report(), 0x2345_6789);
        assert_eq!(map.delay(at(1_500)), 98_304);
    }
}
