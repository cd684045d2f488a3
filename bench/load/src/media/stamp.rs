//! When a packet was made, at the very end of its payload, out of reach of descriptors that servers rewrite.

use std::time::{Duration, Instant};

/// Bytes on the wire.
pub const LEN: usize = 12;

/// The time since the load began.
pub fn write(since_begin: Duration) -> [u8; LEN] {
    let mut bytes = [0; LEN];
    bytes[..4].copy_from_slice(&MAGIC);
    bytes[4..].copy_from_slice(&(since_begin.as_nanos() as u64).to_be_bytes());
    bytes
}

/// How long the packet took; none where there is no stamp.
pub fn age(payload: &[u8], now: Instant, begin: Instant) -> Option<Duration> {
    let bytes: &[u8; LEN] = payload.last_chunk()?;
    let (magic, nanos) = bytes.split_first_chunk()?;
    let made = Duration::from_nanos(u64::from_be_bytes(*nanos.first_chunk()?));
    (*magic == MAGIC).then(|| (now - begin).saturating_sub(made))
}

const MAGIC: [u8; 4] = *b"made";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_tells_how_old_its_packet_is() {
        let begin = Instant::now();
        let mut payload = vec![0; 50];
        payload.extend(write(Duration::from_millis(30)));
        let later = begin + Duration::from_millis(42);
        assert_eq!(age(&payload, later, begin), Some(Duration::from_millis(12)));
        assert_eq!(age(&payload[..60], later, begin), None);
    }
}
