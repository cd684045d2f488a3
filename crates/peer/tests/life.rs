//! What happens to a transport after it connected: restart, roaming, silence, goodbye.

mod support;

use std::time::Duration;

use sluice_peer::{CloseReason, Credentials, DtlsRole, IceState, PeerEvent, Received};
use sluice_wire::id::Ssrc;
use support::{Net, ROAMED, SERVER, addr, host};

/// Sends media both ways for the while, 50 packets a second each; returns the longest gap at the server and
/// at the client.
fn media(net: &mut Net, ssrc: Ssrc, first: u16, duration: Duration) -> (Duration, Duration) {
    let up = net.client.peer.send_stream(ssrc).expect("keys");
    let down = net.server.peer.send_stream(ssrc).expect("keys");
    let (mut longest, mut last) = ([Duration::ZERO; 2], [net.now; 2]);
    for n in 0..(duration.as_millis() / 20) as u16 {
        let before = [net.server.rtp.len(), net.client.rtp.len()];
        let packet = net.client.seal(up, ssrc, first + n, b"up");
        net.client_sends(&packet);
        let packet = net.server.seal(down, ssrc, first + n, b"down");
        net.server_sends(&packet);
        net.run_for(Duration::from_millis(20));
        let after = [net.server.rtp.len(), net.client.rtp.len()];
        for side in 0..2 {
            if after[side] > before[side] {
                last[side] = net.now;
            }
            longest[side] = longest[side].max(net.now.saturating_duration_since(last[side]));
        }
    }
    (longest[0], longest[1])
}

#[test]
fn an_ice_restart_keeps_media_dtls_and_keys() {
    let mut net = Net::connected(1);
    media(&mut net, Ssrc(7), 0, Duration::from_secs(1));
    let server = Credentials::new("server2", "another-password-of-22-chars");
    let client = Credentials::new("client2", "client-password-of-22-chars--");
    net.server.peer.restart_ice(net.now, server.clone());
    net.server.creds = server;
    media(&mut net, Ssrc(7), 100, Duration::from_secs(1));
    net.client.peer.restart_ice(net.now, client.clone());
    net.client.creds = client;
    let (of_server, of_client) = (
        net.server.described(DtlsRole::Client),
        net.client.described(DtlsRole::Server),
    );
    net.client.peer.set_remote(net.now, of_server);
    net.client
        .peer
        .add_remote_candidate(net.now, &host(addr(SERVER)));
    net.server.peer.set_remote(net.now, of_client);
    let gaps = media(&mut net, Ssrc(7), 200, Duration::from_secs(40));
    assert!(
        gaps.0 <= Duration::from_millis(100) && gaps.1 <= Duration::from_millis(100),
        "{gaps:?}"
    );
    let connected = net
        .server
        .events
        .iter()
        .filter(|(_, event)| matches!(event, PeerEvent::Connected { .. }))
        .count();
    assert_eq!(connected, 1, "one handshake");
    assert!(
        !net.server
            .saw(|event| matches!(event, PeerEvent::Ice(IceState::Disconnected, _)))
    );
}

#[test]
fn media_follows_a_roaming_client() {
    let mut net = Net::connected(2);
    media(&mut net, Ssrc(7), 0, Duration::from_secs(2));
    net.client.seen_as = Some(addr(ROAMED));
    // The client's own checks are up to 2 s apart; from then on it is a matter of moments.
    let (_, gap) = media(&mut net, Ssrc(7), 500, Duration::from_secs(10));
    assert!(gap < Duration::from_secs(3), "{gap:?}");
    assert_eq!(
        net.server.peer.path().map(|path| path.remote),
        Some(addr(ROAMED))
    );
    assert!(
        net.server
            .saw(|event| matches!(event, PeerEvent::Path(path) if path.remote == addr(ROAMED)))
    );
    assert!(net.both_connected());
}

/// Both sides begin a new ICE session, as by an offer and its answer.
fn restart(net: &mut Net) {
    let (server, client) = (
        Credentials::new("server2", "another-password-of-22-chars"),
        Credentials::new("client2", "client-password-of-22-chars--"),
    );
    net.server.peer.restart_ice(net.now, server.clone());
    net.server.creds = server;
    net.client.peer.restart_ice(net.now, client.clone());
    net.client.creds = client;
    let (of_server, of_client) = (
        net.server.described(DtlsRole::Client),
        net.client.described(DtlsRole::Server),
    );
    net.client.peer.set_remote(net.now, of_server);
    net.client
        .peer
        .add_remote_candidate(net.now, &host(addr(SERVER)));
    net.server.peer.set_remote(net.now, of_client);
}

#[test]
fn an_ice_restart_after_silence_takes_media_up_with_the_same_keys() {
    let mut net = Net::connected(6);
    media(&mut net, Ssrc(7), 0, Duration::from_secs(1));
    net.cut = true;
    net.run_for(Duration::from_secs(40));
    assert_eq!(net.server.peer.ice_state(), IceState::Failed);
    net.cut = false;
    let before = net.server.rtp.len();
    restart(&mut net);
    net.run_for(Duration::from_secs(2));
    media(&mut net, Ssrc(7), 100, Duration::from_secs(1));
    assert_eq!(net.server.peer.ice_state(), IceState::Connected);
    assert!(
        net.server.rtp.len() >= before + 50,
        "{}",
        net.server.rtp.len()
    );
    let handshakes = net
        .server
        .events
        .iter()
        .filter(|(_, event)| matches!(event, PeerEvent::Connected { .. }))
        .count();
    assert_eq!(handshakes, 1);
}

#[test]
fn silence_stops_media_within_thirty_seconds() {
    let mut net = Net::connected(3);
    net.cut = true;
    let cut = net.elapsed();
    net.run_for(Duration::from_secs(40));
    assert_eq!(net.server.closed(), None, "a restart may still save it");
    let (at, event) = net.server.events.last().expect("events");
    assert_eq!(*event, PeerEvent::Ice(IceState::Failed, None));
    assert!(at.saturating_sub(cut) <= Duration::from_secs(30), "{at:?}");
    assert_eq!(net.server.peer.path(), None);
    assert!(matches!(
        net.server.receive(net.now, net.client.bound, &[0x80; 40]),
        Received::Dropped(_)
    ));
}

#[test]
fn a_goodbye_is_heard() {
    let mut net = Net::connected(4);
    net.client.peer.close(net.now);
    assert!(net.run_until(Duration::from_secs(1), |net| net.server.closed().is_some()));
    assert_eq!(net.server.closed(), Some(CloseReason::RemoteClosed));
    assert_eq!(net.client.closed(), None, "our own close is not reported");
}

#[test]
fn an_idle_transport_wakes_up_seldom() {
    let mut net = Net::connected(5);
    net.run_for(Duration::from_secs(10));
    let before = net.timers;
    net.run_for(Duration::from_mins(1));
    let fires = net.timers - before;
    assert!(fires < 2 * 60 * 3, "{fires} in a minute on both sides");
}
