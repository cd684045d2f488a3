//! Reference-counted packet buffers that return to their worker by themselves: what travels over links.

use std::collections::VecDeque;
use std::sync::Arc;

/// Largest packet that crosses a link, bytes: a receive slot.
pub const SLOT_BYTES: usize = 2048;

/// Packets one worker may have under way on links before it counts drops.
const MAX_SLOTS: usize = 16 * 1024;

/// Slots looked at before a new one is made.
const PROBES: usize = 4;

/// One packet with what is known of it, immutable, shared by all links that carry it. Cloning counts a reference.
pub struct PoolBuffer<M = ()> {
    slot: Arc<Slot<M>>,
}

struct Slot<M> {
    meta: M,
    len: usize,
    bytes: [u8; SLOT_BYTES],
}

/// Makes [`PoolBuffer`]s out of slots whose former readers are done.
pub struct Pool<M = ()> {
    slots: VecDeque<Arc<Slot<M>>>,
}

impl Pool {
    /// As [`Pool::fill_with`], for packets of which nothing is known.
    pub fn fill(&mut self, fill: impl FnOnce(&mut [u8]) -> Option<usize>) -> Option<PoolBuffer> {
        self.fill_with((), fill)
    }
}

impl<M: Copy> Pool<M> {
    /// Lets `fill` write into a free slot and return the length. None where nothing was written or every slot
    /// is in use. Allocates only while the pool is still growing.
    pub fn fill_with(
        &mut self,
        meta: M,
        fill: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> Option<PoolBuffer<M>> {
        let mut slot = self.take(meta)?;
        let written = Arc::get_mut(&mut slot).and_then(|free| {
            free.meta = meta;
            free.len = fill(&mut free.bytes)?.min(SLOT_BYTES);
            Some(())
        });
        self.slots.push_back(Arc::clone(&slot));
        written.map(|()| PoolBuffer { slot })
    }

    /// Slots made so far.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// True before the first packet.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    fn take(&mut self, meta: M) -> Option<Arc<Slot<M>>> {
        for _ in 0..PROBES.min(self.slots.len()) {
            let mut slot = self.slots.pop_front()?;
            if Arc::get_mut(&mut slot).is_some() {
                return Some(slot);
            }
            self.slots.push_back(slot);
        }
        (self.slots.len() < MAX_SLOTS).then(|| {
            Arc::new(Slot {
                meta,
                len: 0,
                bytes: [0; SLOT_BYTES],
            })
        })
    }
}

impl<M> Default for Pool<M> {
    fn default() -> Self {
        Self {
            slots: VecDeque::new(),
        }
    }
}

impl<M> PoolBuffer<M> {
    /// What is known of the packet.
    pub fn meta(&self) -> &M {
        &self.slot.meta
    }
}

impl<M> Clone for PoolBuffer<M> {
    fn clone(&self) -> Self {
        Self {
            slot: Arc::clone(&self.slot),
        }
    }
}

impl<M> std::ops::Deref for PoolBuffer<M> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.slot.bytes.get(..self.slot.len).unwrap_or_default()
    }
}

impl<M> std::fmt::Debug for PoolBuffer<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PoolBuffer({} B)", self.slot.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(pool: &mut Pool, byte: u8) -> PoolBuffer {
        pool.fill(|slot| {
            slot[0] = byte;
            Some(1)
        })
        .expect("the pool has room")
    }

    #[test]
    fn slots_whose_readers_are_done_are_used_again() {
        let mut pool = Pool::default();
        for byte in 0..100 {
            assert_eq!(&*write(&mut pool, byte), &[byte]);
        }
        assert_eq!(pool.len(), 1);
    }

    #[test]
    fn a_slot_that_is_still_read_keeps_its_packet() {
        let mut pool = Pool::default();
        let held = write(&mut pool, 7);
        let copy = held.clone();
        for _ in 0..10 {
            write(&mut pool, 9);
        }
        assert_eq!((&*held, &*copy), (&[7][..], &[7][..]));
        assert_eq!(pool.len(), 2);
    }

    #[test]
    fn a_pool_whose_packets_are_all_under_way_refuses() {
        let mut pool = Pool::default();
        let held: Vec<_> = (0..MAX_SLOTS).map(|_| write(&mut pool, 1)).collect();
        assert!(pool.fill(|_| Some(1)).is_none());
        drop(held);
        assert!(pool.fill(|_| Some(1)).is_some());
    }
}
