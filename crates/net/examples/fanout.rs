//! What one worker's thread spends per forwarded packet, on real sockets over loopback.
//!
//! ```text
//! cargo run --release -p sluice-net --example fanout -- video 100 10      # one camera to 100 viewers for 10 s
//! cargo run --release -p sluice-net --example fanout -- uneven 100 10     # frames cut as libwebrtc does, sizes a byte apart
//! cargo run --release -p sluice-net --example fanout -- audio 50 10       # ten microphones to 50 listeners
//! cargo run --release -p sluice-net --example fanout -- calm 5 10         # one microphone to 5 listeners
//! cargo run --release -p sluice-net --example fanout -- idle 1000 10      # nobody speaks
//! … -- video 100 10 mux                                                   # on one shared port
//! ```
//! CPU time is that of the worker's thread alone; it holds the kernel's receive path of the clients, as loopback
//! runs it within the send. The first five receivers are read at once, and opened to measure the delay; the others'
//! sockets are emptied every five milliseconds, so that reading does not take the worker's place on its core.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout
)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::{Duration, Instant};

use common::link::Link;
use common::{Client, Rig, drive};
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use serde_json::{Value, json};
use sluice_peer::Received;
use sluice_wire::id::Ssrc;
use sluice_wire::path::Path;
use sluice_wire::rtcp::{ReportBlock, Rtcp, write_compound};

fn main() {
    let mut words = std::env::args().skip(1);
    let load = Load::named(&words.next().unwrap_or_else(|| "video".to_owned()));
    let mut number = |or: u32| words.next().and_then(|w| w.parse().ok()).unwrap_or(or);
    let (receivers, seconds) = (number(100), number(10));
    let udp = match words.next() {
        Some(_) => json!({"muxPorts": [44_900]}),
        None => json!({"portRangeStart": 20_000, "portRangeEnd": 29_999}),
    };
    let config = json!({"workers": 1, "udp": udp,
        "addresses": [{"bind": "127.0.0.1", "advertise": "127.0.0.1"}]});
    let mut rig = Rig::start(&config).expect("the engine starts");
    let mut hall = Hall::fill(&mut rig, &load, receivers);
    hall.run(&load, Duration::from_secs(3));
    let before = Sample::take(&mut rig);
    hall.reset();
    let start = Instant::now();
    hall.run(&load, Duration::from_secs(u64::from(seconds)));
    let elapsed = start.elapsed();
    let after = Sample::take(&mut rig);
    report(&before, &after, elapsed, &mut hall);
}

/// Receivers whose delay is measured.
const MEASURED: usize = 5;

/// Between looks at the other receivers' sockets.
const LAZINESS: Duration = Duration::from_millis(5);

/// What publishers send.
struct Load {
    kind: &'static str,
    publishers: u32,
    /// Between frames of one publisher.
    interval: Duration,
    packets: usize,
    payload: usize,
    /// The second half of a frame's packets are a byte longer than the first.
    uneven: bool,
}

impl Load {
    fn named(name: &str) -> Self {
        let video = Self {
            kind: "video",
            publishers: 1,
            interval: Duration::from_micros(33_333),
            packets: 6,
            payload: 1_060,
            uneven: name == "uneven",
        };
        let audio = Self {
            kind: "audio",
            publishers: 10,
            interval: Duration::from_millis(20),
            packets: 1,
            payload: 80,
            uneven: false,
        };
        match name {
            "audio" => audio,
            "calm" => Self {
                publishers: 1,
                ..audio
            },
            "idle" => Self {
                publishers: 0,
                ..audio
            },
            _ => video,
        }
    }
}

/// The clients: publishers first.
struct Hall {
    clients: Vec<Client>,
    publishers: usize,
    /// Of publishers and of receivers whose delay is measured.
    poll: Poll,
    /// Of all others.
    lazy: Poll,
    looked: Instant,
    events: Events,
    sockets: Vec<UdpSocket>,
    frames: u32,
    origin: Instant,
    received: u64,
    delays: Vec<Duration>,
    /// Until when reports have been sent.
    reported: Instant,
}

