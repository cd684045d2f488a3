//! Where one message ends and the next begins.

use std::ops::Range;

use sluice_wire::framing;

/// How a stream of bytes is cut into messages.
pub trait Framer {
    /// The first message in `stream`; none while it is not all there.
    ///
    /// # Errors
    /// [`Malformed`] where no message of this kind begins so: the connection is closed.
    fn first(&self, stream: &[u8]) -> Result<Option<Frame>, Malformed>;

    /// Appends `message` to `out`, framed. False where it can't be: nothing is appended then.
    fn append(&self, message: &[u8], out: &mut Vec<u8>) -> bool;
}

/// The first message of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Where it lies.
    pub message: Range<usize>,
    /// Where the next one begins: behind padding, if any.
    pub end: usize,
}

/// Bytes that are no message, or one that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// Each message behind its length: ICE-TCP.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rfc4571;

impl Framer for Rfc4571 {
    fn first(&self, stream: &[u8]) -> Result<Option<Frame>, Malformed> {
        let packet = framing::first_packet(stream).map_err(|_| Malformed)?;
        Ok(packet.map(|message| Frame {
            end: message.end,
            message,
        }))
    }

    fn append(&self, message: &[u8], out: &mut Vec<u8>) -> bool {
        let Some(header) = framing::header(message.len()) else {
            return false;
        };
        out.extend_from_slice(&header);
        out.extend_from_slice(message);
        true
    }
}
