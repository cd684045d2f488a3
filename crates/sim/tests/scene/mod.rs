//! What the acceptance cases share: a publisher, a witness on each worker, and somebody who means harm.
//!
//! A case passes when what it says happens and [`Scene::assert_unharmed`] and [`Scene::assert_baseline`] hold.
#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::System;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sluice_sfu::command::{Command, Query};
use sluice_sfu::event::{Answer, Event};
use sluice_sim::{Datagram, LinkSettings, Room, Subscription};
use sluice_wire::id::{PeerId, Ssrc, WorkerId};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use crate::support::{MS, SEC, connect, room};

#[global_allocator]
pub static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The member whose media the witnesses watch.
pub const PUBLISHER: usize = 0;
/// Beside the publisher on its worker.
pub const NEAR: usize = 1;
/// On the other worker.
pub const FAR: usize = 2;
/// Members that must not notice anything.
pub const HONEST: usize = 3;

/// The worker of publisher and attacker, and the other one.
pub const WORKERS: [WorkerId; 2] = [WorkerId(0), WorkerId(1)];

/// A room in steady state.
pub struct Scene {
    pub room: Room,
    /// Audio and video of the publisher, at either witness.
    pub watched: Vec<Subscription>,
    baseline: Baseline,
    /// Memory is measured, so the scenes of one process wait for each other.
    _alone: MutexGuard<'static, ()>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Baseline {
    bytes: usize,
    held: Vec<u64>,
}

impl Scene {
    /// A transport per port, as in a port range.
    pub fn new(seed: u64) -> Self {
        Self::begin(seed, false, false)
    }

    /// One port per worker.
    pub fn on_shared_ports(seed: u64) -> Self {
        Self::begin(seed, true, false)
    }

    /// With everything recorded from the first datagram on.
    pub fn recorded(seed: u64) -> Self {
        Self::begin(seed, false, true)
    }

    fn begin(seed: u64, shared_ports: bool, record: bool) -> Self {
        let alone = alone();
        let mut room = room(LinkSettings::delayed(MS(15)), 2, 0, seed);
        room.world.server_mut().shared_port = shared_ports;
        room.world.network.tap = record.then(Vec::new);
        for worker in [0, 0, 1] {
            room.join(worker);
        }
        connect(&mut room);
        let tracks = [
            room.publish_audio(PUBLISHER),
            room.publish_video(PUBLISHER, 1),
        ];
        let watched = [NEAR, FAR]
            .into_iter()
            .flat_map(|witness| tracks.map(|track| (witness, track)))
            .map(|(witness, track)| room.subscribe(witness, track))
            .collect();
        // Guests were here before: what tables and arenas grew to for them is no leak.
        for guest in 0..6 {
            room.join(guest % 2);
        }
        connect(&mut room);
        while room.world.clients.len() > HONEST {
            room.leave();
        }
        // Until every ring and history is full.
        room.world.run_for(SEC(40));
        let now = room.world.now;
        for client in &mut room.world.clients {
            client.watch_gaps(now);
        }
        let mut scene = Self {
            room,
            watched,
            baseline: Baseline {
                bytes: 0,
                held: Vec::new(),
            },
            _alone: alone,
        };
        // A record weighs something, but its test drops it before the end.
        let mut record = scene.room.world.network.tap.take();
        record.iter_mut().for_each(Vec::shrink_to_fit);
        let weight: usize = record.iter().flatten().map(weight).sum();
        scene.baseline = scene.measure();
        scene.baseline.bytes -= weight;
        scene.room.world.network.tap = record;
        scene
    }

    /// Somebody authenticated joins beside the publisher.
    pub fn join(&mut self) -> usize {
        let place = self.room.join(WORKERS[0].0);
        let connected = self
            .room
            .world
            .run_until(SEC(10), |world| world.clients[place].is_connected());
        assert!(connected, "the attacker gets in");
        place
    }

    /// Runs `attack` each millisecond.
    pub fn each_ms(&mut self, times: u64, mut attack: impl FnMut(&mut Self, u64)) {
        for time in 0..times {
            attack(self, time);
            self.room.world.run_for(MS(1));
        }
    }

