//! An engine that ended leaves nothing behind. The only test of this process, since it counts what the process has.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;

use common::link::Link;
use common::{Client, Rig, drive};
use serde_json::json;

/// Threads and file descriptors of this process.
fn belongings() -> (usize, usize) {
    let count = |directory| std::fs::read_dir(directory).expect("proc is there").count();
    (count("/proc/self/task"), count("/proc/self/fd"))
}

#[test]
fn a_closed_engine_leaves_no_thread_and_no_descriptor() {
    let before = belongings();
    for round in 0..6_u32 {
        let udp = if round % 2 == 0 {
            json!({"portRangeStart": 45_000, "portRangeEnd": 45_009})
        } else {
            json!({"muxPorts": [45_100]})
        };
        let address = "127.81.0.1";
        let config = json!({"workers": 3, "udp": udp, "tcp": {"port": 45_200},
                            "addresses": [{"bind": address, "advertise": address}]});
        let mut rig = Rig::start(&config).expect("the engine starts");
        for peer in 0..6 {
            rig.open_peer(u16::try_from(peer % 3).expect("small"), peer);
        }
        assert!(belongings().0 >= before.0 + 3);
        let candidate = rig.open_peer_with_tcp(1, 6).1[0];
        let mut client = Client::connect_tcp(&rig, 1, 6, candidate);
        drive(&mut [&mut client], "a connection", |clients| {
            clients[0].peer.is_connected()
        });
        let idle: Vec<Link> = (0..20).map(|_| Link::tcp(candidate)).collect();
        drop(idle);
        rig.engine.close();
        rig.engine.close();
    }
    assert_eq!(belongings(), before);
}
