//! What a worker's thread does for media that flows: it asks for no memory and takes no lock. The only test of this process, since it counts
//! what the process allocates.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;

use std::alloc::System;
use std::time::{Duration, Instant};

use common::{Client, Rig, drive};
use serde_json::json;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const LISTENERS: u32 = 20;
/// Before it are the speaker and the camera.
const FIRST_LISTENER: u32 = 2;
const OPUS: u8 = 111;
const VP8: u8 = 96;
const MICROPHONE: u32 = 1_111;
const CAMERA: u32 = 2_222;

/// One who speaks, one who films, and listeners who subscribe to both and read nothing.
struct Hall {
    rig: Rig,
    speaker: Client,
    camera: Client,
    _listeners: Vec<Client>,
    frames: u32,
}

/// What a while of media came to.
#[derive(Debug, Default)]
struct Passed {
    steps: usize,
    /// Steps in which anything was allocated.
    costly: usize,
    allocations: usize,
}

impl Hall {
    fn open() -> Self {
        let config = json!({"workers": 1, "udp": {"portRangeStart": 44_200, "portRangeEnd": 44_299},
            "addresses": [{"bind": "127.82.0.1", "advertise": "127.82.0.1"}]});
        let mut rig = Rig::start(&config).expect("the engine starts");
        let mut clients: Vec<Client> = (0..FIRST_LISTENER + LISTENERS)
            .map(|peer| {
                let candidates = rig.open_peer(0, peer);
                Client::connect(&rig, 0, peer, &candidates)
            })
            .collect();
        let mut all: Vec<&mut Client> = clients.iter_mut().collect();
        drive(&mut all, "connections", |clients| {
            clients.iter().all(|client| client.peer.is_connected())
        });
        for peer in 0..FIRST_LISTENER + LISTENERS {
            rig.wait_for(|report| report["type"] == "peerConnected" && report["peer"] == peer);
        }
        // Nominations are confirmed behind the handshakes.
        let confirmed = Instant::now() + Duration::from_millis(500);
        drive(&mut all, "a while", |_| Instant::now() > confirmed);
        let (speaker, camera) = (clients.remove(0), clients.remove(0));
        Self {
            rig,
            speaker,
            camera,
            _listeners: clients,
            frames: 0,
        }
    }

    fn publish(&self) {
        for (track, kind, codec, pt, rate, ssrc) in [
            (1, "audio", "opus", OPUS, 48_000, MICROPHONE),
            (2, "video", "vp8", VP8, 90_000, CAMERA),
        ] {
            let up = json!([{"type": "openUpTrack", "track": track, "peer": track - 1, "kind": kind,
                "mid": track.to_string(), "rids": [], "screenShare": false, "encrypted": false, "muted": false,
                "codecs": [{"pt": pt, "codec": codec, "clockRate": rate, "rtxPt": null, "nack": true}],
                "ssrcs": [{"ssrc": ssrc, "rtx": null}]}]);
            self.rig.submit(0, &up);
            for peer in FIRST_LISTENER..FIRST_LISTENER + LISTENERS {
                let down = 100 * track + peer;
                let subscription = json!([{"type": "openDownTrack", "down": down, "peer": peer, "track": track,
                    "home": 0, "kind": kind, "mid": track.to_string(), "cname": "stream", "ssrc": 10_000 + down,
                    "rtxSsrc": null, "payloads": [{"from": pt, "to": pt, "rtx": null}], "nack": true,
                    "enabled": true, "maxSpatial": 2, "maxTemporal": 3, "maxFps": 0}]);
                self.rig.submit(0, &subscription);
            }
        }
    }

    /// Sends a packet of audio and four of video each 5 ms, and counts what is allocated meanwhile.
    fn pass(&mut self, steps: usize) -> Passed {
        let mut passed = Passed::default();
        for _ in 0..steps {
            let region = Region::new(ALLOCATOR);
            self.speak();
            std::thread::sleep(Duration::from_millis(5));
            let change = region.change();
            let allocations = change.allocations + change.reallocations;
            passed.steps += 1;
            passed.costly += usize::from(allocations > 0);
            passed.allocations += allocations;
        }
        passed
    }

    fn speak(&mut self) {
        let time = self.frames;
        self.frames += 1;
        self.speaker.send_media(MICROPHONE, OPUS, &[0x55; 80]);
        for frame in 4 * time..4 * time + 4 {
            let mut payload = [0x33; 1_000];
            payload[..KEY_FRAME.len()].copy_from_slice(&KEY_FRAME);
            payload[1] |= u8::from(frame % 400 != 0);
            self.camera.send_media(CAMERA, VP8, &payload);
        }
    }

    /// Packets that went out, and locks that the worker has taken.
    fn counters(&mut self) -> [u64; 2] {
        ["rtp_out", "locks"].map(|name| self.rig.counter(0, name))
    }
}

#[test]
fn media_that_flows_allocates_nothing_and_takes_no_lock() {
    let mut hall = Hall::open();
    hall.publish();
    // Rings are full, windows and reports have been made once.
    hall.pass(300);
    let before = hall.counters();
    let passed = hall.pass(300);
    let after = hall.counters();
    let forwarded = after[0] - before[0];
    assert!(forwarded >= 20_000, "{forwarded} packets");
    // Levels, statistics and reports of several times a second are allocated; what is forwarded between them is not.
    assert!(10 * passed.costly < passed.steps, "{passed:?}");
    assert!(
        passed.allocations < forwarded as usize / 50,
        "{passed:?} of {forwarded}"
    );
    assert_eq!(after[1] - before[1], 0, "locks");
}

/// How a key frame begins and its size (RFC 7741 section 4.2, RFC 6386 section 9.1); the second byte tells delta frames.
const KEY_FRAME: [u8; 11] = [0x10, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0, 5, 0xd0, 2];
