//! An up track at either end of a link: on the worker where the track is published, and on one that has it from there.

use std::time::Instant;

use super::{Discard, UpTrack};
use crate::layers::LayerStates;
use crate::packet::PacketMeta;

impl UpTrack {
    /// A packet that a link carried from the worker where the track is published, as its up track saw it there. It
    /// goes into the ring; feedback and measurements are the other end's.
    pub fn handle_linked(
        &mut self,
        now: Instant,
        meta: &PacketMeta,
        descriptor: &[u8],
        payload: &[u8],
    ) -> Result<PacketMeta, Discard> {
        let meta = PacketMeta {
            arrival: now,
            ..*meta
        };
        let stream = self
            .streams
            .get_mut(usize::from(meta.layer))
            .ok_or(Discard::UnknownLayer)?;
        if stream.ring.get(meta.sequence).is_some() {
            return Err(Discard::Duplicate);
        }
        if !stream.ring.insert(meta, descriptor, payload) {
            return Err(Discard::TooOld);
        }
        if stream.epoch != meta.epoch {
            stream.epoch = meta.epoch;
            stream.sender_report = None;
        }
        let codec = self
            .settings
            .codecs
            .iter()
            .find(|codec| codec.pt == meta.pt);
        let clock_rate = codec.map_or(0, |codec| codec.clock_rate);
        if clock_rate != 0 {
            stream.clock_rate = clock_rate;
        }
        Ok(meta)
    }

    /// What the up track at the other end of the link sees of the layers: [`Self::view`] shows that from now on.
    pub const fn handle_linked_layers(&mut self, states: LayerStates) {
        self.layers.show_home(states);
    }

    /// What the far end of a link has to know of the layers.
    pub fn layer_states(&self) -> LayerStates {
        self.layers.states()
    }
}
