//! The steady packet path takes no memory: in a binary of its own, since it counts every allocation of the process.

mod common;

use std::alloc::System;
use std::net::SocketAddr;

use common::client::header;
use common::net::World;
use common::publisher::{Audio, OPUS, VP8, Video, subscribe};
use sluice_wire::codec::MediaKind;
use sluice_wire::path::Path;
use sluice_wire::rtp::ExtensionBlock;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const SUBSCRIBERS: usize = 10;
/// More than any ring, history or arena has slots.
const WARM_UP: usize = 1_200;
const MEASURED: usize = 400;

#[test]
fn forwarding_a_packet_allocates_nothing() {
    let mut world = World::new(2);
    for client in 0..=SUBSCRIBERS {
        world.join(usize::from(client == SUBSCRIBERS));
    }
    world.connect_all();
    let audio = Audio::open(&mut world, 0, 1);
    let video = Video::open(&mut world, 0, 2, 1);
    for client in 1..=SUBSCRIBERS {
        let id = client as u32;
        subscribe(&mut world, client, id, audio.track, 0, MediaKind::Audio);
        subscribe(
            &mut world,
            client,
            id + 100,
            video.track,
            0,
            MediaKind::Video,
        );
    }
    world.run_ms(100);

    let packets = sealed(&mut world, audio.ssrc, video.layers[0].ssrc);
    let (from, to) = path(&world);
    let (warm_up, measured) = packets.split_at(WARM_UP);
    forward(&mut world, from, to, warm_up);
    let region = Region::new(ALLOCATOR);
    let sent = forward(&mut world, from, to, measured);
    let change = region.change();
    assert!(sent >= MEASURED * SUBSCRIBERS, "sent {sent}");
    assert_eq!((change.allocations, change.reallocations), (0, 0));
}

/// Runs packets through both workers, three per turn. Returns how many datagrams went out.
fn forward(world: &mut World, from: SocketAddr, to: SocketAddr, packets: &[Vec<u8>]) -> usize {
    let now = world.now;
    let mut buffer = [0; 2_048];
    let mut sent = 0;
    for turn in packets.chunks(3) {
        for packet in turn {
            let buffer = &mut buffer[..packet.len()];
            buffer.copy_from_slice(packet);
            world.workers[0].handle_datagram(now, Path::udp(to, from), buffer);
        }
        world.workers[0].flush(now);
        while let Some((_, message)) = world.workers[0].poll_link() {
            let home = world.workers[0].id();
            world.workers[1].handle_link(now, home, message);
        }
        world.workers[1].flush(now);
        while world.workers[1].poll_link().is_some() {}
        for worker in &mut world.workers {
            while let Some(transmit) = worker.poll_transmit() {
                sent += transmit
                    .bytes
                    .len()
                    .div_ceil(transmit.segment_size.unwrap_or(usize::MAX));
            }
            while worker.poll_event().is_some() {}
        }
    }
    sent
}

/// One audio packet for each two of video, as the client's transport seals them.
fn sealed(world: &mut World, audio: u32, video: u32) -> Vec<Vec<u8>> {
    let client = &mut world.clients[0];
    client.drain();
    for i in 0..(WARM_UP + MEASURED) as u32 {
        let (n, part) = (i / 3, i % 3);
        if part == 0 {
            let mut level = ExtensionBlock::new();
            level.push(4, &[127]);
            client.send_rtp(
                header(audio, OPUS, n as u16, n * 960, false),
                &level,
                &[7; 100],
            );
        } else {
            // A frame of one packet each; the first is a key frame.
            let picture = 0x8000 | (n * 2 + part) as u16;
            let mut payload = vec![
                0x90,
                0xe0,
                (picture >> 8) as u8,
                picture as u8,
                (n * 2 + part) as u8,
                0x20,
            ];
            payload.extend([
                u8::from(i > 2),
                0,
                0,
                0x9d,
                0x01,
                0x2a,
                0x40,
                0x01,
                0xb4,
                0x00,
            ]);
            payload.resize(1_000, 3);
            let header = header(
                video,
                VP8,
                (n * 2 + part) as u16,
                (n * 2 + part) * 3_000,
                true,
            );
            client.send_rtp(header, &ExtensionBlock::new(), &payload);
        }
    }
    client
        .drain()
        .into_iter()
        .map(|(_, bytes)| bytes)
        .filter(|bytes| (128..192).contains(&bytes[0]))
        .collect()
}

fn path(world: &World) -> (SocketAddr, SocketAddr) {
    let path = world.clients[0].peer.path().expect("a path");
    (path.local, path.remote)
}
