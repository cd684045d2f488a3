//! The streams of TURN clients: what their bytes travel in, and how they are cut into messages.

use std::io::{self, Read, Write};
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::{ServerConfig, ServerConnection};
use sluice_turn::frame;

use crate::stream::{ByteStream, Frame, Framer, Malformed};

/// A stream of a client.
pub enum TurnStream {
    /// Plain, for a balancer in front that ends TLS.
    Plain(TcpStream),
    /// TLS.
    Tls(Box<TlsStream>),
}

/// TLS over TCP, never blocking. It holds at most one record that the socket did not take.
pub struct TlsStream {
    tcp: TcpStream,
    tls: ServerConnection,
}

/// STUN messages and ChannelData, one after the other (RFC 8656 section 12.5).
#[derive(Debug, Clone, Copy, Default)]
pub struct TurnFramer;

impl TlsStream {
    /// The server's side, before the handshake.
    ///
    /// # Errors
    /// Where the configuration can't work.
    pub fn new(tcp: TcpStream, config: Arc<ServerConfig>) -> Result<Self, rustls::Error> {
        let tls = ServerConnection::new(config)?;
        Ok(Self { tcp, tls })
    }

    /// Pushes out what the socket takes.
    fn push(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            if self.tls.write_tls(&mut self.tcp)? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }
}

impl Read for TlsStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for _ in 0..MAX_READS {
            match self.tls.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
            if self.tls.read_tls(&mut self.tcp)? == 0 {
                return Ok(0);
            }
            if let Err(error) = self.tls.process_new_packets() {
                // The alert says why; whether it arrives does not matter.
                let _ = self.push();
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
        // The others wait too.
        Err(io::ErrorKind::Interrupted.into())
    }
}

impl Write for TlsStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push()?;
        let record = bytes.get(..MAX_RECORD).unwrap_or(bytes);
        let taken = self.tls.writer().write(record)?;
        match self.push() {
            // It is in a record already, which leaves before anything else.
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(taken),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.push()
    }
}

impl Read for TurnStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.read(buffer),
            Self::Tls(tls) => tls.read(buffer),
        }
    }
}

impl Write for TurnStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.write(bytes),
            Self::Tls(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(tcp) => tcp.flush(),
            Self::Tls(tls) => tls.flush(),
        }
    }
}

impl ByteStream for TurnStream {
    fn source(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => &mut tls.tcp,
        }
    }

    fn wants_write(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(tls) => tls.tls.wants_write(),
        }
    }
}

impl Framer for TurnFramer {
    fn first(&self, stream: &[u8]) -> Result<Option<Frame>, Malformed> {
        let len = frame::next(stream).map_err(|_| Malformed)?;
        Ok(len.filter(|len| *len <= stream.len()).map(|len| Frame {
            message: 0..len,
            end: len,
        }))
    }

    fn append(&self, message: &[u8], out: &mut Vec<u8>) -> bool {
        // Messages tell their own length, and ChannelData comes padded.
        out.extend_from_slice(message);
        true
    }
}

/// Reads of the socket per call: a client that sends records without content gets no more of the turn.
const MAX_READS: usize = 8;
/// Bytes per record: the largest that TLS knows.
const MAX_RECORD: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_where_they_end() {
        let framer = TurnFramer;
        let mut stream = vec![0x40, 0, 0, 3, 1, 2, 3, 0];
        stream.extend([0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42]);
        let first = framer.first(&stream).expect("well-formed");
        let frame = Frame {
            message: 0..8,
            end: 8,
        };
        assert_eq!(first, Some(frame));
        assert_eq!(framer.first(&stream[8..]), Ok(None));
        assert_eq!(framer.first(&stream[..7]), Ok(None));
        assert_eq!(framer.first(b"GET / HTTP/1.1"), Err(Malformed));
        let mut out = Vec::new();
        assert!(framer.append(&stream[..8], &mut out));
        assert_eq!(out, stream[..8]);
    }
}
