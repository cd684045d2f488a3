//! The last step of a message: into which channel of which receiver it goes.

use std::collections::HashMap;
use std::time::Instant;

use bytes::Bytes;
use sluice_wire::id::PeerId;

use super::channels::{Channels, Lane};
use super::packet::wrap;
use super::room::{Audience, Room};

/// One message for one receiver's transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The transport.
    pub peer: PeerId,
    /// Its channel.
    pub channel: u16,
    /// Decides how much may wait.
    pub reliable: bool,
    /// Binary or text.
    pub binary: bool,
    /// The message, shared by all receivers.
    pub message: Bytes,
}

/// A packet for receivers of this worker.
pub struct PacketPosting {
    /// Which channel it takes; decides whether it waits for one.
    pub reliable: bool,
    /// It has a place in its sender's order.
    pub sequenced: bool,
    /// The serialized packet.
    pub message: Bytes,
}

/// A message of a channel with a label of its own, for receivers of this worker.
pub struct RawPosting<'a> {
    /// Its sender; empty where hidden.
    pub identity: &'a str,
    /// Binary or text.
    pub binary: bool,
    /// The message.
    pub message: &'a Bytes,
}

impl PacketPosting {
    /// Hands it to each receiver's channel; what is reliable waits for one that is not open yet. Returns how many
    /// receivers had none.
    pub fn deliver(
        &self,
        now: Instant,
        room: &mut Room,
        audience: Audience,
        channels: &HashMap<PeerId, Channels>,
        mut out: impl FnMut(Delivery),
    ) -> u64 {
        let &Self {
            reliable,
            sequenced,
            ref message,
        } = self;
        let lane = if reliable {
            Lane::Reliable
        } else {
            Lane::Lossy
        };
        let mut missed = 0;
        for (peer, member) in room.receivers(audience) {
            let channel = channels.get(&peer).and_then(|of| of.first(lane));
            match channel {
                Some(channel) => out(Delivery {
                    peer,
                    channel,
                    reliable,
                    binary: true,
                    message: message.clone(),
                }),
                None if reliable && member.joining.hold(now, sequenced, message.clone()) => {}
                None => missed += 1,
            }
        }
        missed
    }
}

impl RawPosting<'_> {
    /// Receivers that know packets get it wrapped as one; those that only have channels of their own get it raw.
    /// Returns how many receivers have neither.
    pub fn deliver(
        &self,
        room: &mut Room,
        audience: Audience,
        channels: &HashMap<PeerId, Channels>,
        mut out: impl FnMut(Delivery),
    ) -> u64 {
        let wrapped = Bytes::from(wrap(self.identity, self.message));
        let mut missed = 0;
        for (peer, _) in room.receivers(audience) {
            let first = |lane| channels.get(&peer).and_then(|of| of.first(lane));
            let packets = first(Lane::Reliable)
                .map(|channel| (channel, true))
                .or_else(|| first(Lane::Lossy).map(|channel| (channel, false)));
            let (channel, reliable, binary, message) = match (packets, first(Lane::Unlabeled)) {
                (Some((channel, reliable)), _) => (channel, reliable, true, &wrapped),
                (None, Some(channel)) => (channel, true, self.binary, self.message),
                (None, None) => {
                    missed += 1;
                    continue;
                }
            };
            out(Delivery {
                peer,
                channel,
                reliable,
                binary,
                message: message.clone(),
            });
        }
        missed
    }
}
