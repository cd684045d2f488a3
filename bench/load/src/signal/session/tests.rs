//! Conversations with both servers, recorded or built.

mod publishing;
mod single_pc;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use prost::Message;
use sluice_peer::{Credentials, DtlsRole, Fingerprint, HashAlgorithm};

use super::*;
use crate::signal::event::Subscription;
use crate::signal::plan::{AudioPlan, Codec, PublishPlan, SubscribePlan, VideoPlan, VideoWish};
use crate::signal::proto::{
    ParticipantInfo, ParticipantUpdate, SectionsRequirement, SpeakerInfo, SpeakersChanged,
    TrackInfo, TrackPublished, Trickle,
};

const LIVEKIT_OFFER: &str = include_str!("../fixtures/livekit-subscriber-offer.sdp");
const LIVEKIT_ANSWER: &str = include_str!("../fixtures/livekit-publisher-answer.sdp");
const SLUICE_OFFER: &str = include_str!("../fixtures/sluice-subscriber-offer.sdp");
const SLUICE_OFFER_AFTER: &str = include_str!("../fixtures/sluice-subscriber-offer-after.sdp");

/// A session and what its server sees and says.
struct Call {
    session: Session,
    now: Instant,
}

impl Call {
    /// Joined an empty room, all asked for at first still to be drained.
    fn joined(config: SessionConfig) -> Self {
        Self::with(config, Vec::new())
    }

    fn with(config: SessionConfig, others: Vec<ParticipantInfo>) -> Self {
        let subscribes = !config.subscribe.is_none();
        let mut call = Self {
            now: Instant::now(),
            session: Session::new(config),
        };
        call.say(Response::Join(Join {
            participant: Some(ParticipantInfo {
                sid: "PA_self".to_owned(),
                ..Default::default()
            }),
            other_participants: others,
            subscriber_primary: subscribes && !call.session.config.single_pc,
            ping_timeout: 15,
            ping_interval: 5,
        }));
        call
    }

    fn say(&mut self, response: Response) {
        let message = SignalResponse {
            message: Some(response),
        }
        .encode_to_vec();
        self.session.handle_message(self.now, &message);
    }

    fn bring(&mut self, pc: Pc) {
        let candidate = sluice_peer::LocalCandidate {
            foundation: "1".to_owned(),
            priority: 1,
            addr: "127.0.0.1:4000".parse().expect("an address"),
            bound: "127.0.0.1:4000".parse().expect("an address"),
            kind: sluice_peer::CandidateKind::Host,
            protocol: sluice_peer::Protocol::Udp,
        };
        let local = LocalTransport {
            ice: Credentials::new("ufrg", "a password of 22 chars"),
            fingerprint: Fingerprint::of(HashAlgorithm::Sha256, b"certificate"),
            candidates: vec![candidate],
        };
        self.session.set_local(pc, local);
    }

    fn sent(&mut self) -> Vec<Request> {
        let decode = |bytes: Bytes| SignalRequest::decode(bytes).expect("ours").message;
        std::iter::from_fn(|| self.session.poll_send())
            .filter_map(decode)
            .collect()
    }

    fn events(&mut self) -> Vec<SessionEvent> {
        std::iter::from_fn(|| self.session.poll_event()).collect()
    }

    fn subscribed(&mut self) -> Vec<Subscription> {
        let subscription = |event| match event {
            SessionEvent::Subscribed(subscription) => Some(subscription),
            _ => None,
        };
        self.events().into_iter().filter_map(subscription).collect()
    }
}

fn config(publish: Vec<PublishPlan>, subscribe: SubscribePlan) -> SessionConfig {
    SessionConfig {
        identity: "self".to_owned(),
        single_pc: false,
        publish,
        data: false,
        subscribe,
        seed: 7,
    }
}

fn microphone() -> PublishPlan {
    PublishPlan::Audio(AudioPlan {
        red: false,
        dtx: true,
    })
}

fn camera(codec: Codec, layers: Vec<u32>, svc: bool) -> PublishPlan {
    PublishPlan::Video(VideoPlan {
        codec,
        width: 1280,
        height: 720,
        layers,
        svc,
    })
}

fn description(kind: &str, sdp: &str, id: u32) -> SessionDescription {
    SessionDescription {
        kind: kind.to_owned(),
        sdp: sdp.to_owned(),
        id,
        mid_to_track_id: HashMap::new(),
    }
}

fn publisher(sid: &str, tracks: &[(&str, i32)]) -> ParticipantInfo {
    let track = |&(sid, kind): &(&str, i32)| TrackInfo {
        sid: sid.to_owned(),
        kind,
    };
    ParticipantInfo {
        sid: sid.to_owned(),
        identity: format!("{sid}'s identity"),
        state: 2,
        tracks: tracks.iter().map(track).collect(),
    }
}

