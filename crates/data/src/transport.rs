//! The association and its channels.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use sctp_proto::{
    Association, AssociationHandle, Chunks, ClientConfig, DatagramEvent, Endpoint, EndpointConfig,
    Event, Payload, PayloadProtocolIdentifier as Ppid, ReliabilityType, ServerConfig, StreamEvent,
    TransportConfig,
};

use crate::channel::{Channel, ChannelId, ChannelSettings, Phase, SendOutcome};
use crate::dcep::Dcep;
use crate::screen::{MAX_STREAMS, Refusal, screen};

/// Who sends INIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataRole {
    /// We wait for it.
    Passive,
    /// We do: clients in tests.
    Active,
}

/// How a data transport begins.
#[derive(Debug, Clone, Copy)]
pub struct DataConfig {
    /// Who sends INIT.
    pub role: DataRole,
    /// True where we are the DTLS client: our own channels then take even ids, otherwise odd ones
    /// (RFC 8832 section 6).
    pub dtls_client: bool,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataEvent {
    /// The association stands.
    Connected,
    /// A channel is open in both directions; ours or theirs.
    ChannelOpened {
        /// The channel.
        id: ChannelId,
        /// How it delivers.
        settings: ChannelSettings,
    },
    /// A message came in.
    Message {
        /// The channel.
        id: ChannelId,
        /// False for text.
        binary: bool,
        /// The message; at most [`MAX_MESSAGE_BYTES`].
        bytes: Bytes,
    },
    /// A channel was closed by the other side, or with the association.
    ChannelClosed {
        /// The channel.
        id: ChannelId,
    },
    /// The association ended. Nothing follows.
    Closed,
}

/// Counters since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DataStats {
    /// Messages received.
    pub messages_in: u64,
    /// Messages taken for sending.
    pub messages_out: u64,
    /// Messages dropped because their receiver was slow, or the channel not open.
    pub messages_dropped: u64,
    /// Packets turned away by the screen.
    pub packets_refused: u64,
    /// Messages received outside any open channel, malformed DCEP, channels beyond [`MAX_CHANNELS`].
    pub violations: u64,
}

/// SCTP and its channels for one transport. Five verbs.
pub struct DataTransport {
    endpoint: Endpoint,
    association: Option<(AssociationHandle, Association)>,
    config: DataConfig,
    state: State,
    channels: Vec<Channel>,
    next_own_id: u16,
    readable: VecDeque<u16>,
    outgoing: VecDeque<Bytes>,
    events: VecDeque<DataEvent>,
    stats: DataStats,
    now: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Connected,
    Closed,
}

impl DataTransport {
    /// A transport over a DTLS connection that stands. An active one sends INIT with the next
    /// [`DataTransport::poll_transmit`].
    pub fn new(now: Instant, config: DataConfig) -> Self {
        let mut endpoint_config = EndpointConfig::new();
        endpoint_config.max_payload_size(MAX_CHUNK_BYTES);
        let server = (config.role == DataRole::Passive).then(|| {
            let mut server = ServerConfig::new();
            server.transport = Arc::new(transport_config());
            Arc::new(server)
        });
        let mut endpoint = Endpoint::new(Arc::new(endpoint_config), server);
        let association = (config.role == DataRole::Active)
            .then(|| {
                let mut client = ClientConfig::new();
                client.transport = Arc::new(transport_config());
                endpoint.connect(client, PEER).ok()
            })
            .flatten();
        Self {
            endpoint,
            association,
            config,
            state: State::Waiting,
            channels: Vec::new(),
            next_own_id: u16::from(!config.dtls_client),
            readable: VecDeque::new(),
            outgoing: VecDeque::new(),
            events: VecDeque::new(),
            stats: DataStats::default(),
            now,
        }
    }

