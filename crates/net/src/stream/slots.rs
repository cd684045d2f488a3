//! Room for what one receive call yields: used by all connections of a worker, one after the other.

use std::ops::Range;

/// Bytes of one connection, and the messages among them.
pub struct StreamSlots {
    pub(super) memory: Vec<u8>,
    /// Bytes of `memory` that hold something.
    pub(super) filled: usize,
    pub(super) messages: Vec<Range<usize>>,
}

impl StreamSlots {
    /// Memory that the kernel backs only as far as it is used.
    pub fn new() -> Self {
        Self {
            memory: vec![0; BYTES],
            filled: 0,
            messages: Vec::new(),
        }
    }

    /// The messages of the last receive call, in order.
    pub fn messages(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let (mut rest, mut at) = (self.memory.as_mut_slice(), 0);
        self.messages.iter().filter_map(move |range| {
            let (_, tail) = std::mem::take(&mut rest).split_at_mut_checked(range.start - at)?;
            let (message, tail) = tail.split_at_mut_checked(range.len())?;
            rest = tail;
            at = range.end;
            Some(message)
        })
    }

    /// The first message of the last receive call.
    pub fn first(&self) -> Option<&[u8]> {
        self.memory.get(self.messages.first()?.clone())
    }

    /// All bytes of the last receive call, whole messages or not.
    pub fn bytes(&self) -> &[u8] {
        self.memory.get(..self.filled).unwrap_or_default()
    }
}

/// Bytes per receive call: some forty packets, so that a fast connection does not starve the others.
const BYTES: usize = 64 * 1024;
