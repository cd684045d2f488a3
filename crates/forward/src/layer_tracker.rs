//! Is a spatial layer being sent, and how much of it.

use std::time::{Duration, Instant};

/// Packets that make a layer active: the first one at once; later, after a cycle that lacked packets, only a run of
/// good cycles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrackerSettings {
    /// Packets that make a cycle good.
    pub packets_per_cycle: u32,
    /// Good cycles in a row that bring a stopped layer back.
    pub cycles_required: u32,
    /// Length of a cycle.
    pub cycle: Duration,
    /// Between bitrate measurements.
    pub bitrate_interval: Duration,
}

impl TrackerSettings {
    /// livekit-server's numbers for a spatial layer of a camera or a screen share, but for the good cycles that bring a
    /// higher layer of a camera back: 2, not 20. Layers pause and resume with what subscribers want (dynacast), and
    /// ten seconds without a layer that is there again can be seen. A layer that flickers costs at most a switch per
    /// second and a half.
    pub const fn for_layer(layer: u8, screen_share: bool) -> Self {
        let (packets_per_cycle, cycles_required, cycle_ms, bitrate_s) = match (screen_share, layer)
        {
            (true, _) => (1, 1, 2_000, 4),
            (false, 0) => (1, 4, 500, 1),
            (false, _) => (5, 2, 500, 1),
        };
        Self {
            packets_per_cycle,
            cycles_required,
            cycle: Duration::from_millis(cycle_ms),
            bitrate_interval: Duration::from_secs(bitrate_s),
        }
    }
}

impl TrackerSettings {
    /// Audio is active from its first packet on: silence may go unsent.
    pub const fn for_audio() -> Self {
        Self {
            packets_per_cycle: 0,
            cycles_required: 1,
            cycle: Duration::from_secs(10),
            bitrate_interval: Duration::from_secs(1),
        }
    }
}

/// Highest temporal layers measured.
pub const TEMPORAL_LAYERS: usize = 4;

/// Rates of a layer over the last interval; entry `t` counts temporal layers 0 to `t`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rates {
    /// Bits per second of packets.
    pub bitrate: [u32; TEMPORAL_LAYERS],
    /// Frames per second.
    pub fps: [f32; TEMPORAL_LAYERS],
}

/// One spatial layer.
#[derive(Debug)]
pub struct LayerTracker {
    settings: TrackerSettings,
    state: State,
    rates: Rates,
    /// By temporal layer, since the last measurement.
    bytes: [u64; TEMPORAL_LAYERS],
    frames: [u32; TEMPORAL_LAYERS],
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// No packet yet, or paused.
    Idle { paused: bool },
    Watching {
        active: bool,
        packets: u32,
        good_cycles: u32,
        cycle_ends: Instant,
        measured: Instant,
    },
}

impl LayerTracker {
    /// Inactive until the first packet.
    pub fn new(settings: TrackerSettings) -> Self {
        Self {
            settings,
            state: State::Idle { paused: false },
            rates: Rates::default(),
            bytes: [0; TEMPORAL_LAYERS],
            frames: [0; TEMPORAL_LAYERS],
        }
    }

    /// A packet of `len` bytes; true where the layer became active.
    pub fn handle_packet(
        &mut self,
        now: Instant,
        len: usize,
        temporal: u8,
        frame_start: bool,
    ) -> bool {
        let mut started = false;
        match &mut self.state {
            State::Idle { paused: true } => return false,
            State::Idle { paused: false } => {
                started = true;
                let cycle_ends = now + self.settings.cycle;
                self.state = State::Watching {
                    active: true,
                    packets: 1,
                    good_cycles: 0,
                    cycle_ends,
                    measured: now,
                };
            }
            State::Watching { packets, .. } => *packets += 1,
        }
        let temporal = usize::from(temporal).min(TEMPORAL_LAYERS - 1);
        if let Some(bytes) = self.bytes.get_mut(temporal) {
            *bytes += len as u64;
        }
        if let Some(frames) = self.frames.get_mut(temporal) {
            *frames += u32::from(frame_start);
        }
        started
    }

    /// Ends cycles and measurements that are due; true where the layer became active or inactive, or a rate came to
    /// or from zero.
    pub fn handle_timeout(&mut self, now: Instant) -> bool {
        let settings = self.settings;
        let State::Watching {
            active,
            packets,
            good_cycles,
            cycle_ends,
            measured,
        } = &mut self.state
        else {
            return false;
        };
        let was_active = *active;
        // After a pause of the process the missed cycles count as one.
        if now >= *cycle_ends {
            *good_cycles = if *packets >= settings.packets_per_cycle {
                *good_cycles + 1
            } else {
                0
            };
            if *good_cycles == 0 {
                *active = false;
            } else if *good_cycles >= settings.cycles_required {
                *active = true;
            }
            *packets = 0;
            *cycle_ends += settings.cycle;
            if *cycle_ends <= now {
                *cycle_ends = now + settings.cycle;
            }
        }
        let mut changed = *active != was_active;
        let elapsed = now.saturating_duration_since(*measured);
        if elapsed >= settings.bitrate_interval {
            *measured = now;
            changed |= self.measure(elapsed);
        }
        changed
    }

