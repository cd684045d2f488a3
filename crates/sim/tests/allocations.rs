//! Nothing is allocated for a media packet on its way from a publisher to its subscribers.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::alloc::System;

use sluice_sim::{LinkSettings, Room};
use sluice_wire::classify::{Kind, classify};
use sluice_wire::id::WorkerId;
use sluice_wire::path::Path;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use support::{MS, SEC, connect, room};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Packets handed to the worker, packets that came out, allocations on the way.
#[derive(Debug, Default)]
struct PacketPath {
    packets_in: usize,
    packets_out: usize,
    allocations: usize,
    /// Packets on whose way anything was allocated.
    costly: usize,
}

/// Lets the publisher capture for a second and hands its media to its worker by hand, counting.
fn measure(room: &mut Room) -> PacketPath {
    let mut path = PacketPath::default();
    for _ in 0..100 {
        room.world.now += MS(10);
        let now = room.world.now;
        room.world.clients[0].handle_timeout(now);
        let mut sent = Vec::new();
        while let Some(datagram) = room.world.clients[0].poll_transmit() {
            sent.push(datagram);
        }
        // Timers, and the reports they bring, are not part of a packet's way.
        room.world.server_mut().handle_timeout(now);
        while room.world.server_mut().poll_transmit().is_some() {}
        let worker = room.world.server_mut().worker_mut(WorkerId(0));
        for datagram in &mut sent {
            if classify(&datagram.bytes) != Some(Kind::Rtp) {
                continue;
            }
            path.packets_in += 1;
            let region = Region::new(ALLOCATOR);
            worker.handle_datagram(
                now,
                Path::udp(datagram.to, datagram.from),
                &mut datagram.bytes,
            );
            worker.flush(now);
            while let Some(transmit) = worker.poll_transmit() {
                let segment = transmit.segment_size.unwrap_or(transmit.bytes.len());
                path.packets_out += transmit.bytes.len().div_ceil(segment);
            }
            let change = region.change();
            let allocations = change.allocations + change.reallocations;
            path.allocations += allocations;
            path.costly += usize::from(allocations > 0);
        }
    }
    path
}

fn crowded(transport_cc: bool) -> Room {
    let mut room = room(LinkSettings::delayed(MS(5)), 1, 0, 1);
    room.transport_cc = transport_cc;
    for _ in 0..11 {
        room.join(0);
    }
    connect(&mut room);
    let tracks = [room.publish_audio(0), room.publish_video(0, 3)];
    for member in 1..11 {
        for track in tracks {
            room.subscribe(member, track);
        }
    }
    room.world.run_for(SEC(20));
    room
}

#[test]
fn forwarding_allocates_nothing_in_steady_state() {
    let path = measure(&mut crowded(false));
    assert!(path.packets_in >= 200, "{path:?}");
    assert!(path.packets_out >= 2_000, "{path:?}");
    assert_eq!(path.allocations, 0, "{path:?}");

    // With transport-wide feedback some packets complete a report to their publisher, which is allocated.
    let path = measure(&mut crowded(true));
    assert!(path.costly <= 25, "{path:?}");
}
