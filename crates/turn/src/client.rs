//! Who talks to the server.

use std::net::SocketAddr;

/// How a client reaches the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A plain stream; a balancer in front may have ended TLS.
    Tcp,
    /// TLS over a stream.
    Tls,
}

/// The 5-tuple of RFC 8656 section 3.2: it names an allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Client {
    /// Its transport.
    pub transport: Transport,
    /// Our address, as bound.
    pub local: SocketAddr,
    /// The client's, as we see it.
    pub remote: SocketAddr,
}
