//! Routes data messages: from a participant's channel, another worker or the server to the receivers of the room.
//! Sans-IO within the worker: what to do comes out of [`Router::poll`].

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use bytes::Bytes;
use sluice_wire::id::{ParticipantId, PeerId, RoomId, WorkerId};

use super::base64;
use super::channels::{Channels, Lane};
use super::delivery::{Delivery, PacketPosting, RawPosting};
use super::frame;
use super::packet::{Body, Packet, Sender};
use super::room::{Audience, Destinations, Room};
use super::streams::StreamSizes;
use super::tracks::Tracks;
use crate::command::{DataTrackConfig, ParticipantConfig};
use crate::event::Event;
use crate::link::{DataBody, DataMessage};
use crate::stats::Counters;

/// The rooms of one worker as data sees them.
pub struct Router {
    this: WorkerId,
    rooms: HashMap<RoomId, Room>,
    participants: HashMap<ParticipantId, RoomId>,
    senders: HashMap<PeerId, ParticipantId>,
    receivers: HashMap<PeerId, ParticipantId>,
    down_peers: HashMap<ParticipantId, PeerId>,
    tracks: Tracks,
    channels: HashMap<PeerId, Channels>,
    outputs: VecDeque<Output>,
    /// Streams that its participants began.
    pub streams: StreamSizes,
}

/// What the worker does next.
#[derive(Debug)]
pub enum Output {
    /// Send to a receiver of ours.
    Deliver(Delivery),
    /// Hand to another worker.
    Link(WorkerId, DataMessage),
    /// Report to the control plane.
    Report(Event),
}

impl Router {
    /// An empty router of worker `this`.
    pub fn new(this: WorkerId) -> Self {
        Self {
            this,
            rooms: HashMap::new(),
            participants: HashMap::new(),
            senders: HashMap::new(),
            receivers: HashMap::new(),
            down_peers: HashMap::new(),
            tracks: Tracks::default(),
            channels: HashMap::new(),
            outputs: VecDeque::new(),
            streams: StreamSizes::default(),
        }
    }

    /// Adds or changes a participant.
    pub fn set_participant(&mut self, config: ParticipantConfig) {
        let participant = config.participant;
        if self
            .participants
            .get(&participant)
            .is_some_and(|room| *room != config.room)
        {
            self.close_participant(participant);
        }
        self.unbind(participant);
        for peer in &config.up_peers {
            self.senders.insert(*peer, participant);
        }
        if let Some(peer) = config.down_peer {
            self.receivers.insert(peer, participant);
            self.down_peers.insert(participant, peer);
        }
        self.participants.insert(participant, config.room);
        self.rooms.entry(config.room).or_default().set(config);
    }

    /// Removes a participant.
    pub fn close_participant(&mut self, participant: ParticipantId) {
        self.unbind(participant);
        self.tracks.close_all(participant);
        if let Some(id) = self.participants.remove(&participant)
            && let Some(room) = self.rooms.get_mut(&id)
        {
            room.remove(participant);
            self.forget_if_empty(id);
        }
    }

    /// Sets the workers of a room.
    pub fn set_room_workers(&mut self, id: RoomId, workers: Vec<WorkerId>) {
        self.rooms.entry(id).or_default().workers = workers;
        self.forget_if_empty(id);
    }

    /// Sets the identities of a room that are the server.
    pub fn set_sinks(&mut self, id: RoomId, identities: Vec<String>) {
        self.rooms.entry(id).or_default().sinks = identities;
        self.forget_if_empty(id);
    }

    /// Sets where the packets of a data track go.
    pub fn set_track(&mut self, config: DataTrackConfig) {
        self.tracks.set(config);
    }

    /// Forgets a data track.
    pub fn close_track(&mut self, publisher: ParticipantId, handle: u16) {
        self.tracks.close(publisher, handle);
    }

