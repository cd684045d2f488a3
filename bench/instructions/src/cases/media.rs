//! Media from publishers to subscribers.

use std::time::Duration;

use sluice_wire::id::TrackId;

use crate::camera::Camera;
use crate::counted::Tally;
use crate::scene::{Count, Scene};

/// One camera to 100 viewers: 8 packets of 1,100 B every 33 ms, each frame in one turn. Viewers say nothing.
pub fn video() -> Tally {
    let mut scene = watched(100, false);
    scene.deafen(1);
    shoot(&mut scene, 4, Count::No);
    counted(scene, "rtp_out", |scene| shoot(scene, 40, Count::Yes))
}

/// The same to 30 viewers with transport-wide feedback, which all of them send.
pub fn video_with_feedback() -> Tally {
    let mut scene = watched(30, true);
    shoot(&mut scene, 4, Count::No);
    counted(scene, "rtp_out", |scene| shoot(scene, 40, Count::Yes))
}

/// Ten microphones to 50 listeners: each packet of 108 B comes alone, every 2 ms one.
pub fn audio() -> Tally {
    let mut scene = Scene::connected(60, false);
    scene.deafen(10);
    let tracks: Vec<TrackId> = (0..10)
        .map(|place| scene.room.publish_audio(place))
        .collect();
    // One microphone after the other begins, 2 ms apart.
    for speakers in 1..=10 {
        scene.live = speakers;
        scene.advance(STEP, Count::No);
    }
    listen(&mut scene, 4_200, Count::No);
    for listener in 10..60 {
        for track in &tracks {
            scene.room.subscribe(listener, *track);
        }
    }
    listen(&mut scene, 500, Count::No);
    counted(scene, "rtp_out", |scene| listen(scene, 1_000, Count::Yes))
}

/// Five people, each seeing one other large and three small, hearing all; three layers of three each. Everybody answers.
pub fn meeting() -> Tally {
    let mut scene = Scene::connected(5, false);
    for place in 0..5 {
        scene.room.publish_audio(place);
        scene.room.publish_video(place, 3);
    }
    for place in 1..=5 {
        scene.live = place;
        listen(&mut scene, 3, Count::No);
    }
    for subscription in scene.room.subscribe_all() {
        if scene.room.is_video(subscription) {
            let of = (subscription.track.0 as usize - 1) / 2;
            let large = of == (subscription.subscriber + 1) % 5;
            let layer = if large { 2 } else { 0 };
            scene.room.want(subscription, true, layer, 3);
        }
    }
    listen(&mut scene, 12_000, Count::No);
    counted(scene, "rtp_out", |scene| listen(scene, 1_500, Count::Yes))
}

/// A camera whose ring is full, and viewers of it that have their key frame.
pub fn watched(viewers: usize, transport_cc: bool) -> Scene {
    let mut scene = Scene::connected(1 + viewers, transport_cc);
    let (camera, track) = Camera::publish(&mut scene.room, 0);
    scene.camera = Some(camera);
    shoot(&mut scene, RING_FRAMES, Count::No);
    for viewer in 1..=viewers {
        scene.room.subscribe(viewer, track);
    }
    shoot(&mut scene, 4, Count::No);
    scene
}

/// Lets the camera film so many frames.
pub fn shoot(scene: &mut Scene, frames: u32, count: Count) {
    for _ in 0..frames {
        scene.pass(FRAME);
        scene.film();
        scene.turn(count);
    }
}

/// Counts by how much a counter of the worker grows.
pub fn counted(mut scene: Scene, counter: &str, act: impl FnOnce(&mut Scene)) -> Tally {
    let before = scene.counter(counter);
    act(&mut scene);
    scene.tally.units = scene.counter(counter) - before;
    scene.tally
}

/// So many turns, 2 ms apart.
fn listen(scene: &mut Scene, turns: u32, count: Count) {
    for _ in 0..turns {
        scene.advance(STEP, count);
    }
}

const FRAME: Duration = Duration::from_micros(33_333);
const STEP: Duration = Duration::from_millis(2);

/// Frames of eight packets that fill a ring of 500.
const RING_FRAMES: u32 = 70;
