//! How soon transports stand where the network takes no time: no wait of ours may show.

mod support;

use std::time::Duration;

use sluice_peer::Protocol;
use support::{CLIENT, Net, SERVER, Side, addr, host};

/// As a subscriber's transport: the server offered, so it controls. The client's first check comes before its answer,
/// and its candidates so many milliseconds after that.
#[test]
fn an_offering_server_is_connected_to_at_once_whenever_the_answer_and_candidates_come() {
    for (answer, candidates) in [(0, 0), (5, 0), (5, 1), (5, 2), (5, 3), (5, 10), (120, 3)] {
        let mut net = Net::new(7);
        net.delay = Duration::from_micros(100);
        net.server = Side::server(net.now, 7).with_other_ice_role(net.now, 7);
        net.client = Side::client(net.now, 7).with_other_ice_role(net.now, 8);
        for (protocol, text) in [
            (Protocol::Tcp, "192.0.2.1:7881"),
            (Protocol::Udp, "[2001:db8::1]:50000"),
        ] {
            net.server
                .peer
                .add_local_address(protocol, addr(text), addr(text));
        }
        let (server, client) = (
            net.server.described(net.client.role),
            net.client.described(net.server.role),
        );
        net.client.peer.set_remote(net.now, server);
        net.client
            .peer
            .add_remote_candidate(net.now, &host(addr(SERVER)));
        net.run_for(Duration::from_millis(answer));
        let answered = net.now;
        net.server.peer.set_remote(net.now, client);
        net.run_for(Duration::from_millis(candidates));
        net.server
            .peer
            .add_remote_candidate(net.now, &host(addr(CLIENT)));
        assert!(net.run_until(Duration::from_secs(5), Net::both_connected));
        let took = net.now - answered;
        assert!(
            took <= Duration::from_millis(12),
            "answer {answer} ms, candidates {candidates} ms: {took:?}"
        );
    }
}