    /// Opens a channel of ours; `ChannelOpened` follows once the other side acknowledged it. None after
    /// [`MAX_CHANNELS`] or the end of the association.
    pub fn open_channel(&mut self, now: Instant, settings: ChannelSettings) -> Option<ChannelId> {
        self.now = now;
        if self.state == State::Closed || self.channels.len() >= MAX_CHANNELS {
            return None;
        }
        let id = self.free_id()?;
        self.channels.push(Channel {
            id,
            settings,
            phase: Phase::Queued,
        });
        if self.state == State::Connected {
            self.announce(id);
        }
        Some(id)
    }

    /// Closes a channel in both directions.
    pub fn close_channel(&mut self, now: Instant, id: ChannelId) {
        self.now = now;
        self.channels.retain(|channel| channel.id != id);
        if let Some(mut stream) = stream_of(&mut self.association, id.0) {
            let _ = stream.close();
        }
    }

    /// Sends a message unless more than `limit` bytes wait on the channel already. An empty message is sent
    /// as RFC 8831 section 6.6 has it.
    pub fn send(
        &mut self,
        now: Instant,
        id: ChannelId,
        bytes: &Bytes,
        binary: bool,
        limit: usize,
    ) -> SendOutcome {
        self.now = now;
        let outcome = self.try_send(id, bytes, binary, limit);
        match outcome {
            SendOutcome::Sent => self.stats.messages_out += 1,
            _ => self.stats.messages_dropped += 1,
        }
        outcome
    }

    fn try_send(
        &mut self,
        id: ChannelId,
        bytes: &Bytes,
        binary: bool,
        limit: usize,
    ) -> SendOutcome {
        let usable = self
            .channels
            .iter()
            .any(|channel| channel.id == id && channel.phase != Phase::Queued);
        if !usable {
            return SendOutcome::NotOpen;
        }
        if bytes.len() > MAX_MESSAGE_BYTES {
            return SendOutcome::TooLong;
        }
        let Some(mut stream) = stream_of(&mut self.association, id.0) else {
            return SendOutcome::NotOpen;
        };
        let waiting = stream.buffered_amount().unwrap_or(0);
        if waiting > 0 && waiting + bytes.len() > limit.min(MAX_BUFFERED) {
            return SendOutcome::Full;
        }
        let (payload, kind) = match (bytes.is_empty(), binary) {
            (true, true) => (Bytes::from_static(&[0]), Ppid::BinaryEmpty),
            (true, false) => (Bytes::from_static(&[0]), Ppid::StringEmpty),
            (false, true) => (bytes.clone(), Ppid::Binary),
            (false, false) => (bytes.clone(), Ppid::String),
        };
        // By the default type, because this way of writing shares the bytes where `write_sctp` copies them.
        let written = stream
            .set_default_payload_type(kind)
            .and_then(|()| stream.write_chunks(&mut [payload]));
        if written.is_ok() {
            SendOutcome::Sent
        } else {
            SendOutcome::NotOpen
        }
    }

    /// Bytes taken on a channel and not acknowledged yet.
    pub fn buffered_amount(&mut self, id: ChannelId) -> usize {
        stream_of(&mut self.association, id.0)
            .and_then(|stream| stream.buffered_amount().ok())
            .unwrap_or(0)
    }

    /// The first open channel with this label.
    pub fn channel(&self, label: &str) -> Option<ChannelId> {
        let open =
            |channel: &&Channel| channel.phase == Phase::Open && channel.settings.label == label;
        self.channels.iter().find(open).map(|channel| channel.id)
    }

    /// True between `Connected` and `Closed`.
    pub fn is_connected(&self) -> bool {
        self.state == State::Connected
    }

    /// Counters.
    pub fn stats(&self) -> DataStats {
        self.stats
    }

    /// Ends the association in order; the other side sees it close.
    pub fn shutdown(&mut self, now: Instant) {
        self.now = now;
        if let Some((_, association)) = &mut self.association {
            let _ = association.shutdown();
        }
    }