impl Hall {
    fn fill(rig: &mut Rig, load: &Load, receivers: u32) -> Self {
        let mut clients: Vec<Client> = Vec::new();
        for id in 1..=load.publishers + receivers {
            let candidates = rig.open_peer(0, id);
            clients.push(Client::connect(rig, 0, id, &candidates));
            if id % 20 == 0 || id == load.publishers + receivers {
                let mut all: Vec<&mut Client> = clients.iter_mut().collect();
                drive(&mut all, "connections", |clients| {
                    clients.iter().all(|client| client.peer.is_connected())
                });
            }
        }
        publish(rig, load);
        for receiver in 0..receivers {
            subscribe(rig, load, load.publishers + receiver + 1);
        }
        let [poll, lazy] = [(); 2].map(|()| Poll::new().expect("epoll works"));
        let publishers = load.publishers as usize;
        let mut sockets = Vec::new();
        for (at, client) in clients.iter().enumerate() {
            let Some(Link::Udp(socket)) = client.links.first() else {
                panic!("a client has one socket");
            };
            let mut socket = UdpSocket::from_std(socket.try_clone().expect("it can be duplicated"));
            let watched = at < publishers + MEASURED;
            let poll = if watched { &poll } else { &lazy };
            poll.registry()
                .register(&mut socket, Token(at), Interest::READABLE)
                .expect("it can be polled");
            sockets.push(socket);
        }
        let now = Instant::now();
        Self {
            clients,
            publishers,
            poll,
            lazy,
            looked: now,
            events: Events::with_capacity(4096),
            sockets,
            frames: 0,
            origin: now,
            received: 0,
            delays: Vec::new(),
            reported: now,
        }
    }

    fn reset(&mut self) {
        self.received = 0;
        self.delays.clear();
    }

    /// Publishers take turns within an interval, as they are in no step with one another.
    fn run(&mut self, load: &Load, time: Duration) {
        let start = Instant::now();
        let step = load.interval / load.publishers.max(1);
        let mut due = start;
        while start.elapsed() < time {
            if load.publishers > 0 && due <= Instant::now() {
                let publisher = self.frames as usize % self.publishers;
                self.send_frame(load, publisher);
                due += step;
            }
            self.receive(Duration::from_millis(2).min(step / 4));
            self.report();
        }
    }

    fn send_frame(&mut self, load: &Load, publisher: usize) {
        let ssrc = 1_000 + publisher as u32;
        let key = self.frames.is_multiple_of(90);
        self.frames += 1;
        let client = &mut self.clients[publisher];
        for index in 0..load.packets {
            let longer = load.uneven && index * 2 >= load.packets;
            let mut payload = vec![0x33; load.payload + usize::from(longer)];
            if load.kind == "video" {
                // VP8 descriptor with a picture id (RFC 7741), then a frame tag (RFC 6386 section 9.1).
                let id = (self.frames & 0x7fff) as u16 | 0x8000;
                payload[0] = if index == 0 { 0x90 } else { 0x80 };
                payload[1] = 0x80;
                payload[2..4].copy_from_slice(&id.to_be_bytes());
                if index == 0 {
                    payload[4] = u8::from(!key) | 0x10;
                    payload[7..14].copy_from_slice(&[0x9d, 0x01, 0x2a, 0x00, 0x05, 0xd0, 0x02]);
                }
            }
            let sent = self.origin.elapsed().as_nanos() as u64;
            let tail = payload.len() - 8;
            payload[tail..].copy_from_slice(&sent.to_be_bytes());
            let (ssrc, pt) = (Ssrc(ssrc), payload_type(load));
            client.send_at(ssrc, pt, self.frames * 3_000, &payload);
        }
    }

