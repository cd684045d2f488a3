//! Frame numbers and active decode targets of the dependency descriptor.

use sluice_wire::dependency_descriptor::{MAX_GROWTH, rewrite};
use sluice_wire::rtp::ExtensionBlock;
use sluice_wire::seq::newer_u16;

/// Numbers for one rewritten descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DescriptorPatch {
    frame_number: u16,
    /// Number of targets; 0 where nothing is said of them.
    targets: u8,
    /// Bitmask of the active ones.
    active: u32,
}

/// Renumbers the frames of one outgoing stream.
///
/// Frames that are left out keep their numbers: the descriptors of later frames count over them. Only where the
/// stream goes on with another source, at a key frame, do numbers move.
#[derive(Debug, Default)]
pub struct DescriptorMunger {
    last: Option<u16>,
    delta: u16,
}

impl DescriptorMunger {
    /// Goes on with another source, of which `first` is the first frame number.
    pub fn switch(&mut self, first: u16) {
        self.delta = self
            .last
            .map_or(0, |last| last.wrapping_add(1).wrapping_sub(first));
    }

    /// Numbers for a frame that is forwarded.
    pub fn keep(&mut self, frame_number: u16, active: Option<(u32, u8)>) -> DescriptorPatch {
        let frame_number = frame_number.wrapping_add(self.delta);
        if self.last.is_none_or(|last| newer_u16(frame_number, last)) {
            self.last = Some(frame_number);
        }
        let (active, targets) = active.unwrap_or_default();
        DescriptorPatch {
            frame_number,
            targets,
            active,
        }
    }
}

impl DescriptorPatch {
    /// Frame number, number of targets, bitmask of the active ones.
    pub(crate) const fn to_bits(self) -> (u16, u8, u32) {
        (self.frame_number, self.targets, self.active)
    }

    pub(crate) const fn from_bits(frame_number: u16, targets: u8, active: u32) -> Self {
        Self {
            frame_number,
            targets,
            active,
        }
    }

    /// Adds the rewritten descriptor as the element `id`.
    pub fn apply(&self, descriptor: &[u8], id: u8, extensions: &mut ExtensionBlock) {
        let mut bytes = [0; LONGEST];
        let active = (self.targets > 0).then_some((self.active, self.targets));
        if descriptor.len() + MAX_GROWTH <= bytes.len()
            && let Some(len) = rewrite(descriptor, self.frame_number, active, &mut bytes)
        {
            extensions.push(id, bytes.get(..len).unwrap_or_default());
        }
    }
}

/// Longest value of a header extension element (RFC 8285 section 4.3), with room to grow.
const LONGEST: usize = 255 + MAX_GROWTH;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_left_out_frames_stay_and_sources_join() {
        let mut munger = DescriptorMunger::default();
        munger.switch(65_534);
        assert_eq!(munger.keep(65_534, None).frame_number, 65_534);
        assert_eq!(munger.keep(1, None).frame_number, 1);
        assert_eq!(munger.keep(65_535, None).frame_number, 65_535);
        munger.switch(500);
        assert_eq!(munger.keep(500, None).frame_number, 2);
        assert_eq!(munger.keep(503, None).frame_number, 5);
    }
}
