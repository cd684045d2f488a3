//! Serial number arithmetic (RFC 1982) for the 16-bit sequence numbers and 32-bit timestamps of RTP.

/// True where `a` comes after `b`, at most half the number space ahead of it (RFC 1982 section 3.2).
#[inline]
pub const fn newer_u16(a: u16, b: u16) -> bool {
    a != b && a.wrapping_sub(b) < 1 << 15
}

/// True where `a` comes after `b`, at most half the number space ahead of it (RFC 1982 section 3.2).
#[inline]
pub const fn newer_u32(a: u32, b: u32) -> bool {
    a != b && a.wrapping_sub(b) < 1 << 31
}

/// Extends 16-bit sequence numbers to 64 bits, relative to the highest one seen.
///
/// The first number `v` becomes `65_536 + v`, so that packets which were sent before the first one
/// received still have a number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unwrap16 {
    highest: Option<u64>,
}

impl Unwrap16 {
    /// The extended number of `value`; the highest one so far moves along.
    #[inline]
    pub fn unwrap(&mut self, value: u16) -> u64 {
        let extended = self.peek(value);
        if self.highest.is_none_or(|highest| extended > highest) {
            self.highest = Some(extended);
        }
        extended
    }

    /// As [`Self::unwrap`], but nothing is remembered.
    #[inline]
    pub fn peek(&self, value: u16) -> u64 {
        match self.highest {
            None => (1 << 16) + u64::from(value),
            Some(highest) => {
                let ahead = value.wrapping_sub(highest as u16).cast_signed();
                highest.saturating_add_signed(i64::from(ahead))
            }
        }
    }

    /// The highest extended number so far.
    #[inline]
    pub const fn highest(&self) -> Option<u64> {
        self.highest
    }
}

/// Extends 32-bit timestamps to 64 bits, relative to the highest one seen. The first `v` becomes `2^32 + v`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unwrap32 {
    highest: Option<u64>,
}

impl Unwrap32 {
    /// The extended timestamp of `value`; the highest one so far moves along.
    #[inline]
    pub fn unwrap(&mut self, value: u32) -> u64 {
        let extended = self.peek(value);
        if self.highest.is_none_or(|highest| extended > highest) {
            self.highest = Some(extended);
        }
        extended
    }

    /// As [`Self::unwrap`], but nothing is remembered.
    #[inline]
    pub fn peek(&self, value: u32) -> u64 {
        match self.highest {
            None => (1 << 32) + u64::from(value),
            Some(highest) => {
                let ahead = value.wrapping_sub(highest as u32).cast_signed();
                highest.saturating_add_signed(i64::from(ahead))
            }
        }
    }

    /// The highest extended timestamp so far.
    #[inline]
    pub const fn highest(&self) -> Option<u64> {
        self.highest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_newer_than_those_up_to_half_the_space_behind_it() {
        assert!(newer_u16(1, 0));
        assert!(newer_u16(0, 65_535));
        assert!(newer_u16(32_767, 0));
        assert!(!newer_u16(32_768, 0));
        assert!(!newer_u16(7, 7));
        assert!(newer_u32(5, u32::MAX - 5));
        assert!(!newer_u32(u32::MAX - 5, 5));
    }

    #[test]
    fn sequence_numbers_extend_across_the_wrap_in_both_directions() {
        let mut unwrap = Unwrap16::default();
        assert_eq!(unwrap.unwrap(65_500), 65_536 + 65_500);
        assert_eq!(unwrap.unwrap(10), 2 * 65_536 + 10);
        assert_eq!(unwrap.unwrap(65_535), 65_536 + 65_535);
        assert_eq!(unwrap.highest(), Some(2 * 65_536 + 10));
    }

    #[test]
    fn numbers_below_the_first_one_are_below_it() {
        let mut unwrap = Unwrap16::default();
        assert_eq!(unwrap.unwrap(3), 65_539);
        assert_eq!(unwrap.unwrap(65_530), 65_530);
    }

    #[test]
    fn timestamps_extend_across_the_wrap() {
        let mut unwrap = Unwrap32::default();
        let first = unwrap.unwrap(u32::MAX - 1_000);
        assert_eq!(unwrap.unwrap(2_000), first + 3_001);
        assert_eq!(unwrap.unwrap(u32::MAX - 2_000), first - 1_000);
    }

    #[test]
    fn every_wrap_counts_over_a_long_stream() {
        let mut unwrap = Unwrap16::default();
        let mut expected = unwrap.unwrap(65_500);
        for step in 1..300_000_u64 {
            expected += 1;
            assert_eq!(unwrap.unwrap((65_500 + step) as u16), expected);
        }
    }
}
