//! The world of a test: workers and clients, a millisecond at a time.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sluice_sfu::command::{Command, DtlsRole, ExtensionIds, IceCredentials, OpenPeer, Query};
use sluice_sfu::event::{Answer, Event};
use sluice_sfu::{Certificate, LinkMessage, LocalAddress, Worker, WorkerConfig};
use sluice_wire::id::{PeerId, WorkerId};
use sluice_wire::path::Path;

use super::client::Client;

pub struct World {
    pub now: Instant,
    pub workers: Vec<Worker>,
    pub clients: Vec<Client>,
    pub events: Vec<(usize, Event)>,
    pub certificate: Certificate,
    /// One way, between clients and workers.
    pub delay: Duration,
    /// Share of media that links lose.
    pub link_loss: f64,
    /// Share of media datagrams lost on the way to clients.
    pub down_loss: f64,
    random: SmallRng,
    wire: VecDeque<Datagram>,
}

struct Datagram {
    at: Instant,
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

impl World {
    pub fn new(workers: u16) -> Self {
        #[allow(clippy::disallowed_methods)]
        let now = Instant::now();
        let certificate = Certificate::generate().expect("a key");
        let worker = |id| Worker::new(WorkerConfig::new(WorkerId(id), certificate.clone(), 5), now);
        Self {
            now,
            workers: (0..workers).map(worker).collect(),
            clients: Vec::new(),
            events: Vec::new(),
            certificate,
            delay: Duration::from_millis(5),
            link_loss: 0.0,
            down_loss: 0.0,
            random: SmallRng::seed_from_u64(9),
            wire: VecDeque::new(),
        }
    }

    /// Adds a client on a worker and starts its transport; returns its index. Its `PeerId` is the index.
    pub fn join(&mut self, worker: usize) -> usize {
        let index = self.clients.len();
        let id = index as u32;
        let ice = IceCredentials {
            ufrag: format!("{worker}srv{id}"),
            pwd: format!("server-password-number-{id:04}"),
        };
        let socket = SocketAddr::from(([192, 0, 2, worker as u8 + 1], 50_000 + index as u16));
        let local = LocalAddress {
            protocol: sluice_peer::Protocol::Udp,
            socket,
            advertised: socket,
        };
        let open = OpenPeer {
            peer: PeerId(id),
            ice: ice.clone(),
            ice_lite: false,
            controlling: false,
        };
        self.workers[worker].open_peer(self.now, open, &[local]);
        let mut client = Client::new(self.now, id, worker);
        client.set_remote(self.now, &ice, &self.certificate);
        let candidate = sluice_peer::RemoteCandidate {
            foundation: "1".into(),
            priority: 1000,
            addr: socket,
            kind: sluice_peer::CandidateKind::Host,
            protocol: sluice_peer::Protocol::Udp,
        };
        client.peer.add_remote_candidate(self.now, &candidate);
        client.open_channels(self.now);
        self.command(
            worker,
            Command::SetRemote {
                peer: PeerId(id),
                ice: client.credentials(),
                ice_lite: false,
                dtls_role: DtlsRole::Passive,
                fingerprints: vec![client.fingerprint()],
            },
        );
        self.command(
            worker,
            Command::SetExtensions {
                peer: PeerId(id),
                audio: extensions(),
                video: extensions(),
            },
        );
        self.clients.push(client);
        index
    }

    pub fn command(&mut self, worker: usize, command: Command) {
        self.workers[worker].handle_command(self.now, command);
    }

