//! The agent: sessions, verified tuples, the selected path and its state.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use is::stun::StunMessage;
use sluice_wire::path::Path;

use crate::candidate::{CandidateKind, LocalCandidate, Protocol, RemoteCandidate, foundation_of};
use crate::credentials::Credentials;
use crate::integrity::fingerprint_holds;
use crate::outcome::{IceStats, StunOutcome};
use crate::session::{Heard, Refused, Role, Session};
use crate::translate::Host;
use crate::tuples::{CONSENT_EXPIRY, Tuples};

/// How an agent begins.
#[derive(Debug, Clone)]
pub struct IceConfig {
    /// Our credentials.
    pub local: Credentials,
    /// Answers checks and sends none (RFC 8445 section 2.5).
    pub lite: bool,
    /// Takes the controlling role at first; a lite agent never does.
    pub controlling: bool,
    /// Settles role conflicts; random.
    pub tie_breaker: u64,
}

/// A STUN message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceTransmit {
    /// Its way.
    pub path: Path,
    /// The datagram.
    pub bytes: Vec<u8>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IceEvent {
    /// The state changed.
    State(IceState),
    /// Media goes along this path from now on.
    Nominated(Path),
    /// The selected path closed and there is no other: media goes nowhere until one proves itself.
    PathClosed,
}

/// W3C's connection states.
///
/// ```text
/// New ──set_remote──▶ Checking ──pair──▶ Connected ◀──proof── Disconnected
///                        │                   └────6 s silence────▶ │
///                        └──30 s──▶ Failed ◀──────30 s silence─────┘
///                                     └──restart──▶ New
/// ```
/// A restart while connected stays connected: the old pair carries media until the new session has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IceState {
    /// The other side's credentials are unknown.
    New,
    /// Looking for a pair.
    Checking,
    /// A pair is selected and alive.
    Connected,
    /// Nothing proved the selected pair for 6 s.
    Disconnected,
    /// Consent expired (RFC 7675) or no pair was found within 30 s. Nothing may be sent.
    Failed,
}

/// One ICE agent. Five verbs; no clock, no sockets.
pub struct IceAgent {
    current: Session,
    /// Answers checks of the former session after a restart, until the new one has selected a pair: a client
    /// that learns of the restart late loses nothing.
    former: Option<Session>,
    hosts: Vec<LocalCandidate>,
    tuples: Tuples,
    selected: Option<Path>,
    /// When the selected path closed, where nothing took its place since.
    lost: Option<Instant>,
    lite: bool,
    state: IceState,
    /// When the present search for a pair began.
    searching_since: Instant,
    rtt: Option<Duration>,
    events: std::collections::VecDeque<IceEvent>,
    stats: IceStats,
    /// Of the last verb; transmits are stamped with it.
    now: Instant,
}

impl IceAgent {
    /// An agent without candidates.
    pub fn new(now: Instant, config: IceConfig) -> Self {
        let role = Role {
            lite: config.lite,
            controlling: config.controlling,
            tie_breaker: config.tie_breaker,
        };
        Self {
            current: Session::new(now, role, config.local, &[]),
            former: None,
            hosts: Vec::new(),
            tuples: Tuples::default(),
            selected: None,
            lost: None,
            lite: config.lite,
            state: IceState::New,
            searching_since: now,
            rtt: None,
            events: std::collections::VecDeque::new(),
            stats: IceStats::default(),
            now,
        }
    }

    /// Adds a socket's address; a TCP one is passive (RFC 6544): it waits for connections. `advertised` is what the
    /// client is told: another one behind a 1:1 NAT.
    /// None where it can't be a candidate (unspecified, multicast, IPv4 link-local, or there already).
    pub fn add_local_host(
        &mut self,
        protocol: Protocol,
        bound: SocketAddr,
        advertised: SocketAddr,
    ) -> Option<LocalCandidate> {
        let candidate = LocalCandidate {
            foundation: foundation_of(protocol, bound.ip()),
            priority: self.current.add_host(Host { protocol, bound })?,
            addr: advertised,
            bound,
            kind: CandidateKind::Host,
            protocol,
        };
        self.hosts.push(candidate.clone());
        Some(candidate)
    }

