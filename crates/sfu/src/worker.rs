//! One worker's world, driven by five verbs. Dispatch only: each noun has its own file.

use std::net::SocketAddr;
use std::time::Instant;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sluice_peer::{ChannelSettings, Received};
use sluice_wire::classify::{Kind, classify};
use sluice_wire::id::{PeerId, WorkerId};

use crate::answers::{self, Gauges};
use crate::command::{Command, OpenPeer, Query};
use crate::config::{LocalAddress, WorkerConfig};
use crate::data::router::{Output, Router};
use crate::drive::{self, Driven};
use crate::egress::{Egress, Transmit};
use crate::event::{Answer, Event};
use crate::link::LinkMessage;
use crate::outbox::Outbox;
use crate::routes;
use crate::timers::Timers;
use crate::transports::{self, Transports};

/// One worker's world. A turn of its loop: any number of `handle_*`, then [`Worker::flush`], then all `poll_*`.
pub struct Worker {
    config: WorkerConfig,
    transports: Transports,
    data: Router,
    timers: Timers,
    egress: Egress,
    outbox: Outbox,
    random: SmallRng,
}

impl Worker {
    /// A worker without peers.
    pub fn new(config: WorkerConfig, _now: Instant) -> Self {
        Self {
            transports: Transports::default(),
            data: Router::new(config.id),
            timers: Timers::default(),
            egress: Egress::default(),
            outbox: Outbox::default(),
            random: SmallRng::seed_from_u64(config.seed),
            config,
        }
    }

    /// Opens a transport that owns or shares the sockets `locals`; reports its candidates.
    pub fn open_peer(&mut self, now: Instant, open: OpenPeer, locals: &[LocalAddress]) {
        let peer = open.peer;
        let certificate = self.config.certificate.clone();
        let seed = self.random.random();
        let index = self.transports.open(now, open, locals, certificate, seed);
        let Some(transport) = index.and_then(|index| self.transports.get(index)) else {
            self.outbox.counters.drop_command += 1;
            return;
        };
        let candidates = transport.peer.local_candidates();
        let candidates = candidates.iter().map(transports::local_candidate).collect();
        self.outbox.report(Event::PeerOpened { peer, candidates });
        self.transports.named(peer);
    }

    /// Handles one command but `openPeer`, which needs sockets: see [`Worker::open_peer`].
    pub fn handle_command(&mut self, now: Instant, command: Command) {
        match command {
            Command::SetRemote { peer, ice, ice_lite, dtls_role, fingerprints } => {
                let remote =
                    transports::remote_description(&ice, ice_lite, dtls_role, &fingerprints);
                self.with_peer(peer, |t| t.peer.set_remote(now, remote));
            }
            Command::AddRemoteCandidate { peer, candidate } => {
                let candidate = transports::remote_candidate(&candidate);
                self.with_peer(peer, |t| {
                    candidate.map(|candidate| t.peer.add_remote_candidate(now, &candidate));
                });
            }
            Command::RestartIce { peer, ice } => {
                if let Some(index) = self.transports.index(peer) {
                    self.transports.routes.add_ufrag(&ice.ufrag, index);
                }
                self.with_peer(peer, |t| t.peer.restart_ice(now, transports::credentials(&ice)));
            }
            Command::SetExtensions { peer, audio, video } => self.with_peer(peer, |t| {
                t.peer.set_transport_cc(video.transport_cc.or(audio.transport_cc));
                (t.audio, t.video) = (audio, video);
            }),
            Command::ClosePeer { peer } => self.close_peer(now, peer),
            Command::OpenDataChannel { peer, label, ordered, max_retransmits } => {
                let settings =
                    ChannelSettings { label, ordered, max_retransmits, max_lifetime_ms: None };
                self.with_peer(peer, |t| {
                    t.peer.open_data_channel(now, settings);
                });
            }
            Command::SetParticipant(config) => self.data.set_participant(config),
            Command::CloseParticipant { participant } => self.data.close_participant(participant),
            Command::SetRoomWorkers { room, workers } => self.data.set_room_workers(room, workers),
            Command::SetDataSinks { room, identities } => self.data.set_sinks(room, identities),
            Command::SendData { room, packet, reliable, destinations, except } => {
                let counters = &mut self.outbox.counters;
                self.data.send(now, room, &packet, reliable, &destinations, except, counters);
            }
            Command::Query { id, query } => {
                let answer = self.answer(&query);
                self.outbox.report(Event::Answer { id, answer });
            }
            _ => self.outbox.counters.drop_command += 1,
        }
    }

