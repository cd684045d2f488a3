//! Messages on a stream: STUN messages and ChannelData, each of which tells its own length (RFC 8656 section 12.5).

/// A stream that carries something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The first bits are neither STUN's nor ChannelData's.
    #[error("neither STUN nor ChannelData")]
    Unknown,
    /// Longer than any message for us.
    #[error("a message of {0} bytes")]
    Oversize(usize),
}

/// How long the message at the start of `buffer` is, ChannelData's padding included. None while too little of it has
/// come in to tell; a known length may still be more than what has come in.
///
/// # Errors
/// Where nothing good can follow.
pub fn next(buffer: &[u8]) -> Result<Option<usize>, FrameError> {
    let Some(first) = buffer.first() else {
        return Ok(None);
    };
    let is_channel_data = match first >> 6 {
        0 => false,
        1 => true,
        _ => return Err(FrameError::Unknown),
    };
    let Some([_, _, high, low]) = buffer.first_chunk() else {
        return Ok(None);
    };
    let body = usize::from(u16::from_be_bytes([*high, *low]));
    let len = if is_channel_data {
        (CHANNEL_DATA_HEADER + body).next_multiple_of(4)
    } else {
        let cookie = buffer.get(4..8).unwrap_or(&MAGIC_COOKIE);
        if cookie != MAGIC_COOKIE || !body.is_multiple_of(4) {
            return Err(FrameError::Unknown);
        }
        STUN_HEADER + body
    };
    if len > MAX_MESSAGE {
        return Err(FrameError::Oversize(len));
    }
    Ok(Some(len))
}

/// Longest message taken from a stream, bytes: a packet of any path's size and the longest request.
pub const MAX_MESSAGE: usize = 2048;

/// Channel number and length.
pub const CHANNEL_DATA_HEADER: usize = 4;
const STUN_HEADER: usize = 20;
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_tells_its_length() {
        assert_eq!(next(&[]), Ok(None));
        assert_eq!(next(&[0x40, 0, 0]), Ok(None));
        assert_eq!(next(&[0x40, 0, 0, 5]), Ok(Some(12)), "padded to four");
        assert_eq!(next(&[0, 3, 0, 8]), Ok(Some(28)));
        assert_eq!(next(&[0, 3, 0, 8, 0x21, 0x12, 0xa4, 0x42]), Ok(Some(28)));
    }

    #[test]
    fn what_is_neither_ends_the_stream() {
        assert_eq!(next(&[0x80]), Err(FrameError::Unknown));
        assert_eq!(
            next(b"GET / HTTP/1.1"),
            Err(FrameError::Oversize(0x5420 + 4))
        );
        assert_eq!(next(&[0, 3, 0, 7]), Err(FrameError::Unknown));
        assert_eq!(next(&[0, 3, 0, 8, 1, 2, 3, 4]), Err(FrameError::Unknown));
        assert_eq!(
            next(&[0x40, 0, 0xff, 0xff]),
            Err(FrameError::Oversize(65_540))
        );
    }
}
