//! H.265 payloads, RFC 7798: single NAL units, aggregation packets and fragmentation units.

use super::bits::{BitReader, unescape};

const IRAP: std::ops::RangeInclusive<u8> = 16..=23;
const VPS: u8 = 32;
const SPS: u8 = 33;
const AP: u8 = 48;
const FU: u8 = 49;
/// A parameter set is read up to here: what follows the size does not matter.
const SPS_BYTES: usize = 128;

/// What one payload tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct H265View {
    /// A slice of an intra random access picture is in it.
    pub irap: bool,
    /// A video or sequence parameter set is in it.
    pub parameter_set: bool,
    /// Width and height in pixels, from the sequence parameter set.
    pub size: Option<(u16, u16)>,
    /// Temporal id, 0 to 6.
    pub temporal: u8,
    /// A NAL unit starts here (no continuation of a fragmented one).
    pub nal_start: bool,
}

impl H265View {
    /// Looks at every NAL unit of a payload. None for one cut short or of a kind we don't know (PACI).
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let (&[first, second], rest) = payload.split_first_chunk::<2>()?;
        let mut view = Self {
            temporal: (second & 7).saturating_sub(1),
            ..Self::default()
        };
        match first >> 1 & 0x3f {
            AP => {
                let mut rest = rest;
                while let [a, b, units @ ..] = rest {
                    let len = usize::from(u16::from_be_bytes([*a, *b]));
                    let (unit, after) = units.split_at_checked(len)?;
                    view.add(unit);
                    rest = after;
                }
            }
            FU => {
                let &header = rest.first()?;
                let kind = header & 0x3f;
                view.nal_start = header & 0x80 != 0;
                view.irap = IRAP.contains(&kind);
                view.parameter_set = view.nal_start && matches!(kind, VPS | SPS);
            }
            0..AP => view.add(payload),
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
        let Some((&[first, _], body)) = unit.split_first_chunk::<2>() else {
            return;
        };
        match first >> 1 & 0x3f {
            kind if IRAP.contains(&kind) => self.irap = true,
            VPS => self.parameter_set = true,
            SPS => {
                self.parameter_set = true;
                self.size = sps_size(body).or(self.size);
            }
            _ => {}
        }
    }
}

/// Width and height from a sequence parameter set without its NAL header (H.265 section 7.3.2.2.1).
fn sps_size(sps: &[u8]) -> Option<(u16, u16)> {
    let mut plain = [0; SPS_BYTES];
    let mut bits = BitReader::new(unescape(sps, &mut plain));
    bits.skip(4)?;
    let sub_layers = bits.bits(3)? as usize;
    bits.skip(1)?;
    // Profile, tier and level: 88 bits of general profile, 8 of level, then those of the sub-layers.
    bits.skip(96)?;
    let mut present = [(false, false); 8];
    for flags in present.iter_mut().take(sub_layers) {
        *flags = (bits.bit()?, bits.bit()?);
    }
    if sub_layers > 0 {
        bits.skip(2 * (8 - sub_layers))?;
    }
    for &(profile, level) in present.iter().take(sub_layers) {
        bits.skip(if profile { 88 } else { 0 } + if level { 8 } else { 0 })?;
    }
    bits.exp_golomb()?;
    let chroma_format = bits.exp_golomb()?;
    if chroma_format == 3 {
        bits.skip(1)?;
    }
    let width = u64::from(bits.exp_golomb()?);
    let height = u64::from(bits.exp_golomb()?);
    let mut crop = [0u64; 4];
    if bits.bit()? {
        for side in &mut crop {
            *side = u64::from(bits.exp_golomb()?);
        }
    }
    let [left, right, top, bottom] = crop;
    let (unit_x, unit_y) = match chroma_format {
        1 => (2, 2),
        2 => (2, 1),
        _ => (1, 1),
    };
    let width = width.checked_sub(unit_x * (left + right))?;
    let height = height.checked_sub(unit_y * (top + bottom))?;
    Some((u16::try_from(width).ok()?, u16::try_from(height).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1920 × 1080, main profile, as x265 writes it.
    const SPS_1080P: [u8; 42] = [
        0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00,
        0x03, 0x00, 0x78, 0xa0, 0x03, 0xc0, 0x80, 0x10, 0xe5, 0x96, 0x66, 0x69, 0x24, 0xca, 0xe0,
        0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x01, 0xe0, 0x80,
    ];

    #[test]
    fn aggregate_of_parameter_sets_starts_a_key_frame() {
        let mut payload = vec![AP << 1, 1];
        for unit in [&[0x40, 0x01, 0x0c][..], &SPS_1080P] {
            payload.extend((unit.len() as u16).to_be_bytes());
            payload.extend(unit);
        }
        let view = H265View::parse(&payload).unwrap();
        assert!(view.is_key_frame_start() && !view.irap);
        assert_eq!(view.size, Some((1920, 1080)));
    }

    #[test]
    fn fragments_tell_their_kind_and_temporal_layer() {
        let view = H265View::parse(&[FU << 1, 3, 0x93, 0]).unwrap();
        assert!(view.irap && view.nal_start);
        assert_eq!(view.temporal, 2);
        assert!(!H265View::parse(&[FU << 1, 1, 1, 0]).unwrap().nal_start);
    }

    #[test]
    fn paci_and_stumps_are_refused() {
        assert_eq!(H265View::parse(&[50 << 1, 1, 0]), None);
        assert_eq!(H265View::parse(&[0x40]), None);
    }
}
