//! Receiving what lies in the kernel already, and being woken for it.

use std::io::{self, IoSliceMut};
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSocketState};

use super::cpu::{Stopwatch, spent};
use super::figure::{Figure, Figures};
use super::send::segment;
use super::wire::Wire;

/// Room for what one receive call yields.
pub struct Slots {
    state: UdpSocketState,
    memory: Vec<u8>,
    metas: [RecvMeta; BATCH_SIZE],
    filled: usize,
}

/// Receives datagrams of so many bytes: one with each call, many with one, in trains, and alone with a wake-up each.
pub fn measure(bytes: usize, wire: &mut Wire, figures: &mut Figures) {
    let mut add = |mode, train, time, count| {
        figures.add(Figure::of(("receive", mode), (bytes, train), time, count));
    };
    let mut buffer = [0; 2_048];
    let (mut time, mut count) = (Duration::ZERO, 0);
    for _ in 0..FILLS {
        fill(&wire.publisher, bytes, BATCH_SIZE);
        time += spent(|| {
            while wire.inlet.recv(&mut buffer).is_ok() {
                count += 1;
            }
        });
    }
    add("one a call", 1, time, count);

    // From here on the socket takes trains.
    let Ok(mut slots) = Slots::new(&wire.inlet) else {
        return;
    };
    for train in [1, 8] {
        segment(
            std::slice::from_ref(&wire.publisher),
            (train > 1).then_some(bytes),
        );
        let (mut time, mut count) = (Duration::ZERO, 0);
        for _ in 0..FILLS {
            fill(&wire.publisher, bytes * train, BATCH_SIZE / train);
            time += spent(|| {
                while slots.receive(&wire.inlet) {
                    count += slots.datagrams().count();
                }
            });
        }
        add(
            if train == 1 { "many a call" } else { "trains" },
            train,
            time,
            count,
        );
    }
    segment(std::slice::from_ref(&wire.publisher), None);

    let publisher = &wire.publisher;
    let inlet = &wire.inlet;
    let (mut time, mut count) = (Duration::ZERO, 0);
    thread::scope(|scope| {
        scope.spawn(move || {
            let datagram = vec![0x33; bytes];
            for _ in 0..WAKES {
                thread::sleep(WAKE_INTERVAL);
                let _ = publisher.send(&datagram);
            }
        });
        let watch = Stopwatch::start();
        while count < WAKES && wait(inlet, 20 * WAKE_INTERVAL) {
            while slots.receive(inlet) {
                count += slots.datagrams().count();
            }
        }
        time = watch.spent();
    });
    add("woken for one", 1, time, count);
}

impl Slots {
    /// For one socket, on which the kernel may coalesce from now on.
    pub fn new(socket: &UdpSocket) -> io::Result<Self> {
        Ok(Self {
            state: UdpSocketState::new(socket.into())?,
            memory: vec![0; BATCH_SIZE * SLOT_BYTES],
            metas: [RecvMeta::default(); BATCH_SIZE],
            filled: 0,
        })
    }

    /// Receives what one call yields; false where that is nothing.
    pub fn receive(&mut self, socket: &UdpSocket) -> bool {
        let mut free = self.memory.chunks_exact_mut(SLOT_BYTES);
        let mut buffers: [IoSliceMut<'_>; BATCH_SIZE] =
            std::array::from_fn(|_| IoSliceMut::new(free.next().unwrap_or_default()));
        let received = self
            .state
            .recv(socket.into(), &mut buffers, &mut self.metas);
        self.filled = received.unwrap_or(0);
        self.filled > 0
    }

    /// What the last call yielded.
    pub fn datagrams(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let slots = self.memory.chunks_exact_mut(SLOT_BYTES).take(self.filled);
        slots.zip(&self.metas).flat_map(|(slot, meta)| {
            let train = slot.get_mut(..meta.len).unwrap_or_default();
            train.chunks_mut(meta.stride.max(1))
        })
    }
}

/// Sleeps until something comes in; false where nothing does in time.
pub fn wait(socket: &UdpSocket, patience: Duration) -> bool {
    let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
    let mut polled = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    poll(&mut polled, timeout).is_ok_and(|ready| ready > 0)
}

fn fill(publisher: &UdpSocket, bytes: usize, sends: usize) {
    let datagrams = vec![0x33; bytes];
    for _ in 0..sends {
        let _ = publisher.send(&datagrams);
    }
}

/// The longest train that the kernel coalesces.
const SLOT_BYTES: usize = 1 << 16;

/// Of each kind in a round: some milliseconds.
const FILLS: usize = 100;
const WAKES: usize = 200;
const WAKE_INTERVAL: Duration = Duration::from_millis(1);
