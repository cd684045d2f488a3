//! The clients of one thread: who is looked after when, who joins and who leaves.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use mio::{Events, Poll, Token};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sluice_peer::Certificate;

use crate::client::{Client, Surroundings};
use crate::media::Counts;
use crate::report::Seen;
use crate::roster::Seat;
use crate::scenario::{Pace, Rate, Request};
use crate::signal::{Quality, SessionConfig, SignalSocket, Target};
use crate::transport::Slots;

/// The clients of one thread.
pub struct Crowd {
    request: Arc<Request>,
    target: Arc<Target>,
    poll: Poll,
    events: Events,
    slots: Slots,
    ip: IpAddr,
    certificate: Certificate,
    begin: Instant,
    rng: SmallRng,
    clients: Vec<Client>,
    /// What is due when; of a client only the earliest counts.
    agenda: BinaryHeap<Reverse<(Instant, usize)>>,
    due: Vec<Option<Instant>>,
    seats: VecDeque<Seat>,
    /// One of how many threads.
    share: f64,
    next_join: Instant,
    /// While measuring: when somebody leaves, when somebody wishes for another layer, and when a hand moves.
    next_leave: Option<Instant>,
    next_switch: Option<Instant>,
    next_hand: Option<Instant>,
    /// Counts up, for identities of those who come in place of others.
    comers: u32,
    seen: Seen,
    /// What streams counted when `seen` began.
    counted: Counts,
}

/// How many of the clients are where.
#[derive(Debug, Clone, Copy, Default)]
pub struct Census {
    /// Taken in by the server.
    pub joined: usize,
    /// Turned away or gone before.
    pub failed: usize,
    /// Joined, connected, and receiving everything.
    pub settled: usize,
    /// Not begun yet, or still joining.
    pub coming: usize,
    /// Packets received since the begin.
    pub packets: u64,
    /// Streams received.
    pub streams: usize,
}

