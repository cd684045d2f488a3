//! The association and its channels.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use sctp_proto::{
    Association, AssociationHandle, ClientConfig, DatagramEvent, Endpoint, EndpointConfig, Event,
    Payload, PayloadProtocolIdentifier as Ppid, ServerConfig, StreamEvent, TransportConfig,
};

use crate::channel::{Channel, ChannelId, ChannelSettings, Phase, SendOutcome};
use crate::screen::{MAX_STREAMS, Refusal, begins_with_init, screen};

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
    pub(crate) association: Option<(AssociationHandle, Association)>,
    config: DataConfig,
    pub(crate) state: State,
    pub(crate) channels: Vec<Channel>,
    pub(crate) next_own_id: u16,
    readable: VecDeque<u16>,
    outgoing: VecDeque<Bytes>,
    pub(crate) events: VecDeque<DataEvent>,
    pub(crate) stats: DataStats,
    now: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
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

    /// Channels, open or on their way.
    pub fn channels(&self) -> usize {
        self.channels.len()
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
        if self.config.role == DataRole::Active && self.association.is_none() {
            return Ok(());
        }
        if begins_with_init(packet) && self.has_begun() {
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

    /// Whether one more INIT is of no use. Where both sides begin, the other one answers our INIT all the same
    /// (RFC 9260 section 5.2.1). Where the association stands, it is one that the network held up or doubled, which
    /// RFC 9260 section 5.2.2 has do no harm and the library takes as the association's end; a restart comes with a
    /// new DTLS connection (RFC 8831 section 6.1), never in this one.
    fn has_begun(&self) -> bool {
        self.config.role == DataRole::Active || self.state == State::Connected
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
        let association = self
            .association
            .as_mut()
            .map(|(_, association)| association);
        if let Some(transmit) =
            association.and_then(|association| association.poll_transmit(self.now))
        {
            self.queue(transmit.payload);
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

    fn finished(&mut self, id: ChannelId) {
        let Some(index) = self.channels.iter().position(|channel| channel.id == id) else {
            return;
        };
        if self.channels.remove(index).phase == Phase::Open {
            self.events.push_back(DataEvent::ChannelClosed { id });
        }
    }
}

pub(crate) fn stream_of(
    association: &mut Option<(AssociationHandle, Association)>,
    id: u16,
) -> Option<sctp_proto::Stream<'_>> {
    association.as_mut()?.1.stream(id).ok()
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
/// Payload of a DATA chunk. The library counts neither padding nor the last header when it bundles small
/// messages, so that a packet grows to 1,260 bytes at worst; with DTLS (37), UDP and IPv6 (48) that stays below
/// the 1,400 of common tunnels, and packets of one large message stay within 1,280, the least every IPv6 path takes.
const MAX_CHUNK_BYTES: u32 = 1_024;
/// RFC 9260 has 3 s, 1 s and 60 s for the open internet of 1987. These are near libwebrtc's; the minimum
/// stays above the 200 ms for which an acknowledgement may be delayed.
const RTO_INITIAL_MS: u64 = 500;
const RTO_MIN_MS: u64 = 400;
const RTO_MAX_MS: u64 = 5_000;
/// The library wants an address; below DTLS there is none.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 5000);