    /// Puts bytes on the network with any source address.
    pub fn inject(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        let now = self.room.world.now;
        self.room
            .world
            .network
            .send(now, &Datagram { from, to, bytes });
    }

    /// A member's address, and the server's towards it.
    pub fn path(&self, member: usize) -> (SocketAddr, SocketAddr) {
        let client = &self.room.world.clients[member];
        let pair = client.peer.path().expect("it is connected");
        (client.address(), pair.remote)
    }

    /// The server's address for a member, connected or not.
    pub fn port(&mut self, member: usize) -> SocketAddr {
        let (worker, peer) = self.room.peer_of(member);
        self.room.world.server_mut().address_of(worker, peer)
    }

    /// Seals a packet as the member's transport would; its header has `header_len` bytes.
    pub fn seal(&mut self, member: usize, packet: &[u8], header_len: usize) -> Option<Vec<u8>> {
        let ssrc = Ssrc(u32::from_be_bytes(*packet.get(8..)?.first_chunk()?));
        let peer = &mut self.room.world.clients[member].peer;
        let stream = peer.send_stream(ssrc)?;
        let mut out = packet.to_vec();
        out.resize(packet.len() + 64, 0);
        let (_, payload) = packet.split_at_checked(header_len)?;
        let len = peer
            .seal_rtp(stream, &mut out, header_len, &[], payload)
            .ok()?;
        out.truncate(len);
        Some(out)
    }

    /// Sends a packet as the member's transport would.
    pub fn send_sealed(&mut self, member: usize, packet: &[u8], header_len: usize) {
        let sealed = self.seal(member, packet, header_len).expect("it is sealed");
        let (from, to) = self.path(member);
        self.inject(from, to, sealed);
    }

    /// A counter or gauge of a worker.
    pub fn counter(&mut self, worker: WorkerId, name: &str) -> u64 {
        let known = self.ask(worker, Query::WorkerStats);
        known
            .iter()
            .find(|(known, _)| known == name)
            .unwrap_or_else(|| panic!("no counter {name}"))
            .1
    }

    /// Everything that the publisher's worker dropped.
    pub fn dropped(&mut self) -> u64 {
        let known = self.ask(WORKERS[0], Query::WorkerStats);
        known
            .iter()
            .filter(|(name, _)| name.starts_with("drop_"))
            .map(|(_, count)| count)
            .sum()
    }

    /// Everything that any worker or transport of a member dropped in front of media.
    pub fn dropped_everywhere(&mut self) -> u64 {
        WORKERS
            .map(|worker| {
                self.counter(worker, "drop_no_route") + self.counter(worker, "drop_transport")
            })
            .iter()
            .sum()
    }

    /// A counter of a member's transport.
    pub fn peer_counter(&mut self, member: usize, name: &str) -> u64 {
        let (worker, peer) = self.room.peer_of(member);
        let known = self.ask(worker, Query::PeerStats { peer });
        known
            .iter()
            .find(|(known, _)| known == name)
            .unwrap_or_else(|| panic!("no counter {name}"))
            .1
    }

    /// What the server reported since the scene stood, or since this was called last.
    pub fn take_events(&mut self) -> Vec<Event> {
        let events = std::mem::take(&mut self.room.world.server_mut().events);
        events.into_iter().map(|(_, event)| event).collect()
    }

