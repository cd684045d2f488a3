//! Audio and video between clients, on one worker and over links.

mod common;

use common::client::header;
use common::net::World;
use common::publisher::{
    Audio, OPUS, OPUS_DOWN, RTX_DOWN, VP8_DOWN, Video, down, subscribe, up_audio,
};
use sluice_sfu::command::Command;
use sluice_sfu::event::Event;
use sluice_wire::codec::MediaKind;
use sluice_wire::id::{DownTrackId, PayloadType, PeerId, Ssrc, TrackId};
use sluice_wire::rtcp::Rtcp;
use sluice_wire::rtp::ExtensionBlock;

/// A world with one client per entry, each on that worker, all connected.
fn world(placement: &[usize]) -> World {
    let workers = placement.iter().max().map_or(1, |max| max + 1);
    let mut world = World::new(workers as u16);
    for worker in placement {
        world.join(*worker);
    }
    world.connect_all();
    world
}

/// The subscriber's packets in order, without gap or repetition.
fn assert_contiguous(world: &World, client: usize, ssrc: u32, at_least: usize) {
    let mut sequences: Vec<_> = world.clients[client]
        .of(ssrc)
        .iter()
        .map(|media| media.sequence)
        .collect();
    assert!(sequences.len() >= at_least, "{} packets", sequences.len());
    let first = sequences[0];
    sequences.sort_by_key(|sequence| sequence.wrapping_sub(first));
    for pair in sequences.windows(2) {
        assert_eq!(pair[1], pair[0].wrapping_add(1), "a gap or repetition");
    }
}

#[test]
fn audio_reaches_the_other_client_across_the_wraps() {
    let mut world = world(&[0, 0]);
    let mut audio = Audio::open(&mut world, 0, 1);
    let ssrc = subscribe(&mut world, 1, 1, audio.track, 0, MediaKind::Audio);
    audio.send_many(&mut world, 100);
    assert_contiguous(&world, 1, ssrc, 99);
    let received = world.clients[1].of(ssrc);
    assert!(
        received
            .iter()
            .all(|media| media.pt == OPUS_DOWN && media.payload.len() == 62)
    );
    assert_eq!(
        received[50].timestamp.wrapping_sub(received[49].timestamp),
        960
    );
    assert_eq!(
        world.seen(|e| matches!(e, Event::TrackStarted { layer: 0, .. })),
        1
    );
    assert_eq!(
        world.seen(|e| matches!(e, Event::DownTrackStarted { .. })),
        1
    );
    let heard = |e: &Event| matches!(e, Event::AudioLevels { levels } if levels[0].active);
    assert!(world.seen(heard) >= 3);
}

#[test]
fn audio_reaches_clients_of_three_workers_and_crosses_each_link_once() {
    let mut world = world(&[0, 1, 2, 2, 2]);
    let mut audio = Audio::open(&mut world, 0, 1);
    let ssrcs: Vec<_> = (1..5)
        .map(|client| {
            subscribe(
                &mut world,
                client,
                client as u32,
                audio.track,
                0,
                MediaKind::Audio,
            )
        })
        .collect();
    world.run_ms(20);
    audio.send_many(&mut world, 100);
    for (client, ssrc) in (1..5).zip(ssrcs) {
        assert_contiguous(&world, client, ssrc, 99);
    }
    let crossed = world.counter(0, "link_out");
    assert!((200..230).contains(&crossed), "{crossed} messages");
    assert_eq!(
        world.seen(|e| matches!(e, Event::DownTrackStarted { .. })),
        4
    );
}

#[test]
fn a_late_subscriber_gets_a_key_frame_at_once() {
    let mut world = world(&[0, 0, 0]);
    let mut video = Video::open(&mut world, 0, 1, 1);
    let first = subscribe(&mut world, 1, 1, video.track, 0, MediaKind::Video);
    video.send_many(&mut world, 60);
    let before = video.layers[0].key_frames;
    let second = subscribe(&mut world, 2, 2, video.track, 0, MediaKind::Video);
    video.send_many(&mut world, 60);
    assert!(video.layers[0].key_frames > before);
    assert_contiguous(&world, 1, first, 300);
    assert_contiguous(&world, 2, second, 120);
    assert_eq!(
        world.clients[2].of(second)[0].payload[6] & 1,
        0,
        "begins with a key frame"
    );
}

