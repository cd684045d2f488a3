//! H.264 payloads, RFC 6184: single NAL units, STAP-A and FU-A; the picture size from the sequence parameter set.

use super::bits::{BitReader, unescape};

const IDR: u8 = 5;
const SPS: u8 = 7;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;
/// A parameter set is read up to here: what follows the size does not matter.
const SPS_BYTES: usize = 128;

/// What one payload tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct H264View {
    /// A slice of an instantaneous decoder refresh picture is in it.
    pub idr: bool,
    /// A sequence parameter set is in it.
    pub parameter_set: bool,
    /// Width and height in pixels, from that parameter set.
    pub size: Option<(u16, u16)>,
    /// A NAL unit starts here (no continuation of a fragmented one).
    pub nal_start: bool,
}

impl H264View {
    /// Looks at every NAL unit of a payload. None for an empty or unknown one.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let (&indicator, rest) = payload.split_first()?;
        let mut view = Self::default();
        match indicator & 0x1f {
            1..=23 => view.add(payload),
            STAP_A => {
                let mut rest = rest;
                while let [a, b, units @ ..] = rest {
                    let len = usize::from(u16::from_be_bytes([*a, *b]));
                    let (unit, after) = units.split_at_checked(len)?;
                    view.add(unit);
                    rest = after;
                }
            }
            FU_A => {
                let &header = rest.first()?;
                view.nal_start = header & 0x80 != 0;
                view.idr = header & 0x1f == IDR;
                view.parameter_set = view.nal_start && header & 0x1f == SPS;
            }
            _ => return None,
        }
        Some(view)
    }

    /// True where decoding can start: parameter sets come first in such an access unit, and a decoder needs them.
    pub const fn is_key_frame_start(&self) -> bool {
        self.parameter_set
    }

    fn add(&mut self, unit: &[u8]) {
        self.nal_start = true;
        match unit.first().map(|header| header & 0x1f) {
            Some(IDR) => self.idr = true,
            Some(SPS) => {
                self.parameter_set = true;
                self.size = sps_size(unit.get(1..).unwrap_or_default()).or(self.size);
            }
            _ => {}
        }
    }
}

/// Width and height from a sequence parameter set without its NAL header (H.264 section 7.3.2.1.1).
fn sps_size(sps: &[u8]) -> Option<(u16, u16)> {
    let mut plain = [0; SPS_BYTES];
    let mut bits = BitReader::new(unescape(sps, &mut plain));
    let profile = bits.bits(8)?;
    bits.skip(16)?;
    bits.exp_golomb()?;
    let mut chroma_format = 1;
    let mut separate_planes = false;
    if matches!(
        profile,
        100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135
    ) {
        chroma_format = bits.exp_golomb()?;
        if chroma_format == 3 {
            separate_planes = bits.bit()?;
        }
        bits.exp_golomb()?;
        bits.exp_golomb()?;
        bits.skip(1)?;
        if bits.bit()? {
            for list in 0..if chroma_format == 3 { 12 } else { 8 } {
                if bits.bit()? {
                    skip_scaling_list(&mut bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    bits.exp_golomb()?;
    match bits.exp_golomb()? {
        0 => {
            bits.exp_golomb()?;
        }
        1 => {
            bits.skip(1)?;
            bits.exp_golomb()?;
            bits.exp_golomb()?;
            for _ in 0..bits.exp_golomb()?.min(255) {
                bits.exp_golomb()?;
            }
        }
        _ => {}
    }
    bits.exp_golomb()?;
    bits.skip(1)?;
    let width_mbs = u64::from(bits.exp_golomb()?) + 1;
    let height_units = u64::from(bits.exp_golomb()?) + 1;
    let frames_only = u64::from(bits.bit()?);
    if frames_only == 0 {
        bits.skip(1)?;
    }
    bits.skip(1)?;
    let (crop_x, crop_y) = match chroma_format {
        _ if separate_planes => (1, 1),
        1 => (2, 2),
        2 => (2, 1),
        _ => (1, 1),
    };
    let mut crop = [0u64; 4];
    if bits.bit()? {
        for side in &mut crop {
            *side = u64::from(bits.exp_golomb()?);
        }
    }
    let [left, right, top, bottom] = crop;
    let width = (width_mbs * 16).checked_sub(crop_x * (left + right))?;
    let height = ((2 - frames_only) * height_units * 16)
        .checked_sub(crop_y * (2 - frames_only) * (top + bottom))?;
    Some((u16::try_from(width).ok()?, u16::try_from(height).ok()?))
}

fn skip_scaling_list(bits: &mut BitReader<'_>, len: usize) -> Option<()> {
    let (mut last, mut next) = (8i64, 8i64);
    for _ in 0..len {
        if next != 0 {
            next = (last + bits.signed_exp_golomb()?).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1280 × 720, high profile, as x264 writes it.
    const SPS_720P: [u8; 24] = [
        0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40, 0x50, 0x05, 0xbb, 0x01, 0x10, 0x00, 0x00, 0x03,
        0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x83,
    ];

    #[test]
    fn aggregate_of_parameter_sets_and_idr_starts_a_key_frame() {
        let mut payload = vec![STAP_A];
        for unit in [&SPS_720P[..], &[0x68, 0xee], &[0x65, 0x88]] {
            payload.extend((unit.len() as u16).to_be_bytes());
            payload.extend(unit);
        }
        let view = H264View::parse(&payload).unwrap();
        assert!(view.is_key_frame_start() && view.idr);
        assert_eq!(view.size, Some((1280, 720)));
    }

    #[test]
    fn fragments_of_an_idr_slice() {
        let start = H264View::parse(&[0x7c, 0x85, 0x88]).unwrap();
        assert!(start.idr && start.nal_start && !start.is_key_frame_start());
        let middle = H264View::parse(&[0x7c, 0x05, 0x88]).unwrap();
        assert!(middle.idr && !middle.nal_start);
    }

    #[test]
    fn an_aggregate_with_a_false_length_is_refused() {
        assert_eq!(H264View::parse(&[STAP_A, 0, 9, 0x67]), None);
    }
}