    /// Our candidates.
    pub fn local_candidates(&self) -> &[LocalCandidate] {
        &self.hosts
    }

    /// Our credentials in the current session.
    pub fn local_credentials(&self) -> &Credentials {
        self.current.local()
    }

    /// True of a ufrag whose checks we answer: the current session's, and during a restart the former one's.
    pub fn answers_to(&self, ufrag: &str) -> bool {
        let former = self.former.as_ref().map(Session::local);
        [Some(self.current.local()), former]
            .into_iter()
            .flatten()
            .any(|local| local.ufrag == ufrag)
    }

    /// True from a restart until the new session has a pair.
    pub fn is_restarting(&self) -> bool {
        self.former.is_some()
    }

    /// The other side's credentials, and whether it is a lite agent. Others than before mean that the client
    /// restarted: the search begins anew, under our credentials of the last [`IceAgent::restart`].
    pub fn set_remote(&mut self, now: Instant, remote: Credentials, lite: bool) {
        self.now = now;
        if self.current.remote() == Some(&remote) {
            return;
        }
        if self.current.remote().is_some() {
            self.restart(now, self.current.local().clone());
        }
        let early = self.current.set_remote(remote, lite);
        self.searching_since = now;
        if self.selected.is_none() {
            self.set_state(IceState::Checking);
        }
        for (path, bytes) in early {
            self.handle_datagram(now, path, &bytes);
        }
        self.current.handle_timeout(now);
        self.follow(now);
    }

    /// One candidate of the other side. False where it was ignored: unusable, known, or beyond 64.
    pub fn add_remote_candidate(&mut self, now: Instant, candidate: &RemoteCandidate) -> bool {
        self.now = now;
        let added = self.current.add_remote_candidate(candidate);
        if added {
            self.current.handle_timeout(now);
        }
        added
    }

    /// Begins a new session with new credentials (RFC 8445 section 9). Candidates of the other side come
    /// again with its answer; the selected pair carries media on until the new session has one.
    pub fn restart(&mut self, now: Instant, local: Credentials) {
        self.now = now;
        let hosts: Vec<Host> = self.hosts.iter().map(Host::of).collect();
        let next = Session::new(now, self.current.role(), local, &hosts);
        let replaced = std::mem::replace(&mut self.current, next);
        // A session that never selected a pair has nothing to keep alive; the one before it may.
        self.former.get_or_insert(replaced);
        self.searching_since = now;
        if self.selected.is_none() {
            self.lost = None;
            self.set_state(IceState::New);
        }
    }

    /// True while our side controls.
    pub fn controlling(&self) -> bool {
        self.current.role().controlling
    }

    /// The state.
    pub fn state(&self) -> IceState {
        self.state
    }

    /// Where media goes. None before the first nomination and after consent expired.
    pub fn selected(&self) -> Option<Path> {
        self.selected
    }

    /// True after a STUN message of this peer with valid integrity came along this tuple, within the last
    /// 30 s: the gate for DTLS and SRTP.
    pub fn is_valid(&self, path: Path) -> bool {
        self.tuples.get(path).is_some()
    }

    /// As [`IceAgent::is_valid`], from that address to any of ours.
    pub fn is_valid_remote(&self, remote: SocketAddr) -> bool {
        self.tuples.has_remote(remote)
    }

    /// Smoothed round trip of our checks; none for a lite agent.
    pub fn rtt(&self) -> Option<Duration> {
        self.rtt
    }

    /// Counters.
    pub fn stats(&self) -> IceStats {
        self.stats
    }

    /// A packet that only the peer can have made (SRTP or SRTCP that authenticated) came along this tuple.
    /// This is how a path follows a client that roams without a new nomination.
    pub fn handle_authenticated(&mut self, now: Instant, path: Path) {
        let Some(tuple) = self.tuples.get_mut(path) else {
            return;
        };
        tuple.heard = Some(now);
        if self.selected != Some(path) {
            self.now = now;
            self.follow(now);
        }
    }

