//! Layers in one RTP stream by the dependency descriptor: decode targets and the chains that protect them
//! (AV1 RTP specification, sections A.4 and A.6).
//!
//! A decode target is *ready* while every frame that its later frames may need was forwarded. It becomes so at a
//! frame that it may be switched to, on a chain of which no frame was left out. Of the ready targets the best one
//! within the wanted layers is forwarded. Frames lost on the way here count as forwarded: they are repaired, or the
//! subscriber asks for a key frame.

use sluice_wire::dependency_descriptor::{
    DecodeTarget, DecodeTargets, Descriptor, Indication, MAX_CHAINS, MAX_TARGETS, read_targets,
};
use sluice_wire::seq::Unwrap16;

use super::{Choice, Forward, Target};
use crate::ring::Stored;

/// Selection by the dependency descriptor.
#[derive(Debug, Default)]
pub(super) struct Svc {
    epoch: u16,
    targets: Option<DecodeTargets>,
    /// Bitmask of targets that the publisher sends.
    active: u32,
    frames: Frames,
    /// No frame was left out since the chain's start.
    unbroken: [bool; MAX_CHAINS],
    /// Bitmask of targets that are ready.
    ready: u32,
    current: Option<u8>,
    /// Timestamp of the newest frame.
    picture: Option<u32>,
}

impl Svc {
    pub fn choose(&mut self, packet: &Stored<'_>, target: Target) -> Choice {
        let meta = packet.meta;
        let Some(descriptor) = &meta.dd else {
            // Its structure was lost: what it holds can't be told, and what follows may need it.
            if !meta.late && meta.epoch == self.epoch {
                self.forget();
            }
            return Choice::Drop;
        };
        if meta.epoch != self.epoch {
            if meta.epoch < self.epoch {
                return Choice::Drop;
            }
            *self = Self {
                epoch: meta.epoch,
                ..Self::default()
            };
        }
        if descriptor.has_structure && !meta.late {
            self.adopt_structure(packet.descriptor);
        }
        let frame = self.frames.unwrap.unwrap(descriptor.frame_number);
        let fate = match self.frames.fate(frame) {
            Fate::Unknown if self.frames.is_new(frame) => {
                self.decide(frame, descriptor, meta.timestamp, target)
            }
            // A whole frame that was overtaken.
            Fate::Unknown => self.frames.note(frame, self.is_in_current(descriptor)),
            known => known,
        };
        if fate == Fate::Kept {
            self.forward(descriptor)
        } else {
            Choice::Drop
        }
    }

    pub fn current(&self) -> Option<Target> {
        let DecodeTarget {
            spatial, temporal, ..
        } = self.target(self.current?)?;
        Some(Target { spatial, temporal })
    }

    pub fn needs_key_frame(&self, target: Target) -> bool {
        let Some(current) = self.current() else {
            return true;
        };
        let best = self
            .active_targets()
            .map(|(_, t)| t.spatial)
            .filter(|&s| s <= target.spatial)
            .max();
        best.is_some_and(|best| best != current.spatial)
    }

    fn adopt_structure(&mut self, descriptor: &[u8]) {
        let targets = read_targets(descriptor);
        if targets.is_some() && targets != self.targets {
            self.forget();
            self.targets = targets;
        }
    }

    /// Nothing can be decoded before the next key frame.
    fn forget(&mut self) {
        self.ready = 0;
        self.unbroken = [false; MAX_CHAINS];
        self.current = None;
    }

    /// Decides about the newest frame at its first packet.
    fn decide(
        &mut self,
        frame: u64,
        descriptor: &Descriptor,
        timestamp: u32,
        target: Target,
    ) -> Fate {
        if let Some(active) = descriptor.active_targets {
            self.active = active;
        }
        self.follow_chains(frame, descriptor);
        let decodable = self.ready | self.startable(descriptor);
        let same_picture = self.picture.replace(timestamp) == Some(timestamp);
        self.current = self.pick(decodable, target, same_picture);

        let kept = self.is_in_current(descriptor);
        // What is left out must not be needed by a target that is to stay ready.
        self.ready = if kept {
            decodable
        } else {
            let unneeded = |index: &u8| {
                matches!(
                    descriptor.indication(*index),
                    Indication::NotPresent | Indication::Discardable
                )
            };
            mask_of((0..descriptor.targets).filter(unneeded)) & self.ready
        };
        self.frames.note(frame, kept)
    }

    /// Breaks the chains whose former frame was left out; starts those that begin here.
    fn follow_chains(&mut self, frame: u64, descriptor: &Descriptor) {
        let chains = usize::from(descriptor.chains);
        for (unbroken, &diff) in self
            .unbroken
            .iter_mut()
            .zip(&descriptor.chain_diffs)
            .take(chains)
        {
            if diff == 0 {
                *unbroken = true;
            } else if self.frames.fate(frame.saturating_sub(u64::from(diff))) == Fate::Dropped {
                *unbroken = false;
            }
        }
    }

