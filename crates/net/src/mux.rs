//! Shared ports: which worker a datagram is for (`docs/adr/0003`).
//!
//! A check names its worker by the first character of the ufrag. Everything else goes by the sender's address, and
//! an address counts for a worker only once that worker answered a check from there, which its agent does only for
//! checks whose integrity holds: forged addresses are never remembered.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use sluice_sfu::Worker;
use sluice_wire::id::WorkerId;
use sluice_wire::path::Path;

/// Where a datagram goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// To this worker, which may still find that it is nobody's.
    Here,
    /// To another one that shares the port.
    To(WorkerId),
}

/// What one worker knows of senders on the ports it shares.
pub struct Handoff {
    me: WorkerId,
    /// The other workers on the same ports.
    sharing: Vec<WorkerId>,
    /// Senders of other workers' peers, by path.
    owners: HashMap<Path, Owner>,
    /// Checks that others handed over in this turn: whoever is answered before it ends has proved to be ours.
    visitors: Vec<Visitor>,
}

struct Owner {
    worker: WorkerId,
    claimed: Instant,
}

struct Visitor {
    from: WorkerId,
    path: Path,
}

impl Handoff {
    /// For a worker that shares its ports with `sharing`.
    pub fn new(me: WorkerId, sharing: Vec<WorkerId>) -> Self {
        Self {
            me,
            sharing,
            owners: HashMap::new(),
            visitors: Vec::new(),
        }
    }

    /// True where nobody shares our ports and nothing is ever handed over.
    pub fn is_idle(&self) -> bool {
        self.sharing.is_empty()
    }

    /// Decides about a datagram that came in here.
    pub fn route(&self, path: Path, datagram: &[u8]) -> Route {
        if self.sharing.is_empty() {
            return Route::Here;
        }
        match self.owner(path, datagram) {
            Some(worker) if worker != self.me && self.sharing.contains(&worker) => {
                Route::To(worker)
            }
            _ => Route::Here,
        }
    }

    /// The worker that a datagram names, or that claimed its path; none where neither tells.
    pub fn owner(&self, path: Path, datagram: &[u8]) -> Option<WorkerId> {
        Worker::owner_of(datagram).or_else(|| self.owners.get(&path).map(|owner| owner.worker))
    }

    /// Notes that `from` handed a datagram over.
    pub fn handle_visitor(&mut self, from: WorkerId, path: Path, datagram: &[u8]) {
        if self.visitors.len() < MAX_VISITORS && Worker::owner_of(datagram) == Some(self.me) {
            self.visitors.push(Visitor { from, path });
        }
    }

    /// Looks at what goes out. Some worker where that proves that the remote side is ours, and the worker that
    /// gets its datagrams is to know.
    pub fn handle_transmit(&mut self, path: Path, bytes: &[u8]) -> Option<WorkerId> {
        if self.sharing.is_empty() || !bytes.starts_with(&BINDING_SUCCESS) {
            return None;
        }
        // Whoever had the address before: it is ours now.
        self.owners.remove(&path);
        let at = self.visitors.iter().position(|v| v.path == path)?;
        Some(self.visitors.swap_remove(at).from)
    }

    /// Another worker proved that a remote side is its.
    pub fn handle_claim(&mut self, now: Instant, worker: WorkerId, path: Path) {
        if self.owners.len() >= MAX_OWNERS {
            self.owners
                .retain(|_, owner| now.saturating_duration_since(owner.claimed) < OWNER_LIFE);
        }
        if self.owners.len() < MAX_OWNERS || self.owners.contains_key(&path) {
            self.owners.insert(
                path,
                Owner {
                    worker,
                    claimed: now,
                },
            );
        }
    }

    /// Ends the turn.
    pub fn end_turn(&mut self) {
        self.visitors.clear();
    }
}

/// STUN binding success response (RFC 8489 section 5).
const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];

/// Checks handed over per turn that can be answered in it; the rest is claimed with a later check.
const MAX_VISITORS: usize = 1024;