    /// A path is gone for good: its connection closed. Media goes on along the best of the others at once.
    pub fn handle_path_closed(&mut self, now: Instant, path: Path) {
        self.now = now;
        self.current.forget(path);
        if let Some(former) = &mut self.former {
            former.forget(path);
        }
        self.tuples.remove(path);
        if self.selected != Some(path) {
            return;
        }
        if let Some(next) = self.tuples.best() {
            return self.select(now, next);
        }
        self.selected = None;
        self.lost = Some(now);
        self.events.push_back(IceEvent::PathClosed);
        self.set_state(IceState::Disconnected);
    }

    /// A datagram that classifies as STUN.
    pub fn handle_datagram(&mut self, now: Instant, path: Path, bytes: &[u8]) -> StunOutcome {
        self.now = now;
        let outcome = self.receive(now, path, bytes);
        if !matches!(outcome, StunOutcome::Verified | StunOutcome::Early) {
            self.stats.dropped += 1;
            tracing::trace!(?outcome, "STUN dropped");
        }
        outcome
    }

    fn receive(&mut self, now: Instant, path: Path, bytes: &[u8]) -> StunOutcome {
        if bytes.len() > MAX_MESSAGE || !fingerprint_holds(bytes) {
            return StunOutcome::Malformed;
        }
        if !self.hosts.iter().any(|host| host.serves(path)) {
            return StunOutcome::UnknownLocal;
        }
        let Ok(message) = StunMessage::parse(bytes) else {
            return StunOutcome::Malformed;
        };
        let first = self.current.handle(now, path, message, bytes);
        let heard = match (first, self.former.as_mut()) {
            (Err(Refused::UnknownUser | Refused::Unsolicited), Some(former)) => {
                let Ok(message) = StunMessage::parse(bytes) else {
                    return StunOutcome::Malformed;
                };
                former
                    .handle(now, path, message, bytes)
                    .map(|heard| (heard, false))
            }
            (other, _) => other.map(|heard| (heard, true)),
        };
        match heard {
            Ok((Heard::Early, _)) => StunOutcome::Early,
            Ok((heard, current)) => {
                self.proved(now, path, heard, current);
                StunOutcome::Verified
            }
            Err(Refused::UnknownUser) => StunOutcome::UnknownUser,
            Err(Refused::BadIntegrity) => StunOutcome::BadIntegrity,
            Err(Refused::Unsolicited) => StunOutcome::Unsolicited,
            Err(Refused::Unsupported) => StunOutcome::Unsupported,
        }
    }

    fn proved(&mut self, now: Instant, path: Path, heard: Heard, current: bool) {
        let lite = self.lite;
        let tuple = self.tuples.verify(now, path, self.selected);
        tuple.answered |= lite;
        match heard {
            Heard::Request { nominated } => {
                self.stats.requests_in += 1;
                if nominated {
                    tuple.heard = Some(now);
                }
                // The triggered check (RFC 8445 section 7.3.1.4) leaves at once rather than at the next tick, and a
                // nomination counts at once.
                let news = !tuple.answered || nominated && self.selected != Some(path);
                if news && current {
                    self.current.handle_timeout(now);
                }
            }
            Heard::Response { rtt } => {
                self.stats.responses_in += 1;
                tuple.answered = true;
                if self.selected != Some(path) && current {
                    // What this makes us nominate is told at once.
                    self.current.handle_timeout(now);
                }
                self.rtt = Some(self.rtt.map_or(rtt, |old| (old * 7 + rtt) / 8));
            }
            Heard::Error | Heard::Early => {}
        }
        self.follow(now);
    }

