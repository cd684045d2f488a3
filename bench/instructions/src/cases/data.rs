//! Data packets from one participant to 50 others. All clients acknowledge.

use std::time::Duration;

use bytes::Bytes;
use sluice_peer::{ChannelSettings, SendOutcome};

use super::media::counted;
use crate::counted::Tally;
use crate::scene::{Count, Scene};

/// On the lossy channel.
pub fn lossy() -> Tally {
    fan_out("_lossy")
}

/// On the reliable channel.
pub fn reliable() -> Tally {
    fan_out("_reliable")
}

fn fan_out(label: &str) -> Tally {
    let mut scene = Scene::connected(51, false);
    let now = scene.room.world.now;
    for client in &mut scene.room.world.clients {
        let reliable = ChannelSettings {
            ordered: true,
            ..ChannelSettings::reliable("_reliable")
        };
        client.open_channel(now, reliable);
        client.open_channel(now, ChannelSettings::lossy("_lossy"));
    }
    for _ in 0..100 {
        scene.advance(STEP, Count::No);
    }
    say(&mut scene, label, 10, Count::No);
    counted(scene, "data_out", |scene| say(scene, label, 20, Count::Yes))
}

/// One message every 100 ms, with the turns in which it is acknowledged.
fn say(scene: &mut Scene, label: &str, messages: u32, count: Count) {
    for _ in 0..messages {
        let now = scene.room.world.now;
        let sent = scene.room.world.clients[0].send(now, label, &packet());
        assert_eq!(sent, SendOutcome::Sent);
        for _ in 0..10 {
            scene.advance(STEP, count);
        }
    }
}

/// A `livekit.DataPacket` with a user payload of 200 bytes (fields 2 and, within, 2).
fn packet() -> Bytes {
    let user = [&[0x12, 0xc8, 0x01][..], &[0x33; 200]].concat();
    Bytes::from([&[0x12, 0xcb, 0x01][..], &user].concat())
}

const STEP: Duration = Duration::from_millis(10);
