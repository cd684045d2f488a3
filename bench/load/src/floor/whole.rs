//! The least that a server does: receive, open, and for each receiver write a header, seal and send.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{Aad, LessSafeKey};

use super::FloorError;
use super::cpu::Stopwatch;
use super::figure::Figure;
use super::receive::{Slots, wait};
use super::seal::{GCM_TAG_BYTES, HEADER_BYTES, gcm_key, nonce};
use super::send::segment;
use super::wire::Wire;

/// Media from one side to many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// Everybody gets every datagram.
    pub receivers: usize,
    /// UDP payload of each datagram.
    pub bytes: usize,
    /// Datagrams that come at a time, and leave at a time for each receiver.
    pub train: usize,
    /// How often they come.
    pub trains_per_second: usize,
}

/// One server's worth of state.
struct Server {
    slots: Slots,
    inbound: LessSafeKey,
    outbound: Vec<LessSafeKey>,
    /// Opened packets of the turn, header first.
    plain: Vec<u8>,
    arena: Vec<u8>,
    bytes: usize,
    /// The kernel cuts trains into datagrams; else each is sent by itself.
    segmented: bool,
    sealed: usize,
    sent: usize,
}

/// At the load's own rate: CPU time for each datagram sent, waking up included.
pub fn measure(name: &'static str, load: &Load, wire: &mut Wire) -> Result<Figure, FloorError> {
    let pace = Duration::from_secs(1) / load.trains_per_second as u32;
    let train = sealed_train(load);
    let publisher = &wire.publisher;
    forward("loop", name, load, wire, || {
        let begin = Instant::now();
        let mut due = begin;
        while begin.elapsed() < PACED {
            for datagram in train.chunks(load.bytes) {
                let _ = publisher.send(datagram);
            }
            due += pace;
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
    })
}

/// As fast as it goes: always something there.
pub fn measure_saturated(
    name: &'static str,
    load: &Load,
    wire: &mut Wire,
) -> Result<Figure, FloorError> {
    let train = sealed_train(load);
    let publisher = &wire.publisher;
    // More than the loop gets through; what its socket has no room for is lost.
    let pace = Duration::from_nanos(100) * (load.receivers * load.train) as u32;
    forward("saturatedLoop", name, load, wire, || {
        let begin = Instant::now();
        while begin.elapsed() < SATURATED {
            for datagram in train.chunks(load.bytes) {
                let _ = publisher.send(datagram);
            }
            thread::sleep(pace);
        }
    })
}

fn forward(
    step: &'static str,
    name: &'static str,
    load: &Load,
    wire: &Wire,
    publish: impl FnOnce() + Send,
) -> Result<Figure, FloorError> {
    let near = wire.near.get(..load.receivers).unwrap_or(&wire.near);
    let system = |error| FloorError::System {
        what: "a receiving socket",
        error,
    };
    let slots = Slots::new(&wire.inlet).map_err(system)?;
    let mut server = Server::new(slots, load);
    server.segmented = load.train > 1 && segment(near, Some(load.bytes));
    // What a step before left behind is none of ours.
    while server.slots.receive(&wire.inlet) {}
    let over = AtomicBool::new(false);
    let watch = Stopwatch::start();
    thread::scope(|scope| {
        scope.spawn(|| {
            publish();
            over.store(true, Ordering::Release);
        });
        while !over.load(Ordering::Acquire) {
            if wait(&wire.inlet, IDLE) {
                server.turn(&wire.inlet, near, load.train);
            }
        }
    });
    let time = watch.spent();
    segment(near, None);
    Ok(Figure::of(
        (step, name),
        (load.bytes, load.train),
        time,
        server.sent,
    ))
}

impl Server {
    fn new(slots: Slots, load: &Load) -> Self {
        Self {
            slots,
            inbound: gcm_key(usize::MAX),
            outbound: (0..load.receivers).map(gcm_key).collect(),
            plain: Vec::with_capacity(BATCH_BYTES),
            arena: vec![0; BATCH_BYTES],
            bytes: load.bytes,
            segmented: false,
            sealed: 0,
            sent: 0,
        }
    }

    /// Takes in what is there, and sends it to everybody.
    fn turn(&mut self, inlet: &UdpSocket, near: &[UdpSocket], train: usize) {
        self.plain.clear();
        self.take(inlet);
        if self.plain.len() < train * self.plain_bytes() {
            // The first of a train: the rest is on its way.
            thread::sleep(GATHER);
            self.take(inlet);
        }
        let first = self.sealed;
        self.sealed += self.plain.len() / self.plain_bytes();
        for (socket, key) in near.iter().zip(&self.outbound) {
            let mut used = 0;
            let packets = self.plain.chunks_exact(self.bytes - GCM_TAG_BYTES);
            for (index, packet) in (first..).zip(packets) {
                let Some(out) = self.arena.get_mut(used..used + self.bytes) else {
                    break;
                };
                seal(key, index, packet, out);
                used += self.bytes;
            }
            let together = if self.segmented { train } else { 1 };
            let sends = self.arena.get(..used).unwrap_or_default();
            for sent in sends.chunks(together * self.bytes) {
                // What the far end does not take in time is lost; handing it over cost the same.
                if socket.send(sent).is_ok() {
                    self.sent += sent.len() / self.bytes;
                }
            }
        }
    }

    fn take(&mut self, inlet: &UdpSocket) {
        while self.plain.len() < BATCH_BYTES / 2 && self.slots.receive(inlet) {
            for datagram in self.slots.datagrams().filter(|got| got.len() == self.bytes) {
                let (header, body) = datagram.split_at_mut(HEADER_BYTES);
                let aad = Aad::from(&*header);
                if let Ok(plain) = self.inbound.open_in_place(nonce(0), aad, body) {
                    self.plain.extend_from_slice(header);
                    self.plain.extend_from_slice(plain);
                }
            }
        }
    }

    fn plain_bytes(&self) -> usize {
        self.bytes - GCM_TAG_BYTES
    }
}

/// Header with this sequence number, ciphertext, tag.
fn seal(key: &LessSafeKey, index: usize, packet: &[u8], out: &mut [u8]) {
    let (plain, tag) = out.split_at_mut(packet.len());
    plain.copy_from_slice(packet);
    let (header, body) = plain.split_at_mut(HEADER_BYTES);
    header[2..4].copy_from_slice(&(index as u16).to_be_bytes());
    header[8..12].copy_from_slice(&(index as u32).to_be_bytes());
    let sealed = key.seal_in_place_separate_tag(nonce(index), Aad::from(&*header), body);
    tag.copy_from_slice(sealed.expect("a packet is short").as_ref());
}

/// What the publisher sends, again and again.
fn sealed_train(load: &Load) -> Vec<u8> {
    let plain = vec![0x80; load.bytes - GCM_TAG_BYTES];
    let mut packet = vec![0; load.bytes];
    let (header, rest) = packet.split_at_mut(HEADER_BYTES);
    let (body, tag) = rest.split_at_mut(plain.len() - HEADER_BYTES);
    let (head, tail) = plain.split_at(HEADER_BYTES);
    header.copy_from_slice(head);
    body.copy_from_slice(tail);
    let sealed =
        gcm_key(usize::MAX).seal_in_place_separate_tag(nonce(0), Aad::from(&*header), body);
    tag.copy_from_slice(sealed.expect("a packet is short").as_ref());
    packet.repeat(load.train)
}

/// Of a load at its own rate, each round: enough trains for their number not to matter.
const PACED: Duration = Duration::from_secs(1);
const SATURATED: Duration = Duration::from_millis(300);

/// How long the rest of a train may take: what a server waits at most, halved.
const GATHER: Duration = Duration::from_micros(500);
const IDLE: Duration = Duration::from_millis(50);

/// Of a turn's packets, both ways.
const BATCH_BYTES: usize = 1 << 19;
