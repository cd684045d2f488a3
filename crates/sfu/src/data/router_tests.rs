use std::time::Duration;

use super::super::packet::wrap;
use super::*;
use crate::command::DataTrackReceiver;
use crate::data::proto::put_bytes;
use crate::data::proto::put_varint;

const ROOM: RoomId = RoomId(1);
const RELIABLE: u16 = 0;
const LOSSY: u16 = 1;
const TRACK: u16 = 2;
const CHAT: u16 = 5;

struct Fixture {
    router: Router,
    counters: Counters,
    now: Instant,
}

#[derive(Debug, PartialEq)]
enum Seen {
    To(u32, u16, Vec<u8>),
    Link(u16),
    Sink(String),
}

impl Fixture {
    /// A room with participants 1 to `n` on this worker, each with one transport of the same number.
    fn new(n: u32) -> Self {
        #[allow(clippy::disallowed_methods)]
        let now = Instant::now();
        let mut fixture = Self {
            router: Router::new(WorkerId(0)),
            counters: Counters::default(),
            now,
        };
        for id in 1..=n {
            fixture.join(id);
            fixture.open(id);
        }
        fixture
    }

    fn join(&mut self, id: u32) {
        self.router.set_participant(config(id));
    }

    fn open(&mut self, id: u32) {
        for (channel, label) in [
            (RELIABLE, "_reliable"),
            (LOSSY, "_lossy"),
            (TRACK, "_data_track"),
            (CHAT, "chat"),
        ] {
            self.router
                .channel_opened(self.now, PeerId(id), channel, label);
        }
    }

    fn say(&mut self, id: u32, channel: u16, message: &[u8]) -> Vec<Seen> {
        let message = Bytes::copy_from_slice(message);
        let (now, counters) = (self.now, &mut self.counters);
        self.router
            .handle_message(now, PeerId(id), channel, true, &message, counters);
        self.outputs()
    }

    fn outputs(&mut self) -> Vec<Seen> {
        std::iter::from_fn(|| self.router.poll())
            .map(|output| match output {
                Output::Deliver(d) => Seen::To(d.peer.0, d.channel, d.message.to_vec()),
                Output::Link(worker, _) => Seen::Link(worker.0),
                Output::Report(Event::Data { sink, .. }) => Seen::Sink(sink),
                Output::Report(other) => panic!("unexpected {other:?}"),
            })
            .collect()
    }

    fn receivers(&mut self, id: u32, channel: u16, message: &[u8]) -> Vec<u32> {
        self.say(id, channel, message)
            .into_iter()
            .filter_map(|seen| match seen {
                Seen::To(peer, ..) => Some(peer),
                _ => None,
            })
            .collect()
    }
}

fn config(id: u32) -> ParticipantConfig {
    ParticipantConfig {
        participant: ParticipantId(id),
        room: ROOM,
        sid: format!("PA_{id}"),
        identity: format!("user{id}"),
        up_peers: vec![PeerId(id)],
        down_peer: Some(PeerId(id)),
        can_publish_data: true,
        hidden: false,
        agent: false,
    }
}

fn user(payload: &[u8], destinations: &[&str]) -> Vec<u8> {
    let mut user = Vec::new();
    put_bytes(&mut user, 2, payload);
    let mut packet = Vec::new();
    put_bytes(&mut packet, 2, &user);
    for destination in destinations {
        put_bytes(&mut packet, 5, destination.as_bytes());
    }
    packet
}

fn sequenced(sequence: u64) -> Vec<u8> {
    let mut packet = user(b"x", &[]);
    put_varint(&mut packet, 16, sequence);
    packet
}

#[test]
fn everybody_but_the_sender_gets_a_packet() {
    let mut f = Fixture::new(3);
    assert_eq!(f.receivers(1, RELIABLE, &user(b"hi", &[])), [2, 3]);
    assert_eq!(f.receivers(2, LOSSY, &user(b"hi", &[])), [1, 3]);
}

#[test]
fn destinations_narrow_the_audience() {
    let mut f = Fixture::new(3);
    assert_eq!(f.receivers(1, RELIABLE, &user(b"hi", &["user3"])), [3]);
    assert!(
        f.receivers(1, RELIABLE, &user(b"hi", &["nobody"]))
            .is_empty()
    );
    assert!(
        f.receivers(1, RELIABLE, &user(b"hi", &["user1"]))
            .is_empty()
    );
}

#[test]
fn nested_participant_ids_are_destinations_too() {
    let mut f = Fixture::new(3);
    let mut inner = Vec::new();
    put_bytes(&mut inner, 2, b"hi");
    put_bytes(&mut inner, 3, b"PA_2");
    let mut packet = Vec::new();
    put_bytes(&mut packet, 2, &inner);
    assert_eq!(f.receivers(1, RELIABLE, &packet), [2]);
}

#[test]
fn the_rooms_other_workers_get_a_packet_once_each() {
    let mut f = Fixture::new(2);
    f.router
        .set_room_workers(ROOM, vec![WorkerId(0), WorkerId(1), WorkerId(2)]);
    let seen = f.say(1, RELIABLE, &user(b"hi", &[]));
    assert_eq!(seen.len(), 3);
    assert!(seen.contains(&Seen::Link(1)) && seen.contains(&Seen::Link(2)));
}

