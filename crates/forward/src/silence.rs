//! A second of silence when an audio track is muted, so that receivers fade out instead of concealing a loss.

use std::time::{Duration, Instant};

/// When the next frame of silence is due.
#[derive(Debug)]
pub(crate) struct Silence {
    next: Instant,
    left: u8,
}

impl Silence {
    /// From one frame after `now` on.
    pub fn new(now: Instant) -> Self {
        Self {
            next: now + FRAME,
            left: FRAMES,
        }
    }

    /// The publisher's last packets still come in: waits for one frame's time after them.
    pub fn postpone(&mut self, now: Instant) {
        self.next = now + FRAME;
    }

    /// True, and counted, where a frame is due.
    pub fn take(&mut self, now: Instant) -> bool {
        if self.left == 0 || now < self.next {
            return false;
        }
        self.left -= 1;
        // After a stall of the process frames don't pile up.
        self.next = (self.next + FRAME).max(now);
        true
    }

    /// When a frame is due; none after the last one.
    pub fn poll_timeout(&self) -> Option<Instant> {
        (self.left > 0).then_some(self.next)
    }
}

/// RTP ticks of a frame at 48 kHz.
pub(crate) const FRAME_TICKS: u32 = 960;
/// Length of a frame.
const FRAME: Duration = Duration::from_millis(20);
/// Frames of one second.
const FRAMES: u8 = 50;
