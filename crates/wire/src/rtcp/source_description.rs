//! SDES (RFC 3550 section 6.5). Ours, since `rtc-rtcp` knows no item 15, the mid (RFC 9143 section 16).

use super::Rtcp;
use crate::id::Ssrc;

/// What is said of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceChunk {
    /// The source.
    pub ssrc: Ssrc,
    /// Canonical name, at most 255 bytes; empty if not said.
    pub cname: String,
    /// Media id, at most 255 bytes.
    pub mid: Option<String>,
}

/// Reads `count` chunks; `None` where one is malformed.
pub(super) fn read(body: &[u8], count: u8) -> Option<Rtcp> {
    let mut rest = body;
    let mut chunks = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let chunk;
        (chunk, rest) = read_chunk(rest)?;
        chunks.push(chunk);
    }
    Some(Rtcp::SourceDescription { chunks })
}

fn read_chunk(bytes: &[u8]) -> Option<(SourceChunk, &[u8])> {
    let (&ssrc, mut rest) = bytes.split_first_chunk::<4>()?;
    let mut chunk = SourceChunk {
        ssrc: Ssrc(u32::from_be_bytes(ssrc)),
        cname: String::new(),
        mid: None,
    };
    loop {
        let (&item, behind) = rest.split_first()?;
        if item == ITEM_END {
            let consumed = (bytes.len() - behind.len()).next_multiple_of(4);
            return Some((chunk, bytes.get(consumed..)?));
        }
        let (&len, behind) = behind.split_first()?;
        let (text, behind) = behind.split_at_checked(usize::from(len))?;
        let text = || String::from_utf8_lossy(text).into_owned();
        match item {
            ITEM_CNAME => chunk.cname = text(),
            ITEM_MID => chunk.mid = Some(text()),
            _ => {}
        }
        rest = behind;
    }
}

/// Appends one SDES packet; texts are cut at 255 bytes and chunks at 31.
pub(super) fn write(chunks: &[SourceChunk], out: &mut Vec<u8>) {
    let start = out.len();
    let chunks = chunks.get(..MAX_CHUNKS).unwrap_or(chunks);
    out.extend([0x80 | chunks.len() as u8, 202, 0, 0]);
    for chunk in chunks {
        let chunk_start = out.len();
        out.extend(chunk.ssrc.0.to_be_bytes());
        write_item(ITEM_CNAME, &chunk.cname, out);
        if let Some(mid) = &chunk.mid {
            write_item(ITEM_MID, mid, out);
        }
        let len = (out.len() - chunk_start + 1).next_multiple_of(4);
        out.resize(chunk_start + len, ITEM_END);
    }
    // At most 31 chunks of 520 bytes: the length in words fits 16 bits.
    let words = ((out.len() - start) / 4 - 1) as u16;
    if let Some(slot) = out.get_mut(start + 2..start + 4) {
        slot.copy_from_slice(&words.to_be_bytes());
    }
}

fn write_item(item: u8, text: &str, out: &mut Vec<u8>) {
    let text = text.as_bytes();
    let text = text.get(..usize::from(u8::MAX)).unwrap_or(text);
    out.extend([item, text.len() as u8]);
    out.extend(text);
}

const ITEM_END: u8 = 0;
const ITEM_CNAME: u8 = 1;
const ITEM_MID: u8 = 15;
/// The count has five bits.
const MAX_CHUNKS: usize = 31;
