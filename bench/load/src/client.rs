//! One client: its conversation with the server, its transports, and what it sends and receives on them.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mio::{Registry, Token};
use sluice_peer::{Certificate, PeerEvent, Received, SendOutcome};
use sluice_wire::rtcp::{Rtcp, parse_compound};
use sluice_wire::rtp::RtpView;

use crate::impairment::Impairment;
use crate::media::{Camera, Counts, DataReceiver, DataSource, Inbound, Microphone, Out};
use crate::report::{Seen, note};
use crate::scenario::{Group, Impair};
use crate::signal::{
    Kind, Pc, Publication, Session, SessionConfig, SessionEvent, SignalSocket, SocketEnd,
    SocketEvent, Subscription,
};
use crate::transport::{Line, Slots, Transport};

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

    /// Says how signalling goes on: layers, leaving.
    pub fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Hears the server. Returns when it has to be looked after again.
    pub fn handle_signal(&mut self, around: &mut Surroundings<'_>) {
        while let Some(event) = self.socket.poll_event() {
            match event {
                SocketEvent::Opened => {}
                SocketEvent::Message(message) => self.session.handle_message(around.now, &message),
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
                report(transport, around);
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

    fn handle_end(&mut self, around: &mut Surroundings<'_>, end: &SocketEnd) {
        if self.joined_at.is_none() && !self.ended {
            *around.seen.failed.entry(end.reason()).or_default() += 1;
        }
        self.ended = true;
    }

    /// Carries messages and events between the server and the transports until nothing is left to say.
    fn converse(&mut self, around: &mut Surroundings<'_>) {
        while let Some(event) = self.session.poll_event() {
            self.handle_event(around, event);
        }
        while let Some(message) = self.session.poll_send() {
            self.socket.send(message);
        }
        if self.ended {
            self.socket.close();
        }
    }

    fn handle_event(&mut self, around: &mut Surroundings<'_>, event: SessionEvent) {
        match event {
            SessionEvent::Joined => {
                self.joined_at = Some(around.now);
                around.seen.joined += 1;
                note(&mut around.seen.join, around.now - self.began);
            }
            SessionEvent::CreateTransport {
                pc,
                controlling,
                channels,
            } => {
                let token = Token(self.token + 1 + self.transports.len());
                let Ok(line) = Line::bind(around.registry, token, around.ip) else {
                    *around
                        .seen
                        .failed
                        .entry("no socket left".to_owned())
                        .or_default() += 1;
                    self.ended = true;
                    return;
                };
                let seed = u64::from(self.seed) * 2 + self.transports.len() as u64;
                let (mut transport, local) = Transport::new(
                    around.now,
                    pc,
                    line,
                    controlling,
                    channels,
                    around.certificate,
                    seed,
                );
                transport.impairment = self
                    .impair
                    .map(|impair| Impairment::new(around.now, impair, seed));
                self.transports.push(transport);
                self.session.set_local(pc, local);
            }
            SessionEvent::Remote { pc, remote } => self.with(pc, |transport| {
                transport.peer.set_remote(around.now, remote);
            }),
            SessionEvent::Candidate { pc, candidate } => self.with(pc, |transport| {
                transport.peer.add_remote_candidate(around.now, &candidate);
            }),
            SessionEvent::Publish(publication) => self.publish(around.now, publication),
            SessionEvent::Subscribed(subscription) => self.subscribe(around.now, &subscription),
            SessionEvent::Unsubscribed { track } => self.unsubscribe(&track),
            SessionEvent::Wanted { track, layers } => {
                if let Some(camera) = self
                    .camera
                    .as_mut()
                    .filter(|_| self.camera_track.as_ref() == Some(&track))
                {
                    camera.set_wanted(layers);
                }
            }
            SessionEvent::Left { reason } => {
                if self.joined_at.is_none() {
                    *around.seen.failed.entry(reason).or_default() += 1;
                }
                self.ended = true;
            }
        }
        for transport in &mut self.transports {
            transport.flush();
        }
    }

    fn with(&mut self, pc: Pc, act: impl FnOnce(&mut Transport)) {
        if let Some(transport) = self
            .transports
            .iter_mut()
            .find(|transport| transport.pc == pc)
        {
            act(transport);
        }
    }

    fn publish(&mut self, now: Instant, publication: Publication) {
        let publish = &self.plan.publish;
        match publication.kind {
            Kind::Video => {
                self.camera_track = Some(publication.track.clone());
                self.camera = publish
                    .video
                    .as_ref()
                    .map(|video| Camera::new(now, video, &publication, self.seed));
            }
            Kind::Audio => {
                let audio = publish.audio.as_ref();
                self.microphone =
                    audio.and_then(|audio| Microphone::new(now, audio, &publication, self.seed));
            }
        }
        self.publications.push(publication);
    }

    fn subscribe(&mut self, now: Instant, subscription: &Subscription) {
        self.unsubscribe(&subscription.track);
        self.with(subscription.pc, |transport| {
            if subscription.extensions.transport_cc.is_some() {
                transport
                    .peer
                    .set_transport_cc(subscription.extensions.transport_cc);
            }
            transport.inbound.push(Inbound::new(now, subscription));
        });
    }

    fn unsubscribe(&mut self, track: &str) {
        for transport in &mut self.transports {
            let ended = transport
                .inbound
                .extract_if(.., |inbound| inbound.track == track);
            for inbound in ended {
                self.past += inbound.counts();
            }
        }
    }

    fn handle_delayed(&mut self, around: &mut Surroundings<'_>, at: usize) {
        loop {
            let line = self
                .transports
                .get_mut(at)
                .and_then(|transport| transport.impairment.as_mut());
            let Some((from, mut bytes)) = line.and_then(|line| line.poll_datagram(around.now))
            else {
                return;
            };
            self.handle_datagram(around, at, from, &mut bytes);
        }
    }

    fn handle_datagram(
        &mut self,
        around: &mut Surroundings<'_>,
        at: usize,
        from: std::net::SocketAddr,
        bytes: &mut [u8],
    ) {
        let Some(transport) = self.transports.get_mut(at) else {
            return;
        };
        let path = transport.path(from);
        match transport.peer.handle_datagram(around.now, path, bytes) {
            Received::Rtp { len } => {
                let Ok(view) = RtpView::parse(&bytes[..len]) else {
                    return;
                };
                let ssrc = view.header().ssrc;
                let Some(inbound) = transport
                    .inbound
                    .iter_mut()
                    .find(|inbound| inbound.owns(ssrc))
                else {
                    return;
                };
                if let Some(age) = inbound.handle_rtp(Instant::now(), around.begin, &view, len) {
                    note(&mut around.seen.delay, age);
                }
                if !self.media {
                    self.media = true;
                    note(&mut around.seen.first_media, around.now - self.began);
                }
            }
            Received::Rtcp { len } => self.handle_rtcp(around, at, &bytes[..len]),
            Received::Consumed | Received::Dropped(_) => {}
        }
    }

    fn handle_rtcp(&mut self, around: &mut Surroundings<'_>, at: usize, bytes: &[u8]) {
        let Self {
            transports,
            camera,
            microphone,
            ..
        } = self;
        let Some(transport) = transports.get_mut(at) else {
            return;
        };
        let mut packets = Vec::new();
        let _ = parse_compound(bytes, &mut packets);
        for packet in packets {
            match packet {
                Rtcp::SenderReport { ssrc, ntp, .. } => {
                    if let Some(inbound) = transport
                        .inbound
                        .iter_mut()
                        .find(|inbound| inbound.owns(ssrc))
                    {
                        inbound.handle_sender_report(around.now, ntp);
                    }
                }
                Rtcp::Pli { media, .. } => {
                    around.seen.plis += 1;
                    if let Some(camera) = camera {
                        camera.request_key_frame(media);
                    }
                }
                Rtcp::Nack { media, lost, .. } => {
                    let stream = camera.as_mut().and_then(|camera| camera.stream(media));
                    let stream = stream.or_else(|| microphone.as_mut()?.stream(media));
                    let seen = &mut *around.seen;
                    let mut out = Out {
                        peer: &mut transport.peer,
                        line: &transport.line,
                        now: around.now,
                        begin: around.begin,
                        sent: &mut seen.sent,
                        sent_bytes: &mut seen.sent_bytes,
                    };
                    seen.resent += stream.map_or(0, |stream| stream.retransmit(&mut out, &lost));
                }
                _ => {}
            }
        }
    }

    /// After datagrams and timers: events of the transport, and what it has to send.
    fn settle(&mut self, around: &mut Surroundings<'_>, at: usize) {
        let Some(transport) = self.transports.get_mut(at) else {
            return;
        };
        let mut stands = None;
        while let Some(event) = transport.peer.poll_event() {
            match event {
                PeerEvent::Connected { profile, .. } => {
                    transport.connected_at = Some(around.now);
                    *around
                        .seen
                        .profiles
                        .entry(profile_name(profile))
                        .or_default() += 1;
                    stands = Some(transport.pc);
                }
                PeerEvent::Message { bytes, .. } => {
                    if let Some((age, missing)) =
                        self.heard.handle(around.now, around.begin, &bytes)
                    {
                        around.seen.data_received += 1;
                        around.seen.data_lost += missing;
                        note(&mut around.seen.data_delay, age);
                    }
                }
                PeerEvent::Closed { .. } if !self.ended => {
                    *around
                        .seen
                        .failed
                        .entry("transport closed".to_owned())
                        .or_default() += 1;
                    self.ended = true;
                }
                _ => {}
            }
        }
        transport.flush();
        if let Some(pc) = stands {
            if !self.connected {
                self.connected = true;
                note(&mut around.seen.connect, around.now - self.began);
            }
            if pc == Pc::Publisher
                && let Some(data) = &self.plan.publish.data
            {
                self.data = Some(DataSource::new(around.now, data, self.seed));
            }
            self.converse(around);
        }
    }

    fn send_media(&mut self, around: &mut Surroundings<'_>) {
        let seen = &mut *around.seen;
        let Some(transport) = self
            .transports
            .iter_mut()
            .find(|transport| transport.pc == Pc::Publisher)
        else {
            return;
        };
        let mut out = Out {
            peer: &mut transport.peer,
            line: &transport.line,
            now: around.now,
            begin: around.begin,
            sent: &mut seen.sent,
            sent_bytes: &mut seen.sent_bytes,
        };
        if let Some(camera) = &mut self.camera {
            let before = (camera.key_frames, camera.late);
            camera.handle_timeout(&mut out);
            seen.key_frames += camera.key_frames - before.0;
            seen.late += camera.late - before.1;
        }
        if let Some(microphone) = &mut self.microphone {
            microphone.handle_timeout(&mut out);
        }
        if let Some(data) = &mut self.data {
            seen.data_sent += send_data(transport, data, around.now, around.begin);
        }
    }
}

fn send_data(
    transport: &mut Transport,
    data: &mut DataSource,
    now: Instant,
    begin: Instant,
) -> u64 {
    let Some(channel) = transport.peer.data_channel(data.channel()) else {
        data.skip_to(now + CHANNEL_WAIT);
        return 0;
    };
    let mut sent = 0;
    while let Some(packet) = data.poll_packet(now, begin) {
        let packet: Bytes = packet;
        if transport
            .peer
            .send_data(now, channel, &packet, true, SEND_LIMIT)
            == SendOutcome::Sent
        {
            sent += 1;
        }
    }
    transport.flush();
    sent
}

/// Reports and feedback of all streams of a transport, in one packet.
fn report(transport: &mut Transport, around: &mut Surroundings<'_>) {
    let (mut blocks, mut feedback) = (Vec::new(), Vec::new());
    for inbound in &mut transport.inbound {
        inbound.handle_timeout(around.now, transport.rtcp_ssrc, &mut blocks, &mut feedback);
    }
    if blocks.is_empty() && feedback.is_empty() {
        return;
    }
    around.seen.reports += u64::from(!blocks.is_empty());
    let mut rest = blocks.split_off(blocks.len().min(MOST_BLOCKS));
    let mut packets = vec![Rtcp::ReceiverReport {
        ssrc: transport.rtcp_ssrc,
        reports: blocks,
    }];
    while !rest.is_empty() {
        let next = rest.split_off(rest.len().min(MOST_BLOCKS));
        packets.push(Rtcp::ReceiverReport {
            ssrc: transport.rtcp_ssrc,
            reports: std::mem::replace(&mut rest, next),
        });
    }
    packets.append(&mut feedback);
    let (mut sent, mut bytes) = (0, 0);
    let mut out = Out {
        peer: &mut transport.peer,
        line: &transport.line,
        now: around.now,
        begin: around.begin,
        sent: &mut sent,
        sent_bytes: &mut bytes,
    };
    out.send_rtcp(&packets);
}

fn profile_name(profile: sluice_peer::SrtpProfile) -> &'static str {
    match profile {
        sluice_peer::SrtpProfile::AeadAes128Gcm => "AEAD_AES_128_GCM",
        sluice_peer::SrtpProfile::AeadAes256Gcm => "AEAD_AES_256_GCM",
        sluice_peer::SrtpProfile::Aes128CmSha1_80 => "AES128_CM_HMAC_SHA1_80",
    }
}

fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    [a, b].into_iter().flatten().min()
}

/// In one receiver report (RFC 3550 section 6.4.2).
const MOST_BLOCKS: usize = 31;
/// Until the channels are looked for again.
const CHANNEL_WAIT: Duration = Duration::from_millis(20);
/// Bytes that may wait on a channel.
const SEND_LIMIT: usize = 1 << 20;