    /// One packet out of DTLS.
    pub fn handle_packet(&mut self, now: Instant, packet: &[u8]) -> Result<(), Refusal> {
        self.now = now;
        if self.state == State::Closed {
            return Ok(());
        }
        if let Err(refusal) = screen(packet) {
            self.stats.packets_refused += 1;
            return Err(refusal);
        }
        if self.association.is_none() && self.config.role == DataRole::Active {
            return Ok(());
        }
        match self
            .endpoint
            .handle(now, PEER, None, None, Bytes::copy_from_slice(packet))
        {
            Some((handle, DatagramEvent::NewAssociation(association))) => {
                // One per transport: every further INIT would make another one.
                self.endpoint.reject_new_associations();
                self.association = Some((handle, association));
            }
            Some((_, DatagramEvent::AssociationEvent(event))) => {
                if let Some((_, association)) = &mut self.association {
                    association.handle_event(event);
                }
            }
            None => {}
        }
        self.pump();
        Ok(())
    }

    /// Lets time pass.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        if let Some((_, association)) = &mut self.association {
            association.handle_timeout(now);
        }
        self.pump();
    }

    /// The next packet for DTLS.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        if let Some(packet) = self.outgoing.pop_front() {
            return Some(packet);
        }
        while let Some(transmit) = self.endpoint.poll_transmit() {
            self.queue(transmit.payload);
        }
        if let Some((_, association)) = &mut self.association {
            if let Some(transmit) = association.poll_transmit(self.now) {
                self.queue(transmit.payload);
            }
        }
        self.outgoing.pop_front()
    }

    /// The next event. Messages stay in the association's window until asked for, which is what holds the
    /// sender back.
    pub fn poll_event(&mut self) -> Option<DataEvent> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            // Data may overtake COOKIE ACK; until that comes nothing can be answered.
            let id = *self
                .readable
                .front()
                .filter(|_| self.state != State::Waiting)?;
            let message = stream_of(&mut self.association, id)
                .and_then(|mut stream| stream.read_sctp().ok().flatten());
            match message {
                Some(message) => self.receive(ChannelId(id), message),
                None => {
                    self.readable.pop_front();
                }
            }
            self.pump();
        }
    }

    /// When to call [`DataTransport::handle_timeout`] next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.association
            .as_ref()
            .and_then(|(_, association)| association.poll_timeout())
    }

    fn queue(&mut self, payload: Payload) {
        if let Payload::RawEncode(packets) = payload {
            self.outgoing.extend(packets);
        }
    }

    /// Takes the association's events over.
    fn pump(&mut self) {
        while let Some((_, association)) = &mut self.association {
            let Some(event) = association.poll() else {
                break;
            };
            match event {
                Event::Connected => self.connected(),
                Event::HandshakeFailed { .. } | Event::AssociationLost { .. } => self.closed(),
                Event::Stream(StreamEvent::Opened { id }) => self.admit(id),
                Event::Stream(StreamEvent::Readable { id }) if !self.readable.contains(&id) => {
                    self.readable.push_back(id);
                }
                Event::Stream(StreamEvent::Finished { id }) => self.finished(ChannelId(id)),
                _ => {}
            }
        }
        let Some((handle, association)) = &mut self.association else {
            return;
        };
        let handle = *handle;
        while let Some(event) = association.poll_endpoint_event() {
            self.endpoint.handle_event(handle, event);
        }
    }

    fn connected(&mut self) {
        if self.state != State::Waiting {
            return;
        }
        self.state = State::Connected;
        self.events.push_back(DataEvent::Connected);
        let queued: Vec<ChannelId> = self.channels.iter().map(|channel| channel.id).collect();
        for id in queued {
            self.announce(id);
        }
    }

    fn closed(&mut self) {
        if self.state == State::Closed {
            return;
        }
        self.state = State::Closed;
        self.readable.clear();
        for channel in self.channels.drain(..) {
            if channel.phase == Phase::Open {
                self.events
                    .push_back(DataEvent::ChannelClosed { id: channel.id });
            }
        }
        self.events.push_back(DataEvent::Closed);
    }

    /// A stream that the other side began. It becomes a channel with its OPEN message.
    fn admit(&mut self, id: u16) {
        let Some((_, association)) = &mut self.association else {
            return;
        };
        while association.accept_stream().is_some() {}
        if association.stream_ids().len() > MAX_CHANNELS {
            self.stats.violations += 1;
            self.abandon(id);
        }
    }

    fn finished(&mut self, id: ChannelId) {
        let Some(index) = self.channels.iter().position(|channel| channel.id == id) else {
            return;
        };
        if self.channels.remove(index).phase == Phase::Open {
            self.events.push_back(DataEvent::ChannelClosed { id });
        }
    }

    /// Opens the stream of a channel of ours and sends its OPEN. Until the ACK everything on it goes in
    /// order, so that nothing overtakes the OPEN (RFC 8832 section 6).
    fn announce(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.iter_mut().find(|channel| channel.id == id) else {
            return;
        };
        let Some((_, association)) = &mut self.association else {
            return;
        };
        let open = Bytes::from(Dcep::Open(channel.settings.clone()).to_bytes());
        let opened = association
            .open_stream(id.0, Ppid::Binary)
            .and_then(|mut stream| {
                let (kind, value) = reliability(&channel.settings);
                stream.set_reliability_params(false, kind, value)?;
                stream.write_sctp(&open, Ppid::Dcep)
            });
        match opened {
            Ok(_) => channel.phase = Phase::Opening,
            Err(error) => {
                tracing::debug!(%error, id = id.0, "data channel not opened");
                self.channels.retain(|channel| channel.id != id);
            }
        }
    }

    fn receive(&mut self, id: ChannelId, message: Chunks) {
        let kind = message.ppi;
        if kind == Ppid::Dcep {
            return self.receive_dcep(id, &joined(message));
        }
        let (binary, empty) = match kind {
            Ppid::Binary => (true, false),
            Ppid::String => (false, false),
            Ppid::BinaryEmpty => (true, true),
            Ppid::StringEmpty => (false, true),
            _ => {
                self.stats.violations += 1;
                return;
            }
        };
        if !self.channels.iter().any(|channel| channel.id == id) {
            self.stats.violations += 1;
            return;
        }
        let bytes = if empty { Bytes::new() } else { joined(message) };
        self.stats.messages_in += 1;
        // A message on a channel of ours is as good as the ACK that it overtook.
        self.settle(id);
        self.events
            .push_back(DataEvent::Message { id, binary, bytes });
    }

    fn receive_dcep(&mut self, id: ChannelId, bytes: &[u8]) {
        let known = self.channels.iter().any(|channel| channel.id == id);
        match Dcep::parse(bytes) {
            Some(Dcep::Ack) => self.settle(id),
            Some(Dcep::Open(settings)) if !known && self.channels.len() < MAX_CHANNELS => {
                let Some(mut stream) = stream_of(&mut self.association, id.0) else {
                    return;
                };
                let (kind, value) = reliability(&settings);
                let acked = stream
                    .set_reliability_params(!settings.ordered, kind, value)
                    .and_then(|()| {
                        stream.write_sctp(&Bytes::from(Dcep::Ack.to_bytes()), Ppid::Dcep)
                    });
                if acked.is_ok() {
                    self.channels.push(Channel {
                        id,
                        settings: settings.clone(),
                        phase: Phase::Open,
                    });
                    self.events
                        .push_back(DataEvent::ChannelOpened { id, settings });
                }
            }
            Some(Dcep::Open(_)) if known => {}
            Some(Dcep::Open(_)) | None => {
                self.stats.violations += 1;
                if !known {
                    self.abandon(id.0);
                }
            }
        }
    }

    /// A channel of ours was acknowledged.
    fn settle(&mut self, id: ChannelId) {
        let opening = |channel: &&mut Channel| channel.id == id && channel.phase == Phase::Opening;
        let Some(channel) = self.channels.iter_mut().find(opening) else {
            return;
        };
        channel.phase = Phase::Open;
        if let Some(mut stream) = stream_of(&mut self.association, id.0) {
            let (kind, value) = reliability(&channel.settings);
            let _ = stream.set_reliability_params(!channel.settings.ordered, kind, value);
        }
        self.events.push_back(DataEvent::ChannelOpened {
            id,
            settings: channel.settings.clone(),
        });
    }

    fn abandon(&mut self, id: u16) {
        if let Some(mut stream) = stream_of(&mut self.association, id) {
            let _ = stream.close();
        }
    }

    fn free_id(&mut self) -> Option<ChannelId> {
        let taken = self
            .association
            .as_ref()
            .map(|(_, association)| association.stream_ids())
            .unwrap_or_default();
        for _ in 0..MAX_STREAMS / 2 {
            let id = self.next_own_id;
            self.next_own_id = (id + 2) % MAX_STREAMS;
            if !taken.contains(&id) && !self.channels.iter().any(|channel| channel.id.0 == id) {
                return Some(ChannelId(id));
            }
        }
        None
    }
}

