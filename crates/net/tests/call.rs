//! Whole calls over loopback: media and data from client to client, on one worker, across workers, on shared and on
//! own ports, and while nobody listens to what the workers report.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::{Client, Rig, drive};
use serde_json::{Value, json};
use sluice_peer::{ChannelSettings, PeerEvent, SendOutcome};

const OPUS: u8 = 111;
const SPEAKER: u32 = 1;
const LISTENER: u32 = 2;
const SPEAKER_SSRC: u32 = 1_111;
const LISTENER_SSRC: u32 = 2_222;

fn range(workers: u16, address: &str) -> Value {
    json!({"workers": workers, "udp": {"portRangeStart": 44_000, "portRangeEnd": 44_099},
           "addresses": [{"bind": address, "advertise": address}]})
}

fn mux(workers: u16, address: &str) -> Value {
    json!({"workers": workers, "udp": {"muxPorts": [44_100]},
           "addresses": [{"bind": address, "advertise": address}]})
}

/// Connected clients, one on each of `workers`; their ids count from 1.
fn connect(rig: &mut Rig, workers: &[u16]) -> Vec<Client> {
    let mut clients: Vec<Client> = (1..)
        .zip(workers)
        .map(|(id, &worker)| {
            let candidates = rig.open_peer(worker, id);
            Client::connect(rig, worker, id, &candidates)
        })
        .collect();
    let mut all: Vec<&mut Client> = clients.iter_mut().collect();
    drive(&mut all, "connections", |clients| {
        clients.iter().all(|client| client.peer.is_connected())
    });
    for id in (1..).take(workers.len()) {
        rig.wait_for(|report| report["type"] == "peerConnected" && report["peer"] == id);
    }
    clients
}

/// The listener's worker subscribes it to the speaker's track.
fn subscribe(rig: &Rig, home: u16, away: u16) {
    rig.submit(
        home,
        &json!([{"type": "openUpTrack", "track": 10, "peer": SPEAKER, "kind": "audio", "mid": "0",
            "codecs": [{"pt": OPUS, "codec": "opus", "clockRate": 48_000, "rtxPt": null, "nack": true}],
            "ssrcs": [{"ssrc": SPEAKER_SSRC, "rtx": null}], "rids": [], "screenShare": false,
            "encrypted": false, "muted": false}]),
    );
    rig.submit(
        away,
        &json!([{"type": "openDownTrack", "down": 20, "peer": LISTENER, "track": 10, "home": home,
            "kind": "audio", "mid": "0", "cname": "stream", "ssrc": LISTENER_SSRC, "rtxSsrc": null,
            "payloads": [{"from": OPUS, "to": 96, "rtx": null}], "nack": true, "enabled": true,
            "maxSpatial": 0, "maxTemporal": 0, "maxFps": 0}]),
    );
}

/// Speaks until the listener has heard `wanted` packets; their payloads.
fn converse(clients: &mut [Client], wanted: usize) -> Vec<Vec<u8>> {
    let mut said = 0_u32;
    let mut all: Vec<&mut Client> = clients.iter_mut().collect();
    drive(&mut all, "packets heard", |clients| {
        if let [speaker, listener, ..] = clients {
            speaker.send_media(SPEAKER_SSRC, OPUS, &said.to_be_bytes());
            said += 1;
            return listener.packets.len() >= wanted;
        }
        true
    });
    let heard = clients[1].packets.iter();
    heard
        .map(|packet| packet[packet.len() - 4..].to_vec())
        .collect()
}

fn assert_call(config: &Value, workers: [u16; 2]) {
    let mut rig = Rig::start(config).expect("the engine starts");
    let mut clients = connect(&mut rig, &workers);
    subscribe(&rig, workers[0], workers[1]);
    let heard = converse(&mut clients, 200);
    assert!(heard.is_sorted(), "in order: {heard:?}");
    let first = &clients[1].packets[0];
    assert_eq!(first[1] & 0x7f, 96);
    assert_eq!(first[8..12], LISTENER_SSRC.to_be_bytes());
    rig.wait_for(|report| report["type"] == "trackStarted" && report["track"] == 10);
    rig.wait_for(|report| report["type"] == "downTrackStarted" && report["down"] == 20);
}

#[test]
fn audio_flows_on_one_worker() {
    assert_call(&range(1, "127.80.0.1"), [0, 0]);
}

#[test]
fn audio_flows_between_workers() {
    assert_call(&range(2, "127.80.0.2"), [0, 1]);
}

#[test]
fn audio_flows_between_workers_that_share_a_port() {
    assert_call(&mux(2, "127.80.0.3"), [1, 0]);
}

#[test]
fn media_does_not_wait_for_a_blocked_control_plane() {
    let mut rig = Rig::start(&range(1, "127.80.0.4")).expect("the engine starts");
    let mut clients = connect(&mut rig, &[0, 0]);
    subscribe(&rig, 0, 0);
    converse(&mut clients, 10);
    // From here on nobody takes reports, and each of these makes one.
    for id in 0..5_000 {
        let query = json!([{"type": "query", "id": id, "query": {"type": "dataSequence", "participant": 1}}]);
        // A worker takes commands of one tick at a time; a full mailbox is part of the load.
        let _ = rig.engine.submit(0, &query.to_string());
    }
    clients[1].packets.clear();
    converse(&mut clients, 300);
    rig.wait_for(|report| report["type"] == "answer" && report["id"] == 0);
    rig.wait_for(|report| report["type"] == "answer" && report["id"] == 4_000);
}

#[test]
fn data_flows_between_workers() {
    let mut rig = Rig::start(&range(3, "127.80.0.5")).expect("the engine starts");
    let workers = [0, 1, 2, 2];
    let mut clients = connect(&mut rig, &workers);
    for worker in 0..3 {
        rig.submit(
            worker,
            &json!([{"type": "setRoomWorkers", "room": 1, "workers": [0, 1, 2]}]),
        );
    }
    for (id, &worker) in (1..).zip(&workers) {
        rig.submit(
            worker,
            &json!([{"type": "setParticipant", "participant": id, "room": 1, "sid": format!("PA_{id}"),
                "identity": format!("user{id}"), "upPeers": [id], "downPeer": id, "canPublishData": true,
                "hidden": false, "agent": false}]),
        );
    }
    for client in &mut clients {
        let now = std::time::Instant::now();
        assert!(
            client
                .peer
                .open_data_channel(now, ChannelSettings::reliable("_reliable"))
        );
    }
    let mut all: Vec<&mut Client> = clients.iter_mut().collect();
    drive(&mut all, "channels", |clients| {
        clients
            .iter()
            .all(|client| client.peer.data_channel("_reliable").is_some())
    });
    for id in 1..=4 {
        rig.wait_for(|report| report["type"] == "dataChannelOpened" && report["peer"] == id);
    }
    // DataPacket { user: UserPacket { payload: "hello" } }
    let packet = Bytes::from_static(b"\x12\x07\x12\x05hello");
    let channel = all[0].peer.data_channel("_reliable").expect("it is open");
    let sent = all[0]
        .peer
        .send_data(std::time::Instant::now(), channel, &packet, true, 1 << 20);
    assert_eq!(sent, SendOutcome::Sent);
    drive(&mut all, "messages", |clients| {
        clients.iter().skip(1).all(|client| {
            client
                .events
                .iter()
                .any(|event| matches!(event, PeerEvent::Message { .. }))
        })
    });
    rig.look(Duration::ZERO);
    assert!(!rig.has(|report| report["type"] == "peerClosed"));
}