    /// Whatever was sent since the recording began or was taken.
    pub fn take_record(&mut self) -> Vec<Datagram> {
        self.room
            .world
            .network
            .tap
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    /// Bytes that the server sent to this host, delivered or not.
    pub fn sent_to(&self, host: SocketAddr) -> u64 {
        WORKERS
            .iter()
            .map(|worker| {
                let server = std::net::IpAddr::from([10, 1, 0, worker.0 as u8 + 1]);
                let counters = self.room.world.network.counters(server, host.ip());
                counters.bytes + counters.lost + counters.overflowed
            })
            .sum()
    }

    /// The others saw and heard everything, without a gap, and nothing panicked.
    pub fn assert_unharmed(&mut self) {
        let now = self.room.world.now;
        for subscription in self.watched.clone() {
            let client = &self.room.world.clients[subscription.subscriber];
            let stream = client.stream(subscription.ssrc).unwrap();
            let gap = stream.longest_gap(now);
            let report = self.room.report(subscription);
            assert!(
                gap <= LONGEST_GAP,
                "{gap:?} of silence: {subscription:?} {report:?}"
            );
            assert_eq!(
                (report.lost, report.foreign, report.duplicates, report.late),
                (0, 0, 0, 0),
                "{subscription:?} {report:?}"
            );
            assert_eq!(
                (report.timestamps_back, report.frames_back),
                (0, 0),
                "{subscription:?} {report:?}"
            );
            let video = &report.video;
            assert_eq!(
                (video.undecodable, video.corrupt, video.skipped),
                (0, 0, 0),
                "{subscription:?} {report:?}"
            );
        }
        for worker in WORKERS {
            assert_eq!(self.counter(worker, "peer_panics"), 0);
        }
        let server = self.room.world.server_mut();
        let honest = |id: &PeerId| (1..=HONEST as u32).contains(&id.0);
        let ended = server
            .events
            .iter()
            .find(|(_, event)| matches!(event, Event::PeerClosed { peer, .. } if honest(peer)));
        assert!(ended.is_none(), "{ended:?}");
        for member in 0..HONEST {
            assert!(self.room.world.clients[member].is_connected());
        }
    }

    /// All guests leave; later the server holds what it held before they came, within 5 % of the bytes.
    pub fn assert_baseline(&mut self) {
        while self.room.world.clients.len() > HONEST {
            assert!(self.room.leave().is_some());
        }
        self.room.world.run_for(SEC(5));
        self.assert_unharmed();
        let now = self.measure();
        let before = &self.baseline;
        assert_eq!(now.held, before.held);
        assert!(
            now.bytes <= before.bytes + before.bytes / 20,
            "{} bytes before, {} after",
            before.bytes,
            now.bytes
        );
    }

    /// Both of the above.
    pub fn assert_passed(&mut self) {
        self.assert_unharmed();
        self.assert_baseline();
    }

    fn measure(&mut self) -> Baseline {
        let held = WORKERS
            .iter()
            .flat_map(|worker| HELD.map(|name| (*worker, name)))
            .map(|(worker, name)| self.counter(worker, name))
            .collect();
        let server = self.room.world.server_mut();
        server.events = Vec::new();
        self.room.world.network.tap = None;
        Baseline {
            bytes: live_bytes(),
            held,
        }
    }

    fn ask(&mut self, worker: WorkerId, query: Query) -> Vec<(String, u64)> {
        self.room
            .command(worker, Command::Query { id: ASKED, query });
        let server = self.room.world.server_mut();
        let at = server
            .events
            .iter()
            .rposition(|(_, event)| matches!(event, Event::Answer { id: ASKED, .. }));
        match server.events.remove(at.expect("an answer")).1 {
            Event::Answer {
                answer: Answer::PeerStats { counters, .. } | Answer::WorkerStats { counters },
                ..
            } => counters,
            other => panic!("{other:?}"),
        }
    }
}

fn weight(datagram: &Datagram) -> usize {
    datagram.bytes.capacity() + size_of::<Datagram>()
}

/// Waits for the other tests of this process: their memory would be taken for the scene's.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes allocated and not freed, in the whole process.
pub fn live_bytes() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// One of the hosts that are part of nothing, on any port.
pub fn stranger(n: u64) -> SocketAddr {
    let host = (n % STRANGERS) as u8 + 1;
    SocketAddr::from(([203, 0, 113, host], 1_024 + (n % 60_000) as u16))
}

/// An RTP header without extensions.
pub fn rtp(ssrc: u32, payload_type: u8, sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, payload_type];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 3_000).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet
}

/// Hosts that [`stranger`] names: few, since the model network remembers each.
pub const STRANGERS: u64 = 20;

/// Length of [`rtp`].
pub const RTP_LEN: usize = 12;

/// What others may notice at most.
const LONGEST_GAP: Duration = Duration::from_millis(200);
/// Gauges of a worker.
const HELD: [&str; 7] = [
    "peers",
    "up_tracks",
    "down_tracks",
    "links",
    "rooms",
    "participants",
    "routes",
];
const ASKED: u32 = 4_711;