    /// A channel stands: what waited for it goes out.
    pub fn channel_opened(&mut self, now: Instant, peer: PeerId, channel: u16, label: &str) {
        if !self.channels.entry(peer).or_default().open(channel, label)
            || Lane::of(label) != Lane::Reliable
        {
            return;
        }
        let Some(participant) = self.receivers.get(&peer) else {
            return;
        };
        let room = self
            .participants
            .get(participant)
            .and_then(|room| self.rooms.get_mut(room));
        let Some(member) = room.and_then(|room| room.member_mut(*participant)) else {
            return;
        };
        let released = member.joining.release(now).map(|message| {
            Output::Deliver(Delivery {
                peer,
                channel,
                reliable: true,
                binary: true,
                message,
            })
        });
        self.outputs.extend(released);
    }

    /// A channel is gone.
    pub fn channel_closed(&mut self, peer: PeerId, channel: u16) {
        if let Some(channels) = self.channels.get_mut(&peer) {
            channels.close(channel);
        }
    }

    /// A transport is gone.
    pub fn peer_closed(&mut self, peer: PeerId) {
        self.channels.remove(&peer);
        self.senders.remove(&peer);
        self.receivers.remove(&peer);
    }

    /// Highest reliable sequence handled of a participant.
    pub fn sequence(&self, participant: ParticipantId) -> u32 {
        let room = self.participants.get(&participant);
        room.and_then(|room| self.rooms.get(room)?.member(participant))
            .map_or(0, |member| member.sequence)
    }

    /// A message came in on a participant's channel.
    pub fn handle_message(
        &mut self,
        now: Instant,
        peer: PeerId,
        channel: u16,
        binary: bool,
        message: &Bytes,
        counters: &mut Counters,
    ) {
        counters.data_in += 1;
        if message.len() > MAX_MESSAGE {
            counters.drop_data_oversize += 1;
            return;
        }
        let lane = self
            .channels
            .get(&peer)
            .and_then(|channels| channels.lane(channel));
        let Some((lane, participant, room)) = lane.and_then(|lane| {
            let participant = *self.senders.get(&peer)?;
            Some((lane, participant, *self.participants.get(&participant)?))
        }) else {
            counters.drop_data_no_channel += 1;
            return;
        };
        match lane {
            Lane::Reliable | Lane::Lossy => {
                let reliable = lane == Lane::Reliable;
                self.publish_packet(now, room, participant, reliable, message, counters);
            }
            Lane::Unlabeled => self.publish_raw(now, room, participant, binary, message, counters),
            Lane::Track => self.publish_track(room, participant, message, counters),
        }
    }

    /// A message came from another worker, its sender fields already right.
    pub fn handle_link(&mut self, now: Instant, message: &DataMessage, counters: &mut Counters) {
        self.deliver(now, message, counters);
    }

    /// The server sends a packet, as base64, to participants of this worker: those that the packet or `also` names,
    /// or everybody; never `except`.
    pub fn send(
        &mut self,
        now: Instant,
        (room, reliable): (RoomId, bool),
        text: &str,
        also: &[String],
        except: Option<ParticipantId>,
        counters: &mut Counters,
    ) {
        let bytes = base64::decode(text).unwrap_or_default();
        let Some((packet, rewritten)) = Packet::parse(&bytes)
            .ok()
            .and_then(|packet| Some((packet.clone(), packet.rewrite(None, reliable).ok()?)))
        else {
            counters.drop_data_malformed += 1;
            return;
        };
        let mut to = Destinations::of(&packet);
        to.identities.extend_from_slice(also);
        let posting = PacketPosting {
            reliable,
            sequenced: packet.sequence() > 0,
            message: Bytes::from(rewritten),
        };
        self.deliver_packet(now, room, to.audience(except), &posting, counters);
    }

    /// What to do next.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Rooms and participants known, for statistics.
    pub fn len(&self) -> (usize, usize) {
        (self.rooms.len(), self.rooms.values().map(Room::len).sum())
    }

