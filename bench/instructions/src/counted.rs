//! What is counted: turns of a worker's loop, and nothing of the model clients around them.
//!
//! callgrind toggles its collection at the entry and at the exit of every function of this module whose name ends in
//! `_counted`, so that [`turn_counted`], [`open_counted`] and [`command_counted`] are in, and [`carry_counted`], which they
//! call, is out again.

use std::alloc::System;
use std::ops::Range;
use std::time::Instant;

use sluice_sfu::command::{Command, OpenPeer};
use sluice_sfu::{LocalAddress, Transmit, Worker};
use sluice_sim::Datagram;
use sluice_wire::path::Path;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

/// What was counted.
#[derive(Debug, Default, Clone, Copy)]
pub struct Tally {
    /// What the case counts by: packets forwarded, messages, joins.
    pub units: u64,
    /// Datagrams handed to the worker.
    pub datagrams_in: u64,
    /// Sends that came out: a train is one.
    pub sends: u64,
    /// Allocations and reallocations.
    pub allocations: u64,
    /// Bytes of them.
    pub allocated_bytes: u64,
}

/// What a turn sent, copied out of the worker's arena.
pub struct Carrier {
    bytes: Vec<u8>,
    sends: Vec<Send>,
    count: u64,
    hosts: u8,
}

struct Send {
    path: Path,
    segment: usize,
    range: Range<usize>,
}

/// Does something for a worker and tallies what was allocated.
pub fn tallied(tally: &mut Tally, act: impl FnOnce()) {
    let region = Region::new(ALLOCATOR);
    act();
    let change = region.change();
    tally.allocations += (change.allocations + change.reallocations) as u64;
    tally.allocated_bytes += change.bytes_allocated as u64;
}

/// One turn of a worker's loop as `crates/net` makes it, counted.
#[inline(never)]
pub fn turn_counted(worker: &mut Worker, now: Instant, input: &mut [Datagram], out: &mut Carrier) {
    turn(worker, now, input, |transmit| carry_counted(out, transmit));
}

/// The same to warm up: it must call nothing that toggles.
pub fn turn_uncounted(
    worker: &mut Worker,
    now: Instant,
    input: &mut [Datagram],
    out: &mut Carrier,
) {
    turn(worker, now, input, |transmit| out.take(transmit));
}

fn turn(
    worker: &mut Worker,
    now: Instant,
    input: &mut [Datagram],
    mut carry: impl FnMut(&Transmit<'_>),
) {
    for datagram in input {
        let path = Path::udp(datagram.to, datagram.from);
        worker.handle_datagram(now, path, &mut datagram.bytes);
    }
    if worker.poll_timeout().is_some_and(|due| due <= now) {
        worker.handle_timeout(now);
    }
    loop {
        let more = worker.flush_some(now);
        while let Some(transmit) = worker.poll_transmit() {
            carry(&transmit);
        }
        if !more {
            break;
        }
    }
    while worker.poll_event().is_some() {}
}

/// A transport's opening, counted.
#[inline(never)]
pub fn open_counted(worker: &mut Worker, now: Instant, open: OpenPeer, locals: &[LocalAddress]) {
    worker.open_peer(now, open, locals);
}

/// A command of the control plane, counted.
#[inline(never)]
pub fn command_counted(worker: &mut Worker, now: Instant, command: Command) {
    worker.handle_command(now, command);
}

/// The wire: not counted, since its toggle undoes that of the turn around it.
#[inline(never)]
fn carry_counted(out: &mut Carrier, transmit: &Transmit<'_>) {
    out.take(transmit);
}

impl Carrier {
    /// Carries what goes to the hosts 10.0.1.1 to 10.0.1.`hosts`; the rest is lost.
    pub fn new(hosts: u8) -> Self {
        Self {
            bytes: Vec::with_capacity(TURN_BYTES),
            sends: Vec::with_capacity(TURN_SENDS),
            count: 0,
            hosts,
        }
    }

    /// Sends so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Hands each datagram to `deliver`, with its place from 0 among all of the turn, and forgets them.
    pub fn deliver(&mut self, mut deliver: impl FnMut(&Path, &mut [u8])) {
        for send in self.sends.drain(..) {
            if let Some(train) = self.bytes.get_mut(send.range) {
                for datagram in train.chunks_mut(send.segment) {
                    deliver(&send.path, datagram);
                }
            }
        }
        self.bytes.clear();
    }

    fn take(&mut self, transmit: &Transmit<'_>) {
        self.count += 1;
        let host = match transmit.path.remote.ip() {
            std::net::IpAddr::V4(ip) => ip.octets()[3],
            std::net::IpAddr::V6(_) => u8::MAX,
        };
        if host > self.hosts {
            return;
        }
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(transmit.bytes);
        self.sends.push(Send {
            path: transmit.path,
            segment: transmit.segment_size.unwrap_or(transmit.bytes.len()).max(1),
            range: begin..self.bytes.len(),
        });
    }
}

static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// More than any turn sends, so that carrying allocates nothing.
const TURN_BYTES: usize = 8 << 20;
const TURN_SENDS: usize = 1 << 14;