    fn receive(&mut self, patience: Duration) {
        if self.poll.poll(&mut self.events, Some(patience)).is_ok() {
            self.read();
        }
        if self.looked.elapsed() > LAZINESS {
            self.looked = Instant::now();
            if self
                .lazy
                .poll(&mut self.events, Some(Duration::ZERO))
                .is_ok()
            {
                self.read();
            }
        }
    }

    /// Reads the sockets that the poll told of.
    fn read(&mut self) {
        let mut buffer = [0; 2048];
        for event in &self.events {
            let at = event.token().0;
            let client = &mut self.clients[at];
            let sampled = (self.publishers..self.publishers + MEASURED).contains(&at);
            while let Ok((len, remote)) = self.sockets[at].recv_from(&mut buffer) {
                let media = buffer[0] & 0xc0 == 0x80 && !(192..=223).contains(&buffer[1]);
                self.received += u64::from(media);
                if media && !sampled {
                    continue;
                }
                let path = Path::udp(client.links[0].local(), remote);
                let now = Instant::now();
                let got = client.peer.handle_datagram(now, path, &mut buffer[..len]);
                if let Received::Rtp { len } = got {
                    let end = len - usize::from(buffer[0] >> 5 & 1);
                    let sent = u64::from_be_bytes(buffer[end - 8..end].try_into().expect("eight"));
                    let delay = now
                        .duration_since(self.origin)
                        .saturating_sub(Duration::from_nanos(sent));
                    self.delays.push(delay);
                }
            }
        }
    }

    /// Every client lets its timers run and reports once a second, spread over it.
    fn report(&mut self) {
        let every = Duration::from_secs(1) / self.clients.len() as u32;
        let now = Instant::now();
        while self.reported + every <= now {
            self.reported += every;
            let at = self.frames_of(self.reported) % self.clients.len();
            let client = &mut self.clients[at];
            let ssrc = 10_000 + at as u32;
            let block = ReportBlock {
                ssrc,
                ..ReportBlock::default()
            };
            let mut packet = Vec::new();
            let reports = vec![block];
            write_compound(
                &[Rtcp::ReceiverReport {
                    ssrc: Ssrc(7),
                    reports,
                }],
                &mut packet,
            );
            if client.peer.seal_rtcp(&mut packet).is_ok()
                && let Some(path) = client.peer.path()
            {
                client.send(path, &packet);
            }
            if client.peer.poll_timeout().is_some_and(|due| due <= now) {
                client.peer.handle_timeout(now);
            }
            while let Some(transmit) = client.peer.poll_transmit() {
                let _ = self.sockets[at].send_to(&transmit.bytes, transmit.path.remote);
            }
            while client.peer.poll_event().is_some() {}
        }
    }

    fn frames_of(&self, when: Instant) -> usize {
        let since = when.duration_since(self.origin).as_secs_f64();
        (since * self.clients.len() as f64) as usize
    }
}

fn payload_type(load: &Load) -> u8 {
    if load.kind == "video" { 96 } else { 111 }
}

fn publish(rig: &Rig, load: &Load) {
    for publisher in 0..load.publishers {
        let (codec, clock) = if load.kind == "video" {
            ("vp8", 90_000)
        } else {
            ("opus", 48_000)
        };
        rig.submit(
            0,
            &json!([{"type": "openUpTrack", "track": publisher, "peer": publisher + 1, "kind": load.kind, "mid": "0",
                "codecs": [{"pt": payload_type(load), "codec": codec, "clockRate": clock, "rtxPt": null, "nack": true}],
                "ssrcs": [{"ssrc": 1_000 + publisher, "rtx": null}], "rids": [], "screenShare": false,
                "encrypted": false, "muted": false}]),
        );
    }
}