#[test]
fn packets_of_another_worker_reach_the_receivers_here_and_go_no_further() {
    let mut f = Fixture::new(2);
    f.router
        .set_room_workers(ROOM, vec![WorkerId(0), WorkerId(1)]);
    let message = DataMessage {
        room: ROOM,
        sender: Some(ParticipantId(9)),
        body: DataBody::Packet {
            reliable: true,
            packet: user(b"far", &["user2"]).into(),
        },
    };
    f.router.handle_link(f.now, &message, &mut f.counters);
    assert!(matches!(f.outputs()[..], [Seen::To(2, RELIABLE, _)]));
}

#[test]
fn reliable_packets_at_or_below_the_highest_sequence_are_dropped() {
    let mut f = Fixture::new(2);
    assert_eq!(f.receivers(1, RELIABLE, &sequenced(5)), [2]);
    assert!(f.receivers(1, RELIABLE, &sequenced(5)).is_empty());
    assert!(f.receivers(1, RELIABLE, &sequenced(4)).is_empty());
    assert_eq!(f.receivers(1, RELIABLE, &sequenced(6)), [2]);
    assert_eq!(f.router.sequence(ParticipantId(1)), 6);
    assert_eq!(f.counters.drop_data_sequence, 2);
}

#[test]
fn a_sequence_survives_a_change_of_the_participant() {
    let mut f = Fixture::new(2);
    f.say(1, RELIABLE, &sequenced(5));
    f.router.set_participant(ParticipantConfig {
        hidden: true,
        ..config(1)
    });
    assert!(f.receivers(1, RELIABLE, &sequenced(5)).is_empty());
}

#[test]
fn senders_without_permission_are_not_heard() {
    let mut f = Fixture::new(2);
    f.router.set_participant(ParticipantConfig {
        can_publish_data: false,
        ..config(1)
    });
    assert!(f.receivers(1, RELIABLE, &user(b"hi", &[])).is_empty());
    assert!(f.receivers(1, CHAT, b"hi").is_empty());
    assert_eq!(f.counters.drop_data_forbidden, 2);
}

#[test]
fn only_agents_send_transcriptions() {
    let mut f = Fixture::new(2);
    let mut packet = Vec::new();
    put_bytes(&mut packet, 7, b"");
    assert!(f.receivers(1, RELIABLE, &packet).is_empty());
    f.router.set_participant(ParticipantConfig {
        agent: true,
        ..config(1)
    });
    assert_eq!(f.receivers(1, RELIABLE, &packet), [2]);
}

#[test]
fn metrics_are_for_the_server_alone() {
    let mut f = Fixture::new(2);
    let mut packet = Vec::new();
    put_bytes(&mut packet, 8, b"");
    assert_eq!(f.say(1, RELIABLE, &packet), [Seen::Sink(String::new())]);
}

#[test]
fn packets_to_a_sink_are_reported_and_go_on_to_others_they_name() {
    let mut f = Fixture::new(3);
    f.router.set_sinks(ROOM, vec!["rpc-uuid".into()]);
    let only = f.say(1, RELIABLE, &user(b"ack", &["rpc-uuid"]));
    assert_eq!(only, [Seen::Sink("rpc-uuid".into())]);
    let both = f.say(1, RELIABLE, &user(b"ack", &["rpc-uuid", "user2"]));
    assert!(matches!(
        &both[..],
        [Seen::Sink(_), Seen::To(2, RELIABLE, _)]
    ));
}

#[test]
fn unlabeled_messages_reach_packet_receivers_wrapped_and_others_raw() {
    let mut f = Fixture::new(2);
    f.join(3);
    f.router.channel_opened(f.now, PeerId(3), 7, "anything");
    let seen = f.say(1, CHAT, b"raw");
    assert_eq!(seen[1], Seen::To(3, 7, b"raw".to_vec()));
    assert_eq!(seen[0], Seen::To(2, RELIABLE, wrap("user1", b"raw")));
}

#[test]
fn reliable_packets_wait_for_a_participant_that_is_still_joining() {
    let mut f = Fixture::new(1);
    f.join(2);
    assert!(f.receivers(1, RELIABLE, &sequenced(1)).is_empty());
    assert!(f.receivers(1, LOSSY, &user(b"gone", &[])).is_empty());
    f.now += Duration::from_millis(500);
    f.open(2);
    assert!(matches!(f.outputs()[..], [Seen::To(2, RELIABLE, _)]));
}

#[test]
fn oversized_and_malformed_messages_are_counted() {
    let mut f = Fixture::new(2);
    f.say(1, RELIABLE, &vec![0; MAX_MESSAGE + 1]);
    f.say(1, RELIABLE, &[0xff]);
    f.say(1, 99, b"no such channel");
    let c = &f.counters;
    let drops = (
        c.drop_data_oversize,
        c.drop_data_malformed,
        c.drop_data_no_channel,
    );
    assert_eq!(drops, (1, 1, 1));
}

