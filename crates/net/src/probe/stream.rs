//! Messages on a stream: behind their length (RFC 4571), or telling it themselves (RFC 8656 section 12.5).

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use sluice_turn::frame;
use sluice_wire::framing;

use super::left;
use super::link::{Link, is_quiet};

/// How messages lie in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// RFC 4571.
    Packets,
    /// STUN messages and ChannelData.
    Turn,
}

/// A stream whose reads can be made to end.
pub(super) trait TimedStream: Read + Write + Send {
    /// The socket below.
    fn socket(&self) -> &TcpStream;
}

impl TimedStream for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

/// A TCP connection.
pub(super) fn connect(server: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&server, CONNECT_PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(WRITE_PATIENCE))?;
    stream.set_write_timeout(Some(WRITE_PATIENCE))?;
    Ok(stream)
}

/// A stream with frames.
pub(super) struct StreamLink<S> {
    stream: S,
    framing: Framing,
    /// Arrived, and not handed out yet.
    arrived: Vec<u8>,
}

impl<S: TimedStream> StreamLink<S> {
    pub(super) fn new(stream: S, framing: Framing) -> Self {
        Self {
            stream,
            framing,
            arrived: Vec::new(),
        }
    }

    fn next_message(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some((message, end)) = self.framing.first(&self.arrived)? else {
            return Ok(None);
        };
        let whole = self.arrived.get(message).map(<[u8]>::to_vec);
        self.arrived.drain(..end);
        Ok(whole)
    }
}

impl<S: TimedStream> Link for StreamLink<S> {
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let frame = self.framing.wrap(message)?;
        self.stream.write_all(&frame)?;
        self.stream.flush()
    }

    fn receive(&mut self, deadline: Instant) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(message) = self.next_message()? {
                return Ok(Some(message));
            }
            let Some(patience) = left(deadline) else {
                return Ok(None);
            };
            self.stream.socket().set_read_timeout(Some(patience))?;
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(closed()),
                Ok(len) => self.arrived.extend(buffer.iter().take(len)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_quiet(&error) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    fn is_lossy(&self) -> bool {
        false
    }
}

impl Framing {
    /// Where the first message of the stream lies, and where the next one begins.
    fn first(self, stream: &[u8]) -> io::Result<Option<(std::ops::Range<usize>, usize)>> {
        match self {
            Self::Packets => {
                let packet = framing::first_packet(stream)
                    .map_err(|_| foreign("what answers does not speak ICE over TCP"))?;
                Ok(packet.map(|packet| (packet.clone(), packet.end)))
            }
            Self::Turn => {
                let end =
                    frame::next(stream).map_err(|_| foreign("what answers does not speak TURN"))?;
                let whole = end.filter(|end| *end <= stream.len());
                Ok(whole.map(|end| (0..end, end)))
            }
        }
    }

    fn wrap(self, message: &[u8]) -> io::Result<Vec<u8>> {
        let mut frame = Vec::with_capacity(message.len() + 4);
        match self {
            Self::Packets => {
                let header = framing::header(message.len())
                    .ok_or_else(|| io::Error::from(ErrorKind::InvalidInput))?;
                frame.extend(header);
                frame.extend(message);
            }
            Self::Turn => {
                frame.extend(message);
                frame.resize(message.len().next_multiple_of(4), 0);
            }
        }
        Ok(frame)
    }
}

fn foreign(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

fn closed() -> io::Error {
    io::Error::new(ErrorKind::UnexpectedEof, "the server closed the connection")
}

/// Three SYNs: a second one that is lost still leaves time for the third.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// Also of a TLS handshake's reads.
const WRITE_PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_waited_for_until_it_is_whole() {
        for (framing, stream) in [
            (Framing::Packets, &[0, 3, 1, 2, 3][..]),
            (Framing::Turn, &[0x40, 0, 0, 1, 9, 0, 0, 0][..]),
        ] {
            for len in 0..stream.len() {
                assert_eq!(framing.first(&stream[..len]).expect("no junk"), None);
            }
            let (_, end) = framing.first(stream).expect("no junk").expect("whole");
            assert_eq!(end, stream.len());
        }
        assert!(Framing::Turn.first(b"\x80").is_err());
    }

    #[test]
    fn what_is_wrapped_is_found_again() {
        let wrapped = Framing::Packets.wrap(&[7; 5]).expect("it fits");
        assert_eq!(
            Framing::Packets.first(&wrapped).expect("no junk"),
            Some((2..7, 7))
        );
        assert_eq!(Framing::Turn.wrap(&[0x40; 5]).expect("it fits").len(), 8);
        assert!(Framing::Packets.wrap(&vec![0; 70_000]).is_err());
    }
}
