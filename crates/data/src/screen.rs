//! What no honest SCTP stack sends is turned away before the association sees it: some of it is legal to
//! parse and costs far more than it did to send.

/// Why a packet was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Shorter than a header, or a chunk that runs past the end.
    Malformed,
    /// More than [`MAX_CHUNKS`] chunks.
    TooManyChunks,
    /// DATA on a stream beyond [`MAX_STREAMS`]. Each stream costs memory and a share of every packet.
    StreamBeyondLimit,
}

/// Walks the chunk headers (RFC 9260 section 3.2).
pub(crate) fn screen(packet: &[u8]) -> Result<(), Refusal> {
    let mut rest = packet.get(COMMON_HEADER..).ok_or(Refusal::Malformed)?;
    let mut chunks = 0;
    while let [kind, _, high, low, body @ ..] = rest {
        chunks += 1;
        if chunks > MAX_CHUNKS {
            return Err(Refusal::TooManyChunks);
        }
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        if len < CHUNK_HEADER || len > rest.len() {
            return Err(Refusal::Malformed);
        }
        if *kind == DATA {
            let stream = body
                .get(4..6)
                .and_then(|id| <[u8; 2]>::try_from(id).ok())
                .ok_or(Refusal::Malformed)?;
            if u16::from_be_bytes(stream) >= MAX_STREAMS {
                return Err(Refusal::StreamBeyondLimit);
            }
        }
        // Padding of the last chunk may be missing.
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(())
}

/// True of a packet that asks for an association (RFC 9260 section 3.3.2).
pub(crate) fn begins_with_init(packet: &[u8]) -> bool {
    packet.get(COMMON_HEADER) == Some(&INIT)
}

/// Streams we accept, as told in our INIT ACK. Browsers number their channels from 0 or 1 up and open 1,024
/// at most.
pub(crate) const MAX_STREAMS: u16 = 1_024;
/// A packet of 1,200 bytes holds 59 DATA chunks of one byte each.
const MAX_CHUNKS: usize = 96;
const COMMON_HEADER: usize = 12;
const CHUNK_HEADER: usize = 4;
const DATA: u8 = 0;
const INIT: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(chunks: &[&[u8]]) -> Vec<u8> {
        let mut packet = vec![0; COMMON_HEADER];
        for chunk in chunks {
            packet.extend_from_slice(chunk);
        }
        packet
    }

    #[test]
    fn data_within_the_stream_limit_passes() {
        let data = [
            0, 3, 0, 17, 0, 0, 0, 1, 3, 255, 0, 0, 0, 0, 0, 53, 7, 0, 0, 0,
        ];
        assert_eq!(screen(&packet(&[&data, &[10, 0, 0, 4]])), Ok(()));
    }

    #[test]
    fn a_stream_beyond_the_limit_is_refused() {
        let data = [0, 3, 0, 17, 0, 0, 0, 1, 4, 0, 0, 0, 0, 0, 0, 53, 7, 0, 0, 0];
        assert_eq!(screen(&packet(&[&data])), Err(Refusal::StreamBeyondLimit));
    }

    #[test]
    fn a_storm_of_chunks_is_refused() {
        assert_eq!(
            screen(&packet(&[&[4, 0, 0, 4].repeat(97)])),
            Err(Refusal::TooManyChunks)
        );
        assert_eq!(screen(&packet(&[&[4, 0, 0, 4].repeat(96)])), Ok(()));
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        assert_eq!(screen(&[0; 11]), Err(Refusal::Malformed));
        assert_eq!(screen(&packet(&[&[4, 0, 0, 3]])), Err(Refusal::Malformed));
        assert_eq!(
            screen(&packet(&[&[4, 0, 0, 9, 1, 2, 3, 4]])),
            Err(Refusal::Malformed)
        );
        assert_eq!(
            screen(&packet(&[&[0, 0, 0, 8, 1, 2, 3, 4]])),
            Err(Refusal::Malformed)
        );
    }
}
