//! A client that means harm.

mod support;

use std::time::Duration;

use bytes::Bytes;
use sluice_data::{
    ChannelSettings, DataConfig, DataEvent, DataRole, DataTransport, MAX_CHANNELS, Refusal,
    SendOutcome,
};
use support::{Net, opened};

fn packet(tag: u32, chunks: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x13, 0x88, 0x13, 0x88];
    packet.extend_from_slice(&tag.to_be_bytes());
    packet.extend_from_slice(&[0; 4]);
    packet.extend_from_slice(chunks);
    let checksum = crc32c(&packet).to_le_bytes();
    packet[8..12].copy_from_slice(&checksum);
    packet
}

fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0x82f6_3b78
            } else {
                crc >> 1
            };
        }
    }
    !crc
}

#[test]
#[allow(clippy::disallowed_methods)]
fn a_flood_of_inits_makes_one_association() {
    let now = std::time::Instant::now();
    let mut server = DataTransport::new(
        now,
        DataConfig {
            role: DataRole::Passive,
            dtls_client: false,
        },
    );
    let mut answers = 0;
    for tag in 1..20_000u32 {
        let mut init = vec![1, 0, 0, 20];
        init.extend_from_slice(&tag.to_be_bytes());
        init.extend_from_slice(&[0, 1, 0, 0, 0, 9, 0, 9, 0, 0, 0, 7]);
        server
            .handle_packet(now, &packet(0, &init))
            .expect("well-formed");
        answers += std::iter::from_fn(|| server.poll_transmit()).count();
    }
    assert_eq!(answers, 1);
    assert!(!server.is_connected());
}

#[test]
fn data_on_streams_beyond_the_limit_never_reaches_the_association() {
    let mut net = Net::new(1);
    net.run_for(Duration::from_secs(1));
    assert!(net.server.is_connected());
    for stream in 1_024..=u16::MAX {
        let mut data = vec![0, 3, 0, 17, 0, 0, 0, 1];
        data.extend_from_slice(&stream.to_be_bytes());
        data.extend_from_slice(&[0, 0, 0, 0, 0, 53, 1, 0, 0, 0]);
        let refused = net.server.handle_packet(net.now, &packet(1, &data));
        assert_eq!(refused, Err(Refusal::StreamBeyondLimit));
    }
    assert_eq!(net.server.stats().packets_refused, 64_512);
}

#[test]
fn more_channels_than_allowed_are_turned_away_and_the_rest_work() {
    let mut net = Net::new(2);
    net.run_for(Duration::from_secs(1));
    for n in 0..MAX_CHANNELS {
        assert!(
            net.client
                .open_channel(net.now, ChannelSettings::reliable(format!("{n}")))
                .is_some()
        );
    }
    assert_eq!(
        net.client
            .open_channel(net.now, ChannelSettings::reliable("one more")),
        None
    );
    net.run_for(Duration::from_secs(10));
    assert_eq!(net.server.channels(), MAX_CHANNELS);
    assert_eq!(
        net.server
            .open_channel(net.now, ChannelSettings::reliable("ours")),
        None
    );
    let first = opened(&net.server_events, "0").expect("open");
    let sent = net
        .server
        .send(net.now, first, &Bytes::from_static(b"hello"), true, 1_000);
    assert_eq!(sent, SendOutcome::Sent);
    net.run_for(Duration::from_secs(1));
    assert!(
        net.client_events
            .iter()
            .any(|event| matches!(event, DataEvent::Message { .. }))
    );
}

#[test]
#[allow(clippy::disallowed_methods)]
fn a_side_that_begins_is_not_disturbed_by_another_beginning() {
    let mut net = Net::new(1);
    let mut init = vec![1, 0, 0, 20, 0, 0, 0, 5];
    init.extend_from_slice(&[0, 1, 0, 0, 0, 9, 0, 9, 0, 0, 0, 7]);
    net.client
        .open_channel(net.now, ChannelSettings::reliable("_reliable"))
        .expect("room");
    let collision = net.client.handle_packet(net.now, &packet(0, &init));
    assert_eq!(collision, Ok(()));
    assert!(net.run_until(Duration::from_secs(5), |net| {
        opened(&net.server_events, "_reliable").is_some()
    }));
}

#[test]
fn a_beginning_that_comes_late_ends_nothing() {
    let mut net = Net::new(1);
    let init = net.client.poll_transmit().expect("INIT");
    for _ in 0..2 {
        assert_eq!(net.server.handle_packet(net.now, &init), Ok(()));
    }
    net.client
        .open_channel(net.now, ChannelSettings::reliable("_reliable"))
        .expect("room");
    assert!(net.run_until(Duration::from_secs(5), |net| {
        opened(&net.client_events, "_reliable").is_some()
    }));
    assert_eq!(net.server.handle_packet(net.now, &init), Ok(()));
    net.run_for(Duration::from_secs(1));
    assert!(net.server.is_connected());
    assert!(!net.server_events.contains(&DataEvent::Closed));
}
