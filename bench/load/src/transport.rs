//! One transport of a client: its peer, its own UDP socket, and the streams it receives.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use mio::{Interest, Registry, Token};
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSocketState};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sluice_peer::{
    Certificate, ChannelSettings, Credentials, DataRole, HashAlgorithm, Path, Peer, PeerConfig,
    Protocol,
};
use sluice_wire::id::{PeerId, Ssrc};

use crate::impairment::Impairment;
use crate::media::Inbound;
use crate::signal::{LocalTransport, Pc};

/// A socket of a transport.
pub struct Line {
    io: mio::net::UdpSocket,
    state: UdpSocketState,
    /// Where it is bound.
    pub local: SocketAddr,
}

/// One transport.
pub struct Transport {
    /// Which of the client's.
    pub pc: Pc,
    /// ICE, DTLS, SRTP and SCTP.
    pub peer: Peer,
    /// Its socket.
    pub line: Line,
    /// What it receives.
    pub inbound: Vec<Inbound>,
    /// The sender of its reports.
    pub rtcp_ssrc: Ssrc,
    /// When ICE and DTLS stood.
    pub connected_at: Option<Instant>,
    /// Makes what comes worse.
    pub impairment: Option<Impairment>,
}

/// Memory that receive calls fill, for one socket after the other.
pub struct Slots {
    memory: Vec<u8>,
    metas: [RecvMeta; BATCH_SIZE],
    filled: usize,
}

impl Line {
    /// A socket on any port of this address.
    ///
    /// # Errors
    /// As `bind(2)`: no file descriptor or port left.
    pub fn bind(registry: &Registry, token: Token, ip: IpAddr) -> io::Result<Self> {
        let mut io = mio::net::UdpSocket::bind(SocketAddr::new(ip, 0))?;
        let _ = socket2::SockRef::from(&io).set_recv_buffer_size(RECEIVE_BUFFER);
        let state = UdpSocketState::new((&io).into())?;
        registry.register(&mut io, token, Interest::READABLE)?;
        Ok(Self {
            local: io.local_addr()?,
            state,
            io,
        })
    }

    /// Sends a datagram; what the kernel refuses is lost.
    pub fn send(&self, to: SocketAddr, bytes: &[u8]) {
        let _ = self.io.send_to(bytes, to);
    }

    /// Receives what one system call yields. True where more may be waiting.
    pub fn receive(&self, slots: &mut Slots) -> bool {
        slots.filled = 0;
        let mut free = slots.memory.chunks_exact_mut(SLOT_BYTES);
        let mut buffers: [IoSliceMut<'_>; BATCH_SIZE] =
            std::array::from_fn(|_| IoSliceMut::new(free.next().unwrap_or_default()));
        match self
            .state
            .recv((&self.io).into(), &mut buffers, &mut slots.metas)
        {
            Ok(filled) => {
                slots.filled = filled;
                filled == BATCH_SIZE
            }
            // An ICMP error of an earlier send takes the place of a datagram.
            Err(error) => error.kind() == io::ErrorKind::ConnectionRefused,
        }
    }
}

impl Slots {
    /// Memory that the kernel backs only as far as it is used.
    pub fn new() -> Self {
        Self {
            memory: vec![0; BATCH_SIZE * SLOT_BYTES],
            metas: [RecvMeta::default(); BATCH_SIZE],
            filled: 0,
        }
    }

    /// No memory: to stand in for others for a moment.
    pub fn none() -> Self {
        Self {
            memory: Vec::new(),
            metas: [RecvMeta::default(); BATCH_SIZE],
            filled: 0,
        }
    }

    /// The datagrams of the last receive call and their senders.
    pub fn datagrams(&mut self) -> impl Iterator<Item = (SocketAddr, &mut [u8])> {
        let slots = self.memory.chunks_exact_mut(SLOT_BYTES).take(self.filled);
        slots.zip(&self.metas).flat_map(|(slot, meta)| {
            let train = slot.get_mut(..meta.len).unwrap_or_default();
            train
                .chunks_mut(meta.stride.max(1))
                .map(|datagram| (meta.addr, datagram))
        })
    }
}

impl Transport {
    /// A transport on a socket, and what signalling needs to know of it.
    pub fn new(
        now: Instant,
        pc: Pc,
        line: Line,
        controlling: bool,
        channels: Vec<ChannelSettings>,
        certificate: &Certificate,
        seed: u64,
    ) -> (Self, LocalTransport) {
        let mut rng = SmallRng::seed_from_u64(seed);
        let ice = Credentials::new(word(&mut rng, 8), word(&mut rng, 24));
        let config = PeerConfig {
            controlling,
            data: DataRole::Active,
            ..PeerConfig::new(
                PeerId(seed as u32),
                ice.clone(),
                certificate.clone(),
                rng.random(),
            )
        };
        let mut peer = Peer::new(now, config);
        let _ = peer.add_local_address(Protocol::Udp, line.local, line.local);
        for channel in channels {
            peer.open_data_channel(now, channel);
        }
        let local = LocalTransport {
            ice,
            fingerprint: certificate.fingerprint(HashAlgorithm::Sha256),
            candidates: peer.local_candidates().to_vec(),
        };
        let transport = Self {
            pc,
            peer,
            line,
            inbound: Vec::new(),
            rtcp_ssrc: Ssrc(rng.random()),
            connected_at: None,
            impairment: None,
        };
        (transport, local)
    }

    /// The path of a datagram from there.
    pub fn path(&self, from: SocketAddr) -> Path {
        Path::udp(self.line.local, from)
    }

    /// Sends what the peer has to send.
    pub fn flush(&mut self) {
        while let Some(transmit) = self.peer.poll_transmit() {
            self.line.send(transmit.path.remote, &transmit.bytes);
        }
    }
}

/// Of letters and digits, as ICE wants them.
fn word(rng: &mut SmallRng, len: usize) -> String {
    (0..len)
        .map(|_| char::from(rng.sample(rand::distr::Alphanumeric)))
        .collect()
}

/// A train of datagrams.
const SLOT_BYTES: usize = 65_536;
/// Seconds of a video stream: the load must not lose what the server sent.
const RECEIVE_BUFFER: usize = 1 << 20;
