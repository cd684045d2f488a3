//! A room on one worker whose loop is turned by hand.

use std::collections::VecDeque;
use std::sync::LazyLock;
use std::time::Duration;

use sluice_peer::Certificate;
use sluice_sfu::Worker;
use sluice_sfu::command::{Command, Query};
use sluice_sfu::event::{Answer, Event};
use sluice_sim::{Client, Datagram, LinkSettings, Room, Server};
use sluice_wire::id::WorkerId;
use sluice_wire::path::Path;

use crate::camera::Camera;
use crate::counted::{self, Carrier, Tally, tallied};

/// A room, its clock, and what was counted in it.
pub struct Scene {
    /// The room.
    pub room: Room,
    /// What was counted so far.
    pub tally: Tally,
    /// Only the members of these places hear, speak and are driven; the others are connected and deaf.
    pub live: usize,
    /// What the first member films with.
    pub camera: Option<Camera>,
    carrier: Carrier,
    input: Vec<Datagram>,
}

/// Whether a turn counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// It does.
    Yes,
    /// It warms up.
    No,
}

impl Scene {
    /// So many members, connected.
    pub fn connected(members: usize, transport_cc: bool) -> Self {
        let mut room = Room::new(LinkSettings::default(), 1, &CERTIFICATES, 1);
        room.transport_cc = transport_cc;
        for _ in 0..members {
            room.join(0);
        }
        let mut scene = Self {
            room,
            tally: Tally::default(),
            live: members,
            camera: None,
            carrier: Carrier::new(u8::MAX),
            input: Vec::new(),
        };
        scene.settle();
        scene
    }

    /// From now on only the first `live` members take part.
    pub fn deafen(&mut self, live: usize) {
        self.live = live;
        self.carrier = Carrier::new(live as u8);
    }

    /// Runs everybody until all are connected.
    pub fn settle(&mut self) {
        for _ in 0..500 {
            self.advance(TICK, Count::No);
            if self.room.world.clients.iter().all(Client::is_connected) {
                return;
            }
        }
        panic!("not everybody connected");
    }

    /// Moves the clock, lets the live members do what is due, and turns the worker once.
    pub fn advance(&mut self, by: Duration, count: Count) {
        self.pass(by);
        self.turn(count);
    }

    /// Moves the clock and lets the live members do what is due.
    pub fn pass(&mut self, by: Duration) {
        self.room.world.now += by;
        let now = self.room.world.now;
        for client in self.room.world.clients.iter_mut().take(self.live) {
            client.handle_timeout(now);
        }
        self.collect();
    }

    /// Lets the first member film a frame.
    pub fn film(&mut self) {
        let mut frame = VecDeque::new();
        if let (Some(camera), Some(client)) =
            (&mut self.camera, self.room.world.clients.first_mut())
        {
            camera.capture(client, &mut frame);
        }
        self.input.extend(frame);
    }

    /// Hands a turn's worth of datagrams to the worker, and what it sends to the live members.
    pub fn turn(&mut self, count: Count) {
        self.turn_losing(count, |_| false);
    }

    /// The same where what `loses` says of never arrives.
    pub fn turn_losing(&mut self, count: Count, mut loses: impl FnMut(&[u8]) -> bool) {
        let mut input = std::mem::take(&mut self.input);
        let world = &mut self.room.world;
        let now = world.now;
        let worker = world.server.as_mut().expect("a room has a server");
        let worker = worker.worker_mut(WORKER);
        let (carrier, tally) = (&mut self.carrier, &mut self.tally);
        let before = carrier.count();
        if count == Count::Yes {
            tallied(tally, || {
                counted::turn_counted(worker, now, &mut input, carrier);
            });
            tally.datagrams_in += input.len() as u64;
            tally.sends += carrier.count() - before;
        } else {
            counted::turn_uncounted(worker, now, &mut input, carrier);
        }
        input.clear();
        self.input = input;
        let clients = &mut world.clients;
        carrier.deliver(|path, bytes| {
            if !loses(bytes)
                && let Some(client) = clients.get_mut(place_of(path))
            {
                client.handle_datagram(now, path.local, bytes);
            }
        });
        self.collect();
    }

    /// A counter of the worker.
    pub fn counter(&mut self, name: &str) -> u64 {
        let now = self.room.world.now;
        let worker = self.worker();
        while worker.poll_event().is_some() {}
        let query = Query::WorkerStats;
        worker.handle_command(now, Command::Query { id: 1, query });
        let mut found = None;
        while let Some(event) = worker.poll_event() {
            if let Event::Answer {
                answer: Answer::WorkerStats { counters },
                ..
            } = event
            {
                found = counters.into_iter().find(|(known, _)| known == name);
            }
        }
        found.map_or(0, |(_, value)| value)
    }

    /// The worker.
    pub fn worker(&mut self) -> &mut Worker {
        self.room.world.server_mut().worker_mut(WORKER)
    }

    /// Moves what clients and setting up have sent to where it goes.
    fn collect(&mut self) {
        let world = &mut self.room.world;
        for client in world.clients.iter_mut().take(self.live) {
            while let Some(datagram) = client.poll_transmit() {
                self.input.push(datagram);
            }
        }
        let now = world.now;
        while let Some(mut datagram) = world.server.as_mut().and_then(Server::poll_transmit) {
            let path = Path::udp(datagram.from, datagram.to);
            if let Some(client) = world.clients.get_mut(place_of(&path)) {
                client.handle_datagram(now, datagram.from, &mut datagram.bytes);
            }
        }
    }
}

/// The place of the client at the far end: members have the addresses 10.0.1.1 and up.
fn place_of(path: &Path) -> usize {
    match path.remote.ip() {
        std::net::IpAddr::V4(ip) => usize::from(ip.octets()[3]).wrapping_sub(1),
        std::net::IpAddr::V6(_) => usize::MAX,
    }
}

/// The server's and the clients'.
pub static CERTIFICATES: LazyLock<[Certificate; 2]> = LazyLock::new(|| {
    [1, 2].map(|seed| {
        let made = Certificate::generate().and_then(|made| made.seeded(seed));
        made.expect("a certificate can be made")
    })
});

/// The room's worker.
pub const WORKER: WorkerId = WorkerId(0);

/// Between turns while people connect.
const TICK: Duration = Duration::from_millis(20);
