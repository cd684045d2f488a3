//! The dependency descriptor header extension: which frames a frame needs and which decode targets need it
//! (AV1 RTP specification, appendix A).
//!
//! A descriptor refers to the templates of a structure that came with the last key frame, so reading one takes a
//! [`Reader`] per stream. Rewriting frame number and active decode targets does not ([`rewrite`]).

mod structure;

use structure::Structure;
pub use structure::{DecodeTarget, DecodeTargets, MAX_CHAINS, MAX_TARGETS};

use crate::codec::bits::{BitReader, BitWriter};

/// How a decode target needs a frame (section A.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Indication {
    /// Not part of the target.
    NotPresent,
    /// Part of it, but no other frame of the target needs it.
    Discardable,
    /// Part of it; after it, all frames of the target can be decoded.
    Switch,
    /// Part of it.
    Required,
}

/// One descriptor, resolved against its structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptor {
    /// First packet of the frame.
    pub start: bool,
    /// Last packet of the frame.
    pub end: bool,
    /// frame_dependency_template_id.
    pub template_id: u8,
    /// frame_number.
    pub frame_number: u16,
    /// True where the descriptor carries a structure.
    pub has_structure: bool,
    /// active_decode_targets_bitmask, where present; all targets where a structure comes without one.
    pub active_targets: Option<u32>,
    /// Spatial id of the frame.
    pub spatial: u8,
    /// Temporal id of the frame.
    pub temporal: u8,
    /// Indications, two bits each, target 0 lowest.
    pub indications: u64,
    /// Decode targets of the structure.
    pub targets: u8,
    /// Frame number difference to the former frame of each chain, 0 for none; chains beyond the eighth are left out.
    pub chain_diffs: [u8; MAX_CHAINS],
    /// Chains of the structure, at most [`MAX_CHAINS`].
    pub chains: u8,
    /// True where the frame refers to no other.
    pub independent: bool,
    /// Size of the frame's spatial layer in pixels, where the structure tells.
    pub size: Option<(u16, u16)>,
}

impl Descriptor {
    /// How `target` needs this frame; not at all where there is no such target.
    pub const fn indication(&self, target: u8) -> Indication {
        indication(self.indications, target)
    }
}

/// Picks one of packed indications (two bits each, target 0 lowest).
pub const fn indication(packed: u64, target: u8) -> Indication {
    if target as usize >= MAX_TARGETS {
        return Indication::NotPresent;
    }
    match packed >> (target * 2) & 3 {
        0 => Indication::NotPresent,
        1 => Indication::Discardable,
        2 => Indication::Switch,
        _ => Indication::Required,
    }
}

/// Reads the descriptors of one stream, remembering its latest structure.
#[derive(Debug, Default)]
pub struct Reader {
    structure: Option<Box<Structure>>,
}

impl Reader {
    /// Reads one descriptor. None where it is cut short, or refers to a structure or template that never came.
    ///
    /// A structure takes effect at once, so packets should be read in the order of sending where possible; one
    /// from before the last structure may resolve wrongly or not at all.
    pub fn read(&mut self, bytes: &[u8]) -> Option<Descriptor> {
        let mut bits = BitReader::new(bytes);
        let head = Head::read(&mut bits, bytes.len())?;
        if head.structure {
            let structure = Structure::read(&mut bits)?;
            match &mut self.structure {
                Some(kept) => **kept = structure,
                none => *none = Some(Box::new(structure)),
            }
        }
        let structure = self.structure.as_deref()?;
        let targets = &structure.targets;
        let active_targets = if head.active_targets {
            Some(bits.bits(u32::from(targets.count()))?)
        } else {
            head.structure.then(|| targets.all())
        };
        let index = head.template_id.wrapping_sub(structure.id_offset) & 0x3f;
        let template = structure.template(index)?;

        let mut indications = template.indications;
        if head.custom_indications {
            indications = 0;
            for target in 0..targets.count() {
                indications |= u64::from(bits.bits(2)?) << (2 * target);
            }
        }
        let mut independent = template.independent;
        if head.custom_frame_diffs {
            independent = true;
            loop {
                let size = bits.bits(2)?;
                if size == 0 {
                    break;
                }
                bits.bits(4 * size)?;
                independent = false;
            }
        }
        let mut chain_diffs = template.chain_diffs;
        if head.custom_chains {
            for chain in 0..structure.chains {
                let diff = bits.bits(8)? as u8;
                if let Some(slot) = chain_diffs.get_mut(usize::from(chain)) {
                    *slot = diff;
                }
            }
        }
        Some(Descriptor {
            start: head.start,
            end: head.end,
            template_id: head.template_id,
            frame_number: head.frame_number,
            has_structure: head.structure,
            active_targets,
            spatial: template.spatial,
            temporal: template.temporal,
            indications,
            targets: targets.count(),
            chain_diffs,
            chains: targets.chains(),
            independent,
            size: targets.size(template.spatial),
        })
    }