fn published(cid: &str, sid: &str) -> Response {
    let track = Some(TrackInfo {
        sid: sid.to_owned(),
        kind: 0,
    });
    Response::TrackPublished(TrackPublished {
        cid: cid.to_owned(),
        track,
    })
}

#[test]
fn a_viewer_has_one_transport_and_takes_what_either_server_offers() {
    for offer in [LIVEKIT_OFFER, SLUICE_OFFER] {
        let mut call = Call::joined(config(Vec::new(), SubscribePlan::ALL));
        call.say(Response::Offer(description("offer", offer, 5)));
        assert!(call.sent().is_empty(), "the transport is not there yet");
        let events = call.events();
        let creations =
            |event: &&SessionEvent| matches!(event, SessionEvent::CreateTransport { .. });
        assert_eq!(events.iter().filter(creations).count(), 1);
        call.bring(Pc::Subscriber);
        let sent = call.sent();
        assert!(matches!(&sent[0], Request::Answer(answer) if answer.id == 5));
        assert!(matches!(&sent[1], Request::Trickle(trickle) if trickle.target == 1));
    }
}

#[test]
fn subscriptions_name_their_publisher_and_streams() {
    let others = vec![publisher("PA_ZvfAe5Drdrp6", &[("TR_VCANyrjjpYuBV3", 1)])];
    let mut call = Call::with(config(Vec::new(), SubscribePlan::ALL), others);
    call.say(Response::Offer(description("offer", LIVEKIT_OFFER, 5)));
    let subscribed = call.subscribed();
    assert_eq!(subscribed.len(), 3);
    let video = &subscribed[1];
    assert_eq!(video.track, "TR_VCANyrjjpYuBV3");
    assert_eq!(
        video.publisher_identity.as_deref(),
        Some("PA_ZvfAe5Drdrp6's identity")
    );
    assert_eq!(
        (video.ssrc.0, video.rtx.map(|ssrc| ssrc.0)),
        (1_480_059_793, Some(44_321_591))
    );
    assert_eq!(subscribed[0].publisher_identity, None);
}

#[test]
fn an_offer_that_repeats_a_track_says_nothing_new_and_one_without_it_ends_it() {
    let mut call = Call::joined(config(Vec::new(), SubscribePlan::ALL));
    call.bring(Pc::Subscriber);
    call.say(Response::Offer(description("offer", SLUICE_OFFER, 5)));
    assert_eq!(call.subscribed().len(), 4);
    call.say(Response::Offer(description("offer", SLUICE_OFFER, 6)));
    assert!(call.events().is_empty());
    call.say(Response::Offer(description("offer", SLUICE_OFFER_AFTER, 7)));
    let gone: Vec<_> = call
        .events()
        .into_iter()
        .filter_map(|event| match event {
            SessionEvent::Unsubscribed { track } => Some(track),
            _ => None,
        })
        .collect();
    assert_eq!(gone.len(), 2, "{gone:?}");
    assert!(gone.contains(&"TR_VCTRJ55cTKWgEu".to_owned()));
}

#[test]
fn a_client_of_speakers_asks_for_those_who_spoke_last() {
    let plan = SubscribePlan {
        video: VideoWish::Speakers(1),
        audio: true,
        layer: None,
    };
    let others = vec![
        publisher("PA_1", &[("TR_V1", 1), ("TR_A1", 0)]),
        publisher("PA_2", &[("TR_V2", 1)]),
    ];
    let mut call = Call::with(config(Vec::new(), plan), others);
    let tracks = |call: &mut Call| -> Vec<(bool, Vec<String>)> {
        let update = |request| match request {
            Request::Subscription(mut update) => {
                update.track_sids.sort();
                Some((update.subscribe, update.track_sids))
            }
            _ => None,
        };
        call.sent().into_iter().filter_map(update).collect()
    };
    assert_eq!(
        tracks(&mut call),
        [(true, vec!["TR_A1".to_owned(), "TR_V1".to_owned()])]
    );
    let speaks = |sid: &str, active| SpeakerInfo {
        sid: sid.to_owned(),
        level: 0.5,
        active,
    };
    let changed = |speakers| Response::SpeakersChanged(SpeakersChanged { speakers });
    call.say(changed(vec![speaks("PA_2", true)]));
    assert_eq!(
        tracks(&mut call),
        [
            (false, vec!["TR_V1".to_owned()]),
            (true, vec!["TR_V2".to_owned()])
        ]
    );
    call.say(changed(vec![speaks("PA_2", false)]));
    assert!(tracks(&mut call).is_empty(), "silence changes nothing");
    let mut gone = publisher("PA_2", &[]);
    gone.state = 3;
    call.say(Response::Update(ParticipantUpdate {
        participants: vec![gone],
    }));
    assert_eq!(
        tracks(&mut call),
        [(true, vec!["TR_V1".to_owned()])],
        "nothing is asked of who left"
    );
}

