use sluice_peer::{Credentials, HashAlgorithm};
use sluice_wire::id::Ssrc;

use super::attributes::Direction;
use super::format::is_spoken;
use super::*;
use crate::signal::event::{Encoding, LocalTransport};
use crate::signal::plan::{Codec, Kind};

const LIVEKIT_OFFER: &str = include_str!("../fixtures/livekit-subscriber-offer.sdp");
const LIVEKIT_ANSWER: &str = include_str!("../fixtures/livekit-publisher-answer.sdp");
const SLUICE_OFFER: &str = include_str!("../fixtures/sluice-subscriber-offer.sdp");
const SLUICE_OFFER_AFTER: &str = include_str!("../fixtures/sluice-subscriber-offer-after.sdp");

fn local() -> LocalTransport {
    LocalTransport {
        ice: Credentials::new("ufrg", "a password of 22 chars"),
        fingerprint: sluice_peer::Fingerprint::of(HashAlgorithm::Sha256, b"certificate"),
        candidates: Vec::new(),
    }
}

fn send(kind: Kind, codec: Codec, encodings: Vec<Encoding>) -> OfferedSection {
    let cid = "cam-0".to_owned();
    OfferedSection::Media {
        kind,
        role: Role::Send {
            cid,
            codec,
            encodings,
        },
    }
}

fn encoding(rid: Option<&str>, ssrc: u32, rtx: Option<u32>) -> Encoding {
    Encoding {
        rid: rid.map(str::to_owned),
        ssrc: Ssrc(ssrc),
        rtx: rtx.map(Ssrc),
    }
}

#[test]
fn a_livekit_offer_tells_its_transport_once_however_often_it_is_repeated() {
    let offer = Description::parse(LIVEKIT_OFFER);
    assert_eq!(offer.transport.ufrag, Some("swPvXstBMgvpjjOt"));
    assert_eq!(offer.transport.setup, Some("actpass"));
    assert_eq!(offer.transport.fingerprints.len(), 1);
    let udp = offer.transport.candidates.iter();
    let usable: Vec<_> = udp.filter_map(|line| read_candidate(line)).collect();
    assert_eq!(usable.len(), 1, "component 2 is of no use");
    assert_eq!(
        usable[0].addr,
        "127.0.0.1:52439".parse().expect("an address")
    );
}

#[test]
fn a_livekit_section_names_track_streams_and_formats() {
    let offer = Description::parse(LIVEKIT_OFFER);
    let video = &offer.sections[2];
    assert_eq!(
        video.msid,
        Some(("PA_ZvfAe5Drdrp6|TR_VCANyrjjpYuBV3", "TR_VCANyrjjpYuBV3"))
    );
    assert_eq!(video.ssrcs, [1_480_059_793, 44_321_591]);
    assert_eq!(video.retransmissions, [(1_480_059_793, 44_321_591)]);
    let vp8 = formats(video)[0];
    assert_eq!(
        (vp8.codec, vp8.payload_type, vp8.rtx),
        (Codec::Vp8, 96, Some(97))
    );
    assert!(vp8.nack);
    let ids = extension_ids(&video.extensions);
    assert_eq!(ids.dependency_descriptor, Some(1));
    assert_eq!(ids.abs_send_time, Some(3));
    assert_eq!(ids.transport_cc, None);
}

#[test]
fn red_is_known_by_what_it_wraps() {
    let offer = Description::parse(LIVEKIT_OFFER);
    let audio = formats(&offer.sections[1]);
    let opus = audio
        .iter()
        .find(|format| format.codec == Codec::Opus)
        .expect("opus");
    assert_eq!(
        (opus.payload_type, opus.red, opus.clock_rate),
        (111, Some(63), 48_000)
    );
}

#[test]
fn an_answer_takes_what_the_server_sends_and_nothing_that_we_do_not_speak() {
    for text in [LIVEKIT_OFFER, SLUICE_OFFER] {
        let offer = Description::parse(text);
        let text = write_answer(&offer, &local(), 1);
        let answer = Description::parse(&text);
        assert_eq!(answer.sections.len(), offer.sections.len());
        assert_eq!(answer.transport.setup, Some("active"));
        for (answered, offered) in answer.sections.iter().zip(&offer.sections) {
            assert_eq!((answered.media, answered.mid), (offered.media, offered.mid));
            assert!(!answered.rejected);
            if answered.media != Media::Application {
                assert_eq!(answered.direction, Direction::RecvOnly);
                assert!(!formats(answered).is_empty());
                let spoken = |format| is_spoken(offered, format);
                assert!(answered.formats.iter().all(spoken));
            }
        }
        assert!(!text.contains("H265") && !text.contains("PCMU"));
    }
}

