//! What all subscriptions of a track see alike in one turn.

use std::time::Instant;

use sluice_wire::rtp::abs_send_time;

use crate::layers::Layers;

/// A turn as the subscriptions of one track see it, worked out once for all of them.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    pub(super) now: Instant,
    pub(super) layers: &'a Layers,
    /// abs-send-time.
    pub(super) send_time: [u8; 3],
}

impl<'a> Moment<'a> {
    /// The layers of the track at `now`. `origin` is that of abs-send-time, as in the subscriptions' settings.
    pub fn new(now: Instant, origin: Instant, layers: &'a Layers) -> Self {
        Self {
            now,
            layers,
            send_time: abs_send_time(now.saturating_duration_since(origin)),
        }
    }

    /// The time of the turn.
    pub const fn now(&self) -> Instant {
        self.now
    }
}
