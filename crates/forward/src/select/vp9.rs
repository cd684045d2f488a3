//! VP9 layers in one RTP stream by the payload descriptor's P, B, E and U bits (RFC 9628 section 4.2).

use super::{Choice, Forward, Target};
use crate::packet::PacketMeta;

/// Selection by the VP9 descriptor.
#[derive(Debug, Default)]
pub(super) struct Vp9 {
    source: Option<Source>,
}

#[derive(Debug, Clone, Copy)]
struct Source {
    epoch: u16,
    current: Target,
    /// Highest spatial layer that came since the last key frame.
    highest: u8,
    /// Timestamp of the newest picture.
    picture: u32,
}

impl Vp9 {
    pub fn choose(&mut self, meta: &PacketMeta, target: Target) -> Choice {
        let Some(view) = meta.vp9 else {
            return Choice::Drop;
        };
        if self.source.is_some_and(|source| source.epoch < meta.epoch) {
            self.source = None;
        }
        if meta.key_frame && !meta.late {
            let highest = view
                .structure
                .map_or(0, |s| s.spatial_layers.saturating_sub(1));
            self.source = Some(Source {
                epoch: meta.epoch,
                current: target,
                highest,
                picture: meta.timestamp,
            });
        }
        let Some(source) = self
            .source
            .as_mut()
            .filter(|source| source.epoch == meta.epoch)
        else {
            return Choice::Drop;
        };
        if !meta.late {
            source.highest = source.highest.max(view.spatial());
            source.step(meta, target);
        }
        let current = source.current;
        if view.spatial() > current.spatial || view.temporal() > current.temporal {
            return Choice::Drop;
        }
        let marker = view.frame_end && view.spatial() == current.spatial;
        Choice::Forward(Forward {
            marker,
            active_targets: None,
        })
    }

    pub fn current(&self) -> Option<Target> {
        self.source.map(|source| source.current)
    }

    pub fn needs_key_frame(&self, target: Target) -> bool {
        self.source
            .is_none_or(|source| source.current.spatial < target.spatial.min(source.highest))
    }
}

impl Source {
    /// Down at the start of any picture; up to a spatial layer where it needs no earlier picture, to a temporal layer
    /// at a switching-up point.
    fn step(&mut self, meta: &PacketMeta, target: Target) {
        let Some(view) = meta.vp9 else { return };
        if meta.timestamp != self.picture {
            self.picture = meta.timestamp;
            self.current.spatial = self.current.spatial.min(target.spatial);
            self.current.temporal = self.current.temporal.min(target.temporal);
        }
        if !view.frame_start {
            return;
        }
        let (spatial, temporal) = (view.spatial(), view.temporal());
        if !view.inter_picture && spatial == self.current.spatial + 1 && spatial <= target.spatial {
            self.current.spatial = spatial;
        }
        let switching_up = view.layer.is_some_and(|layer| layer.switching_up);
        if switching_up && (self.current.temporal + 1..=target.temporal).contains(&temporal) {
            self.current.temporal = temporal;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_packets::meta;
    use sluice_wire::codec::vp9::Vp9View;

    /// One packet that is a whole layer frame. `predicted` from earlier pictures.
    fn packet(timestamp: u32, spatial: u8, temporal: u8, predicted: bool, up: bool) -> PacketMeta {
        let head = 0x20 | 0x0c | u8::from(predicted) << 6;
        let layer = temporal << 5 | u8::from(up) << 4 | spatial << 1;
        let view = Vp9View::parse(&[head, layer, 0]).unwrap();
        let key_frame = view.is_key_frame_start();
        PacketMeta {
            timestamp,
            key_frame,
            spatial,
            temporal,
            vp9: Some(view),
            ..meta(70_000)
        }
    }

    fn sent(selector: &mut Vp9, packet: &PacketMeta, target: Target) -> Option<bool> {
        match selector.choose(packet, target) {
            Choice::Forward(forward) => Some(forward.marker),
            Choice::Drop => None,
        }
    }

    #[test]
    fn spatial_layers_fall_at_pictures_and_rise_where_nothing_earlier_is_needed() {
        let mut selector = Vp9::default();
        let both = Target {
            spatial: 1,
            temporal: 0,
        };
        let low = Target {
            spatial: 0,
            temporal: 0,
        };
        assert_eq!(
            sent(&mut selector, &packet(0, 0, 0, true, false), both),
            None
        );
        assert_eq!(
            sent(&mut selector, &packet(1, 0, 0, false, false), both),
            Some(false)
        );
        assert_eq!(
            sent(&mut selector, &packet(1, 1, 0, false, false), low),
            Some(true)
        );
        assert_eq!(
            sent(&mut selector, &packet(2, 0, 0, true, false), low),
            Some(true)
        );
        assert_eq!(
            sent(&mut selector, &packet(2, 1, 0, true, false), low),
            None
        );
        assert_eq!(
            sent(&mut selector, &packet(3, 1, 0, true, false), both),
            None
        );
        assert!(selector.needs_key_frame(both));
        assert_eq!(
            sent(&mut selector, &packet(4, 0, 0, true, false), both),
            Some(true)
        );
        assert_eq!(
            sent(&mut selector, &packet(4, 1, 0, false, false), both),
            Some(true)
        );
        assert!(!selector.needs_key_frame(both));
    }

    #[test]
    fn temporal_layers_rise_at_switching_up_points() {
        let mut selector = Vp9::default();
        let low = Target {
            spatial: 0,
            temporal: 0,
        };
        let high = Target {
            spatial: 0,
            temporal: 2,
        };
        sent(&mut selector, &packet(1, 0, 0, false, false), low);
        assert_eq!(sent(&mut selector, &packet(2, 0, 2, true, true), low), None);
        assert_eq!(
            sent(&mut selector, &packet(3, 0, 1, true, false), high),
            None
        );
        assert_eq!(
            sent(&mut selector, &packet(4, 0, 2, true, true), high),
            Some(true)
        );
    }
}
