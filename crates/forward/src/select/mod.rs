//! Which packets of a published track a subscriber gets: one file per family.

mod simulcast;
mod svc;
mod vp9;

use std::time::{Duration, Instant};

use sluice_wire::codec::{Codec, MediaKind};

use crate::layers::{Layers, MAX_SPATIAL, MAX_TEMPORAL};
use crate::packet::PacketMeta;
use crate::ring::Stored;
use simulcast::Simulcast;
use svc::Svc;
use vp9::Vp9;

/// A spatial and a temporal layer, each with all those below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Spatial layer.
    pub spatial: u8,
    /// Temporal layer.
    pub temporal: u8,
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Not forwarded; where it is of the stream being forwarded, that closes up.
    Drop,
    /// Forwarded.
    Forward(Forward),
}

/// How a packet is forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Forward {
    /// Last packet of a picture for this subscriber, though not marked so by the publisher.
    pub marker: bool,
    /// Active decode targets and the number of all targets, to be told to the subscriber.
    pub active_targets: Option<(u32, u8)>,
}

/// What a selection depends on besides the packet.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    /// Wanted layers, as far as they are active.
    pub target: Target,
    /// RTP streams of the track.
    pub streams: u8,
}

impl Context {
    /// The target where spatial layers are streams: there may be fewer of them than layers wanted.
    fn stream_target(self) -> Target {
        let highest = self.streams.saturating_sub(1);
        let spatial = self.target.spatial.min(highest);
        Target {
            spatial,
            ..self.target
        }
    }
}

/// Selection for one subscription.
#[derive(Debug, Default)]
pub struct Selector {
    family: Family,
    /// Since when no stream is forwarded though one is wanted; none before the first packet.
    waiting_since: Option<Instant>,
    /// RTP stream of the last packet seen.
    last_seen: Option<u8>,
}

/// The families, chosen by what the publisher sends.
#[derive(Debug, Default)]
enum Family {
    /// Nothing came yet.
    #[default]
    Unknown,
    /// Audio: all or nothing.
    Single,
    /// One RTP stream per spatial layer, or only one layer.
    Simulcast(Simulcast),
    /// All layers in one RTP stream, told apart by the dependency descriptor.
    Svc(Box<Svc>),
    /// All layers in one RTP stream, told apart by the VP9 descriptor.
    Vp9(Vp9),
}

impl Selector {
    /// Decides about a packet.
    #[inline]
    pub fn choose(&mut self, now: Instant, packet: &Stored<'_>, context: &Context) -> Choice {
        let meta = packet.meta;
        self.last_seen = Some(meta.layer);
        let waiting_since = *self.waiting_since.get_or_insert(now);
        self.adopt_family(meta, context.streams);
        match &mut self.family {
            Family::Unknown => Choice::Drop,
            Family::Single => Choice::Forward(Forward::default()),
            Family::Simulcast(selector) => {
                // Of use where a stream may be entered only.
                let in_grace = meta.key_frame
                    && now.saturating_duration_since(waiting_since) < ACQUISITION_GRACE;
                selector.choose(meta, context.stream_target(), in_grace)
            }
            Family::Svc(selector) => selector.choose(packet, context.target),
            Family::Vp9(selector) => selector.choose(meta, context.target),
        }
    }

    /// The RTP stream of which a key frame is needed to come to the target, if one is.
    pub fn needs_key_frame(&self, now: Instant, context: &Context) -> Option<u8> {
        match &self.family {
            Family::Single => None,
            Family::Unknown => Some(self.stream_wanted(now, *context)),
            Family::Simulcast(selector) => {
                let target = context.stream_target().spatial;
                match selector.stream() {
                    Some(stream) => (stream != target).then_some(target),
                    None => Some(self.stream_wanted(now, *context)),
                }
            }
            Family::Svc(selector) => selector.needs_key_frame(context.target).then_some(0),
            Family::Vp9(selector) => selector.needs_key_frame(context.target).then_some(0),
        }
    }

    /// The layers being forwarded.
    pub fn current(&self) -> Option<Target> {
        match &self.family {
            Family::Unknown | Family::Single => None,
            Family::Simulcast(selector) => selector.current(),
            Family::Svc(selector) => selector.current(),
            Family::Vp9(selector) => selector.current(),
        }
    }

    /// The target's stream; when it stays away, the one that does come.
    fn stream_wanted(&self, now: Instant, context: Context) -> u8 {
        let target = context.stream_target().spatial;
        let grace_over = |since| now.saturating_duration_since(since) >= ACQUISITION_GRACE;
        match self.waiting_since {
            Some(since) if grace_over(since) => self.last_seen.unwrap_or(target),
            _ => target,
        }
    }

