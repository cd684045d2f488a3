//! The tuples that proved themselves, and which of them the client is really on.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sluice_wire::path::{Path, Via};

use crate::candidate::Protocol;

/// A candidate pair as the checks know it, which a relay inside this process is not told apart for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pair {
    pub protocol: Protocol,
    pub local: SocketAddr,
    pub remote: SocketAddr,
}

impl Pair {
    pub fn of(path: Path) -> Self {
        Self {
            protocol: Protocol::of(path.via),
            local: path.local,
            remote: path.remote,
        }
    }

    fn direct(self) -> Path {
        let via = match self.protocol {
            Protocol::Udp => Via::Udp,
            Protocol::Tcp => Via::Tcp,
        };
        Path {
            via,
            local: self.local,
            remote: self.remote,
        }
    }
}

/// One tuple from which a message with valid integrity came.
#[derive(Debug, Clone)]
pub(crate) struct Tuple {
    pub path: Path,
    /// The last verified STUN message or authenticated packet.
    pub fresh: Instant,
    /// The last nominating check or authenticated packet: what only the client's own path carries.
    pub heard: Option<Instant>,
    /// It answered a check of ours (or we are lite and send none): media may be sent there.
    pub answered: bool,
}

/// At most [`MAX_TUPLES`] of them; the stalest makes room.
#[derive(Debug, Default)]
pub(crate) struct Tuples {
    entries: Vec<Tuple>,
}

impl Tuples {
    /// The entry of a tuple that just proved itself.
    pub fn verify(&mut self, now: Instant, path: Path, selected: Option<Path>) -> &mut Tuple {
        let index = match self.entries.iter().position(|tuple| tuple.path == path) {
            Some(index) => index,
            None => self.insert(now, path, selected),
        };
        let tuple = &mut self.entries[index];
        tuple.fresh = now;
        tuple
    }

    fn insert(&mut self, now: Instant, path: Path, selected: Option<Path>) -> usize {
        let tuple = Tuple {
            path,
            fresh: now,
            heard: None,
            answered: false,
        };
        if self.entries.len() < MAX_TUPLES {
            self.entries.push(tuple);
            return self.entries.len() - 1;
        }
        let stalest = self
            .entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| Some(entry.path) != selected);
        let index = stalest
            .min_by_key(|(_, entry)| entry.fresh)
            .map_or(0, |(index, _)| index);
        self.entries[index] = tuple;
        index
    }

    /// The entry, if the tuple ever proved itself and its consent has not expired.
    pub fn get(&self, path: Path) -> Option<&Tuple> {
        self.entries.iter().find(|tuple| tuple.path == path)
    }

    /// As [`Tuples::get`].
    pub fn get_mut(&mut self, path: Path) -> Option<&mut Tuple> {
        self.entries.iter_mut().find(|tuple| tuple.path == path)
    }

    /// The way to the other end of a pair: through what it last proved itself.
    pub fn path_of(&self, pair: Pair) -> Path {
        let known = self
            .entries
            .iter()
            .filter(|tuple| Pair::of(tuple.path) == pair)
            .max_by_key(|tuple| tuple.fresh);
        known.map_or(pair.direct(), |tuple| tuple.path)
    }

    /// True where any tuple with this remote address stands.
    pub fn has_remote(&self, remote: SocketAddr) -> bool {
        self.entries.iter().any(|tuple| tuple.path.remote == remote)
    }

    /// Forgets a tuple.
    pub fn remove(&mut self, path: Path) {
        self.entries.retain(|tuple| tuple.path != path);
    }

    /// Forgets tuples whose consent expired (RFC 7675 section 5.1).
    pub fn expire(&mut self, now: Instant) {
        self.entries
            .retain(|tuple| now.saturating_duration_since(tuple.fresh) < CONSENT_EXPIRY);
    }

    /// Where the client has moved to without a new nomination that the checks would tell us of: a NAT that
    /// rebound, another network. True of a tuple on which the client nominates or sends authenticated
    /// packets after the selected one fell silent; without either, of one that is fresher than a selected
    /// pair that has not been heard of at all for [`DEAD_AFTER`].
    pub fn successor(&self, now: Instant, selected: Path) -> Option<Path> {
        let current = self.get(selected);
        let current_heard = current.and_then(|tuple| tuple.heard);
        let rivals = || {
            self.entries
                .iter()
                .filter(|tuple| tuple.answered && tuple.path != selected)
        };

        let heard = rivals()
            .filter(|tuple| tuple.heard.is_some())
            .max_by_key(|tuple| tuple.heard);
        if let Some(rival) = heard {
            let silent_since = current_heard.or(current.map(|tuple| tuple.fresh));
            let silent =
                silent_since.is_none_or(|at| now.saturating_duration_since(at) >= SILENT_AFTER);
            if silent && rival.heard > current_heard {
                return Some(rival.path);
            }
        }
        let rival = rivals().max_by_key(|tuple| tuple.fresh)?;
        let current_fresh = current.map(|tuple| tuple.fresh);
        let dead = current_fresh.is_none_or(|at| now.saturating_duration_since(at) >= DEAD_AFTER);
        (dead && Some(rival.fresh) > current_fresh).then_some(rival.path)
    }

    /// Where media goes when the path that it went along closed: the client's own way, or what is freshest.
    pub fn best(&self) -> Option<Path> {
        self.entries
            .iter()
            .filter(|tuple| tuple.answered)
            .max_by_key(|tuple| (tuple.heard, tuple.fresh))
            .map(|tuple| tuple.path)
    }

    /// When [`Tuples::successor`] may change its answer by time alone.
    pub fn successor_due(&self, selected: Path) -> Option<Instant> {
        let current = self.get(selected)?;
        let rivals = || {
            self.entries
                .iter()
                .filter(|tuple| tuple.answered && tuple.path != selected)
        };
        let by_heard = rivals()
            .any(|tuple| tuple.heard > current.heard)
            .then(|| current.heard.unwrap_or(current.fresh) + SILENT_AFTER);
        let by_fresh = rivals()
            .any(|tuple| tuple.fresh > current.fresh)
            .then(|| current.fresh + DEAD_AFTER);
        [by_heard, by_fresh].into_iter().flatten().min()
    }
}

/// Tuples remembered at once. More would serve no client: a browser on two networks with both address
/// families makes four or five.
pub(crate) const MAX_TUPLES: usize = 32;
/// Life of a consent without any proof (RFC 7675 section 5.1).
pub(crate) const CONSENT_EXPIRY: Duration = Duration::from_secs(30);
/// A selected tuple that carried nothing for this long, while another one does, was left. Lower values flap
/// under jitter between two live networks; higher ones lengthen the freeze of a roaming client.
const SILENT_AFTER: Duration = Duration::from_millis(400);
/// As above for clients of which only plain checks are heard: longer than the interval of any client's
/// checks on its own path (browsers: 2.5 s).
const DEAD_AFTER: Duration = Duration::from_millis(3500);
