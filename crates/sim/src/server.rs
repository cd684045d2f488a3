//! The workers of one node and the links between them, without threads.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Instant;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sluice_peer::{
    CandidateKind, Certificate, Credentials, HashAlgorithm, Protocol, RemoteCandidate,
};
use sluice_sfu::command::{Candidate, Command, DtlsRole, Fingerprint, IceCredentials, OpenPeer};
use sluice_sfu::event::Event;
use sluice_sfu::{LinkMessage, LocalAddress, Worker, WorkerConfig};
use sluice_wire::id::{PeerId, WorkerId};
use sluice_wire::path::Path;

use crate::client::Description;
use crate::network::Datagram;

/// Workers and their links.
pub struct Server {
    workers: Vec<Worker>,
    certificate: Certificate,
    rng: SmallRng,
    transmits: VecDeque<Datagram>,
    /// What the workers reported, oldest first.
    pub events: Vec<(WorkerId, Event)>,
    /// Share of droppable link messages that vanish, 0 to 1.
    pub link_loss: f64,
    /// Messages between workers so far.
    pub link_messages: u64,
    /// Whether peers opened from now on share one port per worker.
    pub shared_port: bool,
    /// Our DTLS role towards clients described from now on.
    pub dtls_role: DtlsRole,
    /// Whether peers opened from now on begin in the controlling role, as their clients do.
    pub controlling: bool,
}

impl Server {
    /// So many workers without peers.
    pub fn new(now: Instant, workers: u16, certificate: &Certificate, seed: u64) -> Self {
        let worker = |id| {
            let config = WorkerConfig::new(WorkerId(id), certificate.clone(), seed ^ u64::from(id));
            Worker::new(config, now)
        };
        Self {
            workers: (0..workers).map(worker).collect(),
            certificate: certificate.clone(),
            rng: SmallRng::seed_from_u64(seed),
            transmits: VecDeque::new(),
            events: Vec::new(),
            link_loss: 0.0,
            link_messages: 0,
            shared_port: false,
            dtls_role: DtlsRole::Passive,
            controlling: false,
        }
    }

    /// Opens a transport on a worker and returns what its client is told.
    pub fn open_peer(&mut self, now: Instant, worker: WorkerId, peer: PeerId) -> Description {
        let address = self.address_of(worker, peer);
        let ice = self.credentials(worker);
        let open = OpenPeer {
            peer,
            ice: IceCredentials {
                ufrag: ice.ufrag.clone(),
                pwd: ice.pwd.clone(),
            },
            ice_lite: false,
            controlling: self.controlling,
        };
        let local = LocalAddress {
            protocol: Protocol::Udp,
            socket: address,
            advertised: address,
        };
        self.worker_mut(worker).open_peer(now, open, &[local]);
        self.settle(now);
        self.describe(ice, address)
    }

    /// Gives a transport new ICE credentials and returns what its client is told.
    pub fn restart_ice(&mut self, now: Instant, worker: WorkerId, peer: PeerId) -> Description {
        let ice = self.credentials(worker);
        let restart = Command::RestartIce {
            peer,
            ice: IceCredentials {
                ufrag: ice.ufrag.clone(),
                pwd: ice.pwd.clone(),
            },
        };
        self.command(now, worker, restart);
        let address = self.address_of(worker, peer);
        self.describe(ice, address)
    }

    fn describe(&self, ice: Credentials, address: SocketAddr) -> Description {
        Description {
            ice,
            ice_lite: false,
            fingerprint: self.certificate.fingerprint(HashAlgorithm::Sha256),
            candidates: vec![RemoteCandidate {
                foundation: "1".to_owned(),
                priority: 2_130_706_431,
                addr: address,
                kind: CandidateKind::Host,
                protocol: Protocol::Udp,
            }],
        }
    }

    /// Tells a transport of its client.
    pub fn set_remote(&mut self, now: Instant, worker: WorkerId, peer: PeerId, of: &Description) {
        let fingerprint = Fingerprint {
            algorithm: of.fingerprint.algorithm().name().to_owned(),
            value: of.fingerprint.value_text(),
        };
        let remote = Command::SetRemote {
            peer,
            ice: IceCredentials {
                ufrag: of.ice.ufrag.clone(),
                pwd: of.ice.pwd.clone(),
            },
            ice_lite: of.ice_lite,
            dtls_role: self.dtls_role,
            fingerprints: vec![fingerprint],
        };
        self.command(now, worker, remote);
        for candidate in &of.candidates {
            let candidate = Candidate {
                foundation: candidate.foundation.clone(),
                protocol: "udp".to_owned(),
                priority: candidate.priority,
                ip: candidate.addr.ip().to_string(),
                port: candidate.addr.port(),
                kind: "host".to_owned(),
                tcp_type: None,
            };
            self.command(now, worker, Command::AddRemoteCandidate { peer, candidate });
        }
    }

