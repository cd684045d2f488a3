//! One ICE session (RFC 8445 section 9: a restart begins another): the `is` agent and bounds around it.
#![expect(
    clippy::large_types_passed_by_value,
    reason = "messages move on into the library, which takes them so"
)]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use is::stun::StunMessage;
use sluice_wire::path::Path;

use crate::candidate::{Protocol, RemoteCandidate};
use crate::credentials::Credentials;
use crate::integrity::AwsLcHmac;
use crate::translate::{Host, foreign, packet, protocol_of};
use crate::tuples::Pair;

/// What stays the same over restarts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Role {
    pub lite: bool,
    pub controlling: bool,
    pub tie_breaker: u64,
}

/// What a verified message told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A binding request, answered.
    Request { nominated: bool },
    /// The answer to a check of ours.
    Response { rtt: Duration },
    /// A role conflict, settled.
    Error,
    /// A request from before the remote credentials: kept for then.
    Early,
}

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    UnknownUser,
    BadIntegrity,
    Unsolicited,
    Unsupported,
}

pub(crate) struct Session {
    agent: is::IceAgent,
    role: Role,
    local: Credentials,
    remote: Option<Credentials>,
    hosts: Vec<Host>,
    signalled: Vec<RemoteCandidate>,
    /// Sources of verified requests that no candidate named.
    reflexive: Vec<(Protocol, SocketAddr)>,
    /// Those of them whose connections closed, which `is` never listens to again.
    closed: Vec<(Protocol, SocketAddr)>,
    /// Addresses under which answers saw us, beyond our own.
    mapped: Vec<SocketAddr>,
    checks: VecDeque<Check>,
    early: VecDeque<Early>,
}

/// A check on its way. The answer must come back along the same tuple (RFC 8445 section 7.2.5.2.1), which
/// `is` leaves to us.
struct Check {
    transaction: [u8; 12],
    pair: Pair,
    sent: Instant,
}

struct Early {
    path: Path,
    bytes: Vec<u8>,
}

impl Session {
    pub fn new(now: Instant, role: Role, local: Credentials, hosts: &[Host]) -> Self {
        let mut session = Self {
            agent: new_agent(role, &local),
            role,
            local,
            remote: None,
            hosts: Vec::new(),
            signalled: Vec::new(),
            reflexive: Vec::new(),
            closed: Vec::new(),
            mapped: Vec::new(),
            checks: VecDeque::new(),
            early: VecDeque::new(),
        };
        for host in hosts {
            session.add_host(*host);
        }
        session.agent.handle_timeout(now);
        session
    }

    pub fn local(&self) -> &Credentials {
        &self.local
    }

    pub fn remote(&self) -> Option<&Credentials> {
        self.remote.as_ref()
    }

    /// Roles may have changed by a conflict.
    pub fn role(&self) -> Role {
        Role {
            controlling: self.agent.controlling(),
            ..self.role
        }
    }

    /// The candidate's priority; none where the address can't be a candidate.
    pub fn add_host(&mut self, host: Host) -> Option<u32> {
        let candidate = host.candidate(&self.hosts)?;
        let priority = self.agent.add_local_candidate(candidate)?.prio();
        self.hosts.push(host);
        Some(priority)
    }

    /// The other end of a connection is gone: nothing is sent there any more. Where it comes back, all begins anew.
    pub fn forget(&mut self, path: Path) {
        self.early.retain(|early| early.path != path);
        if Protocol::of(path.via) != Protocol::Tcp {
            return;
        }
        let gone: Vec<is::Candidate> = self
            .agent
            .remote_candidates()
            .filter(|remote| remote.proto() == is::Protocol::Tcp && remote.addr() == path.remote)
            .collect();
        for candidate in gone {
            self.agent.invalidate_candidate(&candidate);
        }
        self.checks.retain(|check| check.pair != Pair::of(path));
        let source = (Protocol::Tcp, path.remote);
        if self.reflexive.contains(&source) && !self.closed.contains(&source) {
            self.closed.push(source);
        }
    }

    /// Credentials of the other side. Requests that came before them are handled now.
    pub fn set_remote(&mut self, remote: Credentials, lite: bool) -> Vec<(Path, Vec<u8>)> {
        if lite && !self.role.lite {
            // The full agent controls (RFC 8445 section 6.1.1).
            self.agent.set_controlling(true);
        }
        self.agent.set_remote_credentials(is::IceCreds {
            ufrag: remote.ufrag.clone(),
            pass: remote.pwd.clone(),
        });
        self.remote = Some(remote);
        self.early
            .drain(..)
            .map(|early| (early.path, early.bytes))
            .collect()
    }