/// Clients on one worker's shared ports that belong to other workers.
const MAX_OWNERS: usize = 64 * 1024;

/// A live client checks again within seconds (RFC 7675 section 5.1), and each check renews the claim.
const OWNER_LIFE: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    const RESPONSE: [u8; 20] = [
        1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    const MEDIA: [u8; 12] = [0x80; 12];

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    fn path(remote: u16) -> Path {
        Path::udp(address(1), address(remote))
    }

    fn check(ufrag: &str) -> Vec<u8> {
        let username = format!("{ufrag}:them");
        let padded = username.len().next_multiple_of(4);
        let mut bytes = vec![0, 1, 0, 4 + padded as u8, 0x21, 0x12, 0xa4, 0x42];
        bytes.extend([7; 12]);
        bytes.extend([0, 6, 0, username.len() as u8]);
        bytes.extend(username.as_bytes());
        bytes.resize(24 + padded, 0);
        bytes
    }

    fn two() -> Handoff {
        Handoff::new(WorkerId(0), vec![WorkerId(1)])
    }

    #[test]
    fn a_check_goes_to_the_worker_that_its_ufrag_names() {
        let handoff = two();
        assert_eq!(handoff.route(path(2), &check("0abc")), Route::Here);
        assert_eq!(
            handoff.route(path(2), &check("1abc")),
            Route::To(WorkerId(1))
        );
        assert_eq!(handoff.route(path(2), &check("9abc")), Route::Here);
    }

    #[test]
    fn media_follows_the_claim_of_its_address() {
        let mut handoff = two();
        assert_eq!(handoff.route(path(2), &MEDIA), Route::Here);
        handoff.handle_claim(Instant::now(), WorkerId(1), path(2));
        assert_eq!(handoff.route(path(2), &MEDIA), Route::To(WorkerId(1)));
        assert_eq!(handoff.route(path(3), &MEDIA), Route::Here);
    }

    #[test]
    fn only_an_answer_makes_a_visitor_ours() {
        let mut handoff = Handoff::new(WorkerId(1), vec![WorkerId(0)]);
        handoff.handle_visitor(WorkerId(0), path(2), &check("1abc"));
        assert_eq!(handoff.handle_transmit(path(3), &RESPONSE), None);
        assert_eq!(handoff.handle_transmit(path(2), &MEDIA), None);
        assert_eq!(
            handoff.handle_transmit(path(2), &RESPONSE),
            Some(WorkerId(0))
        );
        handoff.handle_visitor(WorkerId(0), path(2), &check("1abc"));
        handoff.end_turn();
        assert_eq!(handoff.handle_transmit(path(2), &RESPONSE), None);
    }

    #[test]
    fn an_address_that_changes_hands_follows_its_new_owner() {
        let mut handoff = two();
        handoff.handle_claim(Instant::now(), WorkerId(1), path(2));
        handoff.handle_transmit(path(2), &RESPONSE);
        assert_eq!(handoff.route(path(2), &MEDIA), Route::Here);
    }

    #[test]
    fn claims_are_bounded_and_the_silent_make_room() {
        let mut handoff = two();
        let start = Instant::now();
        for client in 0..=MAX_OWNERS as u32 {
            let remote = SocketAddr::from((client.to_be_bytes(), 1));
            handoff.handle_claim(start, WorkerId(1), Path::udp(address(1), remote));
        }
        assert_eq!(handoff.owners.len(), MAX_OWNERS);
        handoff.handle_claim(start + OWNER_LIFE, WorkerId(1), path(2));
        assert_eq!(handoff.owners.len(), 1);
    }

    #[test]
    fn a_worker_with_ports_of_its_own_hands_nothing_over() {
        let handoff = Handoff::new(WorkerId(0), vec![]);
        assert!(handoff.is_idle());
        assert_eq!(handoff.route(path(2), &check("1abc")), Route::Here);
    }
}
