//! Rooms of model clients around real workers: transports and data.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use bytes::Bytes;
use sluice_peer::{ChannelSettings, SendOutcome};
use sluice_sim::{LinkSettings, Room};
use support::{MS, SEC, connect, room};

/// A `livekit.DataPacket` with a user payload: fields 2 and, within, 2.
fn packet(payload: &str) -> Bytes {
    let user = [&[0x12, payload.len() as u8], payload.as_bytes()].concat();
    Bytes::from([&[0x12, user.len() as u8], user.as_slice()].concat())
}

fn open_channels(room: &mut Room) {
    let now = room.world.now;
    for client in &mut room.world.clients {
        client.open_channel(
            now,
            ChannelSettings {
                ordered: true,
                ..ChannelSettings::reliable("_reliable")
            },
        );
        client.open_channel(now, ChannelSettings::lossy("_lossy"));
    }
    connect(room);
    room.world.run_for(SEC(5));
}

/// Which of the payloads a client got, in order of arrival.
fn received(room: &Room, client: usize, prefix: &str, count: usize) -> Vec<usize> {
    let messages = &room.world.clients[client].messages;
    let find = |bytes: &Bytes| {
        (0..count).find(|i| {
            bytes
                .windows(prefix.len() + 4)
                .any(|window| window == format!("{prefix}{i:04}").as_bytes())
        })
    };
    messages
        .iter()
        .filter_map(|(_, _, bytes)| find(bytes))
        .collect()
}

#[test]
fn everybody_connects_through_loss() {
    for seed in 0..5 {
        let mut room = room(LinkSettings::rough(MS(30), 0.1), 3, 9, seed);
        connect(&mut room);
    }
}

#[test]
fn reliable_packets_reach_every_worker_once_and_in_order() {
    for seed in 0..3 {
        let mut room = room(LinkSettings::rough(MS(20), 0.05), 3, 7, seed);
        open_channels(&mut room);
        for i in 0..40 {
            let now = room.world.now;
            for sender in [0, 1] {
                let outcome = room.world.clients[sender].send(
                    now,
                    "_reliable",
                    &packet(&format!("from{sender}-{i:04}")),
                );
                assert_eq!(outcome, SendOutcome::Sent, "seed {seed}");
            }
            room.world.run_for(MS(30));
        }
        room.world.run_for(SEC(20));
        for receiver in 0..7 {
            for sender in [0, 1] {
                let got = received(&room, receiver, &format!("from{sender}-"), 40);
                let expected: Vec<usize> = if receiver == sender {
                    Vec::new()
                } else {
                    (0..40).collect()
                };
                assert_eq!(got, expected, "seed {seed}, from {sender} to {receiver}");
            }
        }
    }
}

#[test]
fn lossy_packets_are_never_doubled_and_a_slow_reader_costs_nobody_else() {
    let mut room = room(LinkSettings::delayed(MS(20)), 3, 6, 4);
    open_channels(&mut room);
    let slow = room.world.clients[5].address().ip();
    let server = std::net::IpAddr::from([10, 1, 0, 3]);
    let crawl = LinkSettings {
        rate: Some(30_000),
        queue: 5_000,
        ..LinkSettings::delayed(MS(20))
    };
    room.world.network.set(server, slow, crawl);
    for i in 0..300 {
        let now = room.world.now;
        let padding = "x".repeat(80);
        room.world.clients[0].send(now, "_lossy", &packet(&format!("l{i:04}{padding}")));
        room.world.run_for(MS(10));
    }
    room.world.run_for(SEC(2));
    for receiver in 1..5 {
        assert_eq!(
            received(&room, receiver, "l", 300),
            (0..300).collect::<Vec<_>>(),
            "receiver {receiver}"
        );
    }
    let mut got = received(&room, 5, "l", 300);
    let count = got.len();
    got.sort_unstable();
    got.dedup();
    assert_eq!(got.len(), count);
    assert!(count < 300, "the slow reader missed some");
}
