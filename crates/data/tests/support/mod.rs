//! Two data transports over a seeded lossy link with a virtual clock.
#![allow(dead_code)]

use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sluice_data::{ChannelId, DataConfig, DataEvent, DataRole, DataTransport};

pub struct Net {
    pub now: Instant,
    pub server: DataTransport,
    pub client: DataTransport,
    pub server_events: Vec<DataEvent>,
    pub client_events: Vec<DataEvent>,
    pub loss: f64,
    pub jitter: Duration,
    /// The client reads nothing: its packets' acknowledgements shrink its window.
    pub client_reads: bool,
    rng: SmallRng,
    flying: Vec<(Instant, bool, Bytes)>,
}

impl Net {
    #[allow(clippy::disallowed_methods)]
    pub fn new(seed: u64) -> Self {
        let now = Instant::now();
        let server = DataTransport::new(
            now,
            DataConfig {
                role: DataRole::Passive,
                dtls_client: false,
            },
        );
        let client = DataTransport::new(
            now,
            DataConfig {
                role: DataRole::Active,
                dtls_client: true,
            },
        );
        Self {
            now,
            server,
            client,
            server_events: Vec::new(),
            client_events: Vec::new(),
            loss: 0.0,
            jitter: Duration::ZERO,
            client_reads: true,
            rng: SmallRng::seed_from_u64(seed),
            flying: Vec::new(),
        }
    }

    pub fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.run_while(end, |_| true);
    }

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
            let timers = [self.server.poll_timeout(), self.client.poll_timeout()];
            let flights = self.flying.iter().map(|(at, ..)| *at).min();
            let next = timers
                .into_iter()
                .flatten()
                .chain(flights)
                .min()
                .unwrap_or(end);
            let next = next.max(self.now + Duration::from_millis(1));
            if next > end {
                self.now = end;
                return;
            }
            self.now = next;
            let (due, later): (Vec<_>, Vec<_>) =
                self.flying.drain(..).partition(|(at, ..)| *at <= next);
            self.flying = later;
            for (_, to_server, packet) in due {
                let side = if to_server {
                    &mut self.server
                } else {
                    &mut self.client
                };
                side.handle_packet(next, &packet).expect("an honest packet");
            }
            for side in [&mut self.server, &mut self.client] {
                if side.poll_timeout().is_some_and(|at| at <= next) {
                    side.handle_timeout(next);
                }
            }
        }
    }

    fn exchange(&mut self) {
        self.server_events
            .extend(std::iter::from_fn(|| self.server.poll_event()));
        if self.client_reads {
            self.client_events
                .extend(std::iter::from_fn(|| self.client.poll_event()));
        }
        for to_server in [true, false] {
            let side = if to_server {
                &mut self.client
            } else {
                &mut self.server
            };
            while let Some(packet) = side.poll_transmit() {
                assert!(packet.len() <= 1_260, "{} bytes", packet.len());
                if !self.rng.random_bool(self.loss) {
                    let delay = Duration::from_millis(10) + self.jitter.mul_f64(self.rng.random());
                    self.flying.push((self.now + delay, to_server, packet));
                }
            }
        }
    }
}

pub fn messages(events: &[DataEvent]) -> Vec<(ChannelId, bool, Bytes)> {
    let message = |event: &DataEvent| match event {
        DataEvent::Message { id, binary, bytes } => Some((*id, *binary, bytes.clone())),
        _ => None,
    };
    events.iter().filter_map(message).collect()
}

pub fn opened(events: &[DataEvent], label: &str) -> Option<ChannelId> {
    events.iter().find_map(|event| match event {
        DataEvent::ChannelOpened { id, settings } if settings.label == label => Some(*id),
        _ => None,
    })
}
