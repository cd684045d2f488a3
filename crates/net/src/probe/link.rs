//! What carries messages to a server: a UDP socket, a framed stream, or a relay on top of either.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Instant;

use super::left;

/// Sends and receives whole messages.
pub(super) trait Link: Send {
    /// Sends a message.
    fn send(&mut self, message: &[u8]) -> io::Result<()>;

    /// The next message; none where none came until `deadline`.
    fn receive(&mut self, deadline: Instant) -> io::Result<Option<Vec<u8>>>;

    /// True where messages may be lost on the way.
    fn is_lossy(&self) -> bool;

    /// Says goodbye, where there is somebody to say it to.
    fn finish(&mut self) {}
}

/// A UDP socket with one destination, so that the system tells of ports that are closed.
pub(super) struct UdpLink {
    socket: UdpSocket,
    local: SocketAddr,
}

impl UdpLink {
    /// A socket on the address that the system would send from.
    pub(super) fn connect(remote: SocketAddr) -> io::Result<Self> {
        let any: SocketAddr = match remote {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any)?;
        socket.connect(remote)?;
        let local = socket.local_addr()?;
        Ok(Self { socket, local })
    }

    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }
}

impl Link for UdpLink {
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.socket.send(message).map(|_| ())
    }

    fn receive(&mut self, deadline: Instant) -> io::Result<Option<Vec<u8>>> {
        let Some(patience) = left(deadline) else {
            return Ok(None);
        };
        self.socket.set_read_timeout(Some(patience))?;
        let mut buffer = [0; MAX_DATAGRAM];
        match self.socket.recv(&mut buffer) {
            Ok(len) => Ok(buffer.get(..len).map(<[u8]>::to_vec)),
            Err(error) if is_quiet(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn is_lossy(&self) -> bool {
        true
    }
}

/// True where nothing came in time.
pub(super) fn is_quiet(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

/// No WebRTC datagram is longer.
const MAX_DATAGRAM: usize = 2048;