    /// Takes one datagram in; `buf` is decrypted in place. Media goes on with the next [`Worker::flush`].
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        local: SocketAddr,
        remote: SocketAddr,
        buf: &mut [u8],
    ) {
        self.outbox.counters.packets_in += 1;
        self.outbox.counters.bytes_in += buf.len() as u64;
        let Some(index) = self.transports.find(local, remote, buf) else {
            self.outbox.counters.drop_no_route += 1;
            return;
        };
        let stun = classify(buf) == Some(Kind::Stun);
        let Some(transport) = self.transports.get_mut(index) else {
            return;
        };
        match transport.peer.handle_datagram(now, local, remote, buf) {
            Received::Consumed if stun => self.transports.routes.learn(local, remote, index),
            Received::Consumed => {}
            Received::Rtp { .. } | Received::Rtcp { .. } => {}
            Received::Dropped(_) => self.outbox.counters.drop_transport += 1,
        }
        self.transports.touch(index);
    }

    /// Takes one message of another worker in.
    pub fn handle_link(&mut self, now: Instant, _from: WorkerId, message: LinkMessage) {
        self.outbox.counters.link_in += 1;
        if let LinkMessage::Data(message) = message {
            self.data.handle_link(now, &message, &mut self.outbox.counters);
        }
    }

    /// Does what is due; cheap where nothing is.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(subject) = self.timers.pop(now) {
            if let Some(transport) = self.transports.get_mut(subject) {
                transport.peer.handle_timeout(now);
                self.transports.touch(subject);
            }
        }
    }

    /// Ends the turn: fans the media out that came in since the last flush, and drains the transports that
    /// anything happened to.
    pub fn flush(&mut self, now: Instant) {
        loop {
            while let Some(index) = self.transports.next_touched() {
                self.drive(now, index);
            }
            if !self.route_data(now) {
                return;
            }
        }
    }

    /// The next send. All must be polled before the next turn.
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        self.egress.poll_transmit()
    }

    /// The next message to another worker.
    pub fn poll_link(&mut self) -> Option<(WorkerId, LinkMessage)> {
        self.outbox.next_link()
    }

    /// The next report to the control plane.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.outbox.next_event()
    }

    /// When to call [`Worker::handle_timeout`] at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Which worker owns the transport that a STUN binding request is for, by the first character of the ufrag in
    /// its USERNAME: `0`–`9`, `A`–`Z`, `a`–`z` for workers 0 to 61. For sockets that several workers share.
    pub fn owner_of(datagram: &[u8]) -> Option<WorkerId> {
        routes::owner_of(datagram)
    }

    /// This worker.
    pub fn id(&self) -> WorkerId {
        self.config.id
    }

    fn answer(&self, query: &Query) -> Answer {
        match query {
            Query::WorkerStats => answers::worker_stats(&self.outbox.counters, self.gauges()),
            Query::PeerStats { peer } => {
                let index = self.transports.index(*peer);
                let transport = index.and_then(|index| self.transports.get(index));
                answers::peer_stats(transport, Vec::new())
            }
            Query::DataSequence { participant } => {
                Answer::DataSequence { sequence: self.data.sequence(*participant) }
            }
        }
    }

    fn gauges(&self) -> Gauges {
        let (rooms, participants) = self.data.len();
        Gauges {
            peers: self.transports.len(),
            rooms,
            participants,
            routes: self.transports.routes.len(),
            ..Gauges::default()
        }
    }

    fn with_peer(&mut self, peer: PeerId, act: impl FnOnce(&mut transports::Transport)) {
        match self.transports.named(peer) {
            Some(transport) => act(transport),
            None => self.outbox.counters.drop_command += 1,
        }
    }

    fn close_peer(&mut self, now: Instant, peer: PeerId) {
        let Some(index) = self.transports.index(peer) else {
            self.outbox.counters.drop_command += 1;
            return;
        };
        if let Some(transport) = self.transports.get_mut(index) {
            transport.peer.close(now);
        }
        drive::send(index, &mut self.transports, &mut self.egress, &mut self.outbox);
        self.remove_peer(index);
    }

    fn drive(&mut self, now: Instant, index: usize) {
        let driven = drive::drive(
            now,
            index,
            &mut self.transports,
            &mut self.data,
            &mut self.egress,
            &mut self.outbox,
        );
        if driven == Driven::Ended {
            self.remove_peer(index);
        } else if let Some(transport) = self.transports.get_mut(index) {
            self.timers.set(index, transport.peer.poll_timeout());
        }
    }

    fn remove_peer(&mut self, index: usize) {
        self.timers.set(index, None);
        if let Some(transport) = self.transports.remove(index) {
            self.data.peer_closed(transport.id);
        }
    }

    /// Carries out what data routing decided; false where there was nothing.
    fn route_data(&mut self, now: Instant) -> bool {
        let mut any = false;
        while let Some(output) = self.data.poll() {
            any = true;
            match output {
                Output::Deliver(delivery) => {
                    let limit = if delivery.reliable {
                        self.config.reliable_queue_bytes
                    } else {
                        self.config.lossy_queue_bytes
                    };
                    drive::deliver(now, &delivery, limit, &mut self.transports, &mut self.outbox);
                }
                Output::Link(worker, message) => {
                    self.outbox.link(worker, LinkMessage::Data(message));
                }
                Output::Report(event) => self.outbox.report(event),
            }
        }
        any
    }
}
