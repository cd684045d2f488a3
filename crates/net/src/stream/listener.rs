//! A listening socket of one worker.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};

/// The socket.
pub struct Listener {
    io: TcpListener,
    /// Where it is bound, or what it was named.
    local: SocketAddr,
    /// After the system had no descriptor left: when to try again.
    paused: Option<Instant>,
}

/// What an attempt to accept yielded.
pub enum Accept {
    /// A connection from there, set up.
    Connection(TcpStream, SocketAddr),
    /// Nobody is waiting.
    None,
    /// No descriptor is left; try again at this time.
    Paused(Instant),
}

impl Listener {
    /// Listens at `local`. With `shared`, other sockets of this user may do so too, and the kernel spreads
    /// connections over them.
    ///
    /// # Errors
    /// As `bind(2)` and `listen(2)`.
    pub fn bind(local: SocketAddr, shared: bool) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(local), Type::STREAM, None)?;
        if local.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // Connections of a server before us may still be in TIME_WAIT.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        #[cfg(unix)]
        socket.set_reuse_port(shared)?;
        #[cfg(not(unix))]
        if shared {
            return Err(io::ErrorKind::Unsupported.into());
        }
        socket.set_nonblocking(true)?;
        socket.bind(&local.into())?;
        socket.listen(BACKLOG)?;
        let io = TcpListener::from_std(socket.into());
        let local = io.local_addr()?;
        Ok(Self {
            io,
            local,
            paused: None,
        })
    }

    /// Where it is bound, or what it was named.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Gives a listener that is bound to all addresses one by which it is known: the wildcard is nobody's address.
    pub fn name(&mut self, ip: IpAddr) {
        self.local.set_ip(ip);
    }

    /// For registration with a poll.
    pub fn source(&mut self) -> &mut TcpListener {
        &mut self.io
    }

    /// Accepts one connection.
    pub fn accept(&mut self, now: Instant) -> Accept {
        if let Some(until) = self.paused.filter(|until| *until > now) {
            return Accept::Paused(until);
        }
        self.paused = None;
        loop {
            match self.io.accept() {
                Ok((stream, remote)) => {
                    set_up(&stream);
                    return Accept::Connection(stream, remote);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Accept::None,
                Err(error) if is_of_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(local = %self.local, %error, "can't accept connections");
                    let until = now + PAUSE;
                    self.paused = Some(until);
                    return Accept::Paused(until);
                }
            }
        }
    }
}

/// Errors of the one connection that ended before it was accepted (accept(2)).
fn is_of_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
            | io::ErrorKind::TimedOut
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
    )
}

/// Small packets leave at once, little waits in the kernel where it could no longer be dropped, and a client that
/// vanished is noticed. Where the system lacks one of these, it works without.
fn set_up(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let _ = socket.set_tcp_nodelay(true);
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE)
        .with_interval(KEEPALIVE);
    let _ = socket.set_tcp_keepalive(&keepalive);
    #[cfg(target_os = "linux")]
    {
        let _ = socket.set_tcp_notsent_lowat(KERNEL_BYTES);
        let _ = socket.set_tcp_user_timeout(Some(USER_TIMEOUT));
    }
}

/// Connections that wait to be accepted; the kernel caps it (`net.core.somaxconn`).
const BACKLOG: i32 = 1_024;
/// Until accepting is tried again where no descriptor was left: they come back only as fast as connections end.
const PAUSE: Duration = Duration::from_millis(100);
/// Silence before the kernel asks whether the other side is there, and between such questions.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// Unsent bytes that the kernel takes from us: what waits there can't be dropped any more, so little of it.
#[cfg(target_os = "linux")]
const KERNEL_BYTES: u32 = 32 * 1024;
/// Sent bytes without acknowledgement before the kernel gives a connection up: the life of a consent (RFC 7675).
#[cfg(target_os = "linux")]
const USER_TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream as StdStream;

    const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

    fn accepted(listener: &mut Listener) -> SocketAddr {
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            if let Accept::Connection(_, remote) = listener.accept(Instant::now()) {
                return remote;
            }
        }
        panic!("nobody came");
    }

    #[test]
    fn connections_are_accepted_at_once_and_set_up() {
        let mut listener = Listener::bind(LOOPBACK, false).expect("loopback is there");
        let client = StdStream::connect(listener.local()).expect("it listens");
        let remote = accepted(&mut listener);
        assert_eq!(Some(remote), client.local_addr().ok());
        assert!(matches!(listener.accept(Instant::now()), Accept::None));
    }

    #[test]
    fn a_port_is_shared_only_where_asked() {
        let owner = Listener::bind(LOOPBACK, false).expect("loopback is there");
        assert!(Listener::bind(owner.local(), false).is_err());
        let first = Listener::bind(LOOPBACK, true).expect("loopback is there");
        assert!(Listener::bind(first.local(), true).is_ok());
    }
}
