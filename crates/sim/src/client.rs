//! A model client: our own transport in the client's role, a microphone, a camera, and ears and eyes that check.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sluice_peer::{
    CandidateKind, Certificate, ChannelId, ChannelSettings, Credentials, DataRole, DtlsRole,
    DtlsVersions, Fingerprint, HashAlgorithm, Peer, PeerConfig, PeerEvent, Protocol, Received,
    RemoteCandidate, RemoteDescription, SendOutcome,
};
use sluice_wire::id::{PeerId, Ssrc};
use sluice_wire::path::Path;
use sluice_wire::rtcp::{Rtcp, parse_compound};
use sluice_wire::rtp::RtpView;

use crate::media::outbound::Sealer;
use crate::media::{Inbound, InboundSettings, OpusSettings, OpusSource, Vp8Settings, Vp8Source};
use crate::network::Datagram;

/// How a client begins.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// Its only address.
    pub address: SocketAddr,
    /// Credentials, SSRC and the like come of it.
    pub seed: u64,
    /// Its certificate; several clients may share one.
    pub certificate: Certificate,
    /// Controls ICE at first.
    pub controlling: bool,
    /// An ICE lite agent.
    pub lite: bool,
    /// Who begins the handshake.
    pub dtls: DtlsRole,
    /// DTLS versions spoken.
    pub versions: DtlsVersions,
    /// Who sends INIT.
    pub data: DataRole,
}

impl ClientSettings {
    /// A browser: controlling, DTLS client, SCTP client.
    pub fn browser(address: SocketAddr, certificate: Certificate, seed: u64) -> Self {
        Self {
            address,
            seed,
            certificate,
            controlling: true,
            lite: false,
            dtls: DtlsRole::Client,
            versions: DtlsVersions::V12,
            data: DataRole::Active,
        }
    }

    /// The side a browser talks to: controlled, DTLS server, SCTP server.
    pub fn answerer(address: SocketAddr, certificate: Certificate, seed: u64) -> Self {
        Self {
            controlling: false,
            dtls: DtlsRole::Server,
            data: DataRole::Passive,
            ..Self::browser(address, certificate, seed)
        }
    }
}

/// What one side tells the other through signalling.
#[derive(Debug, Clone)]
pub struct Description {
    /// ICE credentials.
    pub ice: Credentials,
    /// True for a lite agent.
    pub ice_lite: bool,
    /// Of its certificate.
    pub fingerprint: Fingerprint,
    /// Its addresses.
    pub candidates: Vec<RemoteCandidate>,
}

/// A model client.
pub struct Client {
    /// Its transport.
    pub peer: Peer,
    /// Its microphone, if it publishes audio.
    pub microphone: Option<OpusSource>,
    /// Its camera, if it publishes video.
    pub camera: Option<Vp8Source>,
    /// What it receives.
    pub inbound: Vec<Inbound>,
    /// Everything its transport reported, messages left out.
    pub events: Vec<PeerEvent>,
    /// Messages received: channel, binary, content.
    pub messages: Vec<(ChannelId, bool, Bytes)>,
    /// RTP packets of no stream it knows.
    pub unknown_packets: u64,
    /// Those packets, while somebody wants them.
    pub unknown: Option<Vec<Vec<u8>>>,
    /// Key-frame requests received.
    pub key_frame_requests: u64,
    settings: ClientSettings,
    credentials: Credentials,
    rng: SmallRng,
    rtcp_ssrc: Ssrc,
    origin: Instant,
    transmits: VecDeque<Datagram>,
}

impl Client {
    /// A client that knows nobody yet.
    pub fn new(now: Instant, settings: ClientSettings) -> Self {
        let mut rng = SmallRng::seed_from_u64(settings.seed);
        let credentials = random_credentials(&mut rng);
        let config = PeerConfig {
            ice_lite: settings.lite,
            controlling: settings.controlling,
            versions: settings.versions,
            data: settings.data,
            ..PeerConfig::new(
                PeerId(settings.seed as u32),
                credentials.clone(),
                settings.certificate.clone(),
                rng.random(),
            )
        };
        let mut peer = Peer::new(now, config);
        peer.add_local_address(Protocol::Udp, settings.address, settings.address)
            .expect("a usable address");
        Self {
            peer,
            microphone: None,
            camera: None,
            inbound: Vec::new(),
            events: Vec::new(),
            messages: Vec::new(),
            unknown_packets: 0,
            unknown: None,
            key_frame_requests: 0,
            rtcp_ssrc: Ssrc(rng.random()),
            settings,
            credentials,
            rng,
            origin: now,
            transmits: VecDeque::new(),
        }
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.settings.address
    }