    /// Lets time pass.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now += Duration::from_millis(1);
            self.turn();
        }
    }

    pub fn run_ms(&mut self, ms: u64) {
        self.run(Duration::from_millis(ms));
    }

    /// Lets time pass until `done`, ten seconds at most.
    pub fn run_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        for _ in 0..10_000 {
            if done(self) {
                return;
            }
            self.run_ms(1);
        }
        panic!("waited in vain: {what}");
    }

    pub fn connect_all(&mut self) {
        self.run_until("all clients connected with channels", |world| {
            world
                .clients
                .iter()
                .all(|client| client.connected && client.channels.len() == 2)
        });
        // Nomination comes behind the first valid pair.
        self.run_ms(500);
    }

    pub fn counter(&mut self, worker: usize, name: &str) -> u64 {
        self.command(
            worker,
            Command::Query {
                id: 7,
                query: Query::WorkerStats,
            },
        );
        self.turn();
        let answer = self
            .events
            .iter()
            .rev()
            .find_map(|(at, event)| match event {
                Event::Answer {
                    id: 7,
                    answer: Answer::WorkerStats { counters },
                } if *at == worker => Some(counters),
                _ => None,
            });
        let counters = answer.expect("an answer");
        counters
            .iter()
            .find(|(counter, _)| counter == name)
            .map(|(_, value)| *value)
            .expect("the counter")
    }

    pub fn seen(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.events
            .iter()
            .filter(|(_, event)| wanted(event))
            .count()
    }

    fn turn(&mut self) {
        let mut due = Vec::new();
        while self
            .wire
            .front()
            .is_some_and(|datagram| datagram.at <= self.now)
        {
            due.extend(self.wire.pop_front());
        }
        for datagram in due {
            self.deliver(datagram);
        }
        for client in &mut self.clients {
            if client.peer.poll_timeout().is_some_and(|at| at <= self.now) {
                client.peer.handle_timeout(self.now);
            }
            let from = client.address;
            for (to, bytes) in client.drain() {
                self.wire.push_back(Datagram {
                    at: self.now + self.delay,
                    from,
                    to,
                    bytes,
                });
            }
        }
        for index in 0..self.workers.len() {
            self.turn_worker(index);
        }
    }

    fn deliver(&mut self, datagram: Datagram) {
        let Datagram {
            from,
            to,
            mut bytes,
            ..
        } = datagram;
        if let Some(client) = self.clients.iter_mut().find(|client| client.address == to) {
            if client.reachable {
                client.receive(self.now, from, bytes);
            }
        } else if let SocketAddr::V4(v4) = to {
            let worker = usize::from(v4.ip().octets()[3] - 1);
            self.workers[worker].handle_datagram(self.now, Path::udp(to, from), &mut bytes);
        }
    }

    fn turn_worker(&mut self, index: usize) {
        let now = self.now;
        let worker = &mut self.workers[index];
        if worker.poll_timeout().is_some_and(|at| at <= now) {
            worker.handle_timeout(now);
        }
        worker.flush(now);
        let mut links = Vec::new();
        while let Some(link) = worker.poll_link() {
            links.push(link);
        }
        while let Some(transmit) = worker.poll_transmit() {
            let size = transmit.segment_size.unwrap_or(transmit.bytes.len());
            for segment in transmit.bytes.chunks(size) {
                let media = (128..192).contains(&segment[0]);
                if media && self.random.random_bool(self.down_loss) {
                    continue;
                }
                self.wire.push_back(Datagram {
                    at: now + self.delay,
                    from: transmit.path.local,
                    to: transmit.path.remote,
                    bytes: segment.to_vec(),
                });
            }
        }
        while let Some(event) = worker.poll_event() {
            self.events.push((index, event));
        }
        for (to, message) in links {
            let lost = message.may_drop() && self.random.random_bool(self.link_loss);
            if !lost {
                self.link(index, to, message);
            }
        }
    }

    fn link(&mut self, from: usize, to: WorkerId, message: LinkMessage) {
        let from = self.workers[from].id();
        self.workers[usize::from(to.0)].handle_link(self.now, from, message);
    }
}

/// The extension ids all tests negotiate.
pub fn extensions() -> ExtensionIds {
    ExtensionIds {
        mid: Some(1),
        rid: Some(2),
        repaired_rid: Some(3),
        audio_level: Some(4),
        abs_send_time: None,
        abs_capture_time: None,
        transport_cc: Some(5),
        playout_delay: None,
        dependency_descriptor: Some(8),
    }
}
