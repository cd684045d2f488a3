//! One peer connection, which the client offers.

use super::*;

const LIVEKIT_SINGLE: &str = include_str!("../../fixtures/livekit-single-answer.sdp");
const LIVEKIT_SINGLE_AFTER: &str = include_str!("../../fixtures/livekit-single-answer-after.sdp");
const SLUICE_SINGLE: &str = include_str!("../../fixtures/sluice-single-answer.sdp");

#[test]
fn with_a_single_peer_connection_the_client_offers_and_learns_from_answers() {
    for (answer, tracks) in [(LIVEKIT_SINGLE, 3), (SLUICE_SINGLE, 4)] {
        let single = SessionConfig {
            single_pc: true,
            ..config(Vec::new(), SubscribePlan::ALL)
        };
        let mut call = Call::joined(single);
        call.bring(Pc::Publisher);
        let sent = call.sent();
        let Request::Offer(offer) = &sent[0] else {
            panic!("{sent:?}");
        };
        assert_eq!(offer.sdp.matches("a=recvonly").count(), 6);
        call.say(Response::Answer(description("answer", answer, 1)));
        let subscribed = call.subscribed();
        assert_eq!(subscribed.len(), tracks);
        assert!(subscribed.iter().all(|track| track.pc == Pc::Publisher));
    }
}

#[test]
fn a_later_answer_ends_what_it_does_not_name() {
    let single = SessionConfig {
        single_pc: true,
        ..config(Vec::new(), SubscribePlan::ALL)
    };
    let mut call = Call::joined(single);
    call.bring(Pc::Publisher);
    call.say(Response::Answer(description("answer", LIVEKIT_SINGLE, 1)));
    call.say(Response::SectionsRequirement(SectionsRequirement {
        audios: 0,
        videos: 0,
    }));
    call.events();
    call.say(Response::Answer(description(
        "answer",
        LIVEKIT_SINGLE_AFTER,
        2,
    )));
    let events = call.events();
    assert!(
        matches!(&events[..], [SessionEvent::Unsubscribed { track }] if track == "TR_AMkQ8jgJooYhaK"),
        "{events:?}"
    );
}

#[test]
fn required_sections_wait_for_the_outstanding_answer() {
    let single = SessionConfig {
        single_pc: true,
        ..config(Vec::new(), SubscribePlan::ALL)
    };
    let mut call = Call::joined(single);
    call.bring(Pc::Publisher);
    call.sent();
    call.say(Response::SectionsRequirement(SectionsRequirement {
        audios: 1,
        videos: 2,
    }));
    assert!(call.sent().is_empty());
    call.say(Response::Answer(description("answer", LIVEKIT_SINGLE, 1)));
    let sent = call.sent();
    let [Request::Offer(offer)] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!(offer.id, 2);
    assert_eq!(offer.sdp.matches("a=recvonly").count(), 9);
}