#[test]
fn the_planned_layer_is_asked_for_as_soon_as_video_comes() {
    let plan = SubscribePlan {
        layer: Some(Quality::Low),
        ..SubscribePlan::ALL
    };
    let mut call = Call::joined(config(Vec::new(), plan));
    call.bring(Pc::Subscriber);
    call.say(Response::Offer(description("offer", SLUICE_OFFER, 5)));
    let settings = call.sent().into_iter().find_map(|request| match request {
        Request::TrackSetting(settings) => Some(settings),
        _ => None,
    });
    let settings = settings.expect("a wish");
    assert_eq!((settings.track_sids.len(), settings.quality), (2, 0));
}

#[test]
fn pings_go_out_in_time_and_silence_ends_the_session() {
    let mut call = Call::joined(config(vec![microphone()], SubscribePlan::NONE));
    call.sent();
    let begin = call.now;
    let at = |seconds| begin + Duration::from_secs(seconds);
    assert_eq!(call.session.poll_timeout(), Some(at(5)));
    call.session.handle_timeout(at(5));
    let sent = call.sent();
    assert!(
        matches!(&sent[..], [Request::Ping(5000), Request::PingReq(_)]),
        "{sent:?}"
    );
    call.session.handle_timeout(at(15));
    let events = call.events();
    assert!(
        matches!(events.last(), Some(SessionEvent::Left { reason }) if reason == "ping timeout")
    );
    assert_eq!(call.session.poll_timeout(), None);
}

#[test]
fn the_server_tells_why_it_ends_a_session() {
    let mut call = Call::joined(config(vec![microphone()], SubscribePlan::NONE));
    call.say(Response::Leave(Leave {
        reason: 7,
        action: 0,
    }));
    let events = call.events();
    assert!(
        matches!(events.last(), Some(SessionEvent::Left { reason }) if reason == "leave: JoinFailure")
    );
    call.say(published("mic-0", "TR_A"));
    assert!(call.events().is_empty(), "nothing comes after the end");
}

#[test]
fn noise_ends_a_session_with_a_word_for_it() {
    let mut call = Call::joined(config(vec![microphone()], SubscribePlan::NONE));
    call.events();
    call.session.handle_message(call.now, &[0xff, 0xff]);
    let events = call.events();
    assert!(
        matches!(&events[..], [SessionEvent::Left { .. }]),
        "{events:?}"
    );
}

#[test]
fn unknown_messages_are_passed_over() {
    let mut call = Call::joined(config(vec![microphone()], SubscribePlan::NONE));
    call.events();
    // `refresh_token`, field 16 of length 1.
    call.session
        .handle_message(call.now, &[0x82, 0x01, 0x01, b'x']);
    assert!(call.events().is_empty());
}

#[test]
fn a_goodbye_is_the_last_that_is_said() {
    let mut call = Call::joined(config(vec![microphone()], SubscribePlan::NONE));
    call.sent();
    call.events();
    call.session.leave();
    let sent = call.sent();
    assert!(
        matches!(&sent[..], [Request::Leave(Leave { reason: 1, .. })]),
        "{sent:?}"
    );
    call.session
        .handle_timeout(call.now + Duration::from_mins(1));
    assert!(call.sent().is_empty() && call.events().is_empty());
}

#[test]
fn a_publishers_answer_says_nothing_of_what_the_subscriber_receives() {
    let mut call = Call::joined(config(vec![microphone()], SubscribePlan::ALL));
    call.bring(Pc::Publisher);
    call.say(Response::Offer(description("offer", SLUICE_OFFER, 5)));
    assert_eq!(call.subscribed().len(), 4);
    call.say(Response::Answer(description("answer", LIVEKIT_ANSWER, 1)));
    let ended = |event: &SessionEvent| matches!(event, SessionEvent::Unsubscribed { .. });
    assert!(!call.events().iter().any(ended));
}

#[test]
fn a_hand_is_an_attribute() {
    let mut call = Call::joined(config(Vec::new(), SubscribePlan::NONE));
    call.sent();
    for (raised, value) in [(true, "raised"), (false, "down")] {
        call.session.set_hand(raised);
        let attributes = HashMap::from([("hand".to_owned(), value.to_owned())]);
        let wanted = Request::UpdateMetadata(UpdateMetadata { attributes });
        assert_eq!(call.sent(), [wanted]);
    }
}
