//! Two transports over a link that loses, reorders, duplicates and delays.

mod support;

use std::time::Duration;

use bytes::Bytes;
use sluice_peer::{ChannelSettings, PeerEvent, SendOutcome, SrtpProfile};
use sluice_wire::id::Ssrc;
use support::{Net, Weather};

const SEEDS: std::ops::Range<u64> = 1..33;

#[test]
fn transports_connect_and_pass_media_and_data_both_ways() {
    for seed in SEEDS {
        let mut net = Net::new(seed);
        net.weather = Weather::storm();
        assert!(
            net.server
                .peer
                .open_data_channel(net.now, ChannelSettings::reliable("_reliable"))
        );
        assert!(
            net.client
                .peer
                .open_data_channel(net.now, ChannelSettings::lossy("_lossy"))
        );
        net.signal();
        assert!(
            net.run_until(Duration::from_secs(30), Net::both_connected),
            "seed {seed}: handshake"
        );
        let cheap = |event: &PeerEvent| match event {
            PeerEvent::Connected { profile, .. } => *profile != SrtpProfile::Aes128CmSha1_80,
            _ => false,
        };
        assert!(net.server.saw(cheap), "seed {seed}: GCM is chosen");

        let open = |net: &Net| {
            ["_reliable", "_lossy"].iter().all(|label| {
                net.server.channel(label).is_some() && net.client.channel(label).is_some()
            })
        };
        let opened = net.run_until(Duration::from_secs(30), open);
        assert!(
            opened,
            "seed {seed}: channels: {:?} {:?} {:?} {:?}",
            net.server.events,
            net.client.events,
            net.server.peer.stats(),
            net.client.peer.stats()
        );
        pass_media(&mut net, seed);
        pass_data(&mut net, seed);
    }
}

fn pass_media(net: &mut Net, seed: u64) {
    let ssrc = Ssrc(0x1234);
    let (up, down) = (
        net.client.peer.send_stream(ssrc),
        net.server.peer.send_stream(ssrc),
    );
    let (up, down) = (up.expect("keys"), down.expect("keys"));
    for sequence in 65_500..65_700u32 {
        let sequence = sequence as u16;
        let packet = net
            .client
            .seal(up, ssrc, sequence, format!("up {sequence}").as_bytes());
        net.client_sends(&packet);
        let packet = net
            .server
            .seal(down, ssrc, sequence, format!("down {sequence}").as_bytes());
        net.server_sends(&packet);
        net.run_for(Duration::from_millis(10));
    }
    let mut report = vec![0x80, 201, 0, 1, 0, 0, 0, 9];
    net.client.peer.seal_rtcp(&mut report).expect("sealed");
    for _ in 0..20 {
        net.client_sends(&report);
    }
    net.run_for(Duration::from_secs(1));
    for (side, name) in [(&net.server, "up"), (&net.client, "down")] {
        assert!(
            (120..=200).contains(&side.rtp.len()),
            "seed {seed}: {} packets {name}",
            side.rtp.len()
        );
        for packet in &side.rtp {
            let sequence = u16::from_be_bytes([packet[2], packet[3]]);
            assert_eq!(&packet[12..], format!("{name} {sequence}").as_bytes());
        }
    }
    assert_eq!(net.server.rtcp.len(), 1, "seed {seed}: replays are dropped");
}

fn pass_data(net: &mut Net, seed: u64) {
    let (server, client) = (
        net.server.channel("_reliable"),
        net.client.channel("_reliable"),
    );
    let (server, client) = (server.expect("open"), client.expect("open"));
    let big = Bytes::from((0..60_000u32).map(|n| n as u8).collect::<Vec<u8>>());
    for n in 0..20 {
        let small = Bytes::from(format!("message {n}"));
        assert_eq!(
            net.server
                .peer
                .send_data(net.now, server, &small, true, 1 << 20),
            SendOutcome::Sent
        );
        assert_eq!(
            net.client
                .peer
                .send_data(net.now, client, &small, false, 1 << 20),
            SendOutcome::Sent
        );
    }
    assert_eq!(
        net.server
            .peer
            .send_data(net.now, server, &big, true, 1 << 20),
        SendOutcome::Sent
    );
    assert_eq!(
        net.client
            .peer
            .send_data(net.now, client, &Bytes::new(), true, 1 << 20),
        SendOutcome::Sent
    );
    let arrived =
        |net: &Net| net.client.messages().len() == 21 && net.server.messages().len() == 21;
    assert!(
        net.run_until(Duration::from_mins(2), arrived),
        "seed {seed}: data"
    );
    for (side, last) in [(&net.client, &big), (&net.server, &Bytes::new())] {
        let messages = side.messages();
        for (n, message) in messages.iter().take(20).enumerate() {
            assert_eq!(
                message,
                &Bytes::from(format!("message {n}")),
                "seed {seed}: in order"
            );
        }
        assert_eq!(&messages[20], last);
    }
}

#[test]
fn a_clean_link_connects_within_half_a_second() {
    let mut net = Net::new(7);
    net.signal();
    assert!(
        net.run_until(Duration::from_millis(500), Net::both_connected),
        "took {:?}",
        net.elapsed()
    );
}
