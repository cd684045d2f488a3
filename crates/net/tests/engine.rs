//! A real engine on loopback: how it starts, what it answers, how it ends.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use common::{Client, Rig, drive, local_ice};
use serde_json::{Value, json};
use sluice_net::{StartError, SubmitError};

/// Each test has a loopback address of its own, so that they don't meet on ports.
fn range(workers: u16, address: &str, first: u16, last: u16) -> Value {
    json!({"workers": workers, "udp": {"portRangeStart": first, "portRangeEnd": last},
           "addresses": [{"bind": address, "advertise": address}]})
}

fn mux(workers: u16, address: &str, ports: &[u16]) -> Value {
    json!({"workers": workers, "udp": {"muxPorts": ports},
           "addresses": [{"bind": address, "advertise": address}]})
}

fn start(config: &Value) -> Rig {
    Rig::start(config).expect("the engine starts")
}

#[test]
fn a_peer_of_a_port_range_answers_checks_on_its_port() {
    let mut rig = start(&range(1, "127.79.0.1", 42_000, 42_009));
    let candidates = rig.open_peer(0, 7);
    assert_eq!(candidates.len(), 1);
    assert!((42_000..=42_009).contains(&candidates[0].port()));
    let mut client = Client::connect(&rig, 0, 7, &candidates);
    drive(&mut [&mut client], "a connection", |clients| {
        clients[0].peer.is_connected()
    });
    let connected = rig.wait_for(|report| report["type"] == "peerConnected");
    assert_eq!(connected["peer"], 7);
}

#[test]
fn a_client_that_is_no_part_of_a_call_gets_no_answer() {
    let mut rig = start(&range(1, "127.79.0.2", 42_000, 42_000));
    let candidates = rig.open_peer(0, 1);
    let stranger = UdpSocket::bind("127.79.0.2:0").expect("loopback is there");
    stranger
        .set_read_timeout(Some(Duration::from_millis(200)))
        .expect("a timeout can be set");
    for datagram in [&[0; 20][..], &[22; 60], &[128; 40], b"hello"] {
        stranger
            .send_to(datagram, candidates[0])
            .expect("it is sent");
    }
    assert!(stranger.recv(&mut [0; 100]).is_err());
    assert_eq!(rig.counter(0, "packets_in"), 4);
}

#[test]
fn a_full_port_range_refuses_the_peer_and_nothing_else() {
    let mut rig = start(&range(2, "127.79.0.3", 42_000, 42_001));
    rig.open_peer(0, 1);
    rig.open_peer(1, 2);
    let ice = local_ice(0, 3);
    let open = json!([{"type": "openPeer", "peer": 3, "ice": {"ufrag": ice.ufrag, "pwd": ice.pwd},
                       "iceLite": false, "controlling": false}]);
    rig.submit(0, &open);
    let closed = rig.wait_for(|report| report["type"] == "peerClosed");
    assert_eq!(
        (&closed["peer"], &closed["reason"]),
        (&json!(3), &json!("portsExhausted"))
    );
    assert_eq!(closed["detail"], "no free UDP port from 42000 to 42001");
    rig.wait_for(|report| report["type"] == "log" && report["level"] == "warn");
    assert_eq!(rig.counter(0, "ports_exhausted"), 1);
    rig.submit(1, &json!([{"type": "closePeer", "peer": 2}]));
    rig.counter(1, "packets_in");
    rig.submit(0, &open);
    rig.wait_for(|report| report["type"] == "peerOpened" && report["peer"] == 3);
}

#[test]
fn workers_that_share_a_port_hand_datagrams_over() {
    let mut rig = start(&mux(2, "127.79.0.4", &[42_100]));
    let mut clients: Vec<Client> = (0..16)
        .map(|id| {
            let worker = u16::try_from(id % 2).expect("small");
            let candidates = rig.open_peer(worker, id);
            assert_eq!(candidates[0].port(), 42_100);
            Client::connect(&rig, worker, id, &candidates)
        })
        .collect();
    let mut clients: Vec<&mut Client> = clients.iter_mut().collect();
    drive(&mut clients, "sixteen connections", |clients| {
        clients.iter().all(|client| client.peer.is_connected())
    });
    for client in clients {
        let id = client.id();
        rig.wait_for(|report| report["type"] == "peerConnected" && report["peer"] == id);
    }
    // With sixteen clients the kernel picks the wrong socket for some, all but once in 65,536 runs.
    let handed_over: u64 = (0..2)
        .map(|worker| rig.counter(worker, "datagrams_handed_over"))
        .sum();
    assert!(handed_over > 0);
}