    fn publish_packet(
        &mut self,
        now: Instant,
        room_id: RoomId,
        participant: ParticipantId,
        reliable: bool,
        bytes: &Bytes,
        counters: &mut Counters,
    ) {
        let Ok(packet) = Packet::parse(bytes) else {
            counters.drop_data_malformed += 1;
            return;
        };
        let Some(room) = self.rooms.get_mut(&room_id) else {
            return;
        };
        let Some(member) = room.member_mut(participant) else {
            return;
        };
        if !member.config.can_publish_data
            || packet.body() == Body::Transcription && !member.config.agent
        {
            counters.drop_data_forbidden += 1;
            return;
        }
        if reliable && packet.sequence() > 0 {
            if packet.sequence() <= member.sequence {
                counters.drop_data_sequence += 1;
                return;
            }
            member.sequence = packet.sequence();
        }
        if let Some(header) = packet.stream_header() {
            let destinations = packet.destination_identities().count();
            self.streams.add(&header, destinations);
        }
        let sender = Sender {
            sid: &member.config.sid,
            identity: &member.config.identity,
            hidden: member.config.hidden,
            agent: member.config.agent,
        };
        let Ok(rewritten) = packet.rewrite(Some(&sender), reliable).map(Bytes::from) else {
            counters.drop_data_malformed += 1;
            return;
        };
        if packet.body() == Body::Metrics {
            self.report(room_id, participant, "", &rewritten);
            return;
        }
        if self.report_to_sinks(room_id, participant, &packet, &rewritten) {
            return;
        }
        self.publish(
            now,
            &DataMessage {
                room: room_id,
                sender: Some(participant),
                body: DataBody::Packet {
                    reliable,
                    packet: rewritten,
                },
            },
            counters,
        );
    }

    fn publish_raw(
        &mut self,
        now: Instant,
        room_id: RoomId,
        participant: ParticipantId,
        binary: bool,
        message: &Bytes,
        counters: &mut Counters,
    ) {
        let Some(member) = self
            .rooms
            .get(&room_id)
            .and_then(|room| room.member(participant))
        else {
            return;
        };
        if !member.config.can_publish_data {
            counters.drop_data_forbidden += 1;
            return;
        }
        let identity = if member.config.hidden {
            String::new()
        } else {
            member.config.identity.clone()
        };
        self.publish(
            now,
            &DataMessage {
                room: room_id,
                sender: Some(participant),
                body: DataBody::Raw {
                    identity,
                    binary,
                    message: message.clone(),
                },
            },
            counters,
        );
    }

    /// To the receivers here, and once to each worker with others.
    fn publish_track(
        &mut self,
        room: RoomId,
        publisher: ParticipantId,
        packet: &Bytes,
        counters: &mut Counters,
    ) {
        let Some(handle) = frame::handle(packet) else {
            counters.drop_data_malformed += 1;
            return;
        };
        let Some(spread) = self.tracks.spread(publisher, handle) else {
            counters.drop_data_track_unknown += 1;
            return;
        };
        for worker in spread.workers {
            let message = DataMessage {
                room,
                sender: Some(publisher),
                body: DataBody::Track(packet.clone()),
            };
            self.outputs.push_back(Output::Link(*worker, message));
        }
        self.deliver_track(publisher, packet, counters);
    }

    fn deliver_track(&mut self, publisher: ParticipantId, packet: &Bytes, counters: &mut Counters) {
        let spread = frame::handle(packet).and_then(|handle| self.tracks.spread(publisher, handle));
        let Some(mut spread) = spread else {
            counters.drop_data_track_unknown += 1;
            return;
        };
        for receiver in spread.receivers {
            let peer = self.down_peers.get(&receiver.participant);
            let channel = peer.and_then(|peer| self.channels.get(peer)?.first(Lane::Track));
            let (Some(peer), Some(channel)) = (peer, channel) else {
                counters.drop_data_no_channel += 1;
                continue;
            };
            self.outputs.push_back(Output::Deliver(Delivery {
                peer: *peer,
                channel,
                reliable: false,
                binary: true,
                message: spread.readdress(packet, receiver.handle),
            }));
        }
    }

