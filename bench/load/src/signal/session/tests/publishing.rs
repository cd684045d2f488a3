//! What a client sends.

use super::*;

const SLUICE_ANSWER: &str = include_str!("../../fixtures/sluice-publisher-answer.sdp");

#[test]
fn a_publisher_announces_its_tracks_before_it_offers_them() {
    let plan = vec![microphone(), camera(Codec::Vp8, vec![1, 2, 3], false)];
    let mut call = Call::joined(config(plan, SubscribePlan::NONE));
    call.bring(Pc::Publisher);
    let sent = call.sent();
    assert!(matches!(sent[0], Request::AddTrack(_)));
    assert!(matches!(sent[1], Request::AddTrack(_)));
    assert!(matches!(&sent[2], Request::Offer(offer) if offer.id == 1));
    assert!(matches!(sent[3], Request::Trickle(_)));
}

#[test]
fn both_servers_answers_make_a_publication_of_each_track() {
    for (answer, role) in [
        (LIVEKIT_ANSWER, DtlsRole::Server),
        (SLUICE_ANSWER, DtlsRole::Client),
    ] {
        let plan = vec![microphone(), camera(Codec::Vp8, vec![1, 2, 3], false)];
        let mut call = Call::joined(config(plan, SubscribePlan::NONE));
        call.bring(Pc::Publisher);
        call.say(published("mic-0", "TR_A"));
        call.say(Response::Answer(description("answer", answer, 1)));
        call.say(published("cam-1", "TR_V"));
        let events = call.events();
        let remote = |event: &SessionEvent| match event {
            SessionEvent::Remote { remote, .. } => Some(remote.dtls_role),
            _ => None,
        };
        assert_eq!(events.iter().find_map(remote), Some(role));
        let publications: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                SessionEvent::Publish(publication) => Some(publication),
                _ => None,
            })
            .collect();
        assert_eq!(publications.len(), 2);
        let video = publications[1];
        assert_eq!((video.track.as_str(), video.mid.as_str()), ("TR_V", "1"));
        assert_eq!(
            (video.format.payload_type, video.format.rtx),
            (96, Some(97))
        );
        let rids: Vec<_> = video
            .encodings
            .iter()
            .filter_map(|e| e.rid.as_deref())
            .collect();
        assert_eq!(rids, ["q", "h", "f"]);
        assert!(video.extensions.rid.is_some() && video.extensions.mid.is_some());
    }
}

#[test]
fn layers_of_one_stream_are_announced_as_such() {
    let plan = vec![camera(Codec::Vp9, vec![1, 2, 3], true)];
    let mut call = Call::joined(config(plan, SubscribePlan::NONE));
    call.bring(Pc::Publisher);
    let sent = call.sent();
    let Request::AddTrack(track) = &sent[0] else {
        panic!("{sent:?}");
    };
    assert_eq!(track.simulcast_codecs[0].codec, "vp9");
    assert_eq!(track.simulcast_codecs[0].layer_mode, 2);
    let sizes: Vec<_> = track
        .layers
        .iter()
        .map(|layer| (layer.quality, layer.width))
        .collect();
    assert_eq!(sizes, [(0, 320), (1, 640), (2, 1280)]);
    let Request::Offer(offer) = &sent[1] else {
        panic!("{sent:?}");
    };
    assert!(!offer.sdp.contains("a=simulcast"));
}

#[test]
fn a_codec_that_is_not_answered_ends_the_session() {
    let plan = vec![camera(Codec::Av1, vec![1], false)];
    let mut call = Call::joined(config(plan, SubscribePlan::NONE));
    call.bring(Pc::Publisher);
    // The first section there is audio.
    call.say(Response::Answer(description("answer", LIVEKIT_ANSWER, 1)));
    let events = call.events();
    assert!(
        matches!(events.last(), Some(SessionEvent::Left { reason }) if reason == "track refused")
    );
}

#[test]
fn candidates_never_come_before_their_description() {
    let mut call = Call::joined(config(vec![microphone()], SubscribePlan::NONE));
    call.bring(Pc::Publisher);
    call.say(Response::Trickle(Trickle {
        candidate_init: r#"{"candidate":"candidate:1 1 udp 1 127.0.0.1 5000 typ host"}"#.to_owned(),
        target: 0,
        last: true,
    }));
    let early = |event: &SessionEvent| matches!(event, SessionEvent::Candidate { .. });
    assert!(!call.events().iter().any(early));
    call.say(Response::Answer(description("answer", LIVEKIT_ANSWER, 1)));
    let events = call.events();
    let described = events
        .iter()
        .position(|event| matches!(event, SessionEvent::Remote { .. }));
    assert!(described.is_some() && described < events.iter().position(early));
}

#[test]
fn an_answer_to_another_offer_is_ignored() {
    let mut call = Call::joined(config(vec![microphone()], SubscribePlan::NONE));
    call.bring(Pc::Publisher);
    call.events();
    call.say(Response::Answer(description("answer", LIVEKIT_ANSWER, 9)));
    assert!(call.events().is_empty());
}
