//! Whose datagram it is: by its path once that is known, before that by the ufrag of a connectivity check.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::SocketAddr;

use rustc_hash::FxHashMap;
use sluice_wire::id::WorkerId;
use sluice_wire::path::{Path, Via};
use sluice_wire::stun::local_ufrag;

/// Routes of one worker to its peers' slab indices.
#[derive(Debug, Default)]
pub struct Routes {
    sockets: FxHashMap<SocketAddr, Users>,
    by_path: FxHashMap<Path, usize>,
    by_ufrag: HashMap<String, usize>,
    /// By peer: a join or a leave costs what that peer has, however many others there are.
    ways: Vec<Ways>,
}

/// The peers that use a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Users {
    One(usize),
    Many(Vec<usize>),
}

/// What leads to one peer.
#[derive(Debug, Default)]
struct Ways {
    sockets: Vec<SocketAddr>,
    ufrags: Vec<String>,
    paths: Vec<Path>,
    /// The way its media takes: checks from elsewhere never push it out.
    selected: Option<Path>,
}

impl Routes {
    /// The peer uses a socket. As long as it is alone there, everything that comes in is for it.
    pub fn add_socket(&mut self, socket: SocketAddr, peer: usize) {
        self.ways_of(peer).sockets.push(socket);
        match self.sockets.entry(socket) {
            Entry::Vacant(place) => {
                place.insert(Users::One(peer));
            }
            Entry::Occupied(mut users) => users.get_mut().add(peer),
        }
    }

    /// Checks to this ufrag are for `peer`.
    pub fn add_ufrag(&mut self, ufrag: &str, peer: usize) {
        self.by_ufrag.insert(ufrag.to_owned(), peer);
        self.ways_of(peer).ufrags.push(ufrag.to_owned());
    }

    /// Keeps those ufrags of a peer that it still answers to.
    pub fn keep_ufrags(&mut self, peer: usize, answers: impl Fn(&str) -> bool) {
        let ufrags = std::mem::take(&mut self.ways_of(peer).ufrags);
        let (kept, gone): (Vec<_>, Vec<_>) = ufrags.into_iter().partition(|u| answers(u));
        self.ways_of(peer).ufrags = kept;
        self.drop_ufrags(&gone, peer);
    }

    /// The peer of a datagram. A stranger's address is remembered only through [`Routes::learn`].
    #[inline]
    pub fn find(&self, path: Path, datagram: &[u8]) -> Option<usize> {
        if path.via != Via::Tcp
            && let Some(Users::One(peer)) = self.sockets.get(&path.local)
        {
            return Some(*peer);
        }
        if let Some(peer) = self.by_path.get(&path) {
            return Some(*peer);
        }
        self.by_ufrag.get(local_ufrag(datagram)?).copied()
    }

    /// From now on what comes from `remote` is for `peer`. Only for a remote address that proved itself by an
    /// authenticated check; a check from a known address for another peer moves the address.
    pub fn learn(&mut self, path: Path, peer: usize) {
        match self.by_path.get(&path) {
            Some(of) if *of == peer => return,
            Some(former) => {
                let former = *former;
                self.ways_of(former).lose(path);
            }
            None => {}
        }
        let ways = self.ways_of(peer);
        if ways.paths.len() >= MAX_PATHS {
            let spare = ways.paths.iter().find(|p| Some(**p) != ways.selected);
            if let Some(spare) = spare.copied() {
                ways.lose(spare);
                self.by_path.remove(&spare);
            }
        }
        self.ways_of(peer).paths.push(path);
        self.by_path.insert(path, peer);
    }

    /// The peer's media takes this way from now on.
    pub fn learn_path(&mut self, path: Path, peer: usize) {
        self.learn(path, peer);
        self.ways_of(peer).selected = Some(path);
    }

    /// Who proved to be at the other end of a path.
    pub fn peer_at(&self, path: Path) -> Option<usize> {
        self.by_path.get(&path).copied()
    }

    /// Whose check it is, wherever it came from.
    pub fn peer_of_check(&self, datagram: &[u8]) -> Option<usize> {
        self.by_ufrag.get(local_ufrag(datagram)?).copied()
    }

    /// A path is gone for good; whose it was.
    pub fn forget_path(&mut self, path: Path) -> Option<usize> {
        let peer = self.by_path.remove(&path)?;
        self.ways_of(peer).lose(path);
        Some(peer)
    }

    /// Forgets all routes to a peer.
    pub fn forget(&mut self, peer: usize) {
        let ways = std::mem::take(self.ways_of(peer));
        for path in &ways.paths {
            self.by_path.remove(path);
        }
        self.drop_ufrags(&ways.ufrags, peer);
        for socket in ways.sockets {
            if let Entry::Occupied(mut users) = self.sockets.entry(socket)
                && !users.get_mut().remove(peer)
            {
                users.remove();
            }
        }
    }

    /// Routes held.
    pub fn len(&self) -> usize {
        self.by_path.len() + self.by_ufrag.len() + self.sockets.len()
    }

    fn drop_ufrags(&mut self, ufrags: &[String], peer: usize) {
        for ufrag in ufrags {
            if self.by_ufrag.get(ufrag) == Some(&peer) {
                self.by_ufrag.remove(ufrag);
            }
        }
    }

    fn ways_of(&mut self, peer: usize) -> &mut Ways {
        if self.ways.len() <= peer {
            self.ways.resize_with(peer + 1, Ways::default);
        }
        &mut self.ways[peer]
    }
}

impl Users {
    fn add(&mut self, peer: usize) {
        match self {
            Self::One(first) => *self = Self::Many(vec![*first, peer]),
            Self::Many(peers) => peers.push(peer),
        }
    }