    /// False where the candidate is unusable, known or one too many.
    pub fn add_remote_candidate(&mut self, candidate: &RemoteCandidate) -> bool {
        let known = self
            .signalled
            .iter()
            .any(|other| other.addr == candidate.addr);
        if known || candidate.protocol != Protocol::Udp || self.signalled.len() >= MAX_SIGNALLED {
            return false;
        }
        if candidate.addr.port() == 0 || is::Candidate::host(candidate.addr, "udp").is_err() {
            return false;
        }
        self.signalled.push(candidate.clone());
        self.agent.add_remote_candidate(foreign(candidate));
        true
    }

    pub fn handle(
        &mut self,
        now: Instant,
        path: Path,
        message: StunMessage,
        bytes: &[u8],
    ) -> Result<Heard, Refused> {
        if message.is_binding_request() {
            self.handle_request(now, path, message, bytes)
        } else if message.is_successful_binding_response() || message.is_failed_binding_response() {
            self.handle_response(now, path, message, bytes)
        } else {
            Err(Refused::Unsupported)
        }
    }

    fn handle_request(
        &mut self,
        now: Instant,
        path: Path,
        message: StunMessage,
        bytes: &[u8],
    ) -> Result<Heard, Refused> {
        let Some((ours, theirs)) = message.split_username() else {
            return Err(Refused::UnknownUser);
        };
        let theirs_fits = self
            .remote
            .as_ref()
            .is_none_or(|remote| remote.ufrag == theirs);
        if ours != self.local.ufrag || !theirs_fits {
            return Err(Refused::UnknownUser);
        }
        if self.remote.is_none() {
            return self.keep_early(path, &message, bytes);
        }
        let source = (Protocol::of(path.via), path.remote);
        let mut known = self
            .signalled
            .iter()
            .any(|candidate| (candidate.protocol, candidate.addr) == source)
            || self.reflexive.contains(&source);
        let unheard = self.closed.contains(&source);
        if unheard || !known && self.reflexive.len() >= MAX_REFLEXIVE {
            if !self.agent.accepts_message(&message) {
                return Err(Refused::BadIntegrity);
            }
            self.rebuild(now);
            known = false;
        }
        let nominating = message.use_candidate();
        if !self.agent.handle_packet(now, packet(path, message)) {
            return Err(Refused::BadIntegrity);
        }
        if !known {
            self.reflexive.push(source);
        }
        Ok(Heard::Request {
            nominated: nominating && !self.agent.controlling(),
        })
    }

    fn keep_early(
        &mut self,
        path: Path,
        message: &StunMessage,
        bytes: &[u8],
    ) -> Result<Heard, Refused> {
        if !self.agent.accepts_message(message) {
            return Err(Refused::BadIntegrity);
        }
        self.early.retain(|early| early.path != path);
        if self.early.len() >= MAX_EARLY {
            self.early.pop_front();
        }
        self.early.push_back(Early {
            path,
            bytes: bytes.to_vec(),
        });
        Ok(Heard::Early)
    }

    fn handle_response(
        &mut self,
        now: Instant,
        path: Path,
        message: StunMessage,
        bytes: &[u8],
    ) -> Result<Heard, Refused> {
        let transaction = transaction_of(bytes).ok_or(Refused::Unsupported)?;
        let check = self
            .checks
            .iter()
            .find(|check| check.transaction == transaction);
        let Some(sent) = check
            .filter(|check| check.pair == Pair::of(path))
            .map(|check| check.sent)
        else {
            return Err(Refused::Unsolicited);
        };
        let success = message.is_successful_binding_response();
        let mapped = message.mapped_address();
        if !self.agent.handle_packet(now, packet(path, message)) {
            return Err(Refused::BadIntegrity);
        }
        self.checks.retain(|check| check.transaction != transaction);
        if !success {
            return Ok(Heard::Error);
        }
        if let Some(mapped) =
            mapped.filter(|mapped| !self.is_host(*mapped) && !self.mapped.contains(mapped))
        {
            self.mapped.push(mapped);
            if self.mapped.len() > MAX_MAPPED {
                self.rebuild(now);
            }
        }
        Ok(Heard::Response {
            rtt: now.saturating_duration_since(sent),
        })
    }

    fn is_host(&self, addr: SocketAddr) -> bool {
        self.hosts.iter().any(|host| host.bound == addr)
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        self.agent.handle_timeout(now);
    }