fn stream_of(
    association: &mut Option<(AssociationHandle, Association)>,
    id: u16,
) -> Option<sctp_proto::Stream<'_>> {
    association.as_mut()?.1.stream(id).ok()
}

fn reliability(settings: &ChannelSettings) -> (ReliabilityType, u32) {
    match (settings.max_retransmits, settings.max_lifetime_ms) {
        (Some(count), _) => (ReliabilityType::Rexmit, u32::from(count)),
        (None, Some(ms)) => (ReliabilityType::Timed, u32::from(ms)),
        (None, None) => (ReliabilityType::Reliable, 0),
    }
}

/// The message in one piece.
fn joined(mut chunks: Chunks) -> Bytes {
    let len = chunks.len();
    chunks
        .next(len)
        .map_or_else(Bytes::new, |whole| whole.bytes)
}

fn transport_config() -> TransportConfig {
    TransportConfig::default()
        .with_max_receive_buffer_size(RECEIVE_WINDOW)
        .with_max_receive_message_size(MAX_MESSAGE_BYTES as u32)
        .with_max_send_message_size(MAX_MESSAGE_BYTES as u32)
        .with_max_num_inbound_streams(MAX_STREAMS)
        .with_max_num_outbound_streams(MAX_STREAMS)
        .with_max_init_retransmits(None)
        .with_max_data_retransmits(None)
        .with_rto_initial_ms(RTO_INITIAL_MS)
        .with_rto_min_ms(RTO_MIN_MS)
        .with_rto_max_ms(RTO_MAX_MS)
}

/// Channels and streams at once, of both sides.
pub const MAX_CHANNELS: usize = 256;
/// Longest message either way: what browsers announce as `a=max-message-size`.
pub const MAX_MESSAGE_BYTES: usize = 256 * 1024;
/// Bytes that wait on one channel at most, whatever limit the caller gives.
const MAX_BUFFERED: usize = 8 << 20;
/// What a sender may have under way to us: four messages of the greatest length.
const RECEIVE_WINDOW: u32 = 1 << 20;
/// Payload of a DATA chunk: with SCTP (28), DTLS (37), UDP and IPv6 (48) within 1,280 bytes, the least that
/// every IPv6 path takes.
const MAX_CHUNK_BYTES: u32 = 1_100;
/// RFC 9260 has 3 s, 1 s and 60 s for the open internet of 1987. These are near libwebrtc's; the minimum
/// stays above the 200 ms for which an acknowledgement may be delayed.
const RTO_INITIAL_MS: u64 = 500;
const RTO_MIN_MS: u64 = 400;
const RTO_MAX_MS: u64 = 5_000;
/// The library wants an address; below DTLS there is none.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 5000);