#[test]
fn workers_with_a_port_each_need_no_hand_over() {
    let mut rig = start(&mux(2, "127.79.0.5", &[42_100, 42_101, 42_102]));
    assert_eq!(rig.open_peer(0, 1)[0].port(), 42_100);
    assert_eq!(rig.open_peer(1, 2)[0].port(), 42_101);
}

#[test]
fn a_common_port_serves_the_peers_of_every_worker_beside_their_own() {
    let mut config = mux(2, "127.79.0.15", &[42_100, 42_101]);
    config["udp"]["commonPorts"] = json!([42_110]);
    let mut rig = start(&config);
    let mut clients: Vec<Client> = (0..16)
        .map(|id| {
            let worker = u16::try_from(id % 2).expect("small");
            let candidates = rig.open_peer(worker, id);
            let ports: Vec<u16> = candidates.iter().map(SocketAddr::port).collect();
            assert_eq!(ports, [42_100 + worker, 42_110]);
            Client::connect(&rig, worker, id, &candidates[1..])
        })
        .collect();
    let mut clients: Vec<&mut Client> = clients.iter_mut().collect();
    drive(&mut clients, "sixteen connections", |clients| {
        clients.iter().all(|client| client.peer.is_connected())
    });
}

#[test]
fn a_shared_port_that_somebody_has_is_an_error() {
    let _first = start(&mux(2, "127.79.0.6", &[42_100]));
    let error = Rig::start(&mux(2, "127.79.0.6", &[42_100]))
        .map(|_| ())
        .expect_err("it is taken");
    assert!(matches!(error, StartError::Bind { .. }), "{error}");
    assert!(
        error
            .to_string()
            .starts_with("can't bind UDP 127.79.0.6:42100"),
        "{error}"
    );
}

#[test]
fn commands_before_the_end_are_still_handled() {
    let mut rig = start(&range(1, "127.79.0.8", 42_000, 42_009));
    rig.submit(
        0,
        &json!([{"type": "query", "id": 5, "query": {"type": "workerStats"}}]),
    );
    rig.engine.close();
    rig.wait_for(|report| report["type"] == "answer" && report["id"] == 5);
}

#[test]
fn malformed_commands_are_refused_as_a_whole() {
    let mut rig = start(&range(1, "127.79.0.9", 42_000, 42_009));
    let batch = r#"[{"type":"closePeer","peer":1},{"type":"selfDestruct"}]"#;
    assert!(matches!(
        rig.engine.submit(0, batch),
        Err(SubmitError::Malformed(_))
    ));
    assert!(matches!(
        rig.engine.submit(1, "[]"),
        Err(SubmitError::NoWorker(1))
    ));
    assert_eq!(rig.counter(0, "drop_command"), 0);
}

#[test]
fn the_engine_describes_itself() {
    let rig = start(&range(2, "127.79.0.10", 42_000, 42_009));
    let info: Value = serde_json::from_str(rig.engine.info()).expect("an object");
    assert_eq!(info["workers"], 2);
    assert_eq!(info["fingerprint"]["algorithm"], "sha-256");
    assert_eq!(
        info["fingerprint"]["value"].as_str().map(str::len),
        Some(32 * 3 - 1)
    );
    assert!(info["warnings"].is_array());
}

#[test]
fn an_engine_serves_both_address_families() {
    if UdpSocket::bind("[::1]:0").is_err() {
        return; // This machine has no IPv6.
    }
    let config = json!({"workers": 1, "udp": {"portRangeStart": 42_200, "portRangeEnd": 42_299},
        "addresses": [{"bind": "127.79.0.11", "advertise": "127.79.0.11"}, {"bind": "::1", "advertise": "::1"}]});
    let mut rig = start(&config);
    let candidates = rig.open_peer(0, 1);
    let six: Vec<_> = candidates
        .iter()
        .copied()
        .filter(std::net::SocketAddr::is_ipv6)
        .collect();
    assert_eq!((candidates.len(), six.len()), (2, 1));
    let mut client = Client::connect(&rig, 0, 1, &six);
    drive(&mut [&mut client], "a connection", |clients| {
        clients[0].peer.is_connected()
    });
}

#[test]
fn a_translated_address_is_reached_through_the_wildcard() {
    let config = json!({"workers": 1, "udp": {"portRangeStart": 42_300, "portRangeEnd": 42_399},
        "addresses": [{"bind": "0.0.0.0", "advertise": "127.79.0.12"}]});
    let mut rig = start(&config);
    let candidates = rig.open_peer(0, 1);
    assert_eq!(candidates[0].ip().to_string(), "127.79.0.12");
    let mut client = Client::connect(&rig, 0, 1, &candidates);
    drive(&mut [&mut client], "a connection", |clients| {
        clients[0].peer.is_connected()
    });
}
