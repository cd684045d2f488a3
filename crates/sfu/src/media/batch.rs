//! What came in of a track in one turn, found in its ring once for all subscriptions.

use sluice_forward::packet::PacketMeta;
use sluice_forward::ring::Stored;
use sluice_forward::up_track::UpTrack;

use super::gaps::LAYERS;

/// Packets to be fanned out, in the order in which they came.
pub struct Batch<'a> {
    up: &'a UpTrack,
    found: [Option<Stored<'a>>; FOUND],
    /// How many of `found` are looked at.
    len: usize,
    /// More than usual: looked for by each subscription.
    rest: &'a [PacketMeta],
    overrun: u64,
    /// The longest payload of each layer among `found`, bytes.
    longest: [usize; LAYERS],
}

impl<'a> Batch<'a> {
    /// Finds the packets of a turn.
    pub fn gather(up: &'a UpTrack, pending: &'a [PacketMeta]) -> Self {
        let stored = |meta: &PacketMeta| up.stored(meta.layer, meta.sequence);
        let found = std::array::from_fn(|at| pending.get(at).and_then(stored));
        let mut longest = [0; LAYERS];
        for stored in found.iter().flatten() {
            if let Some(longest) = longest.get_mut(usize::from(stored.meta.layer)) {
                *longest = stored.payload.len().max(*longest);
            }
        }
        let rest = pending.get(FOUND..).unwrap_or_default();
        let kept = found.iter().flatten().count() + rest.iter().filter_map(stored).count();
        Self {
            up,
            found,
            len: pending.len().min(FOUND),
            rest,
            overrun: (pending.len() - kept) as u64,
            longest,
        }
    }

    /// Those found.
    #[inline]
    pub fn found(&self) -> impl Iterator<Item = &Stored<'a>> {
        self.found
            .get(..self.len)
            .unwrap_or_default()
            .iter()
            .flatten()
    }

    /// True for a packet that lacks one byte to be as long as the longest of its layer: encoders cut frames into packets
    /// that differ by a byte, and with a byte of padding all of them travel in one train.
    #[inline]
    pub fn lacks_one(&self, stored: &Stored<'_>) -> bool {
        let longest = self.longest.get(usize::from(stored.meta.layer));
        longest.is_some_and(|longest| stored.payload.len() + 1 == *longest)
    }

    /// The rest of them, seldom any.
    #[inline]
    pub fn rest(&self) -> impl Iterator<Item = Stored<'a>> {
        self.rest
            .iter()
            .filter_map(|meta| self.up.stored(meta.layer, meta.sequence))
    }

    /// Packets that newer ones of the same turn pushed out of the ring.
    #[inline]
    pub const fn overrun(&self) -> u64 {
        self.overrun
    }
}

/// Packets whose places are kept: three frames of high-definition video.
const FOUND: usize = 32;