    /// Targets of the latest structure.
    pub fn targets(&self) -> Option<&DecodeTargets> {
        self.structure.as_deref().map(|s| &s.targets)
    }
}

/// Reads only the decode targets of a descriptor that carries a structure.
pub fn read_targets(bytes: &[u8]) -> Option<DecodeTargets> {
    let mut bits = BitReader::new(bytes);
    if !Head::read(&mut bits, bytes.len())?.structure {
        return None;
    }
    Structure::read(&mut bits).map(|s| s.targets)
}

/// Copies a descriptor to `out` with another frame number, and with `active` (a bitmask and the number of decode
/// targets) as its active decode targets. A descriptor that carries a structure keeps its own targets.
/// Returns the new length; None where the descriptor is cut short or `out` too small.
pub fn rewrite(
    bytes: &[u8],
    frame_number: u16,
    active: Option<(u32, u8)>,
    out: &mut [u8],
) -> Option<usize> {
    let mut bits = BitReader::new(bytes);
    let head = Head::read(&mut bits, bytes.len())?;
    let Some((mask, count)) = active.filter(|_| !head.structure) else {
        let out = out.get_mut(..bytes.len())?;
        out.copy_from_slice(bytes);
        out.get_mut(1..3)?
            .copy_from_slice(&frame_number.to_be_bytes());
        return Some(bytes.len());
    };
    let mut to = BitWriter::new(out);
    to.bits(u32::from(head.start) << 1 | u32::from(head.end), 2)?;
    to.bits(u32::from(head.template_id), 6)?;
    to.bits(u32::from(frame_number), 16)?;
    // No structure, active targets, then the three flags for custom fields.
    to.bits(0b01, 2)?;
    to.bits(u32::from(head.custom_indications), 1)?;
    to.bits(u32::from(head.custom_frame_diffs), 1)?;
    to.bits(u32::from(head.custom_chains), 1)?;
    to.bits(mask, u32::from(count))?;
    if head.active_targets {
        bits.skip(usize::from(count))?;
    }
    if head.custom_indications || head.custom_frame_diffs || head.custom_chains {
        while let Some(bit) = bits.bit() {
            to.bits(u32::from(bit), 1)?;
        }
    }
    to.align()?;
    Some(to.bytes_written())
}

/// Most bytes that [`rewrite`] adds.
pub const MAX_GROWTH: usize = 6;

/// Mandatory and extended fields up to the structure.
struct Head {
    start: bool,
    end: bool,
    template_id: u8,
    frame_number: u16,
    structure: bool,
    active_targets: bool,
    custom_indications: bool,
    custom_frame_diffs: bool,
    custom_chains: bool,
}

impl Head {
    fn read(bits: &mut BitReader<'_>, len: usize) -> Option<Self> {
        let mut head = Self {
            start: bits.bit()?,
            end: bits.bit()?,
            template_id: bits.bits(6)? as u8,
            frame_number: bits.bits(16)? as u16,
            structure: false,
            active_targets: false,
            custom_indications: false,
            custom_frame_diffs: false,
            custom_chains: false,
        };
        if len > 3 {
            head.structure = bits.bit()?;
            head.active_targets = bits.bit()?;
            head.custom_indications = bits.bit()?;
            head.custom_frame_diffs = bits.bit()?;
            head.custom_chains = bits.bit()?;
        }
        Some(head)
    }
}

#[cfg(test)]
mod tests;