#[test]
fn layers_are_switched_over_a_link_and_timestamps_go_on() {
    let mut world = world(&[0, 1]);
    let mut video = Video::open(&mut world, 0, 1, 3);
    let ssrc = subscribe(&mut world, 1, 1, video.track, 0, MediaKind::Video);
    video.send_many(&mut world, 150);
    assert_eq!(last_layer(&world, 1, ssrc), 2);
    world.command(1, wish(1, true, 0));
    video.send_many(&mut world, 90);
    assert_eq!(last_layer(&world, 1, ssrc), 0);
    world.command(1, wish(1, true, 2));
    video.send_many(&mut world, 150);
    assert_eq!(last_layer(&world, 1, ssrc), 2);
    assert_contiguous(&world, 1, ssrc, 600);
    let received = world.clients[1].of(ssrc);
    assert!(received.iter().all(|media| media.pt == VP8_DOWN));
    for pair in received.windows(2) {
        let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        assert!(step < 9_000 * 4, "the timestamp moved by {step}");
    }
}

#[test]
fn a_link_carries_only_the_layers_that_somebody_wants() {
    let mut world = world(&[0, 1]);
    let mut video = Video::open(&mut world, 0, 1, 3);
    subscribe(&mut world, 1, 1, video.track, 0, MediaKind::Video);
    world.command(1, wish(1, true, 0));
    video.send_many(&mut world, 60);
    let before = world.counter(0, "link_out");
    video.send_many(&mut world, 60);
    let low = world.counter(0, "link_out") - before;
    assert!(
        (180..200).contains(&low),
        "{low} messages for one layer of 180 packets"
    );
    world.command(1, wish(1, false, 0));
    video.send_many(&mut world, 10);
    let before = world.counter(0, "link_out");
    video.send_many(&mut world, 60);
    assert!(world.counter(0, "link_out") - before < 10);
}

#[test]
fn packets_lost_on_the_way_to_a_far_subscriber_come_again_from_the_far_ring() {
    let mut world = world(&[0, 1]);
    let mut video = Video::open(&mut world, 0, 1, 1);
    let ssrc = subscribe(&mut world, 1, 1, video.track, 0, MediaKind::Video);
    video.send_many(&mut world, 60);
    world.down_loss = 0.1;
    for _ in 0..60 {
        video.send(&mut world);
        world.run_ms(33);
        nack_gaps(&mut world, 1, ssrc);
    }
    world.down_loss = 0.0;
    for _ in 0..10 {
        nack_gaps(&mut world, 1, ssrc);
        world.run_ms(100);
    }
    let repaired = world.clients[1].of(0xa001);
    assert!(repaired.len() > 5 && repaired.iter().all(|media| media.pt == RTX_DOWN));
    assert!(missing(&world, 1, ssrc).is_empty());
    assert_eq!(world.counter(0, "rtx_out"), 0);
    assert!(world.counter(1, "rtx_out") >= repaired_count(&world));
}

#[test]
fn audio_without_a_retransmission_stream_is_repeated_as_it_was() {
    let mut world = world(&[0, 0]);
    let mut audio = Audio::open(&mut world, 0, 1);
    let ssrc = subscribe(&mut world, 1, 1, audio.track, 0, MediaKind::Audio);
    audio.send_many(&mut world, 20);
    world.down_loss = 0.1;
    for _ in 0..200 {
        audio.send(&mut world);
        world.run_ms(20);
        nack_gaps(&mut world, 1, ssrc);
    }
    world.down_loss = 0.0;
    world.run_ms(100);
    nack_gaps(&mut world, 1, ssrc);
    audio.send_many(&mut world, 5);
    assert!(world.counter(0, "rtx_out") > 10);
    assert!(missing(&world, 1, ssrc).is_empty());
    assert_eq!(world.counter(0, "drop_seal"), 0);
}