    /// What the other side is told.
    pub fn description(&self) -> Description {
        let candidates = self
            .peer
            .local_candidates()
            .iter()
            .map(|candidate| RemoteCandidate {
                foundation: candidate.foundation.clone(),
                priority: candidate.priority,
                addr: candidate.addr,
                kind: CandidateKind::Host,
                protocol: Protocol::Udp,
            });
        Description {
            ice: self.credentials.clone(),
            ice_lite: self.settings.lite,
            fingerprint: self.settings.certificate.fingerprint(HashAlgorithm::Sha256),
            candidates: candidates.collect(),
        }
    }

    /// Learns of the other side, at first or after an ICE restart.
    pub fn set_remote(&mut self, now: Instant, remote: &Description) {
        let description = RemoteDescription {
            ice: remote.ice.clone(),
            ice_lite: remote.ice_lite,
            dtls_role: self.settings.dtls,
            fingerprints: vec![remote.fingerprint.clone()],
        };
        self.peer.set_remote(now, description);
        for candidate in &remote.candidates {
            self.peer.add_remote_candidate(now, candidate);
        }
    }

    /// Takes new ICE credentials; the other side must learn of them, and this side of the other's.
    pub fn restart_ice(&mut self, now: Instant) {
        self.credentials = random_credentials(&mut self.rng);
        self.peer.restart_ice(now, self.credentials.clone());
    }

    /// Moves to another address, as a client behind a rebinding NAT does: datagrams leave from and reach only this one.
    pub fn roam(&mut self, address: SocketAddr) {
        self.settings.address = address;
    }

    /// Publishes audio from now on.
    pub fn publish_audio(&mut self, settings: OpusSettings) {
        self.microphone = Some(OpusSource::new(settings));
    }

    /// Publishes video from now on.
    pub fn publish_video(&mut self, settings: &Vp8Settings) {
        self.camera = Some(Vp8Source::new(settings));
    }

    /// Expects a stream.
    pub fn expect(&mut self, settings: InboundSettings) {
        self.inbound.push(Inbound::new(settings));
    }

    /// Watches all expected streams for times without a packet.
    pub fn watch_gaps(&mut self, now: Instant) {
        for inbound in &mut self.inbound {
            inbound.watch_gaps(now);
        }
    }

    /// An expected stream.
    pub fn stream(&self, ssrc: Ssrc) -> Option<&Inbound> {
        self.inbound.iter().find(|inbound| inbound.ssrc() == ssrc)
    }

    /// Whether ICE and DTLS stand.
    pub fn is_connected(&self) -> bool {
        self.peer.is_connected()
    }

    /// Opens a data channel as soon as it can.
    pub fn open_channel(&mut self, now: Instant, settings: ChannelSettings) {
        assert!(
            self.peer.open_data_channel(now, settings),
            "no room for another channel"
        );
    }

    /// Sends on the channel of this label.
    pub fn send(&mut self, now: Instant, label: &str, bytes: &Bytes) -> SendOutcome {
        let Some(id) = self.peer.data_channel(label) else {
            return SendOutcome::NotOpen;
        };
        self.peer.send_data(now, id, bytes, true, SEND_LIMIT)
    }

