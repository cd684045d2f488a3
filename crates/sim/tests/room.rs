//! Rooms of model clients around real workers, in virtual time.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::LazyLock;
use std::time::Duration;

use sluice_peer::Certificate;
use sluice_sim::{Client, LinkSettings, Room};

static CERTIFICATES: LazyLock<[Certificate; 2]> =
    LazyLock::new(|| [1, 2].map(|seed| Certificate::generate().unwrap().seeded(seed).unwrap()));

const MS: fn(u64) -> Duration = Duration::from_millis;
const SEC: fn(u64) -> Duration = Duration::from_secs;

fn room(links: LinkSettings, workers: u16, members: u16, seed: u64) -> Room {
    let mut room = Room::new(links, workers, &CERTIFICATES, seed);
    for member in 0..members {
        room.join(member % workers);
    }
    room
}

fn connect(room: &mut Room) {
    let done = room.world.run_until(SEC(25), |world| {
        world.clients.iter().all(Client::is_connected)
    });
    assert!(
        done,
        "not everybody connected after {:?}",
        room.world.elapsed()
    );
}

#[test]
fn everybody_connects_through_loss() {
    for seed in 0..5 {
        let mut room = room(LinkSettings::rough(MS(30), 0.1), 3, 9, seed);
        connect(&mut room);
    }
}