#[test]
fn a_section_that_went_inactive_is_answered_so() {
    let offer = Description::parse(SLUICE_OFFER_AFTER);
    let text = write_answer(&offer, &local(), 2);
    let directions: Vec<_> = Description::parse(&text)
        .sections
        .iter()
        .skip(1)
        .map(|section| section.direction)
        .collect();
    use Direction::{Inactive, RecvOnly};
    assert_eq!(directions, [Inactive, Inactive, RecvOnly, RecvOnly]);
}

#[test]
fn a_section_of_strange_formats_is_refused_and_left_out_of_the_bundle() {
    let offer = "v=0\r\nm=text 9 UDP/TLS/RTP/SAVPF 98\r\na=mid:t\r\nm=video 9 UDP/TLS/RTP/SAVPF 116\r\n\
                 a=mid:v\r\na=rtpmap:116 H265/90000\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:a\r\n\
                 a=rtpmap:111 opus/48000/2\r\n";
    let text = write_answer(&Description::parse(offer), &local(), 1);
    let answer = Description::parse(&text);
    let rejected: Vec<_> = answer
        .sections
        .iter()
        .map(|section| section.rejected)
        .collect();
    assert_eq!(rejected, [true, true, false]);
    assert!(text.contains("a=group:BUNDLE a\r\n"), "{text}");
}

#[test]
fn an_offer_names_simulcast_by_rids_and_a_single_stream_by_its_ssrcs() {
    let sections = [
        send(
            Kind::Video,
            Codec::Vp8,
            vec![
                encoding(Some("q"), 1, Some(2)),
                encoding(Some("h"), 3, Some(4)),
            ],
        ),
        send(Kind::Video, Codec::Vp9, vec![encoding(None, 5, Some(6))]),
        OfferedSection::Data,
    ];
    let text = write_offer(&sections, &local(), 1);
    assert!(text.contains("a=simulcast:send q;h\r\n"));
    let offer = Description::parse(&text);
    assert!(offer.sections[0].ssrcs.is_empty());
    assert_eq!(offer.sections[1].retransmissions, [(5, 6)]);
    assert_eq!(offer.sections[1].msid, Some(("-", "cam-0")));
    assert_eq!(offer.sections[2].media, Media::Application);
}

#[test]
fn an_offer_prefers_the_planned_codec_and_can_do_with_others() {
    let sections = [send(
        Kind::Video,
        Codec::Av1,
        vec![encoding(None, 5, Some(6))],
    )];
    let text = write_offer(&sections, &local(), 1);
    let offer = Description::parse(&text);
    let codecs: Vec<_> = formats(&offer.sections[0])
        .iter()
        .map(|format| format.codec)
        .collect();
    assert_eq!(codecs, [Codec::Av1, Codec::Vp8, Codec::Vp9, Codec::H264]);
}

#[test]
fn a_livekit_answer_gives_formats_and_extensions_of_what_we_send() {
    let answer = Description::parse(LIVEKIT_ANSWER);
    assert_eq!(answer.transport.setup, Some("active"));
    let vp8 = formats(&answer.sections[1])[0];
    assert_eq!(
        (vp8.codec, vp8.payload_type, vp8.rtx),
        (Codec::Vp8, 96, Some(97))
    );
    let ids = extension_ids(&answer.sections[1].extensions);
    assert_eq!(
        (ids.mid, ids.rid, ids.repaired_rid),
        (Some(4), Some(10), Some(11))
    );
    assert_eq!(ids.transport_cc, Some(3));
}

#[test]
fn candidates_of_tcp_and_of_names_are_passed_over() {
    let udp = "candidate:1 1 UDP 2130706431 ::1 7881 typ host";
    let tcp = "candidate:1 1 tcp 1671430143 127.0.0.1 7881 typ host tcptype passive";
    let name = "candidate:1 1 udp 2130706431 host.local 7881 typ host";
    let of =
        |line: &str| read_candidate_init(&serde_json::json!({ "candidate": line }).to_string());
    assert!(of(udp).is_some());
    assert!(of(tcp).is_none());
    assert!(of(name).is_none());
    assert!(of("").is_none(), "the mark of the end");
    assert!(read_candidate_init("null").is_none());
}

#[test]
fn lines_that_say_nothing_are_passed_over() {
    for text in [
        "",
        "m=",
        "a=mid:1",
        "m=audio\na=rtpmap:\na=fmtp:300 x\na=ssrc:x\na=extmap:/ \na=msid:",
    ] {
        let description = Description::parse(text);
        let answer = write_answer(&description, &local(), 1);
        assert!(answer.starts_with("v=0"), "{text}");
    }
}