#[test]
fn packets_lost_on_a_link_are_fetched_again_from_home() {
    let mut world = world(&[0, 1]);
    world.link_loss = 0.05;
    let mut audio = Audio::open(&mut world, 0, 1);
    let ssrc = subscribe(&mut world, 1, 1, audio.track, 0, MediaKind::Audio);
    audio.send_many(&mut world, 300);
    world.run_ms(200);
    let lost = missing(&world, 1, ssrc);
    assert!(lost.len() <= 1, "still missing {lost:?}");
    assert!(world.clients[1].of(ssrc).len() > 290);
}

#[test]
fn a_subscription_may_come_before_its_track_and_outlive_it() {
    let mut world = world(&[0, 1]);
    let track = TrackId(1);
    let ssrc = subscribe(&mut world, 1, 1, track, 0, MediaKind::Audio);
    world.run_ms(50);
    let mut audio = Audio::open(&mut world, 0, 1);
    audio.send_many(&mut world, 20);
    assert_contiguous(&world, 1, ssrc, 19);
    world.command(0, Command::CloseUpTrack { track });
    world.run_ms(50);
    world.command(0, Command::OpenUpTrack(up_audio(0, 1, audio.ssrc)));
    audio.send_many(&mut world, 20);
    assert!(world.clients[1].of(ssrc).len() >= 38);
    world.command(
        1,
        Command::CloseDownTrack {
            down: DownTrackId(1),
        },
    );
    world.command(0, Command::CloseUpTrack { track });
    world.run_ms(50);
    assert_eq!(held(&mut world, 0), [0, 0, 0]);
    assert_eq!(held(&mut world, 1), [0, 0, 0]);
}

#[test]
fn a_track_closed_while_a_worker_subscribes_leaves_nothing_behind() {
    let mut world = world(&[0, 1]);
    let audio = Audio::open(&mut world, 0, 1);
    world.command(0, Command::CloseUpTrack { track: audio.track });
    subscribe(&mut world, 1, 1, audio.track, 0, MediaKind::Audio);
    world.run_ms(20);
    world.command(
        1,
        Command::CloseDownTrack {
            down: DownTrackId(1),
        },
    );
    subscribe(&mut world, 1, 2, audio.track, 0, MediaKind::Audio);
    world.command(
        1,
        Command::CloseDownTrack {
            down: DownTrackId(2),
        },
    );
    world.run_ms(20);
    assert_eq!((held(&mut world, 0), held(&mut world, 1)), ([0; 3], [0; 3]));
}

#[test]
fn another_subscription_on_the_same_ssrc_goes_on_where_the_first_ended() {
    let mut world = world(&[0, 0]);
    let mut audio = Audio::open(&mut world, 0, 1);
    let ssrc = subscribe(&mut world, 1, 1, audio.track, 0, MediaKind::Audio);
    audio.send_many(&mut world, 30);
    world.command(
        0,
        Command::CloseDownTrack {
            down: DownTrackId(1),
        },
    );
    world.run_ms(30);
    let mut again = down(1, 2, audio.track, 0, MediaKind::Audio);
    again.ssrc = Ssrc(ssrc);
    world.command(0, Command::OpenDownTrack(again));
    audio.send_many(&mut world, 30);
    assert_contiguous(&world, 1, ssrc, 58);
    assert_eq!(world.counter(0, "drop_seal"), 0);
}

#[test]
fn mute_and_unmute_pass_over_links() {
    let mut world = world(&[0, 1]);
    let mut audio = Audio::open(&mut world, 0, 1);
    let ssrc = subscribe(&mut world, 1, 1, audio.track, 0, MediaKind::Audio);
    audio.send_many(&mut world, 30);
    world.command(
        0,
        Command::MuteUpTrack {
            track: audio.track,
            muted: true,
        },
    );
    let before = world.clients[1].of(ssrc).len();
    world.run_ms(2_000);
    let silence = world.clients[1].of(ssrc).len() - before;
    assert!((40..60).contains(&silence), "{silence} packets of silence");
    world.command(
        0,
        Command::MuteUpTrack {
            track: audio.track,
            muted: false,
        },
    );
    audio.send_many(&mut world, 30);
    assert_contiguous(&world, 1, ssrc, before + silence + 29);
}

