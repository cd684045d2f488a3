//! One authenticated member misbehaves; the others must not notice (acceptance 9, 10, 11, 12).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sluice_sfu::command::{Command, Query};
use sluice_sfu::event::{Answer, Event};
use sluice_sim::{Datagram, LinkSettings, Room, Subscription, presets};
use sluice_wire::codec::vp8::{PictureId, Vp8Descriptor};
use sluice_wire::id::{PayloadType, Ssrc, WorkerId};
use sluice_wire::rtcp::{Rtcp, write_compound};
use support::{MS, SEC, connect, room};

const PUBLISHER: usize = 0;
const WITNESS: usize = 1;
const ATTACKER: usize = 2;

/// A publisher, a witness and an attacker that subscribes too, on two workers.
fn scene(seed: u64) -> (Room, [Subscription; 2], Subscription) {
    let mut room = room(LinkSettings::delayed(MS(15)), 2, 3, seed);
    connect(&mut room);
    let tracks = [
        room.publish_audio(PUBLISHER),
        room.publish_video(PUBLISHER, 3),
    ];
    let watched = tracks.map(|track| room.subscribe(WITNESS, track));
    let attacked = room.subscribe(ATTACKER, tracks[1]);
    room.publish_video(ATTACKER, 1);
    room.world.run_for(SEC(5));
    (room, watched, attacked)
}

/// Sends any bytes as the attacker's RTP, protected as its transport would.
fn send_rtp(room: &mut Room, packet: &[u8]) {
    let now = room.world.now;
    let peer = &mut room.world.clients[ATTACKER].peer;
    let pair = peer.path().unwrap();
    let ssrc = packet
        .get(8..12)
        .map_or(0, |bytes| u32::from_be_bytes(bytes.try_into().unwrap()));
    let stream = peer.send_stream(Ssrc(ssrc)).unwrap();
    let mut out = packet.to_vec();
    out.resize(packet.len() + 64, 0);
    // What is no RTP at all can't be protected; it goes out as it is.
    let header_len = 12 + 4 * usize::from(packet.first().copied().unwrap_or(0) & 0x0f);
    let sealed = packet
        .split_at_checked(header_len)
        .and_then(|(_, payload)| {
            peer.seal_rtp(stream, &mut out, header_len, &[], payload)
                .ok()
        });
    out.truncate(sealed.unwrap_or(packet.len()));
    room.world.network.send(
        now,
        &Datagram {
            from: pair.local,
            to: pair.remote,
            bytes: out,
        },
    );
}

/// Sends any bytes as the attacker's RTCP.
fn send_rtcp(room: &mut Room, mut packet: Vec<u8>) {
    let now = room.world.now;
    let peer = &mut room.world.clients[ATTACKER].peer;
    let pair = peer.path().unwrap();
    if peer.seal_rtcp(&mut packet).is_ok() {
        let datagram = Datagram {
            from: pair.local,
            to: pair.remote,
            bytes: packet,
        };
        room.world.network.send(now, &datagram);
    }
}

fn compound(packets: &[Rtcp]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_compound(packets, &mut bytes);
    bytes
}

/// Runs `attack` each 10 ms for five seconds and checks what the witness saw.
fn under(seed: u64, mut attack: impl FnMut(&mut Room, &mut SmallRng)) -> Room {
    let (mut room, watched, _) = scene(seed);
    let mut rng = SmallRng::seed_from_u64(seed);
    let before = watched.map(|subscription| room.report(subscription));
    for _ in 0..500 {
        attack(&mut room, &mut rng);
        room.world.run_for(MS(10));
    }
    let [audio, video] = watched.map(|subscription| room.report(subscription));
    assert!(
        audio.audio_frames >= before[0].audio_frames + 245,
        "seed {seed}: {audio:?}"
    );
    assert!(
        video.video.frames >= before[1].video.frames + 145,
        "seed {seed}: {video:?}"
    );
    assert_eq!((audio.lost, video.lost), (0, 0), "seed {seed}");
    assert_eq!(
        (video.video.undecodable, video.video.corrupt),
        (0, 0),
        "seed {seed}: {video:?}"
    );
    assert_eq!(
        (video.timestamps_back, video.video.picture_id_jumps),
        (0, 0),
        "seed {seed}: {video:?}"
    );
    room
}

/// A counter of the attacker's transport, or of its worker.
fn counter(room: &mut Room, query: Query, name: &str) -> u64 {
    room.command(WorkerId(0), Command::Query { id: 77, query });
    let server = room.world.server_mut();
    let counters = server
        .events
        .iter()
        .rev()
        .find_map(|(_, event)| match event {
            Event::Answer {
                id: 77,
                answer: Answer::PeerStats { counters, .. } | Answer::WorkerStats { counters },
            } => Some(counters),
            _ => None,
        });
    counters
        .unwrap()
        .iter()
        .find(|(known, _)| known == name)
        .unwrap_or_else(|| panic!("no counter {name}"))
        .1
}

