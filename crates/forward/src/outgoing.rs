//! Packets to send, put together from parts so that each part is written once.

use sluice_wire::rtp::{ExtensionBlock, OutHeader, write_header};

/// One packet to send: the header and its extensions, then `prefix`, `payload` and `padding`.
///
/// The sender allots the transport-wide number ([`Self::number`]), writes the header into its slot
/// ([`Self::write_header`]) and seals the rest behind it.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// The fixed header.
    pub header: OutHeader,
    /// Extended sequence number: what is above its lower 16 bits is the SRTP rollover counter.
    pub sequence: u64,
    /// Header extensions, without the transport-wide number.
    pub extensions: &'a mut ExtensionBlock,
    /// What stands in front of `payload`: a rewritten descriptor, an original sequence number.
    pub prefix: Prefix,
    /// The rest of the payload, as it lies in the ring.
    pub payload: &'a [u8],
    /// Padding bytes at the end, the last one of which tells their number; 0 for none.
    pub padding: u8,
    /// What kind of packet it is.
    pub kind: OutgoingKind,
    /// The slot for the transport-wide number, where that was negotiated.
    pub transport: Option<TransportSlot>,
}

/// Kinds of outgoing packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutgoingKind {
    /// Sent for the first time.
    Media,
    /// Sent again: on the RTX stream, or byte for byte on the media stream.
    Retransmission,
    /// Carries nothing: fills a hole in the sequence, or probes for bandwidth.
    Padding,
}

/// Where the transport-wide number goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransportSlot {
    /// The extension's id.
    pub id: u8,
    /// The number: set by [`Outgoing::number`], or given where a packet goes out again byte for byte.
    pub number: Option<u16>,
}

/// Up to twelve bytes, held inline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Prefix {
    bytes: [u8; Self::CAPACITY],
    len: u8,
}

impl Prefix {
    /// Most bytes a prefix holds: an original sequence number and a VP8 descriptor are eight.
    pub const CAPACITY: usize = 12;

    /// Appends bytes; those beyond the capacity are a bug and left out.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) {
        let start = usize::from(self.len);
        let slot = self.bytes.get_mut(start..start + bytes.len());
        debug_assert!(slot.is_some(), "prefix overflow");
        if let Some(slot) = slot {
            slot.copy_from_slice(bytes);
            self.len += bytes.len() as u8;
        }
    }

    /// The bytes.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl Outgoing<'_> {
    /// Takes the next transport-wide number, where one is needed. False where none was taken.
    #[inline]
    pub fn number(&mut self, next: impl FnOnce() -> u16) -> bool {
        let Some(slot) = self.transport.as_mut().filter(|slot| slot.number.is_none()) else {
            return false;
        };
        slot.number = Some(next());
        true
    }

    /// Adds a byte of padding to a packet of media (RFC 3550 section 5.1).
    #[inline]
    pub fn pad_by_one(&mut self) {
        if self.kind == OutgoingKind::Media && self.padding == 0 {
            self.header.padding = true;
            self.padding = 1;
        }
    }

    /// Bytes behind the header.
    #[inline]
    pub fn body_len(&self) -> usize {
        self.prefix.as_slice().len() + self.payload.len() + usize::from(self.padding)
    }

    /// Writes the header with its extensions at the start of `out`; returns its length. None where `out` is too
    /// short.
    #[inline]
    pub fn write_header(&mut self, out: &mut [u8]) -> Option<usize> {
        if let Some(TransportSlot {
            id,
            number: Some(number),
        }) = self.transport
        {
            self.extensions.push(id, &number.to_be_bytes());
        }
        write_header(out, &self.header, self.extensions)
    }

    /// Writes what stands behind the header; returns its length. None where `out` is too short.
    pub fn write_body(&self, out: &mut [u8]) -> Option<usize> {
        let len = self.body_len();
        let out = out.get_mut(..len)?;
        let prefix = self.prefix.as_slice();
        let (head, rest) = out.split_at_mut_checked(prefix.len())?;
        head.copy_from_slice(prefix);
        let (body, padding) = rest.split_at_mut_checked(self.payload.len())?;
        body.copy_from_slice(self.payload);
        padding.fill(0);
        if let Some(last) = padding.last_mut() {
            *last = self.padding;
        }
        Some(len)
    }
}