    /// Lets time pass.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        if self.state != IceState::Failed {
            self.current.handle_timeout(now);
            if let Some(former) = &mut self.former {
                former.handle_timeout(now);
            }
        }
        self.tuples.expire(now);
        self.follow(now);
        self.age(now);
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<IceTransmit> {
        let sent = self.current.poll_transmit(self.now);
        let (pair, bytes) = sent.or_else(|| self.former.as_mut()?.poll_transmit(self.now))?;
        let path = self.tuples.path_of(pair);
        Some(IceTransmit { path, bytes })
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<IceEvent> {
        self.events.pop_front()
    }

    /// When to call [`IceAgent::handle_timeout`] next.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        let aging = match self.state {
            IceState::Checking => Some(self.searching_since + CONSENT_EXPIRY),
            IceState::Connected => self.selected_fresh().map(|at| at + DISCONNECTED_AFTER),
            IceState::Disconnected => Some(self.last_proof().unwrap_or(self.now) + CONSENT_EXPIRY),
            IceState::New | IceState::Failed => None,
        };
        let roaming = self
            .selected
            .and_then(|path| self.tuples.successor_due(path));
        let sessions = match self.state {
            // Nothing is checked any more: consent is gone.
            IceState::Failed => None,
            _ => [
                self.current.poll_timeout(),
                self.former.as_mut().and_then(Session::poll_timeout),
            ]
            .into_iter()
            .flatten()
            .min(),
        };
        [aging, roaming, sessions].into_iter().flatten().min()
    }

    /// Selects what the checks nominate, or where the client has gone.
    fn follow(&mut self, now: Instant) {
        if let Some(former) = &mut self.former {
            former.poll_nomination();
        }
        if let Some(pair) = self.current.poll_nomination() {
            self.former = None;
            self.select(now, self.tuples.path_of(pair));
        } else {
            let next = match (self.selected, self.lost) {
                (Some(path), _) => self.tuples.successor(now, path),
                (None, Some(_)) => self.tuples.best(),
                (None, None) => None,
            };
            if let Some(next) = next {
                self.select(now, next);
            }
        }
        let fresh = self
            .selected_fresh()
            .is_some_and(|at| now.saturating_duration_since(at) < DISCONNECTED_AFTER);
        if self.selected.is_some() && fresh {
            self.set_state(IceState::Connected);
        }
    }

    fn select(&mut self, now: Instant, path: Path) {
        if self.state == IceState::Failed || self.selected == Some(path) {
            return;
        }
        if self.tuples.get(path).is_none() {
            // Forgotten for want of room, though it proved itself once: it does so again or it ages.
            self.tuples.verify(now, path, None).answered = true;
        }
        self.selected = Some(path);
        self.lost = None;
        self.stats.switches += 1;
        self.events.push_back(IceEvent::Nominated(path));
    }

    fn age(&mut self, now: Instant) {
        match self.state {
            IceState::Checking
                if now.saturating_duration_since(self.searching_since) >= CONSENT_EXPIRY =>
            {
                self.fail();
            }
            IceState::Connected | IceState::Disconnected => match self.last_proof() {
                Some(at) if now.saturating_duration_since(at) >= CONSENT_EXPIRY => self.fail(),
                Some(at) if now.saturating_duration_since(at) < DISCONNECTED_AFTER => {}
                Some(_) => self.set_state(IceState::Disconnected),
                None => self.fail(),
            },
            _ => {}
        }
    }

    fn fail(&mut self) {
        self.selected = None;
        self.lost = None;
        self.former = None;
        self.set_state(IceState::Failed);
    }

    /// Last proof of the selected tuple; of one that closed, its end.
    fn last_proof(&self) -> Option<Instant> {
        self.selected_fresh().or(self.lost)
    }

    /// Last proof of the selected tuple; none once its consent expired.
    fn selected_fresh(&self) -> Option<Instant> {
        self.selected
            .and_then(|path| self.tuples.get(path))
            .map(|tuple| tuple.fresh)
    }

    fn set_state(&mut self, state: IceState) {
        if self.state != state {
            self.state = state;
            self.events.push_back(IceEvent::State(state));
        }
    }
}

/// Silence of the selected pair before `disconnected`: two of a browser's check intervals (2.5 s) and a bit.
const DISCONNECTED_AFTER: Duration = Duration::from_secs(6);
/// Longer STUN messages have no business here; browsers' checks are about 100 bytes.
const MAX_MESSAGE: usize = 1_300;