fn header(ssrc: u32, payload_type: PayloadType, sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, payload_type.0];
    packet.extend(sequence.to_be_bytes());
    packet.extend(7_u32.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet
}

#[test]
fn flood_of_ssrcs_is_capped() {
    let mut next = 1_000_000;
    let mut room = under(1, |room, _| {
        for _ in 0..10 {
            next += 1;
            let mut packet = header(next, presets::VP8, 1);
            packet.extend([0; 50]);
            send_rtp(room, &packet);
        }
    });
    let rejected = counter(&mut room, Query::WorkerStats, "drop_unknown_ssrc");
    assert!(rejected >= 4_900, "{rejected} of 5,000");
}

#[test]
fn malformed_rtp_and_payloads_are_dropped() {
    for seed in 10..13 {
        let mut sequence = 0_u16;
        under(seed, |room, rng| {
            for _ in 0..5 {
                sequence = sequence.wrapping_add(1);
                // Its own video SSRCs, so that the packets reach the payload views and the layers.
                let ssrc = 20_000 + 100 * ATTACKER as u32 + rng.random_range(3..6);
                let mut packet = header(
                    ssrc,
                    [presets::VP8, presets::VP8_RTX, presets::OPUS][rng.random_range(0..3)],
                    sequence,
                );
                packet[0] |= [0, 0x10, 0x20, 0x30, 0x0f, 0x3f][rng.random_range(0..6)];
                packet.extend((0..rng.random_range(0..40)).map(|_| rng.random::<u8>()));
                send_rtp(room, &packet);
                let garbage: Vec<u8> = (0..rng.random_range(0..1_400))
                    .map(|_| rng.random())
                    .collect();
                send_rtp(room, &garbage);
            }
        });
    }
}

#[test]
fn hostile_descriptors_do_not_stop_other_tracks() {
    let mut sequence = 0_u16;
    under(20, |room, rng| {
        for _ in 0..5 {
            sequence = sequence.wrapping_add(rng.random_range(1..3_000));
            let descriptor = Vp8Descriptor {
                non_reference: rng.random(),
                partition_start: rng.random(),
                partition: rng.random_range(0..8),
                picture_id: Some(PictureId {
                    value: rng.random_range(0..0x8000),
                    long: true,
                }),
                tl0_pic_idx: Some(rng.random()),
                temporal: None,
                key_idx: None,
            };
            let (prefix, len) = descriptor.write();
            let mut packet = header(
                20_000 + 100 * ATTACKER as u32 + rng.random_range(3..6),
                presets::VP8,
                sequence,
            );
            packet.extend(&prefix[..rng.random_range(0..=len)]);
            send_rtp(room, &packet);
        }
    });
}

#[test]
fn hostile_feedback_is_bounded() {
    let mut asked_before = 0;
    let room = under(30, |room, rng| {
        if asked_before == 0 {
            asked_before = room.world.clients[PUBLISHER].key_frame_requests;
        }
        let media = Ssrc(100_000 + 10 * 3);
        let sender = Ssrc(rng.random());
        for _ in 0..20 {
            send_rtcp(
                room,
                compound(&[
                    Rtcp::Pli { sender, media },
                    Rtcp::Fir {
                        sender,
                        requests: vec![(media, rng.random())],
                    },
                ]),
            );
        }
        let lost = (0..1_024).map(|_| rng.random()).collect();
        send_rtcp(
            room,
            compound(&[Rtcp::Nack {
                sender,
                media,
                lost,
            }]),
        );
        let bitrate = [0, 1, 1 << 62, u64::MAX][rng.random_range(0..4)];
        send_rtcp(
            room,
            compound(&[Rtcp::Remb {
                sender,
                bitrate,
                ssrcs: vec![media, Ssrc(1)],
            }]),
        );
        let others = [10_000, 20_000, 20_001, 20_002, 100_010, 100_020].map(Ssrc);
        send_rtcp(
            room,
            compound(&[Rtcp::Bye {
                ssrcs: others.to_vec(),
            }]),
        );
        let report = Rtcp::SenderReport {
            ssrc: Ssrc(20_000),
            ntp: 0,
            rtp: rng.random(),
            packets: 0,
            octets: 0,
            reports: Vec::new(),
        };
        send_rtcp(room, compound(&[report]));
        let mut garbage: Vec<u8> = (0..rng.random_range(8..300))
            .map(|_| rng.random())
            .collect();
        garbage[0] = 0x80 | garbage[0] & 0x1f;
        garbage[1] = rng.random_range(200..=207);
        send_rtcp(room, garbage);
    });
    let asked = room.world.clients[PUBLISHER].key_frame_requests - asked_before;
    assert!(asked > 0, "the attacker's requests are heard");
    // Three layers, at most one request of each in half a second.
    assert!(
        asked <= 3 * 11,
        "{asked} key frames asked within five seconds"
    );
}
