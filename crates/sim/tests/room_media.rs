//! Rooms of model clients around real workers: what subscribers see.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use sluice_sim::media::InboundReport;
use sluice_sim::{LinkSettings, Room, Subscription};
use support::{MS, SEC, connect, room};

/// What must hold of every stream that came through the server, whatever the weather.
fn assert_sound(report: &InboundReport, context: &str) {
    let video = &report.video;
    assert_eq!(report.timestamps_back, 0, "{context}: {report:?}");
    assert_eq!(report.frames_back, 0, "{context}: {report:?}");
    assert_eq!(report.foreign, 0, "{context}: {report:?}");
    assert_eq!(report.crooked_reports, 0, "{context}: {report:?}");
    assert_eq!(
        (video.undecodable, video.corrupt),
        (0, 0),
        "{context}: {report:?}"
    );
    assert_eq!(
        (video.picture_id_jumps, video.tl0_jumps),
        (0, 0),
        "{context}: {report:?}"
    );
}

/// Frames shown while `time` passes.
fn frames_within(room: &mut Room, subscription: Subscription, time: Duration) -> [u64; 3] {
    let before = room.report(subscription).video.by_layer;
    room.world.run_for(time);
    let after = room.report(subscription).video.by_layer;
    [0, 1, 2].map(|layer| after[layer] - before[layer])
}

#[test]
fn everybody_sees_and_hears_everybody_across_workers() {
    for seed in 0..2 {
        let mut room = room(LinkSettings::delayed(MS(20)), 3, 6, seed);
        connect(&mut room);
        for member in 0..6 {
            room.publish_audio(member);
            room.publish_video(member, 3);
        }
        let subscriptions = room.subscribe_all();
        assert_eq!(subscriptions.len(), 60);
        room.world.run_for(SEC(12));
        for subscription in subscriptions {
            let context = format!("seed {seed}, {subscription:?}");
            let report = room.report(subscription);
            assert_sound(&report, &context);
            assert_eq!(report.lost, 0, "{context}: {report:?}");
            if room.is_video(subscription) {
                assert!(report.video.frames >= 300, "{context}: {report:?}");
                assert!(report.video.by_layer[2] >= 200, "{context}: {report:?}");
                assert!(
                    report.video.longest_freeze < MS(500),
                    "{context}: {report:?}"
                );
            } else {
                assert!(report.audio_frames >= 570, "{context}: {report:?}");
            }
            assert!(report.sender_reports >= 2, "{context}: {report:?}");
        }
    }
}

#[test]
fn poor_links_cost_packets_and_not_the_picture() {
    for (percent, seed) in [(2, 1), (5, 2), (10, 3)] {
        let mut room = room(
            LinkSettings::rough(MS(25), f64::from(percent) / 100.0),
            3,
            4,
            seed,
        );
        connect(&mut room);
        room.publish_audio(0);
        room.publish_video(0, 1);
        let subscriptions = room.subscribe_all();
        room.world.run_for(SEC(20));
        for subscription in subscriptions {
            let context = format!("loss {percent} %, seed {seed}, {subscription:?}");
            let report = room.report(subscription);
            assert_sound(&report, &context);
            if room.is_video(subscription) {
                assert!(report.video.frames >= 400, "{context}: {report:?}");
                assert!(
                    report.video.longest_freeze < SEC(3),
                    "{context}: {report:?}"
                );
                assert!(report.recovered > 0, "{context}: {report:?}");
            } else {
                assert!(report.audio_frames >= 850, "{context}: {report:?}");
            }
        }
    }
}

#[test]
fn lost_messages_between_workers_are_repaired() {
    let mut room = room(LinkSettings::delayed(MS(15)), 3, 3, 5);
    connect(&mut room);
    room.publish_video(0, 1);
    let subscriptions = room.subscribe_all();
    room.world.run_for(SEC(2));
    room.world.server_mut().link_loss = 0.05;
    room.world.run_for(SEC(10));
    for subscription in subscriptions {
        let report = room.report(subscription);
        assert_sound(&report, "lossy link");
        assert!(report.video.frames >= 315, "{report:?}");
        assert!(report.video.longest_freeze < SEC(2), "{report:?}");
    }
}

#[test]
fn wanted_layers_are_delivered_without_a_broken_frame() {
    let mut room = room(LinkSettings::delayed(MS(20)), 2, 2, 6);
    connect(&mut room);
    let track = room.publish_video(0, 3);
    let subscription = room.subscribe(1, track);
    room.world.run_for(SEC(3));
    for layer in [0_u8, 2, 1, 2, 0, 1] {
        room.want(subscription, true, layer, 3);
        room.world.run_for(SEC(3));
        let shown = frames_within(&mut room, subscription, SEC(2));
        let context = format!("layer {layer}: {shown:?}");
        assert!(shown[usize::from(layer)] >= 55, "{context}");
        assert_eq!(
            shown.iter().sum::<u64>(),
            shown[usize::from(layer)],
            "{context}"
        );
        assert_sound(&room.report(subscription), &context);
    }
    let report = room.report(subscription);
    assert!(report.video.switches >= 5, "{report:?}");
    assert!(report.video.longest_freeze < MS(1_500), "{report:?}");
}

#[test]
fn wanted_temporal_layers_set_the_frame_rate() {
    let mut room = room(LinkSettings::delayed(MS(20)), 1, 2, 7);
    connect(&mut room);
    let track = room.publish_video(0, 3);
    let subscription = room.subscribe(1, track);
    room.world.run_for(SEC(3));
    for (temporal, rate) in [(0, 7.5), (1, 15.0), (2, 30.0), (0, 7.5)] {
        room.want(subscription, true, 2, temporal);
        room.world.run_for(SEC(2));
        let shown: u64 = frames_within(&mut room, subscription, SEC(4)).iter().sum();
        let expected = 4.0 * rate;
        assert!(
            (expected - 4.0..=expected + 4.0).contains(&(shown as f64)),
            "layer {temporal}: {shown} in 4 s"
        );
        assert_sound(&room.report(subscription), &format!("temporal {temporal}"));
    }
}

