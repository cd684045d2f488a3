//! Packets for tests.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use sluice_wire::codec::Codec;
use sluice_wire::id::PayloadType;

use crate::packet::PacketMeta;

/// Milliseconds since the start of the test, as an instant.
pub fn at(ms: u64) -> Instant {
    #[allow(
        clippy::disallowed_methods,
        reason = "an arbitrary origin for virtual time"
    )]
    static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    *ORIGIN + Duration::from_millis(ms)
}

/// A packet of which only the sequence number matters.
pub fn meta(sequence: u64) -> PacketMeta {
    PacketMeta {
        layer: 0,
        epoch: 0,
        sequence,
        timestamp: 0,
        marker: false,
        pt: PayloadType(96),
        codec: Codec::Vp8,
        arrival: at(0),
        payload_len: 0,
        late: false,
        key_frame: false,
        frame_start: false,
        frame_end: false,
        spatial: 0,
        temporal: 0,
        switch_up: false,
        vp8: None,
        vp9: None,
        dd: None,
        audio_level: None,
        abs_capture_time: None,
    }
}

/// A small generator for seeded tests (xorshift64*).
pub struct Dice(u64);

impl Dice {
    pub const fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// A number below `bound`.
    pub const fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }
}
