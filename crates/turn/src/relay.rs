//! Payload on its way: on a channel nothing allocates, and a packet costs a look-up or two.

use std::net::SocketAddr;
use std::time::Instant;

use rand::Rng;

use crate::client::{Client, Transport};
use crate::frame::CHANNEL_DATA_HEADER;
use crate::message::{Incoming, send_indication, write_data_indication};
use crate::server::{FromClient, Server};
use crate::stats::Drop;

impl Server {
    /// ChannelData of a client (RFC 8656 section 12.6).
    pub(crate) fn relay_channel_data(
        &mut self,
        now: Instant,
        client: &Client,
        bytes: &[u8],
    ) -> FromClient {
        let Some([n0, n1, l0, l1]) = bytes.first_chunk() else {
            return self.dropped(Drop::Malformed);
        };
        let number = u16::from_be_bytes([*n0, *n1]);
        let len = usize::from(u16::from_be_bytes([*l0, *l1]));
        let payload = CHANNEL_DATA_HEADER..CHANNEL_DATA_HEADER + len;
        if bytes.len() < payload.end {
            return self.dropped(Drop::Malformed);
        }
        let Some(allocation) = self.allocations.get(client) else {
            return self.dropped(Drop::NoAllocation);
        };
        let Some(peer) = allocation.peer_of(now, number) else {
            return self.dropped(Drop::NoChannel);
        };
        if !allocation.permits(now, peer.ip()) {
            return self.dropped(Drop::NoPermission);
        }
        let relayed = allocation.relayed;
        self.relayed(relayed, peer, payload)
    }

    /// A Send indication (RFC 8656 section 11.3).
    pub(crate) fn relay_indication(
        &mut self,
        now: Instant,
        client: &Client,
        incoming: &Incoming,
        bytes: &[u8],
    ) -> FromClient {
        let Some((peer, payload)) = send_indication(incoming, bytes) else {
            return self.dropped(Drop::Malformed);
        };
        let Some(allocation) = self.allocations.get(client) else {
            return self.dropped(Drop::NoAllocation);
        };
        if !allocation.permits(now, peer.ip()) {
            return self.dropped(Drop::NoPermission);
        }
        let relayed = allocation.relayed;
        self.relayed(relayed, peer, payload)
    }

    fn relayed(
        &mut self,
        relayed: SocketAddr,
        peer: SocketAddr,
        payload: std::ops::Range<usize>,
    ) -> FromClient {
        // A permission is for an address; what may be reached there goes by the port.
        if !self.config.rules.permits(peer) || peer.is_ipv4() != relayed.is_ipv4() {
            return self.dropped(Drop::ForbiddenPeer);
        }
        self.stats.packets_to_peer += 1;
        self.stats.bytes_to_peer += payload.len() as u64;
        FromClient::Relay {
            relayed,
            peer,
            payload,
        }
    }

    /// True where the client of a relayed address lets packets from this peer in.
    pub fn admits(&self, now: Instant, relayed: SocketAddr, peer: SocketAddr) -> bool {
        let allocation = self
            .by_relayed
            .get(&relayed)
            .and_then(|client| self.allocations.get(client));
        allocation.is_some_and(|allocation| allocation.permits(now, peer.ip()))
    }

    /// A packet that came to a relayed address. Appends to `out` what the client is to get, and tells which client
    /// that is; None where it may not be passed on.
    pub fn handle_peer(
        &mut self,
        now: Instant,
        relayed: SocketAddr,
        peer: SocketAddr,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<Client> {
        let allocation = self
            .by_relayed
            .get(&relayed)
            .and_then(|client| self.allocations.get(client));
        let Some(allocation) = allocation else {
            self.stats.drop(Drop::NoAllocation);
            return None;
        };
        if !allocation.permits(now, peer.ip()) {
            self.stats.drop(Drop::NoPermission);
            return None;
        }
        if payload.len() > MAX_PAYLOAD {
            self.stats.drop(Drop::Malformed);
            return None;
        }
        let client = allocation.client;
        if let Some(number) = allocation.channel_of(now, peer) {
            out.extend_from_slice(&number.to_be_bytes());
            out.extend_from_slice(&(payload.len() as u16).to_be_bytes());
            out.extend_from_slice(payload);
            if client.transport != Transport::Udp {
                out.resize(
                    out.len() + (payload.len().next_multiple_of(4) - payload.len()),
                    0,
                );
            }
        } else {
            write_data_indication(peer, payload, self.rng.random(), out);
        }
        self.stats.packets_to_client += 1;
        self.stats.bytes_to_client += payload.len() as u64;
        Some(client)
    }

    pub(crate) fn dropped(&mut self, why: Drop) -> FromClient {
        self.stats.drop(why);
        FromClient::Dropped(why)
    }
}

/// Longest packet of a peer: with its header it must fit a message of a stream.
const MAX_PAYLOAD: usize = 1_960;
