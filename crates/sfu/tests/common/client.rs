//! A client: one transport in the client's role, and what it received.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use sluice_peer::{
    Certificate, ChannelId, ChannelSettings, Credentials, DataRole, DtlsRole, Fingerprint, Peer,
    PeerConfig, PeerEvent, Received, RemoteDescription,
};
use sluice_sfu::command;
use sluice_wire::id::{PayloadType, PeerId, Ssrc};
use sluice_wire::path::Path;
use sluice_wire::rtcp::{Rtcp, parse_compound, write_compound};
use sluice_wire::rtp::{ExtensionBlock, OutHeader, RtpView, write_header};

/// A received RTP packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    pub at: Instant,
    pub ssrc: u32,
    pub pt: u8,
    pub sequence: u16,
    pub timestamp: u32,
    pub marker: bool,
    /// Without padding.
    pub payload: Vec<u8>,
    /// Bytes of the whole packet, unprotected.
    pub len: usize,
}

pub struct Client {
    pub id: PeerId,
    pub worker: usize,
    pub address: SocketAddr,
    pub peer: Peer,
    pub certificate: Certificate,
    pub media: Vec<Media>,
    pub rtcp: Vec<Rtcp>,
    pub messages: Vec<(u16, Bytes)>,
    pub channels: Vec<(ChannelId, String)>,
    pub connected: bool,
    pub closed: bool,
    /// While false, messages on data channels stay unread in the network: nothing reaches the client.
    pub reachable: bool,
    out: Vec<(SocketAddr, Vec<u8>)>,
}

impl Client {
    pub fn new(now: Instant, id: u32, worker: usize) -> Self {
        let certificate = Certificate::generate().expect("a key");
        let ice = Credentials::new(
            format!("cli{id}"),
            format!("client-password-number-{id:04}"),
        );
        let mut config = PeerConfig::new(PeerId(id), ice, certificate.clone(), u64::from(id) + 77);
        config.controlling = true;
        config.data = DataRole::Active;
        let address = SocketAddr::from(([10, 0, (id >> 8) as u8, id as u8], 40_000));
        let mut peer = Peer::new(now, config);
        peer.add_local_address(sluice_peer::Protocol::Udp, address, address)
            .expect("an address");
        Self {
            id: PeerId(id),
            worker,
            address,
            peer,
            certificate,
            media: Vec::new(),
            rtcp: Vec::new(),
            messages: Vec::new(),
            channels: Vec::new(),
            connected: false,
            closed: false,
            reachable: true,
            out: Vec::new(),
        }
    }

    pub fn credentials(&self) -> command::IceCredentials {
        command::IceCredentials {
            ufrag: format!("cli{}", self.id.0),
            pwd: format!("client-password-number-{:04}", self.id.0),
        }
    }

    pub fn fingerprint(&self) -> command::Fingerprint {
        command::Fingerprint {
            algorithm: "sha-256".into(),
            value: self.certificate.fingerprint_sha256(),
        }
    }

    pub fn set_remote(
        &mut self,
        now: Instant,
        ice: &command::IceCredentials,
        server: &Certificate,
    ) {
        let fingerprint =
            Fingerprint::parse("sha-256", &server.fingerprint_sha256()).expect("a fingerprint");
        self.peer.set_remote(
            now,
            RemoteDescription {
                ice: Credentials::new(ice.ufrag.clone(), ice.pwd.clone()),
                ice_lite: false,
                dtls_role: DtlsRole::Client,
                fingerprints: vec![fingerprint],
            },
        );
    }

    pub fn open_channels(&mut self, now: Instant) {
        self.peer
            .open_data_channel(now, ChannelSettings::reliable("_reliable"));
        self.peer
            .open_data_channel(now, ChannelSettings::lossy("_lossy"));
    }

    pub fn channel(&self, label: &str) -> ChannelId {
        self.channels
            .iter()
            .find(|(_, l)| l == label)
            .map(|(id, _)| *id)
            .expect("the channel is open")
    }

    pub fn say(&mut self, now: Instant, label: &str, message: &[u8]) {
        let channel = self.channel(label);
        self.peer.send_data(
            now,
            channel,
            &Bytes::copy_from_slice(message),
            true,
            usize::MAX,
        );
    }

    pub fn send_rtp(&mut self, header: OutHeader, extensions: &ExtensionBlock, payload: &[u8]) {
        let mut packet = vec![0; 1_500];
        let header_len = write_header(&mut packet, &header, extensions).expect("room");
        let stream = self.peer.send_stream(header.ssrc).expect("connected");
        let len = self
            .peer
            .seal_rtp(stream, &mut packet, header_len, &[], payload)
            .expect("sealed");
        packet.truncate(len);
        self.send(packet);
    }

    pub fn send_rtcp(&mut self, packets: &[Rtcp]) {
        let mut bytes = Vec::new();
        write_compound(packets, &mut bytes);
        self.peer.seal_rtcp(&mut bytes).expect("sealed");
        self.send(bytes);
    }

    /// Sends bytes as they are from the client's address.
    pub fn send(&mut self, bytes: Vec<u8>) {
        let path = self.peer.path().expect("a path");
        self.out.push((path.remote, bytes));
    }

    pub fn receive(&mut self, now: Instant, from: SocketAddr, mut datagram: Vec<u8>) {
        match self
            .peer
            .handle_datagram(now, Path::udp(self.address, from), &mut datagram)
        {
            Received::Rtp { len } => {
                let view = RtpView::parse(&datagram[..len]).expect("what the server sends is RTP");
                let h = view.header();
                self.media.push(Media {
                    at: now,
                    ssrc: h.ssrc.0,
                    pt: h.payload_type.0,
                    sequence: h.sequence,
                    timestamp: h.timestamp,
                    marker: h.marker,
                    payload: view.payload().to_vec(),
                    len,
                });
            }
            Received::Rtcp { len } => {
                parse_compound(&datagram[..len], &mut self.rtcp)
                    .expect("what the server sends is RTCP");
            }
            Received::Consumed | Received::Dropped(_) => {}
        }
    }

    /// Drains the transport; returns what it sends.
    pub fn drain(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        while let Some(event) = self.peer.poll_event() {
            match event {
                PeerEvent::Connected { .. } => self.connected = true,
                PeerEvent::ChannelOpened { id, settings } => {
                    self.channels.push((id, settings.label));
                }
                PeerEvent::Message { id, bytes, .. } => self.messages.push((id.0, bytes)),
                PeerEvent::Closed { .. } => self.closed = true,
                _ => {}
            }
        }
        let mut out = std::mem::take(&mut self.out);
        while let Some(transmit) = self.peer.poll_transmit() {
            out.push((transmit.path.remote, transmit.bytes));
        }
        out
    }

    pub fn of(&self, ssrc: u32) -> Vec<&Media> {
        self.media
            .iter()
            .filter(|media| media.ssrc == ssrc)
            .collect()
    }
}

pub fn header(ssrc: u32, pt: u8, sequence: u16, timestamp: u32, marker: bool) -> OutHeader {
    OutHeader {
        marker,
        payload_type: PayloadType(pt),
        sequence,
        timestamp,
        ssrc: Ssrc(ssrc),
        padding: false,
    }
}
