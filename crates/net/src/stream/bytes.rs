//! What bytes travel in.

use std::io::{self, Read, Write};

/// A stream of bytes over a TCP connection, never blocking: the connection itself, or TLS upon it.
///
/// `read` yields 0 at the end of the stream; `write` takes what it can; `flush` pushes out what `write` took but the
/// socket did not, and fails with `WouldBlock` while some of it stays.
pub trait ByteStream: Read + Write {
    /// For registration with a poll.
    fn source(&mut self) -> &mut mio::net::TcpStream;

    /// True while bytes wait inside for the socket to become writable.
    fn wants_write(&self) -> bool {
        false
    }
}

impl ByteStream for mio::net::TcpStream {
    fn source(&mut self) -> &mut mio::net::TcpStream {
        self
    }
}

/// True for errors after which the stream goes on.
pub fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}
