//! Opus packets: the table-of-contents byte, RFC 6716 section 3.1.

/// A frame of digital silence, 20 ms, CELT fullband mono.
pub const SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];

/// What the first bytes of a packet tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpusView {
    /// Samples at 48 kHz in each frame, 120 to 2,880.
    pub frame_samples: u16,
    /// Frames in the packet, 0 to 63.
    pub frames: u8,
    /// Two channels.
    pub stereo: bool,
    /// Nothing to decode: discontinuous transmission, comfort noise by the decoder.
    pub dtx: bool,
    /// The encoder's packet for digital silence.
    pub silent: bool,
}

impl OpusView {
    /// Reads the first two bytes. None for an empty payload.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let toc = *payload.first()?;
        let config = toc >> 3;
        let frame_samples = match config {
            0..=11 => [480, 960, 1920, 2880][usize::from(config & 3)],
            12..=15 => [480, 960][usize::from(config & 1)],
            _ => [120, 240, 480, 960][usize::from(config & 3)],
        };
        let frames = match toc & 3 {
            0 => 1,
            1 | 2 => 2,
            _ => payload.get(1).map_or(0, |count| count & 0x3f),
        };
        Some(Self {
            frame_samples,
            frames,
            stereo: toc & 4 != 0,
            dtx: payload.len() <= 2,
            silent: payload == SILENCE,
        })
    }

    /// Samples at 48 kHz in the packet, at most 120 ms (RFC 6716 section 3.2.5).
    pub fn samples(&self) -> u16 {
        (self.frame_samples.saturating_mul(u16::from(self.frames))).min(5760)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_milliseconds_of_silence() {
        let view = OpusView::parse(&SILENCE).unwrap();
        assert_eq!((view.samples(), view.silent, view.dtx), (960, true, false));
    }

    #[test]
    fn a_packet_of_the_toc_alone_is_dtx() {
        assert!(OpusView::parse(&[0x78]).unwrap().dtx);
    }

    #[test]
    fn code_three_counts_its_frames() {
        let view = OpusView::parse(&[0x03 | 16 << 3, 0x04, 0, 0, 0, 0]).unwrap();
        assert_eq!((view.frame_samples, view.frames), (120, 4));
    }
}