#[test]
fn late_subscriber_sees_a_picture_at_once_and_the_publisher_is_asked_seldom() {
    let mut room = room(LinkSettings::delayed(MS(20)), 2, 12, 8);
    connect(&mut room);
    let track = room.publish_video(0, 1);
    room.subscribe(1, track);
    room.world.run_for(SEC(5));
    let before = room.world.clients[0].key_frame_requests;
    let late: Vec<_> = (2..12)
        .map(|member| room.subscribe(member, track))
        .collect();
    room.world.run_for(SEC(2));
    for subscription in late {
        let report = room.report(subscription);
        assert!(report.video.frames >= 15, "{report:?}");
        assert_sound(&report, "late");
    }
    let asked = room.world.clients[0].key_frame_requests - before;
    assert!(
        asked <= 12,
        "{asked} key frames asked for ten subscribers within two seconds"
    );
}

/// The top layer ends, then returns; the trackers take a second to believe it.
fn lose_top_layer(workers: u16) {
    let mut room = room(LinkSettings::delayed(MS(20)), workers, 2, 9);
    connect(&mut room);
    let track = room.publish_video(0, 1);
    let subscription = room.subscribe(1, track);
    room.world.run_for(SEC(4));
    let set = |room: &mut Room, active| {
        let camera = room.world.clients[0].camera.as_mut().unwrap();
        camera.set_active(2, active);
    };
    set(&mut room, false);
    room.world.run_for(SEC(4));
    let shown = frames_within(&mut room, subscription, SEC(2));
    assert!(shown[1] >= 55, "{shown:?}");
    set(&mut room, true);
    room.world.run_for(SEC(3));
    let shown = frames_within(&mut room, subscription, SEC(2));
    assert!(shown[2] >= 55, "{shown:?}");
    let report = room.report(subscription);
    assert_sound(&report, "layer lost");
    assert!(report.video.longest_freeze < SEC(2), "{report:?}");
}

#[test]
fn lost_top_layer_falls_back_and_returns() {
    lose_top_layer(1);
}

#[test]
fn lost_top_layer_falls_back_and_returns_across_workers() {
    lose_top_layer(2);
}

#[test]
fn a_layer_paused_while_nobody_wanted_it_returns_at_once() {
    for workers in [1, 2] {
        let mut room = room(LinkSettings::delayed(MS(20)), workers, 2, 12);
        connect(&mut room);
        let track = room.publish_video(0, 3);
        let subscription = room.subscribe(1, track);
        room.world.run_for(SEC(3));
        let set = |room: &mut Room, active| {
            let camera = room.world.clients[0].camera.as_mut().unwrap();
            camera.set_active(2, active);
        };
        for _ in 0..3 {
            room.want(subscription, true, 0, 3);
            room.world.run_for(SEC(1));
            set(&mut room, false);
            room.world.run_for(SEC(5));
            room.want(subscription, true, 2, 3);
            room.world.run_for(MS(100));
            set(&mut room, true);
            room.world.run_for(MS(1_500));
            let shown = frames_within(&mut room, subscription, SEC(1));
            assert!(shown[2] >= 25, "{workers} workers: {shown:?}");
        }
        assert_sound(
            &room.report(subscription),
            &format!("{workers} workers, paused layer"),
        );
    }
}

#[test]
fn mute_and_unmute_leave_one_continuous_stream() {
    let mut room = room(LinkSettings::delayed(MS(20)), 2, 2, 10);
    connect(&mut room);
    let tracks = [room.publish_audio(0), room.publish_video(0, 1)];
    let subscriptions = tracks.map(|track| room.subscribe(1, track));
    room.world.run_for(SEC(4));
    for muted in [true, false, true, false] {
        for track in tracks {
            room.mute(track, muted);
        }
        room.world.run_for(SEC(3));
    }
    for subscription in subscriptions {
        let report = room.report(subscription);
        assert_eq!(
            (report.timestamps_back, report.frames_back, report.lost),
            (0, 0, 0),
            "{report:?}"
        );
        assert_eq!(report.video.undecodable, 0, "{report:?}");
    }
    assert!(
        frames_within(&mut room, subscriptions[1], SEC(2))
            .iter()
            .sum::<u64>()
            >= 50
    );
}

#[test]
fn unsubscribed_and_disabled_tracks_are_silent() {
    let mut room = room(LinkSettings::delayed(MS(20)), 2, 3, 11);
    connect(&mut room);
    let track = room.publish_video(0, 1);
    let (a, b) = (room.subscribe(1, track), room.subscribe(2, track));
    room.world.run_for(SEC(3));
    room.unsubscribe(a);
    room.want(b, false, 2, 3);
    room.world.run_for(SEC(1));
    let before = [a, b].map(|subscription| room.report(subscription).received);
    room.world.run_for(SEC(3));
    assert_eq!(
        [a, b].map(|subscription| room.report(subscription).received),
        before
    );
    room.want(b, true, 2, 3);
    room.world.run_for(SEC(2));
    let shown = frames_within(&mut room, b, SEC(2));
    assert!(shown.iter().sum::<u64>() >= 50, "{shown:?}");
    let report = room.report(b);
    assert_eq!(
        (report.timestamps_back, report.video.undecodable),
        (0, 0),
        "{report:?}"
    );
}
