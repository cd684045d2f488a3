//! Agents around a seeded lossy link with a virtual clock.
#![allow(dead_code)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sluice_ice::{
    CandidateKind, Credentials, IceAgent, IceConfig, IceEvent, IceState, Path, Protocol,
    RemoteCandidate,
};

/// An agent and what happened to it.
pub struct Side {
    pub agent: IceAgent,
    pub creds: Credentials,
    pub bound: SocketAddr,
    /// What the other side sees instead, behind a NAT.
    pub seen_as: Option<SocketAddr>,
    pub events: Vec<(Duration, IceEvent)>,
}

impl Side {
    pub fn new(
        now: Instant,
        name: &str,
        bound: &str,
        lite: bool,
        controlling: bool,
        tie_breaker: u64,
    ) -> Self {
        let creds = Credentials::new(name, format!("{name}-password-of-22-chars-"));
        let mut agent = IceAgent::new(
            now,
            IceConfig {
                local: creds.clone(),
                lite,
                controlling,
                tie_breaker,
            },
        );
        let bound: SocketAddr = bound.parse().expect("address");
        agent
            .add_local_host(Protocol::Udp, bound, bound)
            .expect("usable address");
        Self {
            agent,
            creds,
            bound,
            seen_as: None,
            events: Vec::new(),
        }
    }

    pub fn outside(&self) -> SocketAddr {
        self.seen_as.unwrap_or(self.bound)
    }

    pub fn saw(&self, state: IceState) -> Option<Duration> {
        self.events
            .iter()
            .find(|(_, event)| *event == IceEvent::State(state))
            .map(|(at, _)| *at)
    }
}

/// Impairments, each per packet.
#[derive(Clone, Copy, Default)]
pub struct Weather {
    pub loss: f64,
    pub duplicate: f64,
    pub jitter: Duration,
}

pub struct Net {
    pub start: Instant,
    pub now: Instant,
    pub a: Side,
    pub b: Side,
    pub weather: Weather,
    pub delay: Duration,
    /// Nothing gets through.
    pub cut: bool,
    rng: SmallRng,
    flying: Vec<Flight>,
}

struct Flight {
    at: Instant,
    to: SocketAddr,
    from: SocketAddr,
    bytes: Vec<u8>,
}

impl Net {
    pub fn new(start: Instant, a: Side, b: Side, seed: u64) -> Self {
        Self {
            start,
            now: start,
            a,
            b,
            weather: Weather::default(),
            delay: Duration::from_millis(10),
            cut: false,
            rng: SmallRng::seed_from_u64(seed),
            flying: Vec::new(),
        }
    }

    /// Both sides know each other's credentials; `a` (the server) learns no candidate.
    pub fn signal(&mut self, a_is_lite: bool) {
        let now = self.now;
        self.b
            .agent
            .set_remote(now, self.a.creds.clone(), a_is_lite);
        self.b.agent.add_remote_candidate(now, &host(self.a.bound));
        self.a.agent.set_remote(now, self.b.creds.clone(), false);
    }

    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    pub fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.run_while(end, |_| true);
    }

    /// True where `done` came true before `limit`.
    pub fn run_until(&mut self, limit: Duration, done: impl Fn(&Net) -> bool) -> bool {
        let end = self.now + limit;
        self.run_while(end, |net| !done(net));
        done(self)
    }

    fn run_while(&mut self, end: Instant, go_on: impl Fn(&Net) -> bool) {
        loop {
            self.exchange();
            if !go_on(self) {
                return;
            }
            let timers = [self.a.agent.poll_timeout(), self.b.agent.poll_timeout()];
            let flights = self.flying.iter().map(|flight| flight.at).min();
            let next = timers
                .into_iter()
                .flatten()
                .chain(flights)
                .min()
                .unwrap_or(end);
            // Never stuck: a timer that is due but does nothing still lets a millisecond pass.
            let next = next.max(self.now + Duration::from_millis(1));
            if next > end {
                self.now = end;
                return;
            }
            self.now = next;
            self.land();
            for side in [&mut self.a, &mut self.b] {
                if side.agent.poll_timeout().is_some_and(|at| at <= next) {
                    side.agent.handle_timeout(next);
                }
            }
        }
    }

    fn land(&mut self) {
        let now = self.now;
        let (due, later): (Vec<_>, Vec<_>) =
            self.flying.drain(..).partition(|flight| flight.at <= now);
        self.flying = later;
        for flight in due {
            for side in [&mut self.a, &mut self.b] {
                if side.outside() == flight.to {
                    side.agent.handle_datagram(
                        now,
                        Path::udp(side.bound, flight.from),
                        &flight.bytes,
                    );
                }
            }
        }
    }

    fn exchange(&mut self) {
        for side in [&mut self.a, &mut self.b] {
            let from = side.outside();
            while let Some(transmit) = side.agent.poll_transmit() {
                assert_eq!(transmit.path.local, side.bound);
                if self.cut || self.rng.random_bool(self.weather.loss) {
                    continue;
                }
                let copies = 1 + usize::from(self.rng.random_bool(self.weather.duplicate));
                for _ in 0..copies {
                    let jitter = self.weather.jitter.mul_f64(self.rng.random());
                    let at = self.now + self.delay + jitter;
                    self.flying.push(Flight {
                        at,
                        to: transmit.path.remote,
                        from,
                        bytes: transmit.bytes.clone(),
                    });
                }
            }
            while let Some(event) = side.agent.poll_event() {
                side.events.push((self.now - self.start, event));
            }
        }
    }

    pub fn both_connected(&self) -> bool {
        [&self.a, &self.b]
            .iter()
            .all(|side| side.agent.state() == IceState::Connected)
    }
}

pub fn host(addr: SocketAddr) -> RemoteCandidate {
    RemoteCandidate {
        foundation: "1".to_owned(),
        priority: 2_130_706_431,
        addr,
        kind: CandidateKind::Host,
        protocol: Protocol::Udp,
    }
}

pub fn addr(text: &str) -> SocketAddr {
    text.parse().expect("address")
}

pub fn path(local: SocketAddr, remote: SocketAddr) -> Path {
    Path::udp(local, remote)
}

/// The virtual clock's zero.
#[allow(clippy::disallowed_methods)]
pub fn epoch() -> Instant {
    Instant::now()
}

/// A binding request as a client would make it.
pub fn request(to: &Credentials, from: &Credentials, use_candidate: bool) -> Vec<u8> {
    let username = format!("{}:{}", to.ufrag, from.ufrag);
    let id = is::stun::TransId::new();
    let message =
        is::stun::StunMessage::binding_request(&username, id, true, 7, 1_000_000, use_candidate);
    seal(&message, &to.pwd)
}

pub fn seal(message: &is::stun::StunMessage, pwd: &str) -> Vec<u8> {
    let mut bytes = vec![0; 600];
    let len = message
        .to_bytes(Some(pwd.as_bytes()), &mut bytes, hmac)
        .expect("room");
    bytes.truncate(len);
    bytes
}

fn hmac(key: &[u8], payloads: &[&[u8]]) -> [u8; 20] {
    use aws_lc_rs::hmac;
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    let mut context = hmac::Context::with_key(&key);
    for payload in payloads {
        context.update(payload);
    }
    context.sign().as_ref().try_into().expect("20 bytes")
}