    /// When [`Self::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Idle { .. } => None,
            State::Watching {
                cycle_ends,
                measured,
                ..
            } => Some(cycle_ends.min(measured + self.settings.bitrate_interval)),
        }
    }

    /// Pauses, which makes the layer inactive, or resumes: then the first packet makes it active.
    pub fn set_paused(&mut self, paused: bool) {
        self.state = State::Idle { paused };
        self.rates = Rates::default();
        self.bytes = [0; TEMPORAL_LAYERS];
        self.frames = [0; TEMPORAL_LAYERS];
    }

    /// True while it is being sent.
    pub const fn is_active(&self) -> bool {
        matches!(self.state, State::Watching { active: true, .. })
    }

    /// The last measurement.
    pub const fn rates(&self) -> Rates {
        self.rates
    }

    /// True where a bitrate came to or from zero.
    fn measure(&mut self, elapsed: Duration) -> bool {
        let seconds = elapsed.as_secs_f64();
        let former = self.rates;
        let (mut bytes, mut frames) = (0, 0);
        let counts = self.bytes.iter_mut().zip(&mut self.frames);
        let rates = self.rates.bitrate.iter_mut().zip(&mut self.rates.fps);
        for ((new_bytes, new_frames), (bitrate, fps)) in counts.zip(rates) {
            bytes += std::mem::take(new_bytes);
            frames += std::mem::take(new_frames);
            *bitrate = (bytes as f64 * 8.0 / seconds) as u32;
            *fps = (f64::from(frames) / seconds) as f32;
        }
        former
            .bitrate
            .iter()
            .zip(&self.rates.bitrate)
            .any(|(former, new)| (*former == 0) != (*new == 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_packets::at;

    /// Feeds a packet each `every_ms` in `from..to` and gives the times at which the state changed.
    fn run(tracker: &mut LayerTracker, from: u64, to: u64, every_ms: u64) -> Vec<(u64, bool)> {
        let mut changes = Vec::new();
        let mut active = tracker.is_active();
        for ms in from..to {
            if every_ms > 0 && (ms - from).is_multiple_of(every_ms) {
                tracker.handle_packet(at(ms), 125, 0, true);
            }
            tracker.handle_timeout(at(ms));
            if tracker.is_active() != active {
                active = tracker.is_active();
                changes.push((ms, active));
            }
        }
        changes
    }

    #[test]
    fn the_lowest_layer_stops_after_half_a_second_and_returns_after_four_good_cycles() {
        let mut tracker = LayerTracker::new(TrackerSettings::for_layer(0, false));
        assert_eq!(run(&mut tracker, 0, 1_000, 100), [(0, true)]);
        assert_eq!(run(&mut tracker, 1_000, 3_000, 0), [(1_500, false)]);
        assert_eq!(run(&mut tracker, 3_000, 6_000, 100), [(4_500, true)]);
    }

    #[test]
    fn a_higher_layer_returns_after_a_second_of_packets() {
        for layer in [1, 2] {
            let mut tracker = LayerTracker::new(TrackerSettings::for_layer(layer, false));
            run(&mut tracker, 0, 1_000, 20);
            assert_eq!(run(&mut tracker, 1_000, 3_000, 0), [(1_500, false)]);
            assert_eq!(run(&mut tracker, 3_000, 20_000, 20), [(4_000, true)]);
        }
    }

    #[test]
    fn a_higher_layer_that_trickles_does_not_return() {
        let mut tracker = LayerTracker::new(TrackerSettings::for_layer(2, false));
        run(&mut tracker, 0, 1_000, 20);
        // Four packets per cycle are too few, and one good cycle alone is as well.
        assert_eq!(run(&mut tracker, 1_000, 10_000, 125), [(1_500, false)]);
        assert_eq!(run(&mut tracker, 10_000, 10_500, 20), []);
        assert_eq!(run(&mut tracker, 10_500, 20_000, 125), []);
    }

    #[test]
    fn a_screen_share_is_active_with_a_packet_in_two_seconds() {
        let mut tracker = LayerTracker::new(TrackerSettings::for_layer(2, true));
        assert_eq!(run(&mut tracker, 0, 20_000, 1_900), [(0, true)]);
    }

    #[test]
    fn rates_add_up_over_temporal_layers() {
        let mut tracker = LayerTracker::new(TrackerSettings::for_layer(0, false));
        for frame in 0..30_u64 {
            tracker.handle_packet(at(frame * 33), 1_000, (frame % 2) as u8, true);
            tracker.handle_packet(at(frame * 33), 250, (frame % 2) as u8, false);
        }
        assert!(tracker.handle_timeout(at(1_000)), "a rate came from zero");
        let rates = tracker.rates();
        assert_eq!(rates.bitrate, [150_000, 300_000, 300_000, 300_000]);
        assert!(
            rates
                .fps
                .iter()
                .zip([15.0, 30.0, 30.0, 30.0])
                .all(|(fps, expected)| (fps - expected).abs() < 0.01)
        );
    }

    #[test]
    fn a_paused_layer_is_inactive_until_the_first_packet_after_it() {
        let mut tracker = LayerTracker::new(TrackerSettings::for_layer(2, false));
        run(&mut tracker, 0, 1_000, 20);
        tracker.set_paused(true);
        assert_eq!(run(&mut tracker, 1_000, 2_000, 20), []);
        tracker.set_paused(false);
        assert!(!tracker.is_active());
        assert!(tracker.handle_packet(at(2_000), 100, 0, true));
    }
}