    /// False where nobody is left.
    fn remove(&mut self, peer: usize) -> bool {
        let Self::Many(peers) = self else {
            return *self != Self::One(peer);
        };
        if let Some(at) = peers.iter().position(|of| *of == peer) {
            peers.swap_remove(at);
        }
        if let [last] = peers[..] {
            *self = Self::One(last);
        }
        true
    }
}

impl Ways {
    fn lose(&mut self, path: Path) {
        self.paths.retain(|known| *known != path);
        self.selected = self.selected.filter(|selected| *selected != path);
    }
}

/// The worker whose tag the ufrag of a binding request begins with: `0`–`9`, `A`–`Z`, `a`–`z` for 0 to 61.
pub fn owner_of(datagram: &[u8]) -> Option<WorkerId> {
    let tag = *local_ufrag(datagram)?.as_bytes().first()?;
    let digit = match tag {
        b'0'..=b'9' => tag - b'0',
        b'A'..=b'Z' => tag - b'A' + 10,
        b'a'..=b'z' => tag - b'a' + 36,
        _ => return None,
    };
    Some(WorkerId(u16::from(digit)))
}

/// Addresses one peer may be reached from at a time: a few interfaces, with NAT rebinding between.
const MAX_PATHS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn binding_request(username: &str) -> Vec<u8> {
        let padded = username.len().next_multiple_of(4);
        let mut message = vec![0, 1];
        message.extend((4 + padded as u16).to_be_bytes());
        message.extend([0x21, 0x12, 0xa4, 0x42]);
        message.extend([7; 12]);
        message.extend([0, 6]);
        message.extend((username.len() as u16).to_be_bytes());
        message.extend(username.as_bytes());
        message.resize(24 + padded, 0);
        message
    }

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    fn path(remote: u16) -> Path {
        Path::udp(address(1), address(remote))
    }

    #[test]
    fn checks_find_their_peer_by_ufrag_and_leave_no_trace() {
        let mut routes = Routes::default();
        routes.add_ufrag("0abc", 3);
        let check = binding_request("0abc:them");
        assert_eq!(routes.find(path(9), &check), Some(3));
        assert_eq!(routes.find(path(9), &[0x80; 40]), None);
        assert_eq!(routes.find(path(9), &binding_request("0xyz:them")), None);
    }

    #[test]
    fn learned_addresses_find_their_peer_until_it_is_forgotten() {
        let mut routes = Routes::default();
        routes.learn(path(9), 3);
        assert_eq!(routes.find(path(9), &[0x80; 40]), Some(3));
        routes.forget(3);
        assert_eq!(routes.len(), 0);
    }

    #[test]
    fn a_peer_alone_on_a_socket_gets_everything_until_it_is_shared() {
        let mut routes = Routes::default();
        routes.add_socket(address(1), 4);
        routes.learn(path(8), 4);
        assert_eq!(routes.find(path(9), b"x"), Some(4));
        routes.add_socket(address(1), 5);
        assert_eq!(routes.find(path(9), b"x"), None);
        assert_eq!(routes.find(path(8), b"x"), Some(4));
        routes.forget(4);
        assert_eq!(routes.find(path(9), b"x"), Some(5));
    }

    #[test]
    fn an_address_that_moved_stays_with_its_new_peer() {
        let mut routes = Routes::default();
        routes.learn_path(path(9), 3);
        routes.learn(path(9), 4);
        routes.forget(3);
        assert_eq!(routes.find(path(9), &[0x80; 40]), Some(4));
        assert_eq!(routes.forget_path(path(9)), Some(4));
        routes.forget(4);
        assert_eq!(routes.len(), 0);
    }

    #[test]
    fn ufrags_from_before_a_restart_are_forgotten_alone() {
        let mut routes = Routes::default();
        routes.add_ufrag("0old", 3);
        routes.add_ufrag("0new", 3);
        routes.add_ufrag("0else", 4);
        routes.keep_ufrags(3, |ufrag| ufrag == "0new");
        let found = ["0old", "0new", "0else"]
            .map(|ufrag| routes.peer_of_check(&binding_request(&format!("{ufrag}:them"))));
        assert_eq!(found, [None, Some(3), Some(4)]);
        routes.forget(3);
        routes.forget(4);
        assert_eq!(routes.len(), 0);
    }

    #[test]
    fn addresses_of_one_peer_are_bounded() {
        let mut routes = Routes::default();
        for port in 0..100 {
            routes.learn(path(port), 3);
        }
        assert!(routes.by_path.len() <= MAX_PATHS);
    }

    #[test]
    fn checks_from_many_addresses_do_not_push_the_path_out() {
        let mut routes = Routes::default();
        for selected in [7, 50] {
            routes.learn_path(path(selected), 3);
            for port in 100..1_000 {
                routes.learn(path(port), 3);
            }
            assert_eq!(routes.find(path(selected), &[0x80; 40]), Some(3));
        }
        assert!(routes.by_path.len() <= MAX_PATHS);
    }

    #[test]
    fn the_first_character_of_the_ufrag_names_the_worker() {
        for (ufrag, worker) in [
            ("0abc", 0),
            ("9abc", 9),
            ("Aabc", 10),
            ("aabc", 36),
            ("zabc", 61),
        ] {
            let check = binding_request(&format!("{ufrag}:them"));
            assert_eq!(owner_of(&check), Some(WorkerId(worker)));
        }
        assert_eq!(owner_of(&binding_request("+abc:them")), None);
        assert_eq!(owner_of(b"junk"), None);
    }
}
