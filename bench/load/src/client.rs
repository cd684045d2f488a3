//! One client: its conversation with the server, its transports, and what it sends and receives on them.

use std::net::IpAddr;
use std::time::Instant;

use mio::Registry;
use sluice_peer::Certificate;

use crate::impairment::Impairment;
use crate::media::{Camera, Counts, DataReceiver, DataSource, Inbound, Microphone};
use crate::report::Seen;
use crate::scenario::{Group, Impair};
use crate::signal::{Kind, Publication, Session, SessionConfig, SignalSocket, SocketEvent};
use crate::transport::{Slots, Transport};

mod conversation;
mod receiving;
mod sending;

/// What all clients of a thread have in common.
pub struct Surroundings<'a> {
    /// Of sockets.
    pub registry: &'a Registry,
    /// Of this turn.
    pub now: Instant,
    /// When the load began.
    pub begin: Instant,
    /// Where sockets are bound.
    pub ip: IpAddr,
    /// Of all transports.
    pub certificate: &'a Certificate,
    /// Where everything is counted.
    pub seen: &'a mut Seen,
}

/// One client.
pub struct Client {
    /// Its room's number.
    pub room: usize,
    /// Its group's number.
    pub group: usize,
    /// How many streams it is to receive before the room has settled.
    pub expected: usize,
    /// The server has turned it away, or it has left.
    pub ended: bool,
    /// It may churn: it is no publisher.
    pub audience: bool,
    token: usize,
    seed: u32,
    plan: Group,
    impair: Option<Impair>,
    session: Session,
    socket: SignalSocket,
    transports: Vec<Transport>,
    camera: Option<Camera>,
    camera_track: Option<String>,
    microphone: Option<Microphone>,
    data: Option<DataSource>,
    heard: DataReceiver,
    /// On which transport each is sent.
    publications: Vec<Publication>,
    began: Instant,
    joined_at: Option<Instant>,
    connected: bool,
    media: bool,
    /// Counts of streams that ended.
    past: Counts,
}

impl Client {
    /// A client that has begun to connect. Its tokens are `token` and the two after it.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is one fact about the client"
    )]
    pub fn new(
        now: Instant,
        token: usize,
        seed: u32,
        (room, group): (usize, usize),
        plan: Group,
        impair: Option<Impair>,
        config: SessionConfig,
        socket: SignalSocket,
    ) -> Self {
        let audience = config.publish.is_empty() && !config.data;
        Self {
            room,
            group,
            expected: 0,
            ended: false,
            audience,
            token,
            seed,
            plan,
            impair,
            session: Session::new(config),
            socket,
            transports: Vec::new(),
            camera: None,
            camera_track: None,
            microphone: None,
            data: None,
            heard: DataReceiver::default(),
            publications: Vec::new(),
            began: now,
            joined_at: None,
            connected: false,
            media: false,
            past: Counts::default(),
        }
    }

    /// Whether the server has taken it in.
    pub fn has_joined(&self) -> bool {
        self.joined_at.is_some()
    }

    /// Whether one of its transports stands.
    pub fn is_connected(&self) -> bool {
        self.connected
    }

    /// Whether it is connected, and every stream that it expects has begun.
    pub fn has_settled(&self) -> bool {
        let begun = self.inbound().filter(|inbound| inbound.has_begun()).count();
        let connected = self
            .transports
            .iter()
            .all(|transport| transport.connected_at.is_some());
        self.joined_at.is_some()
            && connected
            && begun >= self.expected
            && begun == self.inbound().count()
    }

    /// What it received so far.
    pub fn counts(&self) -> Counts {
        let mut all = self.past;
        for inbound in self.inbound() {
            all += inbound.counts();
        }
        all
    }

    /// How many streams it receives.
    pub fn streams(&self) -> usize {
        self.inbound().count()
    }

    /// A video track that it receives, by a number.
    pub fn video_track(&self, number: usize) -> Option<String> {
        let video: Vec<&Inbound> = self
            .inbound()
            .filter(|inbound| inbound.kind == Kind::Video)
            .collect();
        Some(video.get(number % video.len().max(1))?.track.clone())
    }

    /// Says how signalling goes on: layers, hands, leaving.
    pub fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Hears the server. Returns when it has to be looked after again.
    pub fn handle_signal(&mut self, around: &mut Surroundings<'_>) {
        while let Some(event) = self.socket.poll_event() {
            match event {
                SocketEvent::Opened => {}
                SocketEvent::Message(message) => {
                    around.seen.signals_received += 1;
                    self.session.handle_message(around.now, &message);
                }
                SocketEvent::Ended(end) => self.handle_end(around, &end),
            }
        }
        self.converse(around);
    }

    /// Receives what has come for one of its transports.
    pub fn handle_readable(&mut self, around: &mut Surroundings<'_>, at: usize, slots: &mut Slots) {
        loop {
            let Some(transport) = self.transports.get_mut(at) else {
                return;
            };
            let more = transport.line.receive(slots);
            for (from, bytes) in slots.datagrams() {
                let Some(transport) = self.transports.get_mut(at) else {
                    break;
                };
                match &mut transport.impairment {
                    Some(line) => line.handle_datagram(around.now, from, bytes),
                    None => self.handle_datagram(around, at, from, bytes),
                }
            }
            if !more {
                break;
            }
        }
        self.settle(around, at);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, around: &mut Surroundings<'_>) {
        self.session.handle_timeout(around.now);
        for at in 0..self.transports.len() {
            self.handle_delayed(around, at);
            if let Some(transport) = self.transports.get_mut(at) {
                transport.peer.handle_timeout(around.now);
                sending::report(transport, around);
            }
            self.settle(around, at);
        }
        self.send_media(around);
        self.converse(around);
    }

    /// When it has to be looked after again.
    pub fn poll_timeout(&mut self, now: Instant) -> Option<Instant> {
        let mut due = self.session.poll_timeout();
        for transport in &mut self.transports {
            due = earlier(due, transport.peer.poll_timeout());
            due = earlier(
                due,
                transport
                    .impairment
                    .as_ref()
                    .and_then(Impairment::poll_timeout),
            );
            for inbound in &transport.inbound {
                due = earlier(due, Some(inbound.poll_timeout(now)));
            }
        }
        due = earlier(due, self.camera.as_ref().and_then(Camera::poll_timeout));
        due = earlier(due, self.microphone.as_ref().map(Microphone::poll_timeout));
        earlier(due, self.data.as_ref().map(DataSource::poll_timeout))
    }

    fn inbound(&self) -> impl Iterator<Item = &Inbound> {
        self.transports
            .iter()
            .flat_map(|transport| &transport.inbound)
    }
}

fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    [a, b].into_iter().flatten().min()
}
