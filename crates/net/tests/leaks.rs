//! An engine that ended leaves nothing behind. The only test of this process, since it counts what the process has.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;

use common::certificates::Authority;
use common::link::Link;
use common::turn::{Access, TurnClient, turn_config};
use common::{Client, Rig, drive};
use serde_json::json;
use sluice_turn::caller::Request;

/// Threads and file descriptors of this process.
fn belongings() -> (usize, usize) {
    let count = |directory| std::fs::read_dir(directory).expect("proc is there").count();
    (count("/proc/self/task"), count("/proc/self/fd"))
}

#[test]
fn a_closed_engine_leaves_no_thread_and_no_descriptor() {
    let authority = Authority::new();
    let pair = authority.issue();
    let before = belongings();
    for round in 0..6_u32 {
        let udp = if round % 2 == 0 {
            json!({"portRangeStart": 45_000, "portRangeEnd": 45_009})
        } else {
            json!({"muxPorts": [45_100]})
        };
        let address = "127.81.0.1";
        let config = json!({"workers": 3, "udp": udp, "tcp": {"port": 45_200},
                            "turn": turn_config(address),
                            "addresses": [{"bind": address, "advertise": address}]});
        let mut config = config;
        config["turn"]["tls"]["external"] = json!(round % 3 == 0);
        let mut rig = Rig::start(&config).expect("the engine starts");
        rig.engine
            .set_turn_certificate(&pair.certificate, &pair.key)
            .expect("a good certificate");
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
        relay(&mut rig, round % 3 == 0, &authority);
        rig.engine.close();
        rig.engine.close();
    }
    assert_eq!(belongings(), before);
}

/// Allocations that come and go, of clients that say goodbye and of such that don't; nothing stays of the latter's
/// streams either.
fn relay(rig: &mut Rig, plain: bool, authority: &Authority) {
    let stream = if plain {
        Access::Tcp
    } else {
        Access::Tls(authority.client())
    };
    let ip = "127.81.0.1".parse().expect("an address");
    let before = belongings();
    let clients: Vec<TurnClient> = (0..10)
        .map(|n| {
            let mut client = TurnClient::allocated(&stream, ip, &format!("PA_{n}"));
            if n % 2 == 0 {
                client.ask(Request::Release).expect("it is granted");
            }
            client
        })
        .collect();
    drop(clients);
    for n in 0..10 {
        let mut client = TurnClient::allocated(&Access::Udp, ip, &format!("PA_{n}"));
        client.ask(Request::Release).expect("it is granted");
    }
    drive(&mut [], "the end of all allocations", |_| {
        (0..3).all(|worker| rig.counter(worker, "turn_allocations") == 0)
    });
    drive(&mut [], "the end of all descriptors", |_| {
        belongings().1 <= before.1
    });
}