#[test]
fn a_flood_of_ssrcs_is_capped_and_disturbs_nobody() {
    let mut world = world(&[0, 0, 0]);
    let mut audio = Audio::open(&mut world, 2, 2);
    let ssrc = subscribe(&mut world, 1, 1, audio.track, 0, MediaKind::Audio);
    world.command(0, Command::OpenUpTrack(up_audio(0, 1, 0x1001)));
    let mut mid = ExtensionBlock::new();
    mid.push(1, b"0");
    for flood in 0..2_000_u32 {
        let header = header(0x4000_0000 + flood, OPUS, 1, 1, false);
        world.clients[0].send_rtp(header, &mid, &[1; 20]);
        if flood % 50 == 0 {
            audio.send(&mut world);
            world.run_ms(20);
        }
    }
    world.run_ms(100);
    assert_contiguous(&world, 1, ssrc, 39);
    assert!(world.counter(0, "drop_ssrc_cap") > 1_800);
}

#[test]
fn senders_and_receivers_get_their_reports() {
    let mut world = world(&[0, 1]);
    let mut video = Video::open(&mut world, 0, 1, 1);
    let ssrc = subscribe(&mut world, 1, 1, video.track, 0, MediaKind::Video);
    video.send_many(&mut world, 240);
    let sender_reports = world.clients[1]
        .rtcp
        .iter()
        .filter(|packet| matches!(packet, Rtcp::SenderReport { ssrc: of, .. } if of.0 == ssrc))
        .count();
    assert!(
        (2..=4).contains(&sender_reports),
        "{sender_reports} sender reports in 8 s"
    );
    let described = world.clients[1].rtcp.iter().any(|packet| match packet {
        Rtcp::SourceDescription { chunks } => {
            chunks[0].cname == "PA_x|TR_y" && chunks[0].mid.as_deref() == Some("5")
        }
        _ => false,
    });
    assert!(described);
    let receiver_reports = world.clients[0]
        .rtcp
        .iter()
        .filter(|packet| matches!(packet, Rtcp::ReceiverReport { .. }))
        .count();
    assert!(
        (6..=9).contains(&receiver_reports),
        "{receiver_reports} receiver reports in 8 s"
    );
    assert!(world.seen(|e| matches!(e, Event::Quality { up, .. } if !up.is_empty())) >= 1);
}

#[test]
fn key_frame_requests_of_a_hostile_subscriber_are_throttled() {
    let mut world = world(&[0, 0]);
    let mut video = Video::open(&mut world, 0, 1, 1);
    let ssrc = subscribe(&mut world, 1, 1, video.track, 0, MediaKind::Video);
    video.send_many(&mut world, 30);
    let before = world.counter(0, "key_frame_requests");
    for _ in 0..60 {
        for _ in 0..100 {
            world.clients[1].send_rtcp(&[Rtcp::Pli {
                sender: Ssrc(1),
                media: Ssrc(ssrc),
            }]);
        }
        video.send(&mut world);
        world.run_ms(33);
    }
    let asked = world.counter(0, "key_frame_requests") - before;
    assert!((2..=5).contains(&asked), "asked {asked} times in 2 s");
}

