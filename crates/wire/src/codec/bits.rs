//! Bits, most significant first, read from and written to byte slices.

/// Reads bits; every read past the end is `None` and leaves the reader at the end.
#[derive(Debug, Clone)]
pub struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    /// Reads from the first bit of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bits read so far.
    pub const fn position(&self) -> usize {
        self.at
    }

    /// One bit.
    pub fn bit(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// Up to 32 bits.
    pub fn bits(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count.min(32) {
            value = value << 1 | u32::from(self.bit()?);
        }
        Some(value)
    }

    /// Leaves out `count` bits, which must be there.
    pub fn skip(&mut self, count: usize) -> Option<()> {
        let to = self.at.checked_add(count)?;
        if to > self.bytes.len() * 8 {
            return None;
        }
        self.at = to;
        Some(())
    }

    /// Unsigned Exp-Golomb, H.264 section 9.1.
    pub fn exp_golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let rest = self.bits(zeros)?;
        Some(((1u64 << zeros) - 1) as u32 + rest)
    }

    /// Signed Exp-Golomb, H.264 section 9.1.1.
    pub fn signed_exp_golomb(&mut self) -> Option<i64> {
        let code = i64::from(self.exp_golomb()?);
        Some(if code % 2 == 0 {
            -(code / 2)
        } else {
            code / 2 + 1
        })
    }

    /// Non-symmetric unsigned value below `n`, AV1 RTP specification appendix A.8.
    pub fn non_symmetric(&mut self, n: u32) -> Option<u32> {
        if n <= 1 {
            return Some(0);
        }
        let width = 32 - n.leading_zeros();
        let short = (1u64 << width) as u32;
        let short = short.wrapping_sub(n);
        let value = self.bits(width - 1)?;
        if value < short {
            return Some(value);
        }
        Some((value << 1 | u32::from(self.bit()?)) - short)
    }
}

/// Writes bits; a write past the end is `None`.
#[derive(Debug)]
pub struct BitWriter<'a> {
    bytes: &'a mut [u8],
    at: usize,
}

impl<'a> BitWriter<'a> {
    /// Writes from the first bit of `bytes`.
    pub const fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes begun so far.
    pub const fn bytes_written(&self) -> usize {
        self.at.div_ceil(8)
    }

    /// The lower `count` bits of `value`, `count` up to 32.
    pub fn bits(&mut self, value: u32, count: u32) -> Option<()> {
        for shift in (0..count.min(32)).rev() {
            let byte = self.bytes.get_mut(self.at / 8)?;
            let mask = 0x80 >> (self.at % 8);
            if value >> shift & 1 == 1 {
                *byte |= mask;
            } else {
                *byte &= !mask;
            }
            self.at += 1;
        }
        Some(())
    }

    /// Zeros up to the next whole byte.
    pub fn align(&mut self) -> Option<()> {
        while !self.at.is_multiple_of(8) {
            self.bits(0, 1)?;
        }
        Some(())
    }
}

/// Strips emulation prevention (`00 00 03`) from the first bytes of a NAL unit into `out`; returns how many
/// bytes it wrote (H.264 section 7.4.1).
pub fn unescape<'a>(nal: &[u8], out: &'a mut [u8]) -> &'a [u8] {
    let mut zeros = 0;
    let mut len = 0;
    for &byte in nal {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        let Some(slot) = out.get_mut(len) else { break };
        *slot = byte;
        len += 1;
        zeros = if byte == 0 { zeros + 1 } else { 0 };
    }
    out.get(..len).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_golomb_follows_the_table_of_h264() {
        let mut bits = BitReader::new(&[0b1010_0110, 0b0100_0010, 0b1000_0000]);
        let values: Vec<_> = std::iter::from_fn(|| bits.exp_golomb()).take(5).collect();
        assert_eq!(values, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn non_symmetric_uses_the_short_form_first() {
        // n = 5: width 3, 3 short values of two bits, then three bits.
        let mut bits = BitReader::new(&[0b0001_1011, 0b0111_0000]);
        let values: Vec<_> = (0..5).filter_map(|_| bits.non_symmetric(5)).collect();
        assert_eq!(values, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn unescape_drops_the_third_byte_only() {
        let mut out = [0; 8];
        assert_eq!(unescape(&[1, 0, 0, 3, 1, 3], &mut out), [1, 0, 0, 1, 3]);
    }
}
