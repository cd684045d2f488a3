//! One allocation: its relayed address, whom it lets in, its channels.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::quota::Ticket;

pub(crate) struct Allocation {
    pub client: Client,
    pub relayed: SocketAddr,
    pub username: String,
    pub expires: Instant,
    /// The request that made it, and the answer: it may come again (RFC 8656 section 7.2).
    pub request: ([u8; 12], Vec<u8>),
    permissions: Vec<Permission>,
    channels: Vec<Channel>,
    _ticket: Ticket,
}

struct Permission {
    ip: IpAddr,
    expires: Instant,
}

struct Channel {
    number: u16,
    peer: SocketAddr,
    expires: Instant,
}

/// Why a channel can't be bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BindError {
    /// The number or the peer is bound otherwise.
    Conflict,
    /// There are too many.
    Full,
}

impl Allocation {
    pub fn new(
        client: Client,
        relayed: SocketAddr,
        username: String,
        expires: Instant,
        request: ([u8; 12], Vec<u8>),
        ticket: Ticket,
    ) -> Self {
        Self {
            client,
            relayed,
            username,
            expires,
            request,
            permissions: Vec::new(),
            channels: Vec::new(),
            _ticket: ticket,
        }
    }

    /// Lets all of them in, or none where that would be too many: then it is false.
    pub fn permit(&mut self, now: Instant, ips: &[IpAddr]) -> bool {
        self.permissions
            .retain(|permission| permission.expires > now);
        let known = |ip: &&IpAddr| self.permissions.iter().any(|entry| entry.ip == **ip);
        let new = ips.iter().filter(|ip| !known(ip)).count();
        if self.permissions.len() + new > MAX_PERMISSIONS {
            return false;
        }
        let expires = now + PERMISSION_LIFETIME;
        for ip in ips.iter().copied() {
            match self.permissions.iter_mut().find(|entry| entry.ip == ip) {
                Some(permission) => permission.expires = expires,
                None => self.permissions.push(Permission { ip, expires }),
            }
        }
        true
    }

    pub fn permits(&self, now: Instant, ip: IpAddr) -> bool {
        let mut permissions = self.permissions.iter();
        permissions.any(|permission| permission.ip == ip && permission.expires > now)
    }

    /// Binds or refreshes, and lets the peer in.
    pub fn bind(&mut self, now: Instant, number: u16, peer: SocketAddr) -> Result<(), BindError> {
        let expires = now + CHANNEL_LIFETIME;
        self.channels.retain(|channel| channel.expires > now);
        let is_full = self.channels.len() >= MAX_CHANNELS;
        let mut channels = self.channels.iter_mut();
        match channels.find(|channel| channel.number == number || channel.peer == peer) {
            Some(channel) if channel.number == number && channel.peer == peer => {
                channel.expires = expires;
            }
            Some(_) => return Err(BindError::Conflict),
            None if is_full => return Err(BindError::Full),
            None => self.channels.push(Channel {
                number,
                peer,
                expires,
            }),
        }
        if self.permit(now, &[peer.ip()]) {
            Ok(())
        } else {
            Err(BindError::Full)
        }
    }

    pub fn peer_of(&self, now: Instant, number: u16) -> Option<SocketAddr> {
        let mut channels = self.channels.iter();
        let channel = channels.find(|channel| channel.number == number && channel.expires > now)?;
        Some(channel.peer)
    }

    pub fn channel_of(&self, now: Instant, peer: SocketAddr) -> Option<u16> {
        let mut channels = self.channels.iter();
        let channel = channels.find(|channel| channel.peer == peer && channel.expires > now)?;
        Some(channel.number)
    }
}

/// RFC 8656 section 9.
const PERMISSION_LIFETIME: Duration = Duration::from_mins(5);
/// RFC 8656 section 12.
const CHANNEL_LIFETIME: Duration = Duration::from_mins(10);
/// A client has a permission for each address of ours; more only where other peers are open.
const MAX_PERMISSIONS: usize = 128;
const MAX_CHANNELS: usize = 128;
