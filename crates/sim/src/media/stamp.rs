//! What a model frame says about itself, at the very end of every packet, out of reach of descriptor rewriting.

/// The last bytes of every model payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Spatial layer: index of the simulcast stream.
    pub layer: u8,
    /// Temporal layer.
    pub temporal: u8,
    /// Which packet of its frame this is, from 0.
    pub index: u16,
    /// The index of the frame's last packet.
    pub last: u16,
    /// Counts the frames of a layer, from 0.
    pub frame: u32,
    /// The frame it refers to; none for key frames and audio.
    pub reference: Option<u32>,
}

impl Stamp {
    /// Bytes on the wire.
    pub const LEN: usize = 20;

    /// Its bytes, with a checksum.
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[0] = self.layer;
        bytes[1] = self.temporal;
        bytes[2..4].copy_from_slice(&self.index.to_be_bytes());
        bytes[4..6].copy_from_slice(&self.last.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.frame.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.reference.unwrap_or(u32::MAX).to_be_bytes());
        let sum = checksum(&bytes);
        bytes[16..].copy_from_slice(&sum.to_be_bytes());
        bytes
    }

    /// Reads the stamp of a payload; `None` where there is none or it was changed.
    pub fn of(payload: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::LEN] = payload.last_chunk()?;
        let u16_at = |at: usize| Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
        let u32_at = |at: usize| Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
        if u32_at(16)? != checksum(bytes) {
            return None;
        }
        Some(Self {
            layer: bytes[0],
            temporal: bytes[1],
            index: u16_at(2)?,
            last: u16_at(4)?,
            frame: u32_at(8)?,
            reference: Some(u32_at(12)?).filter(|frame| *frame != u32::MAX),
        })
    }
}

/// FNV-1a of all but the last four bytes.
fn checksum(bytes: &[u8; Stamp::LEN]) -> u32 {
    bytes[..16].iter().fold(0x811c_9dc5, |sum: u32, byte| {
        (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamp_reads_what_it_writes_and_notices_changes() {
        let stamp = Stamp {
            layer: 2,
            temporal: 1,
            index: 3,
            last: 9,
            frame: 70_000,
            reference: Some(69_999),
        };
        let mut payload = vec![0; 100];
        payload.extend(stamp.to_bytes());
        assert_eq!(Stamp::of(&payload), Some(stamp));
        payload[101] ^= 1;
        assert_eq!(Stamp::of(&payload), None);
        assert_eq!(Stamp::of(&[0; 5]), None);
    }
}