    /// Takes a datagram in.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, bytes: &mut [u8]) {
        let local = self.local();
        match self
            .peer
            .handle_datagram(now, Path::udp(local, from), bytes)
        {
            Received::Rtp { len } => self.handle_rtp(now, &bytes[..len]),
            Received::Rtcp { len } => self.handle_rtcp(now, &bytes[..len]),
            Received::Consumed | Received::Dropped(_) => {}
        }
        self.drain();
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.peer.handle_timeout(now);
        self.drain();
        if !self.peer.is_connected() || self.peer.path().is_none() {
            return;
        }
        let mut sealer = Sealer {
            peer: &mut self.peer,
            transmits: &mut self.transmits,
            origin: self.origin,
        };
        if let Some(microphone) = &mut self.microphone {
            microphone.handle_timeout(now, &mut sealer);
        }
        if let Some(camera) = &mut self.camera {
            camera.handle_timeout(now, &mut sealer);
        }
        let mut feedback = Vec::new();
        for inbound in &mut self.inbound {
            inbound.handle_timeout(now, self.rtcp_ssrc, &mut feedback);
        }
        if !feedback.is_empty() {
            if !matches!(feedback.first(), Some(Rtcp::ReceiverReport { .. })) {
                feedback.insert(
                    0,
                    Rtcp::ReceiverReport {
                        ssrc: self.rtcp_ssrc,
                        reports: Vec::new(),
                    },
                );
            }
            sealer.send_rtcp(&feedback);
        }
    }

    /// The next datagram it sends.
    pub fn poll_transmit(&mut self) -> Option<Datagram> {
        while let Some(transmit) = self.peer.poll_transmit() {
            let datagram = Datagram {
                from: transmit.path.local,
                to: transmit.path.remote,
                bytes: transmit.bytes,
            };
            self.transmits.push_back(datagram);
        }
        let datagram = self.transmits.pop_front()?;
        Some(Datagram {
            from: self.settings.address,
            ..datagram
        })
    }

    /// When to call [`Client::handle_timeout`].
    pub fn poll_timeout(&mut self, now: Instant) -> Option<Instant> {
        let mut timeouts = vec![self.peer.poll_timeout()];
        if self.peer.is_connected() && self.peer.path().is_some() {
            timeouts.push(
                self.microphone
                    .as_ref()
                    .map(|microphone| microphone.poll_timeout().unwrap_or(now)),
            );
            timeouts.push(
                self.camera
                    .as_ref()
                    .map(|camera| camera.poll_timeout().unwrap_or(now)),
            );
            timeouts.extend(self.inbound.iter().map(Inbound::poll_timeout));
        }
        timeouts.into_iter().flatten().min()
    }

    /// The address its transport believes to have.
    fn local(&self) -> SocketAddr {
        self.peer
            .local_candidates()
            .first()
            .map_or(self.settings.address, |candidate| candidate.bound)
    }

    fn handle_rtp(&mut self, now: Instant, packet: &[u8]) {
        let Ok(view) = RtpView::parse(packet) else {
            self.unknown_packets += 1;
            return;
        };
        let ssrc = view.header().ssrc;
        if let Some(inbound) = self.inbound.iter_mut().find(|inbound| inbound.owns(ssrc)) {
            return inbound.handle_rtp(now, &view);
        }
        self.unknown_packets += 1;
        if let Some(unknown) = &mut self.unknown {
            unknown.push(packet.to_vec());
        }
    }

    fn handle_rtcp(&mut self, now: Instant, packet: &[u8]) {
        let mut packets = Vec::new();
        if parse_compound(packet, &mut packets).is_err() {
            return;
        }
        for packet in packets {
            match packet {
                Rtcp::SenderReport { ssrc, ntp, rtp, .. } => {
                    if let Some(inbound) = self
                        .inbound
                        .iter_mut()
                        .find(|inbound| inbound.ssrc() == ssrc)
                    {
                        inbound.handle_sender_report(now, ntp, rtp);
                    }
                }
                Rtcp::Nack { media, lost, .. } => self.retransmit(media, &lost),
                Rtcp::Pli { media, .. } => self.request_key_frame(media),
                Rtcp::Fir { requests, .. } => {
                    for (media, _) in requests {
                        self.request_key_frame(media);
                    }
                }
                _ => {}
            }
        }
    }

    fn request_key_frame(&mut self, media: Ssrc) {
        self.key_frame_requests += 1;
        if let Some(camera) = &mut self.camera {
            camera.request_key_frame(media);
        }
    }

    fn retransmit(&mut self, media: Ssrc, lost: &[u16]) {
        let mut sealer = Sealer {
            peer: &mut self.peer,
            transmits: &mut self.transmits,
            origin: self.origin,
        };
        let audio = self.microphone.iter_mut().map(OpusSource::stream_mut);
        let video = self.camera.iter_mut().flat_map(Vp8Source::streams_mut);
        if let Some(stream) = audio.chain(video).find(|stream| stream.ssrc() == media) {
            stream.retransmit(lost, &mut sealer);
        }
    }

    fn drain(&mut self) {
        while let Some(event) = self.peer.poll_event() {
            match event {
                PeerEvent::Message { id, binary, bytes } => self.messages.push((id, binary, bytes)),
                other => self.events.push(other),
            }
        }
    }
}

fn random_credentials(rng: &mut SmallRng) -> Credentials {
    let mut text = |len| -> String {
        (0..len)
            .map(|_| {
                char::from(
                    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                        [rng.random_range(0..62)],
                )
            })
            .collect()
    };
    Credentials::new(text(8), text(24))
}

/// Bytes that may wait on a channel of a model client.
const SEND_LIMIT: usize = 1 << 20;