impl Crowd {
    /// A thread's share of the seats; nobody has begun to join.
    ///
    /// # Errors
    /// The system has no poll, or certificates can't be made.
    pub fn new(
        request: Arc<Request>,
        target: Arc<Target>,
        seats: Vec<Seat>,
        threads: usize,
        begin: Instant,
    ) -> io::Result<Self> {
        let seed = request.seed ^ seats.first().map_or(0, |seat| u64::from(seat.number));
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(1_024),
            slots: Slots::new(),
            ip: local_ip(&target)?,
            certificate: Certificate::generate().map_err(io::Error::other)?,
            begin,
            rng: SmallRng::seed_from_u64(seed),
            clients: Vec::new(),
            agenda: BinaryHeap::new(),
            due: Vec::new(),
            seats: seats.into(),
            share: 1.0 / threads as f64,
            next_join: Instant::now(),
            next_leave: None,
            next_switch: None,
            next_hand: None,
            comers: 0,
            seen: Seen::new(),
            counted: Counts::default(),
            request,
            target,
        })
    }

    /// One turn: waits for something to happen, but no longer than that.
    ///
    /// # Errors
    /// Polling fails.
    pub fn turn(&mut self, longest: Duration) -> io::Result<()> {
        let now = Instant::now();
        let due = self.agenda.peek().map(|Reverse((at, _))| *at);
        let wait = due.map_or(longest, |at| at.saturating_duration_since(now).min(longest));
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        let now = Instant::now();
        self.handle_events(now);
        self.handle_due(now);
        self.handle_arrivals(now);
        self.handle_departures(now);
        self.handle_switches(now);
        self.handle_hands(now);
        Ok(())
    }

    /// From now on people leave and wish for other layers, as the request says.
    pub fn begin_unrest(&mut self, now: Instant) {
        self.next_leave = self.request.scenario.churn.map(|_| now);
        self.next_switch = self.request.scenario.layer_switch.map(|_| now);
        self.next_hand = self.request.scenario.hands.map(|_| now);
    }

    /// No more of that.
    pub fn end_unrest(&mut self) {
        (self.next_leave, self.next_switch, self.next_hand) = (None, None, None);
    }

    /// Where the clients are.
    pub fn census(&self) -> Census {
        let mut census = Census {
            coming: self.seats.len(),
            packets: self.counts().received,
            ..Census::default()
        };
        for client in &self.clients {
            census.streams += client.streams();
            if client.has_joined() {
                census.joined += 1;
                census.settled += usize::from(client.has_settled() || client.ended);
            } else if client.ended {
                census.failed += 1;
            } else {
                census.coming += 1;
            }
        }
        census
    }

    /// What was seen since the last call.
    pub fn take_seen(&mut self) -> Seen {
        let counts = self.counts();
        let mut seen = std::mem::replace(&mut self.seen, Seen::new());
        seen.media = counts - std::mem::replace(&mut self.counted, counts);
        seen
    }

    /// Everybody leaves.
    pub fn leave(&mut self) {
        for at in 0..self.clients.len() {
            self.look_after(at, Instant::now(), |client, around| {
                client.session().leave();
                // Whatever the server ends now, it ends because of that.
                client.ended = true;
                client.handle_signal(around);
            });
        }
    }

    fn counts(&self) -> Counts {
        let mut all = Counts::default();
        for client in &self.clients {
            all += client.counts();
        }
        all
    }

    fn handle_events(&mut self, now: Instant) {
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            let Token(token) = event.token();
            let (at, which) = (token / TOKENS, token % TOKENS);
            let mut slots = std::mem::replace(&mut self.slots, Slots::none());
            self.look_after(at, now, |client, around| match which {
                0 => client.handle_signal(around),
                transport => client.handle_readable(around, transport - 1, &mut slots),
            });
            self.slots = slots;
        }
        self.events = events;
    }

    fn handle_due(&mut self, now: Instant) {
        while let Some(Reverse((at, client))) = self.agenda.peek().copied() {
            if at > now {
                return;
            }
            self.agenda.pop();
            // Others than the earliest were put off.
            if self.due.get(client).copied().flatten() != Some(at) {
                continue;
            }
            self.due[client] = None;
            self.look_after(client, now, Client::handle_timeout);
        }
    }

    /// Does something with a client and notes when it is to be looked after again.
    fn look_after(
        &mut self,
        at: usize,
        now: Instant,
        act: impl FnOnce(&mut Client, &mut Surroundings<'_>),
    ) {
        let Some(client) = self.clients.get_mut(at) else {
            return;
        };
        let mut around = Surroundings {
            registry: self.poll.registry(),
            now,
            begin: self.begin,
            ip: self.ip,
            certificate: &self.certificate,
            seen: &mut self.seen,
        };
        act(client, &mut around);
        let next = client
            .poll_timeout(now)
            .map(|next| next.max(now + SHORTEST));
        if let Some(next) = next
            && self.due[at].is_none_or(|due| next < due)
        {
            self.due[at] = Some(next);
            self.agenda.push(Reverse((next, at)));
        }
    }

    fn handle_arrivals(&mut self, now: Instant) {
        match self.request.scenario.join {
            Pace::PerSecond(rate) => {
                while self.next_join <= now && !self.seats.is_empty() {
                    self.next_join += Duration::from_secs_f64(1.0 / (rate * self.share).max(0.001));
                    self.seat_next(now);
                }
                if self.seats.is_empty() {
                    self.next_join = self.next_join.max(now);
                }
            }
            Pace::AtOnce(most) => {
                let most = ((most as f64 * self.share).ceil() as usize).max(1);
                let is_joining = |client: &&Client| !client.ended && !client.is_connected();
                while !self.seats.is_empty()
                    && self
                        .clients
                        .iter()
                        .rev()
                        .take(RECENT)
                        .filter(is_joining)
                        .count()
                        < most
                {
                    self.seat_next(now);
                }
            }
        }
    }

    fn seat_next(&mut self, now: Instant) {
        let Some(seat) = self.seats.pop_front() else {
            return;
        };
        let scenario = &self.request.scenario;
        let Some(group) = scenario.groups.get(seat.group) else {
            return;
        };
        let config = SessionConfig {
            identity: format!("{}-{}", group.name, seat.number),
            single_pc: self.request.single_peer_connection,
            publish: group.publish.plans(),
            data: group.publish.data.is_some(),
            subscribe: group.subscribe.plan(),
            seed: u64::from(seat.number),
        };
        let unix = SystemTime::UNIX_EPOCH
            .elapsed()
            .unwrap_or_default()
            .as_secs();
        let uri = self
            .target
            .join(&format!("{}-{}", scenario.name, seat.room), &config, unix);
        let token = self.clients.len() * TOKENS;
        match SignalSocket::connect(
            self.poll.registry(),
            Token(token),
            self.target.address,
            &uri,
        ) {
            Ok(socket) => {
                let place = (seat.room, seat.group);
                let mut client = Client::new(
                    now,
                    token,
                    seat.number,
                    place,
                    group.clone(),
                    seat.impair,
                    config,
                    socket,
                );
                client.expected = seat.expected;
                self.clients.push(client);
                self.due.push(None);
            }
            Err(error) => {
                *self
                    .seen
                    .failed
                    .entry(format!("tcp: {}", error.kind()))
                    .or_default() += 1;
            }
        }
    }

    fn handle_departures(&mut self, now: Instant) {
        let (Some(at), Some(churn)) = (self.next_leave, self.request.scenario.churn) else {
            return;
        };
        if at > now {
            return;
        }
        self.next_leave =
            Some(at + Duration::from_secs_f64(1.0 / (churn.per_second * self.share).max(0.001)));
        let present = |client: &Client| {
            client.has_joined() && !client.ended && (churn.rooms || client.audience)
        };
        let candidates: Vec<usize> = (0..self.clients.len())
            .filter(|at| present(&self.clients[*at]))
            .collect();
        let Some(chosen) = candidates.get(self.rng.random_range(0..candidates.len().max(1))) else {
            return;
        };
        let room = self.clients[*chosen].room;
        let leaving: Vec<usize> = if churn.rooms {
            candidates
                .into_iter()
                .filter(|at| self.clients[*at].room == room)
                .collect()
        } else {
            vec![*chosen]
        };
        self.comers += 1;
        // A room that was closed comes again under another name.
        let room = if churn.rooms {
            room + self.request.scenario.rooms * self.comers as usize
        } else {
            room
        };
        for at in leaving {
            let (group, expected) = (self.clients[at].group, self.clients[at].expected);
            self.look_after(at, now, |client, around| {
                client.session().leave();
                // Whatever the server ends now, it ends because of that.
                client.ended = true;
                client.handle_signal(around);
            });
            let number =
                FIRST_COMER + self.clients.len() as u32 + self.seats.len() as u32 * 7 + self.comers;
            let impair = self
                .request
                .scenario
                .groups
                .get(group)
                .and_then(|group| group.impair);
            self.seats.push_back(Seat {
                room,
                group,
                number,
                expected,
                impair,
            });
        }
    }

    fn handle_hands(&mut self, now: Instant) {
        let rate = self.request.scenario.hands;
        let Some(chosen) = self.somebody(now, rate, |crowd| &mut crowd.next_hand) else {
            return;
        };
        let raised = self.rng.random();
        self.look_after(chosen, now, |client, around| {
            client.session().set_hand(raised);
            client.handle_signal(around);
        });
    }

    /// Any client, where one is due; notes when the next one is.
    fn somebody(
        &mut self,
        now: Instant,
        rate: Option<Rate>,
        next: impl FnOnce(&mut Self) -> &mut Option<Instant>,
    ) -> Option<usize> {
        let pace = rate?.per_second * self.share;
        let clients = self.clients.len();
        let next = next(self);
        let at = (*next)?;
        if at > now || clients == 0 {
            return None;
        }
        *next = Some(at + Duration::from_secs_f64(1.0 / pace.max(0.001)));
        Some(self.rng.random_range(0..clients))
    }

    fn handle_switches(&mut self, now: Instant) {
        let rate = self.request.scenario.layer_switch;
        let Some(chosen) = self.somebody(now, rate, |crowd| &mut crowd.next_switch) else {
            return;
        };
        let (number, quality) = (self.rng.random_range(0..1_000), self.rng.random_range(0..3));
        let quality = [Quality::Low, Quality::Medium, Quality::High][quality];
        self.look_after(chosen, now, |client, around| {
            if let Some(track) = client.video_track(number) {
                client.session().set_layer(&track, quality);
                client.handle_signal(around);
            }
        });
    }
}

/// The address of ours from which the server is reached.
fn local_ip(target: &Target) -> io::Result<IpAddr> {
    let wildcard = if target.address.is_ipv4() {
        "0.0.0.0:0"
    } else {
        "[::]:0"
    };
    let socket = std::net::UdpSocket::bind(wildcard)?;
    socket.connect(target.address)?;
    Ok(socket.local_addr()?.ip())
}

/// Of a client: its connection, and two transports.
const TOKENS: usize = 3;
/// A client is not looked after more often without anything having come for it.
const SHORTEST: Duration = Duration::from_micros(500);
/// Those who joined long ago are not among those who are joining.
const RECENT: usize = 64;
/// Numbers of those who come later; above all seats.
const FIRST_COMER: u32 = 1_000_000;
