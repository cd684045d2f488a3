//! The transport: its pieces, its state and its verbs but for the datagram entry (`receive`).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sluice_data::{ChannelSettings, DataRole, DataTransport};
use sluice_ice::{
    Credentials, IceAgent, IceConfig, IceEvent, IceState, LocalCandidate, Path, Protocol,
    RemoteCandidate,
};
use sluice_secure::{Certificate, DtlsVersions};
use sluice_wire::id::PeerId;

use crate::config::{PeerConfig, RemoteDescription};
use crate::counters::PeerStats;
use crate::event::PeerEvent;
use crate::handshake::{Handshake, Progress, Srtp};
use crate::twcc::Twcc;

/// A datagram to send that is no media: STUN, DTLS, SCTP, transport-cc feedback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerTransmit {
    /// Its way.
    pub path: Path,
    /// The datagram.
    pub bytes: Vec<u8>,
}

/// One WebRTC transport.
///
/// ```text
/// New ──ICE──▶ path ──DTLS──▶ Connected ──┐
///   └──────────────┴──────────────────────┴── failure, close ──▶ Closed
/// ```
/// What it owns says where it is: a path after the first nomination, keys after the handshake.
pub struct Peer {
    id: PeerId,
    closed: bool,
    pub(crate) ice: IceAgent,
    pub(crate) path: Option<Path>,
    pub(crate) certificate: Certificate,
    pub(crate) versions: DtlsVersions,
    pub(crate) handshake: Handshake,
    /// Where the last DTLS datagram came from: answers go there before a pair is nominated.
    pub(crate) handshake_path: Option<Path>,
    pub(crate) srtp: Option<Box<Srtp>>,
    pub(crate) data: Option<Box<DataTransport>>,
    pub(crate) data_role: DataRole,
    pub(crate) wanted_channels: Vec<ChannelSettings>,
    pub(crate) twcc: Twcc,
    pub(crate) transport_sequence: u16,
    pub(crate) stats: PeerStats,
    pub(crate) now: Instant,
    reported_rtt: Option<Duration>,
    pub(crate) progress: Progress,
    /// Something happened since the pieces were last asked for transmits. Media alone leaves it as it is.
    pub(crate) dirty: bool,
    transmits: VecDeque<PeerTransmit>,
    events: VecDeque<PeerEvent>,
}