    /// To the receivers here and to the room's other workers.
    fn publish(&mut self, now: Instant, message: &DataMessage, counters: &mut Counters) {
        if let Some(room) = self.rooms.get(&message.room) {
            for worker in room.workers.iter().filter(|worker| **worker != self.this) {
                self.outputs
                    .push_back(Output::Link(*worker, message.clone()));
            }
        }
        self.deliver(now, message, counters);
    }

    fn deliver(&mut self, now: Instant, message: &DataMessage, counters: &mut Counters) {
        match &message.body {
            DataBody::Packet { reliable, packet } => {
                let Ok(view) = Packet::parse(packet) else {
                    counters.drop_data_malformed += 1;
                    return;
                };
                let to = Destinations::of(&view);
                let posting = PacketPosting {
                    reliable: *reliable,
                    sequenced: view.sequence() > 0,
                    message: packet.clone(),
                };
                let audience = to.audience(message.sender);
                self.deliver_packet(now, message.room, audience, &posting, counters);
            }
            DataBody::Track(packet) => {
                if let Some(publisher) = message.sender {
                    self.deliver_track(publisher, packet, counters);
                }
            }
            DataBody::Raw {
                identity,
                binary,
                message: bytes,
            } => {
                let audience = Audience {
                    identities: &[],
                    sids: &[],
                    except: message.sender,
                };
                let posting = RawPosting {
                    identity,
                    binary: *binary,
                    message: bytes,
                };
                self.deliver_raw(message.room, audience, &posting, counters);
            }
        }
    }

    fn deliver_packet(
        &mut self,
        now: Instant,
        room: RoomId,
        audience: Audience,
        posting: &PacketPosting,
        counters: &mut Counters,
    ) {
        if let Some(room) = self.rooms.get_mut(&room) {
            let outputs = &mut self.outputs;
            let out = |delivery| outputs.push_back(Output::Deliver(delivery));
            counters.drop_data_no_channel +=
                posting.deliver(now, room, audience, &self.channels, out);
        }
    }

    fn deliver_raw(
        &mut self,
        room: RoomId,
        audience: Audience,
        posting: &RawPosting,
        counters: &mut Counters,
    ) {
        if let Some(room) = self.rooms.get_mut(&room) {
            let outputs = &mut self.outputs;
            let out = |delivery| outputs.push_back(Output::Deliver(delivery));
            counters.drop_data_no_channel += posting.deliver(room, audience, &self.channels, out);
        }
    }

    /// Reports a packet to each sink it names; true where nobody else is named.
    fn report_to_sinks(
        &mut self,
        room: RoomId,
        participant: ParticipantId,
        packet: &Packet,
        rewritten: &Bytes,
    ) -> bool {
        let Some(sinks) = self.rooms.get(&room).map(|room| &room.sinks) else {
            return false;
        };
        let named: Vec<String> = packet
            .destination_identities()
            .filter(|identity| sinks.iter().any(|sink| sink == identity))
            .map(str::to_owned)
            .collect();
        for sink in &named {
            self.report(room, participant, sink, rewritten);
        }
        !named.is_empty()
            && packet.destination_identities().count() == named.len()
            && packet.destination_sids().next().is_none()
    }

    fn report(&mut self, room: RoomId, participant: ParticipantId, sink: &str, packet: &Bytes) {
        self.outputs.push_back(Output::Report(Event::Data {
            room,
            participant,
            sink: sink.to_owned(),
            packet: base64::encode(packet),
        }));
    }

    fn unbind(&mut self, participant: ParticipantId) {
        self.senders.retain(|_, of| *of != participant);
        self.receivers.retain(|_, of| *of != participant);
        self.down_peers.remove(&participant);
    }

    fn forget_if_empty(&mut self, id: RoomId) {
        if self.rooms.get(&id).is_some_and(Room::is_empty) {
            self.rooms.remove(&id);
        }
    }
}

/// Longest message taken from a participant, bytes: what SDP's `max-message-size` allows LiveKit's clients.
const MAX_MESSAGE: usize = 65_535;

#[cfg(test)]
#[path = "router_tests.rs"]
mod tests;