    /// Gives a worker a command.
    pub fn command(&mut self, now: Instant, worker: WorkerId, command: Command) {
        self.worker_mut(worker).handle_command(now, command);
        self.settle(now);
    }

    /// Whether this address is one of ours.
    pub fn owns(&self, address: SocketAddr) -> bool {
        self.worker_at(address).is_some()
    }

    /// Takes a datagram in.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &mut Datagram) {
        let Some(worker) = self.worker_at(datagram.to) else {
            return;
        };
        self.worker_mut(worker).handle_datagram(
            now,
            Path::udp(datagram.to, datagram.from),
            &mut datagram.bytes,
        );
        self.settle(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        for worker in &mut self.workers {
            if worker.poll_timeout().is_some_and(|at| at <= now) {
                worker.handle_timeout(now);
            }
        }
        self.settle(now);
    }

    /// The next datagram it sends.
    pub fn poll_transmit(&mut self) -> Option<Datagram> {
        self.transmits.pop_front()
    }

    /// When to call [`Server::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.workers.iter().filter_map(Worker::poll_timeout).min()
    }

    /// One worker.
    pub fn worker_mut(&mut self, worker: WorkerId) -> &mut Worker {
        &mut self.workers[usize::from(worker.0)]
    }

    /// Ends the turn of every worker, and those that their messages to each other cause.
    fn settle(&mut self, now: Instant) {
        loop {
            let mut links = Vec::new();
            for worker in &mut self.workers {
                worker.flush(now);
                while let Some(transmit) = worker.poll_transmit() {
                    let segment = transmit.segment_size.unwrap_or(transmit.bytes.len()).max(1);
                    for bytes in transmit.bytes.chunks(segment) {
                        let (from, to) = (transmit.path.local, transmit.path.remote);
                        self.transmits.push_back(Datagram {
                            from,
                            to,
                            bytes: bytes.to_vec(),
                        });
                    }
                }
                while let Some((to, message)) = worker.poll_link() {
                    links.push((worker.id(), to, message));
                }
                while let Some(event) = worker.poll_event() {
                    self.events.push((worker.id(), event));
                }
            }
            if links.is_empty() {
                return;
            }
            for (from, to, message) in links {
                self.link(now, from, to, message);
            }
        }
    }

    fn link(&mut self, now: Instant, from: WorkerId, to: WorkerId, message: LinkMessage) {
        self.link_messages += 1;
        if !(message.may_drop() && self.rng.random_bool(self.link_loss)) {
            self.worker_mut(to).handle_link(now, from, message);
        }
    }

    fn credentials(&mut self, worker: WorkerId) -> Credentials {
        let mut text = |len| -> String {
            (0..len)
                .map(|_| char::from(ICE_CHARS[self.rng.random_range(0..ICE_CHARS.len())]))
                .collect()
        };
        let tag = char::from(ICE_CHARS[usize::from(worker.0)]);
        Credentials::new(format!("{tag}{}", text(7)), text(24))
    }

    fn worker_at(&self, address: SocketAddr) -> Option<WorkerId> {
        let IpAddr::V4(ip) = address.ip() else {
            return None;
        };
        let [10, 1, 0, host] = ip.octets() else {
            return None;
        };
        let worker = u16::from(host.checked_sub(1)?);
        (usize::from(worker) < self.workers.len()).then_some(WorkerId(worker))
    }

    /// Each worker has an IP address, each peer a port of its own unless they share one.
    pub fn address_of(&self, worker: WorkerId, peer: PeerId) -> SocketAddr {
        let ip = Ipv4Addr::new(10, 1, 0, worker.0 as u8 + 1);
        let port = if self.shared_port { 0 } else { peer.0 as u16 };
        SocketAddr::new(ip.into(), 50_000 + port)
    }
}

/// In the order of worker tags.
const ICE_CHARS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
