//! RED for subscribers that did not negotiate it: the primary encoding alone, and redundant ones in place of packets
//! that did not come (RFC 2198).

use std::ops::Range;

use sluice_wire::codec::red::RedView;
use sluice_wire::id::PayloadType;

/// One encoding in a RED packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    /// Its place among the redundant ones; none for the primary.
    pub index: Option<u8>,
    /// Packets before the one it came in. Senders put consecutive frames in, oldest first.
    pub back: u64,
    /// Ticks before the packet's timestamp.
    pub age: u32,
    /// Its payload type.
    pub payload_type: PayloadType,
    /// Where it lies in the payload.
    pub range: Range<usize>,
}

/// The encodings of a RED payload, oldest first, the primary last; without empty redundant ones.
pub(crate) fn blocks(view: &RedView) -> impl Iterator<Item = Block> + '_ {
    let redundant = view.redundant();
    let older = redundant
        .iter()
        .enumerate()
        .map(move |(index, block)| Block {
            index: Some(index as u8),
            back: (redundant.len() - index) as u64,
            age: u32::from(block.timestamp_offset),
            payload_type: block.payload_type,
            range: block.range.clone(),
        });
    let primary = Block {
        index: None,
        back: 0,
        age: 0,
        payload_type: view.primary_type,
        range: view.primary.clone(),
    };
    older
        .filter(|block| !block.range.is_empty())
        .chain(std::iter::once(primary))
}

/// The bytes of one encoding.
pub(crate) fn extract(payload: &[u8], redundant: Option<u8>) -> Option<&[u8]> {
    let view = RedView::parse(payload)?;
    let range = match redundant {
        Some(index) => view.redundant().get(usize::from(index))?.range.clone(),
        None => view.primary,
    };
    payload.get(range)
}