#[test]
fn the_servers_packets_reach_whom_it_names_and_leave_one_out() {
    let mut f = Fixture::new(3);
    let text = base64::encode(&user(b"srv", &[]));
    f.router.send(
        f.now,
        (ROOM, true),
        &text,
        &[],
        Some(ParticipantId(2)),
        &mut f.counters,
    );
    assert!(matches!(
        f.outputs()[..],
        [Seen::To(1, ..), Seen::To(3, ..)]
    ));
    let to = ["user2".to_owned()];
    f.router
        .send(f.now, (ROOM, false), &text, &to, None, &mut f.counters);
    assert!(matches!(f.outputs()[..], [Seen::To(2, LOSSY, _)]));
}

#[test]
fn nothing_is_left_of_a_room_that_ended() {
    let mut f = Fixture::new(3);
    f.router.set_room_workers(ROOM, vec![WorkerId(0)]);
    for id in 1..=3 {
        f.router.close_participant(ParticipantId(id));
        f.router.peer_closed(PeerId(id));
    }
    f.router.set_room_workers(ROOM, vec![]);
    assert_eq!(f.router.len(), (0, 0));
    assert!(f.router.channels.is_empty() && f.router.senders.is_empty());
    assert!(f.router.receivers.is_empty() && f.router.participants.is_empty());
}

fn track_packet(handle: u8) -> Vec<u8> {
    vec![0x18, 0, 0, handle, 0, 1, 0, 1, 0, 0, 0, 0, b'x']
}

fn track(workers: &[u16], receivers: &[(u32, u16)]) -> DataTrackConfig {
    DataTrackConfig {
        publisher: ParticipantId(1),
        handle: 7,
        workers: workers.iter().copied().map(WorkerId).collect(),
        receivers: receivers
            .iter()
            .map(|(id, handle)| DataTrackReceiver {
                participant: ParticipantId(*id),
                handle: *handle,
            })
            .collect(),
    }
}

#[test]
fn packets_of_a_data_track_reach_its_receivers_under_their_handles() {
    let mut f = Fixture::new(4);
    f.router.set_track(track(&[3], &[(2, 20), (3, 30)]));
    let expected = [
        Seen::Link(3),
        Seen::To(2, TRACK, track_packet(20)),
        Seen::To(3, TRACK, track_packet(30)),
    ];
    assert_eq!(f.say(1, TRACK, &track_packet(7)), expected);
}

#[test]
fn packets_of_unknown_data_tracks_and_malformed_ones_are_dropped_and_counted() {
    let mut f = Fixture::new(2);
    f.router.set_track(track(&[], &[(2, 20)]));
    assert!(f.say(1, TRACK, &track_packet(8)).is_empty());
    assert!(f.say(2, TRACK, &track_packet(7)).is_empty());
    assert_eq!(f.counters.drop_data_track_unknown, 2);
    assert!(f.say(1, TRACK, b"short").is_empty());
    assert_eq!(f.counters.drop_data_malformed, 1);
}

#[test]
fn a_data_track_ends_with_its_publisher_and_by_command() {
    let mut f = Fixture::new(2);
    f.router.set_track(track(&[], &[(2, 20)]));
    f.router.close_track(ParticipantId(1), 7);
    assert!(f.say(1, TRACK, &track_packet(7)).is_empty());
    f.router.set_track(track(&[], &[(2, 20)]));
    f.router.close_participant(ParticipantId(1));
    f.join(1);
    assert!(f.say(1, TRACK, &track_packet(7)).is_empty());
}

#[test]
fn packets_of_another_workers_data_track_are_delivered_here() {
    let mut f = Fixture::new(2);
    let message = DataMessage {
        room: ROOM,
        sender: Some(ParticipantId(9)),
        body: DataBody::Track(Bytes::from(track_packet(7))),
    };
    let publisher = ParticipantId(9);
    f.router.set_track(DataTrackConfig {
        publisher,
        ..track(&[], &[(2, 20), (5, 50)])
    });
    f.router.handle_link(f.now, &message, &mut f.counters);
    assert_eq!(f.outputs(), [Seen::To(2, TRACK, track_packet(20))]);
    assert_eq!(f.counters.drop_data_no_channel, 1);
}

#[test]
fn streams_are_counted_when_they_are_begun() {
    let mut fixture = Fixture::new(3);
    let mut header = Vec::new();
    put_bytes(&mut header, 4, b"image/png");
    put_varint(&mut header, 5, 3_000);
    put_bytes(&mut header, 10, b"");
    let mut packet = Vec::new();
    put_bytes(&mut packet, 13, &header);
    put_bytes(&mut packet, 5, b"p2");
    fixture.say(1, RELIABLE, &packet);
    let told: HashMap<_, _> = fixture.router.streams.counters().collect();
    assert_eq!(told.get("stream_bytes_bytes_image_sum"), Some(&3_000));
    assert_eq!(told.get("stream_dest_count_bytes_image_sum"), Some(&1));
}