    /// Bitmask of targets that may be switched to at this frame.
    fn startable(&self, descriptor: &Descriptor) -> u32 {
        let intact = |index: &u8| {
            let chain = self.target(*index).and_then(|target| target.chain);
            match chain {
                Some(chain) => self
                    .unbroken
                    .get(usize::from(chain))
                    .is_some_and(|unbroken| *unbroken),
                // A structure without chains: only a frame that needs no other is safe.
                None => descriptor.independent,
            }
        };
        let switch = |index: &u8| descriptor.indication(*index) == Indication::Switch;
        mask_of((0..descriptor.targets).filter(switch).filter(intact))
    }

    /// The best decodable target within the wanted layers, else the present one, else the lowest.
    fn pick(&self, decodable: u32, wanted: Target, same_picture: bool) -> Option<u8> {
        let candidates = || {
            self.active_targets()
                .filter(|(index, _)| has(decodable, *index))
        };
        let height = |(_, target): &(u8, DecodeTarget)| (target.spatial, target.temporal);
        let best = candidates()
            .filter(|(_, t)| t.spatial <= wanted.spatial && t.temporal <= wanted.temporal)
            .max_by_key(height);
        let present = candidates().find(|(index, _)| Some(*index) == self.current);
        let picked = match (best, present) {
            // A picture that was begun ends as it was begun, unless more of it can be had.
            (Some(best), Some(present)) if same_picture && height(&best) < height(&present) => {
                present
            }
            (Some(best), _) => best,
            (None, Some(present)) => present,
            (None, None) => candidates().min_by_key(height)?,
        };
        Some(picked.0)
    }

    fn forward(&self, descriptor: &Descriptor) -> Choice {
        let Some(current) = self.current() else {
            return Choice::Drop;
        };
        let Some(targets) = &self.targets else {
            return Choice::Drop;
        };
        let within = |(_, t): &(u8, DecodeTarget)| {
            t.spatial <= current.spatial && t.temporal <= current.temporal
        };
        let active = mask_of(self.active_targets().filter(within).map(|(index, _)| index));
        Choice::Forward(Forward {
            marker: descriptor.end && descriptor.spatial == current.spatial,
            active_targets: (active != targets.all()).then_some((active, targets.count())),
        })
    }

    fn is_in_current(&self, descriptor: &Descriptor) -> bool {
        self.current
            .is_some_and(|index| descriptor.indication(index) != Indication::NotPresent)
    }

    fn active_targets(&self) -> impl Iterator<Item = (u8, DecodeTarget)> {
        let all = self.targets.iter().flat_map(DecodeTargets::iter);
        all.filter(|(index, _)| has(self.active, *index))
    }

    fn target(&self, index: u8) -> Option<DecodeTarget> {
        self.targets.as_ref()?.get(index)
    }
}

fn mask_of(indices: impl Iterator<Item = u8>) -> u32 {
    indices
        .filter(|&index| usize::from(index) < MAX_TARGETS)
        .fold(0, |mask, index| mask | 1 << index)
}

const fn has(mask: u32, index: u8) -> bool {
    (index as usize) < MAX_TARGETS && mask >> index & 1 == 1
}

/// What became of the last 128 frames.
#[derive(Debug, Default)]
struct Frames {
    unwrap: Unwrap16,
    /// Highest frame decided about; 0 before the first.
    highest: u64,
    /// Bit `n` is frame `highest - n`.
    seen: u128,
    kept: u128,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Did not come, or is too old to tell.
    Unknown,
    Kept,
    Dropped,
}

impl Frames {
    const fn is_new(&self, frame: u64) -> bool {
        frame > self.highest
    }

    fn fate(&self, frame: u64) -> Fate {
        let Some(age) = self.highest.checked_sub(frame).filter(|&age| age < 128) else {
            return Fate::Unknown;
        };
        match (self.seen >> age & 1 == 1, self.kept >> age & 1 == 1) {
            (false, _) => Fate::Unknown,
            (true, true) => Fate::Kept,
            (true, false) => Fate::Dropped,
        }
    }

    fn note(&mut self, frame: u64, kept: bool) -> Fate {
        if frame > self.highest {
            let steps = u32::try_from(frame - self.highest).unwrap_or(u32::MAX);
            self.seen = self.seen.checked_shl(steps).unwrap_or(0);
            self.kept = self.kept.checked_shl(steps).unwrap_or(0);
            self.highest = frame;
        }
        let age = self.highest - frame;
        if age >= 128 {
            return Fate::Dropped;
        }
        self.seen |= 1 << age;
        self.kept |= u128::from(kept) << age;
        if kept { Fate::Kept } else { Fate::Dropped }
    }
}

#[cfg(test)]
mod tests;