    pub fn poll_transmit(&mut self, now: Instant) -> Option<(Pair, Vec<u8>)> {
        let transmit = self.agent.poll_transmit()?;
        let pair = Pair {
            protocol: protocol_of(transmit.proto),
            local: transmit.source,
            remote: transmit.destination,
        };
        let bytes = Vec::from(transmit.contents);
        if let (Some([0x00, 0x01]), Some(transaction)) =
            (bytes.first_chunk(), transaction_of(&bytes))
        {
            if self.checks.len() >= MAX_CHECKS {
                self.checks.pop_front();
            }
            self.checks.push_back(Check {
                transaction,
                pair,
                sent: now,
            });
        }
        Some((pair, bytes))
    }

    /// The pair that `is` newly sends on.
    pub fn poll_nomination(&mut self) -> Option<Pair> {
        let mut nominated = None;
        while let Some(event) = self.agent.poll_event() {
            if let is::IceAgentEvent::NominatedSend {
                proto,
                source,
                destination,
            } = event
            {
                nominated = Some(Pair {
                    protocol: protocol_of(proto),
                    local: source,
                    remote: destination,
                });
            }
        }
        nominated
    }

    pub fn poll_timeout(&mut self) -> Option<Instant> {
        self.agent.poll_timeout()
    }

    /// `is` never forgets a candidate of a session. A client with ever new tuples (or one that wants our
    /// memory) makes us begin again with what was signalled; what is selected and valid is not kept there.
    fn rebuild(&mut self, now: Instant) {
        tracing::debug!(
            reflexive = self.reflexive.len(),
            mapped = self.mapped.len(),
            "ICE checklist rebuilt"
        );
        let role = self.role();
        let mut agent = new_agent(role, &self.local);
        for (at, host) in self.hosts.iter().enumerate() {
            let before = self.hosts.get(..at).unwrap_or_default();
            if let Some(candidate) = host.candidate(before) {
                agent.add_local_candidate(candidate);
            }
        }
        if let Some(remote) = &self.remote {
            agent.set_remote_credentials(is::IceCreds {
                ufrag: remote.ufrag.clone(),
                pass: remote.pwd.clone(),
            });
        }
        for candidate in &self.signalled {
            agent.add_remote_candidate(foreign(candidate));
        }
        agent.handle_timeout(now);
        self.agent = agent;
        self.reflexive.clear();
        self.closed.clear();
        self.mapped.clear();
        self.checks.clear();
    }
}

fn new_agent(role: Role, local: &Credentials) -> is::IceAgent {
    let creds = is::IceCreds {
        ufrag: local.ufrag.clone(),
        pass: local.pwd.clone(),
    };
    let mut agent = is::IceAgent::with_hmac(creds, &AwsLcHmac);
    agent.set_ice_lite(role.lite);
    agent.set_controlling(role.controlling && !role.lite);
    agent.set_control_tie_breaker(role.tie_breaker);
    agent.set_timing_advance(TIMING_ADVANCE);
    agent.set_max_stun_rto(KEEPALIVE);
    agent.set_max_stun_retransmits(MAX_RETRANSMITS);
    agent.set_max_candidate_pairs(MAX_PAIRS);
    agent
}

fn transaction_of(message: &[u8]) -> Option<[u8; 12]> {
    message.get(8..20)?.try_into().ok()
}

/// Pace of checks, Ta (RFC 8445 section 14.2 lets an agent choose from 5 ms up; its default is 50 ms).
const TIMING_ADVANCE: Duration = Duration::from_millis(20);
/// Longest interval between checks of one pair: our consent checks (RFC 7675 asks for one each 4 to 6 s).
const KEEPALIVE: Duration = Duration::from_secs(2);
/// Unanswered checks before a pair is given up: at [`KEEPALIVE`] that is just longer than a consent lives, so
/// that a path which comes back within that time is found again.
const MAX_RETRANSMITS: usize = 18;
/// Candidates taken from signalling per session. Real clients have up to about 20.
pub(crate) const MAX_SIGNALLED: usize = 64;
/// Unsignalled sources before the checklist is rebuilt.
pub(crate) const MAX_REFLEXIVE: usize = 32;
/// Foreign mapped addresses before the same.
const MAX_MAPPED: usize = 16;
/// Pairs checked (RFC 8445 section 6.1.2.5 asks for a limit, by default 100).
const MAX_PAIRS: usize = 128;
/// Checks whose answers are awaited; more than all pairs can have on the way within a keepalive.
const MAX_CHECKS: usize = 256;
/// Requests kept until the remote credentials are known, one per tuple.
const MAX_EARLY: usize = 8;
