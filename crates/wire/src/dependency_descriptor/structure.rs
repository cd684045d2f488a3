//! A template dependency structure: what the frames of a stream look like, told once per key frame.

use crate::codec::bits::BitReader;

/// Most decode targets of a structure.
pub const MAX_TARGETS: usize = 32;
/// Most chains that we follow; no known encoder has more than four.
pub const MAX_CHAINS: usize = 8;
/// Most templates of a structure: their ids have six bits.
const MAX_TEMPLATES: usize = 64;
/// Most spatial layers: `next_layer_idc` gives no bound, but no codec has more than four.
const MAX_SPATIAL: usize = 8;

/// A structure.
#[derive(Debug)]
pub(super) struct Structure {
    pub id_offset: u8,
    templates: [Template; MAX_TEMPLATES],
    template_count: usize,
    /// As told, also above [`MAX_CHAINS`].
    pub chains: u8,
    pub targets: DecodeTargets,
}

/// What a kind of frame has in common.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Template {
    pub spatial: u8,
    pub temporal: u8,
    pub indications: u64,
    pub independent: bool,
    pub chain_diffs: [u8; MAX_CHAINS],
}

/// One decode target: the frames a receiver needs for a spatial and temporal layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DecodeTarget {
    /// Highest spatial id of its frames.
    pub spatial: u8,
    /// Highest temporal id of its frames.
    pub temporal: u8,
    /// The chain that protects it.
    pub chain: Option<u8>,
}

/// The decode targets of a structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeTargets {
    targets: [DecodeTarget; MAX_TARGETS],
    count: u8,
    chains: u8,
    sizes: [(u16, u16); MAX_SPATIAL],
    spatial_layers: u8,
}

impl DecodeTargets {
    /// Number of targets, 1 to 32.
    pub const fn count(&self) -> u8 {
        self.count
    }

    /// Number of chains, at most [`MAX_CHAINS`].
    pub const fn chains(&self) -> u8 {
        self.chains
    }

    /// Number of spatial layers.
    pub const fn spatial_layers(&self) -> u8 {
        self.spatial_layers
    }

    /// The bitmask of all targets.
    pub const fn all(&self) -> u32 {
        if self.count >= 32 {
            u32::MAX
        } else {
            (1 << self.count) - 1
        }
    }

    /// The targets with their index, in the structure's order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (u8, DecodeTarget)> + '_ {
        let targets = self
            .targets
            .get(..usize::from(self.count))
            .unwrap_or_default();
        targets
            .iter()
            .enumerate()
            .map(|(index, &target)| (index as u8, target))
    }

    /// One target.
    pub fn get(&self, index: u8) -> Option<DecodeTarget> {
        self.targets
            .get(..usize::from(self.count))?
            .get(usize::from(index))
            .copied()
    }

    /// Width and height of a spatial layer in pixels, where told.
    pub fn size(&self, spatial: u8) -> Option<(u16, u16)> {
        self.sizes
            .get(usize::from(spatial))
            .copied()
            .filter(|&size| size != (0, 0))
    }
}

impl Structure {
    pub fn read(bits: &mut BitReader<'_>) -> Option<Self> {
        let id_offset = bits.bits(6)? as u8;
        let count = bits.bits(5)? as u8 + 1;
        let mut structure = Self {
            id_offset,
            templates: [Template::default(); MAX_TEMPLATES],
            template_count: 0,
            chains: 0,
            targets: DecodeTargets {
                targets: [DecodeTarget::default(); MAX_TARGETS],
                count,
                chains: 0,
                sizes: [(0, 0); MAX_SPATIAL],
                spatial_layers: 1,
            },
        };
        structure.read_layers(bits)?;
        structure.read_indications(bits)?;
        structure.read_frame_diffs(bits)?;
        structure.read_chains(bits)?;
        structure.derive_target_layers();
        if bits.bit()? {
            let layers = usize::from(structure.targets.spatial_layers);
            for size in structure.targets.sizes.iter_mut().take(layers) {
                let width = bits.bits(16)?;
                let height = bits.bits(16)?;
                *size = (
                    (width as u16).saturating_add(1),
                    (height as u16).saturating_add(1),
                );
            }
        }
        Some(structure)
    }

    pub fn template(&self, index: u8) -> Option<&Template> {
        self.templates
            .get(..self.template_count)?
            .get(usize::from(index))
    }

    fn templates_mut(&mut self) -> impl Iterator<Item = &mut Template> {
        self.templates.iter_mut().take(self.template_count)
    }

    fn read_layers(&mut self, bits: &mut BitReader<'_>) -> Option<()> {
        let (mut spatial, mut temporal) = (0u8, 0u8);
        loop {
            let template = self.templates.get_mut(self.template_count)?;
            (template.spatial, template.temporal) = (spatial, temporal);
            self.template_count += 1;
            match bits.bits(2)? {
                0 => {}
                1 => temporal += 1,
                2 => (spatial, temporal) = (spatial + 1, 0),
                _ => break,
            }
        }
        self.targets.spatial_layers = spatial + 1;
        (usize::from(spatial) < MAX_SPATIAL).then_some(())
    }

    fn read_indications(&mut self, bits: &mut BitReader<'_>) -> Option<()> {
        let count = self.targets.count;
        for template in self.templates_mut() {
            for target in 0..count {
                template.indications |= u64::from(bits.bits(2)?) << (2 * target);
            }
        }
        Some(())
    }

    fn read_frame_diffs(&mut self, bits: &mut BitReader<'_>) -> Option<()> {
        for template in self.templates_mut() {
            template.independent = true;
            while bits.bit()? {
                bits.bits(4)?;
                template.independent = false;
            }
        }
        Some(())
    }

    fn read_chains(&mut self, bits: &mut BitReader<'_>) -> Option<()> {
        let targets = self.targets.count;
        let chains = bits.non_symmetric(u32::from(targets) + 1)? as u8;
        self.chains = chains;
        self.targets.chains = chains.min(MAX_CHAINS as u8);
        if chains == 0 {
            return Some(());
        }
        for target in self.targets.targets.iter_mut().take(usize::from(targets)) {
            let chain = bits.non_symmetric(u32::from(chains))? as u8;
            target.chain = (usize::from(chain) < MAX_CHAINS).then_some(chain);
        }
        for template in self.templates_mut() {
            for chain in 0..chains {
                let diff = bits.bits(4)? as u8;
                if let Some(slot) = template.chain_diffs.get_mut(usize::from(chain)) {
                    *slot = diff;
                }
            }
        }
        Some(())
    }

    fn derive_target_layers(&mut self) {
        let templates = self
            .templates
            .get(..self.template_count)
            .unwrap_or_default();
        let count = usize::from(self.targets.count);
        for (index, target) in self.targets.targets.iter_mut().take(count).enumerate() {
            for template in templates
                .iter()
                .filter(|t| t.indications >> (2 * index) & 3 != 0)
            {
                target.spatial = target.spatial.max(template.spatial);
                target.temporal = target.temporal.max(template.temporal);
            }
        }
    }
}