fn subscribe(rig: &Rig, load: &Load, peer: u32) {
    let pt = payload_type(load);
    let commands: Vec<Value> = (0..load.publishers)
        .map(|publisher| {
            json!({"type": "openDownTrack", "down": peer * 100 + publisher, "peer": peer, "track": publisher,
                "home": 0, "kind": load.kind, "mid": publisher.to_string(), "cname": "stream",
                "ssrc": 10_000 + peer + publisher * 10_000, "rtxSsrc": null,
                "payloads": [{"from": pt, "to": pt, "rtx": null}], "nack": true, "enabled": true,
                "maxSpatial": 0, "maxTemporal": 0, "maxFps": 0})
        })
        .collect();
    rig.submit(0, &Value::Array(commands));
}

/// The worker's thread at a moment.
struct Sample {
    cpu: Duration,
    switches: u64,
    sent: u64,
    sends: u64,
    full: u64,
    unread: u64,
    received: u64,
    turns: u64,
    resident_kib: u64,
}

impl Sample {
    fn take(rig: &mut Rig) -> Self {
        let task = worker_task();
        let read = |file: &str| std::fs::read_to_string(format!("{task}/{file}")).expect("it runs");
        let scheduled = read("schedstat");
        let on_cpu = scheduled.split(' ').next().and_then(|ns| ns.parse().ok());
        let status = read("status");
        let field = |name: &str| -> u64 {
            let line = status.lines().find(|line| line.starts_with(name));
            let word = line.and_then(|line| line.split_whitespace().nth(1));
            word.and_then(|word| word.parse().ok()).unwrap_or_default()
        };
        Self {
            cpu: Duration::from_nanos(on_cpu.expect("a number")),
            switches: field("voluntary_ctxt_switches"),
            resident_kib: field("VmRSS"),
            sent: rig.counter(0, "datagrams_sent"),
            sends: rig.counter(0, "sends"),
            full: rig.counter(0, "drop_send_full"),
            unread: rig.counter(0, "drop_receive_full"),
            received: rig.counter(0, "packets_in"),
            turns: rig.counter(0, "turn_ns_count"),
        }
    }
}

fn worker_task() -> String {
    let tasks = std::fs::read_dir("/proc/self/task").expect("procfs is there");
    for task in tasks.flatten() {
        let path = task.path().display().to_string();
        let name = std::fs::read_to_string(format!("{path}/comm")).unwrap_or_default();
        if name.starts_with("sluice-worker") {
            return path;
        }
    }
    panic!("no worker runs")
}

fn report(before: &Sample, after: &Sample, elapsed: Duration, hall: &mut Hall) {
    let sent = after.sent - before.sent;
    let cpu = after.cpu.saturating_sub(before.cpu);
    let per = |count: u64| count as f64 / sent.max(1) as f64;
    let sends = (after.sends - before.sends).max(1);
    println!(
        "cpu {:.1} % of a core, {:.0} ns per datagram out; {:.0} out/s in trains of {:.2}, {:.0} in/s",
        100.0 * cpu.as_secs_f64() / elapsed.as_secs_f64(),
        cpu.as_nanos() as f64 / sent.max(1) as f64,
        sent as f64 / elapsed.as_secs_f64(),
        sent as f64 / sends as f64,
        (after.received - before.received) as f64 / elapsed.as_secs_f64(),
    );
    hall.delays.sort_unstable();
    let delay = |share: f64| {
        let at = (hall.delays.len() as f64 * share) as usize;
        let delay = hall.delays.get(at).copied().unwrap_or_default();
        delay.as_secs_f64() * 1e3
    };
    println!(
        "sleeps {:.4} and turns {:.4} per datagram; clients got {:.2} %, dropped for full buffers {} out, {} in (the clients' included); \
         delay p50 {:.3} p95 {:.3} p99 {:.3} ms; {} MiB resident",
        per(after.switches - before.switches),
        per(after.turns - before.turns),
        100.0 * per(hall.received),
        after.full - before.full,
        after.unread - before.unread,
        delay(0.5),
        delay(0.95),
        delay(0.99),
        after.resident_kib / 1024,
    );
}
