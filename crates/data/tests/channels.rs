//! Channels between two transports.

mod support;

use std::time::Duration;

use bytes::Bytes;
use sluice_data::{ChannelId, ChannelSettings, DataEvent, MAX_MESSAGE_BYTES, SendOutcome};
use support::{Net, messages, opened};

const LIMIT: usize = 1 << 20;

fn open(seed: u64, loss: f64) -> (Net, ChannelId, ChannelId) {
    let mut net = Net::new(seed);
    net.loss = loss;
    net.jitter = Duration::from_millis(if loss > 0.0 { 40 } else { 0 });
    net.server
        .open_channel(net.now, ChannelSettings::reliable("_reliable"))
        .expect("room");
    net.client
        .open_channel(net.now, ChannelSettings::lossy("_lossy"))
        .expect("room");
    let both = |net: &Net| {
        [&net.server_events, &net.client_events]
            .iter()
            .all(|events| {
                opened(events, "_reliable").is_some() && opened(events, "_lossy").is_some()
            })
    };
    assert!(
        net.run_until(Duration::from_mins(1), both),
        "seed {seed}: {:?} {:?}",
        net.server_events,
        net.client_events
    );
    let reliable = opened(&net.server_events, "_reliable").expect("open");
    let lossy = opened(&net.client_events, "_lossy").expect("open");
    (net, reliable, lossy)
}

#[test]
fn channels_open_in_both_directions_under_loss() {
    for seed in 0..30 {
        let (net, reliable, lossy) = open(seed, 0.25);
        assert_eq!(reliable.0 % 2, 1, "the DTLS server opens odd streams");
        assert_eq!(lossy.0 % 2, 0, "the DTLS client opens even streams");
        let settings = net.server_events.iter().find_map(|event| match event {
            DataEvent::ChannelOpened { id, settings } if *id == lossy => Some(settings.clone()),
            _ => None,
        });
        assert_eq!(settings, Some(ChannelSettings::lossy("_lossy")));
    }
}

#[test]
fn reliable_messages_arrive_once_and_in_order_under_loss() {
    for seed in 0..5 {
        let (mut net, reliable, _) = open(seed, 0.15);
        let sent: Vec<Bytes> = (0..60u32)
            .map(|n| Bytes::from(vec![n as u8; 1 + (n as usize * 397) % 9_000]))
            .collect();
        for message in &sent {
            assert_eq!(
                net.server.send(net.now, reliable, message, true, LIMIT),
                SendOutcome::Sent
            );
        }
        assert!(net.run_until(
            Duration::from_mins(5),
            |net| messages(&net.client_events).len() == sent.len()
        ));
        let received: Vec<Bytes> = messages(&net.client_events)
            .into_iter()
            .map(|(_, _, bytes)| bytes)
            .collect();
        assert_eq!(received, sent, "seed {seed}");
    }
}

#[test]
fn lossy_messages_are_sent_once_and_hold_nothing_up() {
    let (mut net, _, lossy) = open(1, 0.0);
    net.loss = 0.2;
    let sent = 500;
    for n in 0..sent {
        net.client
            .send(net.now, lossy, &Bytes::from(format!("{n}")), false, LIMIT);
        net.run_for(Duration::from_millis(20));
    }
    net.run_for(Duration::from_secs(10));
    let received = messages(&net.server_events).len();
    assert!(
        (sent * 7 / 10..sent * 9 / 10).contains(&received),
        "{received} of {sent}"
    );
    assert_eq!(net.client.buffered_amount(lossy), 0);
}

#[test]
fn text_binary_and_empty_messages_keep_their_kind() {
    let (mut net, reliable, _) = open(2, 0.0);
    let whole = Bytes::from(vec![9; MAX_MESSAGE_BYTES]);
    let all = [("text", false), ("", false), ("binary", true), ("", true)];
    for (text, binary) in all {
        net.client.send(
            net.now,
            reliable,
            &Bytes::from_static(text.as_bytes()),
            binary,
            LIMIT,
        );
    }
    assert_eq!(
        net.client.send(net.now, reliable, &whole, true, LIMIT),
        SendOutcome::Sent
    );
    let longer = Bytes::from(vec![9; MAX_MESSAGE_BYTES + 1]);
    assert_eq!(
        net.client.send(net.now, reliable, &longer, true, LIMIT),
        SendOutcome::TooLong
    );
    assert!(net.run_until(
        Duration::from_mins(1),
        |net| messages(&net.server_events).len() == 5
    ));
    let received = messages(&net.server_events);
    for ((text, binary), (_, as_binary, bytes)) in all.iter().zip(&received) {
        assert_eq!((text.as_bytes(), *binary), (&bytes[..], *as_binary));
    }
    assert_eq!(received[4].2, whole);
}

#[test]
fn a_slow_reader_costs_its_own_messages_only() {
    let (mut net, reliable, _) = open(3, 0.0);
    net.client_reads = false;
    let message = Bytes::from(vec![1; 10_000]);
    let mut outcomes = Vec::new();
    for _ in 0..2_000 {
        outcomes.push(net.server.send(net.now, reliable, &message, true, 500_000));
        net.run_for(Duration::from_millis(5));
    }
    let sent = outcomes
        .iter()
        .filter(|outcome| **outcome == SendOutcome::Sent)
        .count();
    assert!(
        (100..200).contains(&sent),
        "a window of 1 MiB and a buffer of 500 kB took {sent}"
    );
    assert_eq!(outcomes.last(), Some(&SendOutcome::Full));
    assert!(net.server.buffered_amount(reliable) <= 510_000);
    assert_eq!(net.server.stats().messages_dropped, 2_000 - sent as u64);

    net.client_reads = true;
    assert!(net.run_until(
        Duration::from_mins(2),
        |net| messages(&net.client_events).len() == sent
    ));
    assert_eq!(
        net.server.send(net.now, reliable, &message, true, 500_000),
        SendOutcome::Sent
    );
}

#[test]
fn a_closed_channel_is_closed_on_both_sides_and_its_id_serves_again() {
    let (mut net, reliable, lossy) = open(4, 0.0);
    net.client.close_channel(net.now, lossy);
    net.run_for(Duration::from_secs(2));
    assert!(
        net.server_events
            .contains(&DataEvent::ChannelClosed { id: lossy })
    );
    let hello = Bytes::from_static(b"hello");
    assert_eq!(
        net.server.send(net.now, lossy, &hello, true, LIMIT),
        SendOutcome::NotOpen
    );
    assert_eq!(
        net.server.send(net.now, reliable, &hello, true, LIMIT),
        SendOutcome::Sent
    );
    for round in 0..600 {
        let label = format!("again {round}");
        net.client
            .open_channel(net.now, ChannelSettings::reliable(&*label))
            .expect("room");
        assert!(net.run_until(Duration::from_secs(5), |net| {
            opened(&net.client_events, &label).is_some()
        }));
        let id = opened(&net.server_events, &label).expect("open there first");
        net.client.close_channel(net.now, id);
        net.run_for(Duration::from_millis(500));
    }
}

#[test]
fn the_end_of_the_association_closes_its_channels() {
    let (mut net, reliable, lossy) = open(5, 0.0);
    net.client.shutdown(net.now);
    net.run_for(Duration::from_secs(5));
    for id in [reliable, lossy] {
        assert!(net.server_events.contains(&DataEvent::ChannelClosed { id }));
    }
    assert_eq!(net.server_events.last(), Some(&DataEvent::Closed));
    assert_eq!(
        net.server
            .open_channel(net.now, ChannelSettings::reliable("late")),
        None
    );
}
