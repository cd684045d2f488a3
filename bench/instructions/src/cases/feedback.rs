//! What receivers say about media, and what connected peers cost that say nothing.

use std::time::Duration;

use super::media::{counted, shoot, watched};
use crate::counted::Tally;
use crate::scene::{Count, Scene};

/// Receiver reports of 50 viewers who miss nothing.
pub fn reports() -> Tally {
    let mut scene = watched(50, false);
    shoot(&mut scene, 10, Count::No);
    for _ in 0..90 {
        respond(&mut scene, |_| false);
    }
    scene.tally.units = scene.tally.datagrams_in;
    scene.tally
}

/// Twenty viewers who miss one packet of sixteen each and ask for it again.
pub fn repairs() -> Tally {
    let mut scene = watched(20, false);
    shoot(&mut scene, 10, Count::No);
    counted(scene, "rtx_out", |scene| {
        let mut packets = 0_u32;
        for _ in 0..60 {
            respond(scene, |datagram| {
                // Long ones are media. Repairs go through: they leave in turns of their own.
                packets += u32::from(datagram.len() > 1_000);
                datagram.len() > 1_000 && packets.is_multiple_of(17)
            });
        }
    })
}

/// Fifty connected peers for 20 s: consent checks and timers.
pub fn idle() -> Tally {
    let mut scene = Scene::connected(50, false);
    let step = Duration::from_millis(20);
    let second = |scene: &mut Scene, count| (0..50).for_each(|_| scene.advance(step, count));
    (0..5).for_each(|_| second(&mut scene, Count::No));
    (0..20).for_each(|_| second(&mut scene, Count::Yes));
    scene.tally.units = 50 * 20;
    scene.tally
}

/// A frame, of which what `loses` says of is lost, and then a turn of its own for what the viewers answer.
fn respond(scene: &mut Scene, loses: impl FnMut(&[u8]) -> bool) {
    scene.pass(Duration::from_micros(13_333));
    scene.film();
    scene.turn_losing(Count::No, loses);
    scene.pass(Duration::from_millis(20));
    scene.turn(Count::Yes);
}
