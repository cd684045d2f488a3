//! The way of a datagram: through what, from where, to where.

use std::fmt;
use std::net::SocketAddr;

/// Through what a datagram travels between a client and us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Via {
    /// UDP.
    Udp,
    /// A TCP connection to our passive candidate (RFC 6544).
    Tcp,
    /// Our own TURN server, which the client reaches over UDP.
    RelayUdp,
    /// Our own TURN server, which the client reaches over TCP.
    RelayTcp,
    /// Our own TURN server, which the client reaches over TLS.
    RelayTls,
}

/// Where a datagram came from and goes back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Path {
    /// Through what.
    pub via: Via,
    /// What our socket is bound to.
    pub local: SocketAddr,
    /// The client as we see it; where it is relayed, the relayed transport address, which is ours too.
    pub remote: SocketAddr,
}

impl Via {
    /// All of them, the most direct first.
    pub const ALL: [Self; 5] = [
        Self::Udp,
        Self::Tcp,
        Self::RelayUdp,
        Self::RelayTcp,
        Self::RelayTls,
    ];

    /// True where it goes through our TURN server.
    pub fn is_relay(self) -> bool {
        matches!(self, Self::RelayUdp | Self::RelayTcp | Self::RelayTls)
    }

    /// Its word in reports, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::RelayUdp => "relay-udp",
            Self::RelayTcp => "relay-tcp",
            Self::RelayTls => "relay-tls",
        }
    }
}

impl Path {
    /// A path over UDP.
    pub fn udp(local: SocketAddr, remote: SocketAddr) -> Self {
        Self {
            via: Via::Udp,
            local,
            remote,
        }
    }

    /// A path over ICE-TCP.
    pub fn tcp(local: SocketAddr, remote: SocketAddr) -> Self {
        Self {
            via: Via::Tcp,
            local,
            remote,
        }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `relay-tls 192.0.2.1:50000 192.0.2.1:30001`: via, local, remote.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.via, self.local, self.remote)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_told_by_its_via_and_both_addresses() {
        let local = SocketAddr::from(([192, 0, 2, 1], 50_000));
        let remote = "[2001:db8::7]:30001".parse().expect("an address");
        let words: Vec<String> = Via::ALL
            .into_iter()
            .map(|via| Path { via, local, remote }.to_string())
            .collect();
        assert_eq!(
            words,
            ["udp", "tcp", "relay-udp", "relay-tcp", "relay-tls"]
                .map(|via| format!("{via} 192.0.2.1:50000 [2001:db8::7]:30001"))
        );
    }
}
