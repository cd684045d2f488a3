//! The server's side of one transport, as descriptions and trickles tell it.

use std::collections::VecDeque;

use sluice_peer::{Credentials, DtlsRole, Fingerprint, RemoteCandidate, RemoteDescription};

use super::event::{Pc, SessionEvent};
use super::sdp::{Description, read_candidate, read_candidate_init};

/// What the client was told of the server's side so far.
#[derive(Debug)]
pub struct RemoteSide {
    pc: Pc,
    /// Of the description last told.
    ufrag: Option<String>,
    /// Came before any description.
    early: Vec<RemoteCandidate>,
}

impl RemoteSide {
    /// Nothing is known.
    pub fn new(pc: Pc) -> Self {
        Self {
            pc,
            ufrag: None,
            early: Vec::new(),
        }
    }

    /// Takes what a description says of the transport. None where it doesn't say enough.
    pub fn describe(
        &mut self,
        description: &Description,
        events: &mut VecDeque<SessionEvent>,
    ) -> Option<()> {
        let lines = &description.transport;
        let (ufrag, pwd) = (lines.ufrag?, lines.pwd?);
        if self.ufrag.as_deref() == Some(ufrag) {
            return Some(());
        }
        let known = |&(hash, value): &(&str, &str)| Fingerprint::parse(hash, value);
        let fingerprints: Vec<Fingerprint> = lines.fingerprints.iter().filter_map(known).collect();
        if fingerprints.is_empty() {
            return None;
        }
        events.push_back(SessionEvent::Remote {
            pc: self.pc,
            remote: RemoteDescription {
                ice: Credentials::new(ufrag, pwd),
                ice_lite: description.lite,
                dtls_role: our_role(lines.setup),
                fingerprints,
            },
        });
        self.ufrag = Some(ufrag.to_owned());
        let described = lines
            .candidates
            .iter()
            .filter_map(|line| read_candidate(line));
        for candidate in self.early.drain(..).chain(described) {
            let pc = self.pc;
            events.push_back(SessionEvent::Candidate { pc, candidate });
        }
        Some(())
    }

    /// Takes a trickled candidate.
    pub fn trickle(&mut self, init: &str, events: &mut VecDeque<SessionEvent>) {
        let Some(candidate) = read_candidate_init(init) else {
            return;
        };
        if self.ufrag.is_some() {
            let pc = self.pc;
            events.push_back(SessionEvent::Candidate { pc, candidate });
        } else if self.early.len() < EARLY_CANDIDATES {
            self.early.push(candidate);
        }
    }
}

/// Our part in the handshake (RFC 5763 section 5): we begin unless the server means to.
fn our_role(setup: Option<&str>) -> DtlsRole {
    match setup {
        Some("active") => DtlsRole::Server,
        _ => DtlsRole::Client,
    }
}

/// More than any server has before it describes itself.
const EARLY_CANDIDATES: usize = 32;
