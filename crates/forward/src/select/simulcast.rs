//! One RTP stream per spatial layer: switches at key frames, filters temporal layers within the stream.

use super::{Choice, Forward, Target};
use crate::packet::PacketMeta;

/// Selection among simulcast layers; also for a single layer.
#[derive(Debug, Default)]
pub(super) struct Simulcast {
    source: Option<Source>,
}

#[derive(Debug, Clone, Copy)]
struct Source {
    stream: u8,
    epoch: u16,
    /// Highest temporal layer forwarded now.
    temporal: u8,
    /// The newest frame by its timestamp, and whether it is forwarded.
    frame: Option<(u32, bool)>,
}

impl Simulcast {
    pub fn choose(&mut self, meta: &PacketMeta, target: Target, in_grace: bool) -> Choice {
        if self.is_entry(meta, target, in_grace) {
            self.source = Some(Source {
                stream: meta.layer,
                epoch: meta.epoch,
                temporal: target.temporal,
                frame: None,
            });
        }
        match &mut self.source {
            Some(source) if (source.stream, source.epoch) == (meta.layer, meta.epoch) => {
                source.filter(meta, target.temporal)
            }
            _ => Choice::Drop,
        }
    }

    pub fn stream(&self) -> Option<u8> {
        self.source.map(|source| source.stream)
    }

    pub fn current(&self) -> Option<Target> {
        self.source.map(|source| Target {
            spatial: source.stream,
            temporal: source.temporal,
        })
    }

    /// True where another stream is entered with this packet. A repaired packet is no entry: the ones that
    /// followed it were not forwarded and are gone.
    fn is_entry(&mut self, meta: &PacketMeta, target: Target, in_grace: bool) -> bool {
        if let Some(source) = self.source
            && source.stream == meta.layer
            && source.epoch < meta.epoch
        {
            self.source = None;
        }
        if !meta.key_frame || meta.late {
            return false;
        }
        match self.source {
            Some(source) => meta.layer == target.spatial && source.stream != meta.layer,
            None => meta.layer == target.spatial || !in_grace,
        }
    }
}

impl Source {
    fn filter(&mut self, meta: &PacketMeta, target: u8) -> Choice {
        let keep = match self.frame {
            _ if meta.late => meta.temporal <= self.temporal,
            Some((timestamp, kept)) if timestamp == meta.timestamp => kept,
            _ => {
                self.step(meta, target);
                let kept = meta.temporal <= self.temporal;
                self.frame = Some((meta.timestamp, kept));
                kept
            }
        };
        if keep {
            Choice::Forward(Forward::default())
        } else {
            Choice::Drop
        }
    }