impl Peer {
    /// A transport without addresses.
    pub fn new(now: Instant, config: PeerConfig) -> Self {
        let mut random = SmallRng::seed_from_u64(config.seed);
        let ice = IceConfig {
            local: config.ice,
            lite: config.ice_lite,
            controlling: config.controlling,
            tie_breaker: random.random(),
        };
        Self {
            id: config.id,
            closed: false,
            ice: IceAgent::new(now, ice),
            path: None,
            certificate: config.certificate,
            versions: config.versions,
            handshake: Handshake::AwaitingRemote,
            handshake_path: None,
            srtp: None,
            data: None,
            data_role: config.data,
            wanted_channels: Vec::new(),
            twcc: Twcc::default(),
            transport_sequence: random.random(),
            stats: PeerStats::default(),
            now,
            reported_rtt: None,
            progress: Progress::default(),
            dirty: true,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Who this is.
    pub fn id(&self) -> PeerId {
        self.id
    }

    /// Adds a socket: what it is bound to, and what the client is told. None where that can't be a candidate.
    pub fn add_local_address(
        &mut self,
        protocol: Protocol,
        bound: SocketAddr,
        advertised: SocketAddr,
    ) -> Option<LocalCandidate> {
        self.guarded(|peer| peer.ice.add_local_host(protocol, bound, advertised))
            .flatten()
    }

    /// Our candidates.
    pub fn local_candidates(&self) -> &[LocalCandidate] {
        self.ice.local_candidates()
    }

    /// The other side's description: once it is known, and again after an ICE restart.
    pub fn set_remote(&mut self, now: Instant, remote: RemoteDescription) {
        self.now = now;
        self.guarded(|peer| {
            peer.progress.described(now);
            peer.prepare_handshake(remote.dtls_role, remote.fingerprints);
            peer.ice.set_remote(now, remote.ice, remote.ice_lite);
            peer.drain_ice(now);
        });
    }

    /// A candidate of the other side. False where it was ignored.
    pub fn add_remote_candidate(&mut self, now: Instant, candidate: &RemoteCandidate) -> bool {
        self.now = now;
        self.guarded(|peer| peer.ice.add_remote_candidate(now, candidate))
            .unwrap_or(false)
    }

    /// New local credentials; the path carries media on, DTLS and SRTP stay.
    pub fn restart_ice(&mut self, now: Instant, local: Credentials) {
        self.now = now;
        self.guarded(|peer| {
            peer.ice.restart(now, local);
            peer.drain_ice(now);
        });
    }

    /// True of a ufrag whose checks it answers.
    pub fn answers_to(&self, ufrag: &str) -> bool {
        self.ice.answers_to(ufrag)
    }

    /// True from an ICE restart until the new session has a pair.
    pub fn is_restarting(&self) -> bool {
        self.ice.is_restarting()
    }

    /// The id of the transport-cc extension on what comes in; none where it was not negotiated.
    pub fn set_transport_cc(&mut self, extension: Option<u8>) {
        self.twcc.set_extension(extension);
    }

    /// Where media goes; none before the first nomination and after the end.
    #[inline]
    pub fn path(&self) -> Option<Path> {
        self.path
    }

    /// True from the handshake's end to the transport's.
    pub fn is_connected(&self) -> bool {
        self.srtp.is_some() && !self.closed
    }

    /// True after the end.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// ICE's state.
    pub fn ice_state(&self) -> IceState {
        self.ice.state()
    }

    /// Round trip to the client: by our checks, or as last observed.
    pub fn rtt(&self) -> Option<Duration> {
        self.ice.rtt().or(self.reported_rtt)
    }

    /// A round trip as receiver reports tell it; for lite agents, which have no checks to measure by.
    pub fn observe_rtt(&mut self, rtt: Duration) {
        self.reported_rtt = Some(self.reported_rtt.map_or(rtt, |old| (old * 7 + rtt) / 8));
    }

    /// Counters.
    pub fn stats(&self) -> PeerStats {
        let mut stats = self.stats.clone();
        stats.path_switches = self.ice.stats().switches;
        if let Some(data) = &self.data {
            let data = data.stats();
            stats.messages_in = data.messages_in;
            stats.messages_out = data.messages_out;
            stats.messages_dropped = data.messages_dropped;
        }
        stats
    }

    /// A connection that this transport used closed: it goes on along another path, at once where one stands.
    pub fn handle_path_closed(&mut self, now: Instant, path: Path) {
        self.now = now;
        self.guarded(|peer| {
            peer.handshake_path.take_if(|known| *known == path);
            peer.path.take_if(|known| *known == path);
            peer.ice.handle_path_closed(now, path);
            peer.drain_ice(now);
        });
    }

    /// True of a path that proved itself within the last 30 s.
    pub fn is_valid(&self, path: Path) -> bool {
        !self.closed && self.ice.is_valid(path)
    }

    /// Ends the transport from our side. Poll once more for its goodbye.
    pub fn close(&mut self, now: Instant) {
        self.now = now;
        self.guarded(|peer| {
            if let Handshake::Running(dtls) = &mut peer.handshake {
                dtls.close(now);
            }
            peer.collect_transmits();
        });
        let goodbye = std::mem::take(&mut self.transmits);
        self.events.clear();
        self.mark_closed();
        self.transmits = goodbye;
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        self.guarded(|peer| {
            peer.ice.handle_timeout(now);
            peer.drain_ice(now);
            if let Handshake::Running(dtls) = &mut peer.handshake {
                let result = dtls.handle_timeout(now);
                peer.drain_dtls(now);
                if let Err(error) = result {
                    peer.end_by_dtls(&error);
                }
            }
            if let Some(data) = &mut peer.data {
                data.handle_timeout(now);
                peer.drain_data();
            }
        });
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<PeerTransmit> {
        if self.transmits.is_empty() && self.dirty {
            self.shielded(Self::collect_transmits);
        }
        self.transmits.pop_front()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<PeerEvent> {
        self.events.pop_front()
    }

    /// When to call [`Peer::handle_timeout`] next.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        self.shielded(|peer| {
            let dtls = match &peer.handshake {
                Handshake::Running(dtls) => dtls.poll_timeout(),
                _ => None,
            };
            let data = peer.data.as_ref().and_then(|data| data.poll_timeout());
            [peer.ice.poll_timeout(), dtls, data]
                .into_iter()
                .flatten()
                .min()
        })
        .flatten()
    }

    fn collect_transmits(&mut self) {
        while let Some(transmit) = self.ice.poll_transmit() {
            self.transmits.push_back(PeerTransmit {
                path: transmit.path,
                bytes: transmit.bytes,
            });
        }
        self.dirty = false;
        self.seal_data(self.now);
        let Some(path) = self.path.or(self.handshake_path) else {
            return;
        };
        let Handshake::Running(dtls) = &mut self.handshake else {
            return;
        };
        while let Some(bytes) = dtls.poll_transmit() {
            self.transmits.push_back(PeerTransmit { path, bytes });
        }
    }

    pub(crate) fn drain_ice(&mut self, now: Instant) {
        while let Some(event) = self.ice.poll_event() {
            match event {
                IceEvent::Nominated(path) => {
                    let moved = self.path.replace(path) != Some(path);
                    self.progress.nominated(now);
                    if moved {
                        self.report(PeerEvent::Path(path));
                    }
                    self.begin_handshake(now);
                }
                IceEvent::PathClosed => self.path = None,
                IceEvent::State(state) => {
                    self.report(PeerEvent::Ice(state, self.ice.selected()));
                    if state == IceState::Failed {
                        // Nothing may be sent; DTLS and its keys wait for a restart (RFC 8842 section 5.5).
                        self.path = None;
                        self.handshake_path = None;
                    }
                }
            }
        }
    }

    /// Transport-cc reports, which an arrival made due.
    pub(crate) fn collect_feedback(&mut self) {
        let Some(path) = self.path.filter(|_| self.srtp.is_some()) else {
            return;
        };
        while let Some(mut bytes) = self.twcc.poll_report() {
            if self.seal_rtcp(&mut bytes).is_ok() {
                self.transmits.push_back(PeerTransmit { path, bytes });
            }
        }
    }

    pub(crate) fn report(&mut self, event: PeerEvent) {
        self.events.push_back(event);
    }

    /// Frees what a transport holds; counters and pending events stay.
    pub(crate) fn mark_closed(&mut self) {
        self.closed = true;
        self.path = None;
        self.srtp = None;
        self.data = None;
        self.handshake = Handshake::AwaitingRemote;
        self.transmits.clear();
    }
}
