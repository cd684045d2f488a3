//! Values of the header extensions that we read or write.

use std::time::Duration;

/// Client-to-mixer audio level (RFC 6464).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioLevel {
    /// Magnitude in -dBov: 0 is the loudest, 127 silence.
    pub level: u8,
    /// Voice activity; meaningless where the sender does not detect it.
    pub voice: bool,
}

impl AudioLevel {
    /// Reads the value; `None` where it is empty.
    #[inline]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let &byte = value.first()?;
        Some(Self {
            level: byte & 0x7f,
            voice: byte & 0x80 != 0,
        })
    }

    /// The value on the wire.
    #[inline]
    pub const fn to_bytes(self) -> [u8; 1] {
        [(self.voice as u8) << 7 | self.level & 0x7f]
    }
}

/// When a frame was captured (abs-capture-time).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbsCaptureTime {
    /// NTP time of the capture by the clock of the last system that wrote it, UQ32.32 seconds.
    pub ntp: u64,
    /// Estimate of the capturer's clock minus the writer's, Q32.32 seconds.
    pub clock_offset: Option<i64>,
}

impl AbsCaptureTime {
    /// Reads the short (8 bytes) or the extended form (16 bytes).
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (ntp, rest) = value.split_first_chunk::<8>()?;
        let clock_offset = match rest.len() {
            0 => None,
            _ => Some(i64::from_be_bytes(*rest.first_chunk::<8>()?)),
        };
        Some(Self {
            ntp: u64::from_be_bytes(*ntp),
            clock_offset,
        })
    }

    /// Writes the value; the number says how many of the bytes it takes.
    pub fn to_bytes(self) -> ([u8; 16], usize) {
        let mut bytes = [0; 16];
        let (ntp, offset) = bytes.split_at_mut(8);
        ntp.copy_from_slice(&self.ntp.to_be_bytes());
        offset.copy_from_slice(&self.clock_offset.unwrap_or(0).to_be_bytes());
        (bytes, if self.clock_offset.is_some() { 16 } else { 8 })
    }
}

/// How long a receiver should buffer (playout-delay), each in units of 10 ms, at most 4,095.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlayoutDelay {
    /// At least.
    pub min: u16,
    /// At most.
    pub max: u16,
}

impl PlayoutDelay {
    /// Reads the value; `None` where it is not three bytes.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let &[a, b, c] = value else { return None };
        Some(Self {
            min: u16::from(a) << 4 | u16::from(b) >> 4,
            max: u16::from(b & 0x0f) << 8 | u16::from(c),
        })
    }

    /// From durations, which are cut at 40.95 s.
    pub fn from_durations(min: Duration, max: Duration) -> Self {
        let units = |delay: Duration| {
            u16::try_from(delay.as_millis() / 10)
                .unwrap_or(0xfff)
                .min(0xfff)
        };
        Self {
            min: units(min),
            max: units(max),
        }
    }

    /// The value on the wire.
    pub const fn to_bytes(self) -> [u8; 3] {
        [
            (self.min >> 4) as u8,
            (self.min << 4) as u8 | (self.max >> 8) as u8 & 0x0f,
            self.max as u8,
        ]
    }
}

/// The value of abs-send-time: seconds since any epoch in 6.18 fixed point, wrapping each 64 s.
#[inline]
pub const fn abs_send_time(since_epoch: Duration) -> [u8; 3] {
    let fraction = ((since_epoch.subsec_nanos() as u64) << 18) / 1_000_000_000;
    let fixed = (since_epoch.as_secs() << 18) | fraction;
    let [_, a, b, c] = (fixed as u32 & 0x00ff_ffff).to_be_bytes();
    [a, b, c]
}

/// Transport-wide sequence number (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 2).
#[inline]
pub fn parse_transport_cc(value: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(*value.first_chunk::<2>()?))
}

/// A mid, rid or repaired rid (RFC 9143, RFC 8852): visible ASCII, without the zeros some senders pad it with.
pub fn parse_identifier(value: &[u8]) -> Option<&str> {
    let len = value
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(value.len());
    let text = value.get(..len)?;
    let legal = !text.is_empty() && text.iter().all(u8::is_ascii_graphic);
    legal.then(|| str::from_utf8(text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audio_level_round_trips() {
        let level = AudioLevel {
            level: 35,
            voice: true,
        };
        assert_eq!(level.to_bytes(), [0xa3]);
        assert_eq!(AudioLevel::parse(&[0xa3]), Some(level));
        assert_eq!(AudioLevel::parse(&[]), None);
    }

    #[test]
    fn abs_capture_time_has_two_forms() {
        let short = AbsCaptureTime {
            ntp: 0x0102_0304_0506_0708,
            clock_offset: None,
        };
        let long = AbsCaptureTime {
            clock_offset: Some(-5),
            ..short
        };
        for time in [short, long] {
            let (bytes, len) = time.to_bytes();
            assert_eq!(AbsCaptureTime::parse(&bytes[..len]), Some(time));
        }
        assert_eq!(AbsCaptureTime::parse(&[0; 7]), None);
        assert_eq!(AbsCaptureTime::parse(&[0; 12]), None);
    }

    #[test]
    fn playout_delay_packs_two_twelve_bit_numbers() {
        let delay = PlayoutDelay {
            min: 0xabc,
            max: 0x123,
        };
        assert_eq!(delay.to_bytes(), [0xab, 0xc1, 0x23]);
        assert_eq!(PlayoutDelay::parse(&[0xab, 0xc1, 0x23]), Some(delay));
        let cut = PlayoutDelay::from_durations(Duration::from_millis(105), Duration::from_secs(99));
        assert_eq!(
            cut,
            PlayoutDelay {
                min: 10,
                max: 0xfff
            }
        );
    }

    #[test]
    fn abs_send_time_wraps_each_64_seconds() {
        assert_eq!(abs_send_time(Duration::from_millis(500)), [0x02, 0, 0]);
        assert_eq!(abs_send_time(Duration::from_secs(63)), [0xfc, 0, 0]);
        assert_eq!(abs_send_time(Duration::from_secs(64)), [0, 0, 0]);
    }

    #[test]
    fn identifiers_are_visible_ascii() {
        assert_eq!(parse_identifier(b"f"), Some("f"));
        assert_eq!(parse_identifier(b"h\0\0"), Some("h"));
        assert_eq!(parse_identifier(b"\0"), None);
        assert_eq!(parse_identifier(b"a b"), None);
        assert_eq!(parse_identifier("ü".as_bytes()), None);
    }
}