#[test]
fn nothing_is_left_of_clients_that_left() {
    let mut world = world(&[0, 1, 1]);
    let mut video = Video::open(&mut world, 0, 1, 3);
    let mut audio = Audio::open(&mut world, 1, 2);
    subscribe(&mut world, 1, 1, video.track, 0, MediaKind::Video);
    subscribe(&mut world, 2, 2, video.track, 0, MediaKind::Video);
    subscribe(&mut world, 0, 3, audio.track, 1, MediaKind::Audio);
    video.send_many(&mut world, 10);
    audio.send_many(&mut world, 10);
    assert_eq!(held(&mut world, 0), [1, 1, 2]);
    assert_eq!(held(&mut world, 1), [1, 2, 2]);
    for (worker, peer) in [(0, 0), (1, 1), (1, 2)] {
        world.command(worker, Command::ClosePeer { peer: PeerId(peer) });
    }
    world.run_ms(100);
    for worker in 0..2 {
        assert_eq!(held(&mut world, worker), [0, 0, 0]);
        assert_eq!(world.counter(worker, "peers"), 0);
        assert_eq!(world.counter(worker, "routes"), 0);
    }
}

#[test]
fn packets_of_an_unmapped_payload_type_are_not_sent() {
    let mut world = world(&[0, 0]);
    let mut audio = Audio::open(&mut world, 0, 1);
    let mut config = down(1, 1, audio.track, 0, MediaKind::Audio);
    config.payloads[0].from = PayloadType(8);
    world.command(0, Command::OpenDownTrack(config));
    audio.send_many(&mut world, 10);
    assert!(world.clients[1].media.is_empty());
}

fn wish(down: u32, enabled: bool, max_spatial: u8) -> Command {
    Command::SetDownTrack {
        down: DownTrackId(down),
        enabled,
        max_spatial,
        max_temporal: 3,
        max_fps: 0,
    }
}

fn last_layer(world: &World, client: usize, ssrc: u32) -> u8 {
    let received = world.clients[client].of(ssrc);
    *received
        .last()
        .and_then(|media| media.payload.last())
        .expect("packets")
}

/// Published tracks, subscriptions and link ends of a worker.
fn held(world: &mut World, worker: usize) -> [u64; 3] {
    ["up_tracks", "down_tracks", "links"].map(|name| world.counter(worker, name))
}

/// Sequence numbers that neither came nor were repaired.
fn missing(world: &World, client: usize, ssrc: u32) -> Vec<u16> {
    let client = &world.clients[client];
    let mut got: Vec<u16> = client.of(ssrc).iter().map(|media| media.sequence).collect();
    let repairs = client.of(ssrc + 0x1000);
    got.extend(
        repairs
            .iter()
            .filter_map(|media| Some(u16::from_be_bytes(*media.payload.first_chunk()?))),
    );
    let first = client.of(ssrc)[0].sequence;
    let offsets: std::collections::BTreeSet<u16> = got
        .iter()
        .map(|sequence| sequence.wrapping_sub(first))
        .collect();
    let last = offsets
        .iter()
        .filter(|offset| **offset < 0x8000)
        .max()
        .copied()
        .unwrap_or(0);
    (0..last)
        .filter(|offset| !offsets.contains(offset))
        .map(|offset| first.wrapping_add(offset))
        .collect()
}

fn nack_gaps(world: &mut World, client: usize, ssrc: u32) {
    let lost = missing(world, client, ssrc);
    if !lost.is_empty() {
        world.clients[client].send_rtcp(&[Rtcp::Nack {
            sender: Ssrc(1),
            media: Ssrc(ssrc),
            lost,
        }]);
    }
}

fn repaired_count(world: &World) -> u64 {
    world.clients[1].of(0xa001).len() as u64
}

#[test]
fn packets_of_a_frame_that_differ_by_a_byte_are_padded_to_one_length() {
    let mut world = world(&[0, 0]);
    let mut video = Video::open(&mut world, 0, 1, 1);
    let ssrc = subscribe(&mut world, 1, 1, video.track, 0, MediaKind::Video);
    video.send_many(&mut world, 30);
    video.uneven = true;
    video.send_many(&mut world, 1);
    let received = world.clients[1].of(ssrc);
    let [.., middle, last] = received[..] else {
        panic!("no packets");
    };
    assert!(last.marker && !middle.marker);
    assert_eq!(middle.payload.len() + 1, last.payload.len());
    assert_eq!(middle.len, last.len);
}
