//! Rooms that the tests share.
#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::LazyLock;
use std::time::Duration;

use sluice_peer::Certificate;
use sluice_sim::{Client, LinkSettings, Room};

pub const MS: fn(u64) -> Duration = Duration::from_millis;
pub const SEC: fn(u64) -> Duration = Duration::from_secs;

/// The server's and the clients'.
pub static CERTIFICATES: LazyLock<[Certificate; 2]> =
    LazyLock::new(|| [1, 2].map(|seed| Certificate::generate().unwrap().seeded(seed).unwrap()));

/// Members spread over workers in turn.
pub fn room(links: LinkSettings, workers: u16, members: u16, seed: u64) -> Room {
    let mut room = Room::new(links, workers, &CERTIFICATES, seed);
    for member in 0..members {
        room.join(member % workers);
    }
    room
}

pub fn connect(room: &mut Room) {
    let done = room.world.run_until(SEC(25), |world| {
        world.clients.iter().all(Client::is_connected)
    });
    assert!(
        done,
        "not everybody connected after {:?}",
        room.world.elapsed()
    );
}
