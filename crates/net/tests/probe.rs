//! The prober against a running engine: what it says of ways that work and of ways that do not.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;

use std::net::{SocketAddr, TcpListener, UdpSocket};

use common::{Rig, local_ice};
use serde_json::{Value, json};
use sluice_net::Prober;

const PEER: u32 = 1;

fn rig(config: &Value) -> (Rig, Vec<SocketAddr>) {
    let mut rig = Rig::start(config).expect("the engine starts");
    let candidates = rig.open_peer(0, PEER);
    (rig, candidates)
}

fn describe(rig: &Rig, prober: &Prober) -> Value {
    rig.submit(
        0,
        &json!([{"type": "setRemote", "peer": PEER, "ice": {"ufrag": "probe", "pwd": "probe-password-0123456789"},
                 "iceLite": false, "dtlsRole": "passive", "fingerprints":
                 [{"algorithm": "sha-256", "value": prober.fingerprint()}]}]),
    );
    let info: Value = serde_json::from_str(rig.engine.info()).expect("an object");
    let server = local_ice(0, PEER);
    json!({"ufrag": server.ufrag, "pwd": server.pwd, "lite": false, "active": false,
           "fingerprints": [["sha-256", info["fingerprint"]["value"]]]})
}

fn run(prober: &Prober, way: &Value, remote: &Value) -> Vec<(String, bool, String)> {
    let request = json!({"way": way, "remote": remote, "stepMs": 3000,
                         "local": {"ufrag": "probe", "pwd": "probe-password-0123456789"}});
    let report = prober.run(&request.to_string()).expect("a report");
    let report: Value = serde_json::from_str(&report).expect("an object");
    let steps = report["steps"].as_array().expect("steps").clone();
    steps
        .iter()
        .map(|step| {
            (
                step["step"].as_str().expect("a name").to_owned(),
                step["ok"].as_bool().expect("an outcome"),
                step["detail"].as_str().expect("a detail").to_owned(),
            )
        })
        .collect()
}

fn names(steps: &[(String, bool, String)]) -> Vec<String> {
    steps
        .iter()
        .map(|(name, ok, detail)| {
            if *ok {
                name.clone()
            } else {
                format!("no {name}: {detail}")
            }
        })
        .collect()
}

#[test]
fn a_way_over_udp_is_gone_to_its_end() {
    let (rig, candidates) = rig(&json!({"workers": 1, "udp": {"muxPorts": [44_300]},
           "addresses": [{"bind": "127.0.0.1", "advertise": "127.0.0.1"}]}));
    let prober = Prober::new().expect("a key can be made");
    let remote = describe(&rig, &prober);
    let steps = run(
        &prober,
        &json!({"kind": "udp", "candidate": candidates[0]}),
        &remote,
    );
    assert_eq!(names(&steps), ["connect", "ice", "dtls", "data"]);
}

#[test]
fn a_way_over_tcp_is_gone_to_its_end() {
    let (rig, _) = rig(&json!({"workers": 1, "tcp": {"port": 44_301},
           "addresses": [{"bind": "127.0.0.1", "advertise": "127.0.0.1"}]}));
    let prober = Prober::new().expect("a key can be made");
    let remote = describe(&rig, &prober);
    let steps = run(
        &prober,
        &json!({"kind": "tcp", "candidate": "127.0.0.1:44301"}),
        &remote,
    );
    assert_eq!(names(&steps), ["connect", "ice", "dtls", "data"]);
}

#[test]
fn a_certificate_other_than_the_answers_ends_in_dtls() {
    let (rig, candidates) = rig(&json!({"workers": 1, "udp": {"muxPorts": [44_302]},
           "addresses": [{"bind": "127.0.0.1", "advertise": "127.0.0.1"}]}));
    let prober = Prober::new().expect("a key can be made");
    let mut remote = describe(&rig, &prober);
    remote["fingerprints"][0][1] = json!(prober.fingerprint());
    let steps = run(
        &prober,
        &json!({"kind": "udp", "candidate": candidates[0]}),
        &remote,
    );
    let names = names(&steps);
    assert_eq!(names[..2], ["connect", "ice"]);
    assert!(
        names[2].starts_with("no dtls: FingerprintMismatch"),
        "{names:?}"
    );
}

#[test]
fn silence_and_closed_ports_are_told_apart() {
    let prober = Prober::new().expect("a key can be made");
    let remote = json!({"ufrag": "nobody", "pwd": "nobody-password-0123456789", "lite": false, "active": false,
                        "fingerprints": [["sha-256", prober.fingerprint()]]});
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let open = silent.local_addr().expect("bound");
    let steps = run(&prober, &json!({"kind": "udp", "candidate": open}), &remote);
    assert_eq!(names(&steps), ["connect", "no ice: no answer within 3 s"]);
    drop(silent);
    let steps = run(&prober, &json!({"kind": "udp", "candidate": open}), &remote);
    assert!(steps[1].2.contains("refused"), "{steps:?}");
    let gone = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port");
    let steps = run(&prober, &json!({"kind": "tcp", "candidate": gone}), &remote);
    assert!(names(&steps)[0].starts_with("no connect: "), "{steps:?}");
}

#[test]
fn a_turn_server_that_is_none_is_found_out() {
    let prober = Prober::new().expect("a key can be made");
    let remote = json!({"ufrag": "nobody", "pwd": "nobody-password-0123456789", "lite": false, "active": false,
                        "fingerprints": [["sha-256", prober.fingerprint()]]});
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let server = listener.local_addr().expect("bound");
    let web = std::thread::spawn(move || {
        use std::io::{Read, Write};
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().expect("a client");
            let _ = stream.read(&mut [0; 1024]);
            stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                .expect("it listens");
        }
    });
    let turn = json!({"server": server, "username": "u", "credential": "p", "peer": "127.0.0.1:9"});
    let steps = run(&prober, &json!({"kind": "turn-tcp", "turn": turn}), &remote);
    assert_eq!(names(&steps)[0], "connect");
    assert!(names(&steps)[1].starts_with("no allocate: "), "{steps:?}");
    let way = json!({"kind": "turn-tls", "turn": turn, "serverName": "turn.example.com"});
    let steps = run(&prober, &way, &remote);
    assert!(names(&steps)[1].starts_with("no tls: "), "{steps:?}");
    web.join().expect("it ended");
}

#[test]
fn malformed_requests_are_refused() {
    let prober = Prober::new().expect("a key can be made");
    assert!(prober.run("{}").is_err());
    assert!(prober.run("[").is_err());
}