    /// Moves to the wanted temporal layer: down at any frame, up where the publisher allows it.
    fn step(&mut self, meta: &PacketMeta, target: u8) {
        if meta.key_frame || target < self.temporal {
            self.temporal = target;
        } else if meta.switch_up
            && meta.frame_start
            && (self.temporal + 1..=target).contains(&meta.temporal)
        {
            self.temporal = meta.temporal;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_packets::meta;

    const FORWARD: Choice = Choice::Forward(Forward {
        marker: false,
        active_targets: None,
    });

    fn packet(layer: u8, timestamp: u32, key_frame: bool) -> PacketMeta {
        PacketMeta {
            layer,
            timestamp,
            key_frame,
            frame_start: true,
            ..meta(70_000)
        }
    }

    fn target(spatial: u8, temporal: u8) -> Target {
        Target { spatial, temporal }
    }

    #[test]
    fn streams_switch_at_key_frames_only_and_overshoot_meanwhile() {
        let mut selector = Simulcast::default();
        assert_eq!(
            selector.choose(&packet(2, 1, false), target(2, 3), true),
            Choice::Drop
        );
        assert_eq!(
            selector.choose(&packet(2, 2, true), target(2, 3), true),
            FORWARD
        );
        assert_eq!(
            selector.choose(&packet(2, 3, false), target(0, 3), true),
            FORWARD
        );
        assert_eq!(
            selector.choose(&packet(0, 4, false), target(0, 3), true),
            Choice::Drop
        );
        assert_eq!(
            selector.choose(&packet(0, 5, true), target(0, 3), true),
            FORWARD
        );
        assert_eq!(
            selector.choose(&packet(2, 6, false), target(0, 3), true),
            Choice::Drop
        );
    }

    #[test]
    fn layers_between_are_passed_over() {
        let mut selector = Simulcast::default();
        selector.choose(&packet(0, 1, true), target(0, 3), true);
        let between = selector.choose(&packet(1, 2, true), target(2, 3), true);
        assert_eq!(between, Choice::Drop);
        assert_eq!(
            selector.choose(&packet(2, 2, true), target(2, 3), true),
            FORWARD
        );
    }

    #[test]
    fn a_lower_layer_is_taken_only_after_the_grace() {
        let mut selector = Simulcast::default();
        assert_eq!(
            selector.choose(&packet(0, 1, true), target(2, 3), true),
            Choice::Drop
        );
        assert_eq!(
            selector.choose(&packet(0, 1, true), target(2, 3), false),
            FORWARD
        );
    }

    #[test]
    fn a_repaired_key_frame_is_no_entry() {
        let mut selector = Simulcast::default();
        let late = PacketMeta {
            late: true,
            ..packet(0, 1, true)
        };
        assert_eq!(selector.choose(&late, target(0, 3), true), Choice::Drop);
    }

    #[test]
    fn temporal_layers_rise_at_sync_frames_and_fall_at_once() {
        let mut selector = Simulcast::default();
        let frame = |timestamp, temporal, switch_up| PacketMeta {
            temporal,
            switch_up,
            ..packet(0, timestamp, false)
        };
        selector.choose(&packet(0, 0, true), target(0, 0), true);
        assert_eq!(
            selector.choose(&frame(1, 2, true), target(0, 0), true),
            Choice::Drop
        );
        assert_eq!(
            selector.choose(&frame(2, 1, false), target(0, 2), true),
            Choice::Drop
        );
        assert_eq!(
            selector.choose(&frame(3, 2, true), target(0, 2), true),
            FORWARD
        );
        assert_eq!(
            selector.choose(&frame(4, 1, false), target(0, 2), true),
            FORWARD
        );
        assert_eq!(
            selector.choose(&frame(5, 2, false), target(0, 1), true),
            Choice::Drop
        );
        assert_eq!(
            selector.choose(&frame(6, 1, false), target(0, 1), true),
            FORWARD
        );
    }

    #[test]
    fn packets_of_one_frame_share_its_fate() {
        let mut selector = Simulcast::default();
        selector.choose(&packet(0, 0, true), target(0, 0), true);
        let first = PacketMeta {
            temporal: 1,
            ..packet(0, 1, false)
        };
        assert_eq!(selector.choose(&first, target(0, 0), true), Choice::Drop);
        let second = PacketMeta {
            switch_up: true,
            ..first
        };
        assert_eq!(selector.choose(&second, target(0, 1), true), Choice::Drop);
    }

    #[test]
    fn a_restarted_stream_needs_a_key_frame() {
        let mut selector = Simulcast::default();
        selector.choose(&packet(0, 0, true), target(0, 0), true);
        let restarted = PacketMeta {
            epoch: 1,
            ..packet(0, 1, false)
        };
        assert_eq!(
            selector.choose(&restarted, target(0, 0), true),
            Choice::Drop
        );
        assert_eq!(selector.stream(), None);
        let key = PacketMeta {
            epoch: 1,
            ..packet(0, 2, true)
        };
        assert_eq!(selector.choose(&key, target(0, 0), true), FORWARD);
        let old = PacketMeta {
            late: true,
            ..packet(0, 1, false)
        };
        assert_eq!(selector.choose(&old, target(0, 0), true), Choice::Drop);
    }
}