    /// VP9 and AV1 in one stream may be layered; the dependency descriptor wins over the VP9 descriptor.
    fn adopt_family(&mut self, meta: &PacketMeta, streams: u8) {
        let layered = streams <= 1 && matches!(meta.codec, Codec::Vp9 | Codec::Av1);
        let fits = match &self.family {
            Family::Unknown => false,
            Family::Single => meta.codec.kind() == MediaKind::Audio,
            Family::Simulcast(_) => {
                meta.codec.kind() == MediaKind::Video
                    && (!layered || (meta.codec == Codec::Av1 && meta.dd.is_none()))
            }
            // Packets without descriptor in between don't change it; a key frame without does.
            Family::Svc(_) => layered && (meta.dd.is_some() || !meta.key_frame),
            Family::Vp9(_) => layered && meta.codec == Codec::Vp9 && meta.dd.is_none(),
        };
        if fits {
            return;
        }
        self.family = match (meta.codec.kind(), meta.codec) {
            (MediaKind::Audio, _) => Family::Single,
            _ if layered && meta.dd.is_some() => Family::Svc(Box::default()),
            (_, Codec::Vp9) if layered => Family::Vp9(Vp9::default()),
            _ => Family::Simulcast(Simulcast::default()),
        };
    }
}

/// What a subscriber wishes and what the network allows.
#[derive(Debug, Clone, Copy)]
pub struct Wish {
    /// Highest layers wanted.
    pub max: Target,
    /// Frames per second wanted at most; 0 for no limit.
    pub max_fps: u8,
    /// Highest layers that bandwidth allows.
    pub allowed: Target,
}

impl Wish {
    /// The layers to go for: the highest active ones that are wanted and allowed, else the lowest active ones.
    pub fn target(&self, layers: &Layers) -> Target {
        let cap = self.max.spatial.min(self.allowed.spatial);
        let active = |spatial: &u8| {
            layers
                .active
                .get(usize::from(*spatial))
                .is_some_and(|active| *active)
        };
        let spatial = (0..=cap)
            .rev()
            .find(active)
            .or_else(|| (cap..MAX_SPATIAL as u8).find(active))
            .unwrap_or(cap);
        let mut temporal = self.max.temporal;
        if spatial >= self.allowed.spatial {
            temporal = temporal.min(self.allowed.temporal);
        }
        if self.max_fps > 0
            && let Some(rates) = layers.fps.get(usize::from(spatial))
        {
            temporal = temporal.min(temporal_within(rates, f32::from(self.max_fps)));
        }
        Target { spatial, temporal }
    }
}

/// The highest temporal layer that stays within a frame rate, a tenth of tolerance for the measurement.
fn temporal_within(rates: &[f32; MAX_TEMPORAL], max_fps: f32) -> u8 {
    let within = rates
        .iter()
        .take_while(|&&rate| rate <= max_fps * 1.1)
        .count();
    within.saturating_sub(1) as u8
}

/// How long to wait for the target layer before a lower one will do.
const ACQUISITION_GRACE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(spatial: u8, max_fps: u8) -> Wish {
        let highest = Target {
            spatial: 2,
            temporal: 3,
        };
        Wish {
            max: Target {
                spatial,
                temporal: 3,
            },
            max_fps,
            allowed: highest,
        }
    }

    fn layers(active: [bool; 3]) -> Layers {
        Layers {
            streams: 3,
            active,
            ..Layers::default()
        }
    }

    #[test]
    fn target_falls_back_to_the_highest_active_layer_below_it() {
        assert_eq!(wish(2, 0).target(&layers([true, true, false])).spatial, 1);
        assert_eq!(wish(1, 0).target(&layers([true, true, true])).spatial, 1);
    }

    #[test]
    fn target_rises_where_no_layer_below_is_active() {
        assert_eq!(wish(0, 0).target(&layers([false, true, true])).spatial, 1);
        assert_eq!(wish(1, 0).target(&layers([false; 3])).spatial, 1);
    }

    #[test]
    fn frame_rate_limits_the_temporal_layer() {
        let mut layers = layers([true; 3]);
        layers.fps[2] = [7.6, 15.2, 30.3, 30.3];
        assert_eq!(wish(2, 15).target(&layers).temporal, 1);
        assert_eq!(wish(2, 30).target(&layers).temporal, 3);
        assert_eq!(wish(2, 5).target(&layers).temporal, 0);
        assert_eq!(
            wish(1, 5).target(&layers).temporal,
            3,
            "unknown rates don't limit"
        );
    }
}
