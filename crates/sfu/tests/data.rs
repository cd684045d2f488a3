//! Data packets between clients, on one worker and across links.

mod common;

use common::net::World;
use sluice_sfu::command::{Command, ParticipantConfig};
use sluice_sfu::event::Event;
use sluice_wire::id::{ParticipantId, PeerId, RoomId, WorkerId};

const ROOM: RoomId = RoomId(1);

#[test]
fn clients_of_one_worker_exchange_packets() {
    let mut world = room(&[0, 0, 0]);
    let now = world.now;
    world.clients[0].say(now, "_reliable", &user(b"hello"));
    world.clients[1].say(now, "_lossy", &user(b"there"));
    world.run_ms(100);
    assert_eq!(heard(&world), [1, 1, 2]);
    assert_eq!(world.seen(|e| matches!(e, Event::PeerConnected { .. })), 3);
}

#[test]
fn clients_of_three_workers_exchange_packets() {
    let mut world = room(&[0, 1, 2, 2]);
    let now = world.now;
    world.clients[0].say(now, "_reliable", &user(b"hello"));
    world.clients[3].say(now, "_lossy", &user(b"there"));
    world.run_ms(100);
    assert_eq!(heard(&world), [1, 2, 2, 1]);
}

#[test]
fn a_slow_reader_delays_nobody_else_and_its_queue_is_bounded() {
    let mut world = room(&[0, 0, 0]);
    world.clients[2].reachable = false;
    let message = user(&[7; 12_000]);
    for _ in 0..400 {
        let now = world.now;
        world.clients[0].say(now, "_reliable", &message);
        world.run_ms(5);
    }
    world.run_ms(500);
    assert_eq!(heard(&world)[1], 400);
    assert!(world.counter(0, "drop_data_slow") > 100);
}

#[test]
fn what_a_participant_left_behind_is_forgotten() {
    let mut world = room(&[0, 0]);
    let before = world.counter(0, "peers");
    world.command(
        0,
        Command::CloseParticipant {
            participant: ParticipantId(1),
        },
    );
    world.command(0, Command::ClosePeer { peer: PeerId(1) });
    world.run_ms(50);
    assert_eq!(world.counter(0, "peers"), before - 1);
    assert_eq!(world.counter(0, "participants"), 1);
    assert!(world.clients[1].closed);
}

/// A room with one participant per entry, each on that worker.
fn room(placement: &[usize]) -> World {
    let workers = placement.iter().max().map_or(1, |max| max + 1);
    let mut world = World::new(workers as u16);
    let ids: Vec<_> = (0..workers as u16).map(WorkerId).collect();
    for worker in 0..workers {
        world.command(
            worker,
            Command::SetRoomWorkers {
                room: ROOM,
                workers: ids.clone(),
            },
        );
    }
    for worker in placement {
        let index = world.join(*worker) as u32;
        world.command(
            *worker,
            Command::SetParticipant(ParticipantConfig {
                participant: ParticipantId(index),
                room: ROOM,
                sid: format!("PA_{index}"),
                identity: format!("user{index}"),
                up_peers: vec![PeerId(index)],
                down_peer: Some(PeerId(index)),
                can_publish_data: true,
                hidden: false,
                agent: false,
            }),
        );
    }
    world.connect_all();
    world
}

/// `DataPacket { user: UserPacket { payload } }`
fn user(payload: &[u8]) -> Vec<u8> {
    let field = |number: u8, bytes: &[u8]| {
        let len = bytes.len();
        let mut out = vec![number << 3 | 2];
        if len < 128 {
            out.push(len as u8);
        } else {
            out.extend([len as u8 | 0x80, (len >> 7) as u8]);
        }
        out.extend(bytes);
        out
    };
    field(2, &field(2, payload))
}

fn heard(world: &World) -> Vec<usize> {
    world
        .clients
        .iter()
        .map(|client| client.messages.len())
        .collect()
}
