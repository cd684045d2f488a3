//! The spatial layers of a published track: simulcast streams, or layers within one SVC stream.

use std::ops::Range;
use std::time::Instant;

use sluice_wire::codec::MediaKind;

use crate::layer_tracker::{LayerTracker, TrackerSettings};
use crate::layers::{LayerStates, Layers, MAX_SPATIAL};
use crate::packet::PacketMeta;
use crate::sight::Sizes;

/// One spatial layer as received.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LayerInfo {
    /// Packets arrive.
    pub active: bool,
    /// Of the last key frame, pixels; 0 if unknown.
    pub width: u16,
    /// As `width`.
    pub height: u16,
    /// Bits per second of all temporal layers over the last interval.
    pub bitrate: u32,
    /// Bits per second up to and including each temporal layer.
    pub temporal_bitrates: [u32; 4],
    /// Frames per second up to and including each temporal layer.
    pub fps: [f32; 4],
}

/// State of all layers. The methods that tell whether something changed mean what [`LayerInfo`] shows, measurements
/// aside.
#[derive(Debug)]
pub(super) struct SpatialLayers {
    trackers: [LayerTracker; MAX_SPATIAL],
    sizes: Sizes,
    /// RTP streams; with one, layers are told apart by spatial id.
    streams: u8,
    /// Layers seen.
    seen: u8,
    /// What home sees of them, at the far end of a link.
    home: Option<LayerStates>,
}

impl SpatialLayers {
    pub(super) fn new(kind: MediaKind, screen_share: bool, streams: u8) -> Self {
        let tracker = |layer| {
            LayerTracker::new(match kind {
                MediaKind::Audio => TrackerSettings::for_audio(),
                MediaKind::Video => TrackerSettings::for_layer(layer, screen_share),
            })
        };
        Self {
            trackers: [tracker(0), tracker(1), tracker(2)],
            sizes: Sizes::default(),
            streams,
            seen: 1,
            home: None,
        }
    }

    pub(super) const fn set_streams(&mut self, streams: u8) {
        self.streams = streams;
    }

    /// A packet of `wire_len` bytes that tells `sizes`; true where something changed.
    pub(super) fn handle_packet(
        &mut self,
        now: Instant,
        meta: &PacketMeta,
        sizes: Option<Sizes>,
        wire_len: usize,
    ) -> bool {
        let layer = if self.streams > 1 {
            meta.layer
        } else {
            meta.spatial
        }
        .min(MAX_SPATIAL as u8 - 1);
        let mut changed = layer >= self.seen;
        self.seen = self.seen.max(layer + 1);
        if let Some(sizes) = sizes {
            changed |= self.note_sizes(meta.layer, sizes);
        }
        if let Some(tracker) = self.trackers.get_mut(usize::from(layer)) {
            changed |= tracker.handle_packet(now, wire_len, meta.temporal, meta.frame_start);
        }
        changed
    }

    /// True where something changed.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> bool {
        let mut changed = false;
        for tracker in &mut self.trackers {
            changed |= tracker.handle_timeout(now);
        }
        changed
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.trackers
            .iter()
            .filter_map(LayerTracker::poll_timeout)
            .min()
    }

    /// Pauses or resumes all layers; true where something changed.
    pub(super) fn set_paused(&mut self, paused: bool) -> bool {
        let was_active = self.active() > 0;
        for tracker in &mut self.trackers {
            tracker.set_paused(paused);
        }
        was_active
    }

    /// The next packet of these layers makes them active, where they are not.
    pub(super) fn expect(&mut self, layers: Range<u8>) {
        let layers = usize::from(layers.start)..usize::from(layers.end).min(MAX_SPATIAL);
        for tracker in self.trackers.get_mut(layers).into_iter().flatten() {
            if !tracker.is_active() {
                tracker.set_paused(false);
            }
        }
    }

    /// Layers published.
    pub(super) fn count(&self) -> u8 {
        self.seen.max(self.streams)
    }

    /// The highest active layer, counted from 1; 0 for none.
    pub(super) fn active(&self) -> u8 {
        self.trackers
            .iter()
            .rposition(LayerTracker::is_active)
            .map_or(0, |layer| layer as u8 + 1)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = LayerInfo> + '_ {
        let layers = self
            .trackers
            .iter()
            .zip(self.sizes)
            .take(usize::from(self.count()));
        layers.map(|(tracker, (width, height))| {
            let rates = tracker.rates();
            LayerInfo {
                active: tracker.is_active(),
                width,
                height,
                bitrate: rates.bitrate[rates.bitrate.len() - 1],
                temporal_bitrates: rates.bitrate,
                fps: rates.fps,
            }
        })
    }

    /// Fills in what subscriptions have to know of the layers.
    pub(super) fn show(&self, view: &mut Layers) {
        let states = self.home.unwrap_or_else(|| self.states());
        (view.active, view.fps) = (states.active, states.fps);
    }

    /// What the trackers say.
    pub(super) fn states(&self) -> LayerStates {
        let mut states = LayerStates::default();
        let slots = states.active.iter_mut().zip(&mut states.fps);
        for (tracker, (active, fps)) in self.trackers.iter().zip(slots) {
            *active = tracker.is_active();
            *fps = tracker.rates().fps;
        }
        states
    }

    /// Shows these states from now on: the trackers see only part of what is published.
    pub(super) const fn show_home(&mut self, states: LayerStates) {
        self.home = Some(states);
    }

    /// Keeps sizes of a key frame; true where one is new.
    fn note_sizes(&mut self, stream: u8, sizes: Sizes) -> bool {
        let former = self.sizes;
        if self.streams > 1 {
            // One size; of a descriptor with several layers the highest that is told.
            let told = sizes.iter().rev().find(|&&size| size != (0, 0));
            if let (Some(slot), Some(&size)) = (self.sizes.get_mut(usize::from(stream)), told) {
                *slot = size;
            }
        } else {
            self.sizes = sizes;
        }
        self.sizes != former
    }
}
