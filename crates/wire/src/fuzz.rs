//! What the fuzz targets and `tests/corpus.rs` run: each body takes any bytes and checks what must hold for them.

use crate::classify::{Kind, classify};
use crate::codec::av1::Av1View;
use crate::codec::h264::H264View;
use crate::codec::h265::H265View;
use crate::codec::opus::OpusView;
use crate::codec::red::RedView;
use crate::codec::vp8::Vp8View;
use crate::codec::vp9::Vp9View;
use crate::dependency_descriptor::{Descriptor, Reader, read_targets, rewrite};
use crate::rtcp::{
    MAX_NACK, MAX_REMB, MIN_REMB, Rtcp, TransportCcFeedback, parse_compound, write_compound,
};
use crate::rtp::{
    AbsCaptureTime, AudioLevel, ExtensionBlock, OutHeader, PlayoutDelay, RtpView, parse_identifier,
    parse_transport_cc, write_header,
};
use crate::{framing, stun};

/// Classification and the little of STUN that routing reads.
pub fn datagram(bytes: &[u8]) {
    let ufrag = stun::local_ufrag(bytes);
    assert!(ufrag.is_none_or(|ufrag| {
        bytes
            .windows(ufrag.len())
            .any(|part| part == ufrag.as_bytes())
    }));
    if ufrag.is_some() {
        assert_eq!(classify(bytes), Some(Kind::Stun));
    }
}

/// A stream of framed packets: cut anywhere, it holds the same packets; and each lies where it was announced.
pub fn framing(bytes: &[u8]) {
    let packets = |stream: &[u8]| {
        let (mut at, mut found) = (0, Vec::new());
        while let Some(rest) = stream.get(at..)
            && let Ok(Some(packet)) = framing::first_packet(rest)
        {
            assert!(packet.end <= rest.len() && packet.len() <= framing::MAX_PACKET);
            found.push(at + packet.start..at + packet.end);
            at += packet.end;
        }
        found
    };
    let all = packets(bytes);
    let half = bytes.get(..bytes.len() / 2).unwrap_or_default();
    assert!(
        all.starts_with(&packets(half)),
        "more bytes change no packet"
    );
    for packet in all {
        let header = framing::header(packet.len()).map(|header| header.to_vec());
        let before = bytes.get(packet.start - framing::HEADER_LEN..packet.start);
        assert_eq!(header.as_deref(), before);
    }
}

/// An RTP packet: its parts lie within it, and writing its header again keeps what was read.
pub fn rtp(bytes: &[u8]) {
    let Ok(view) = RtpView::parse(bytes) else {
        return;
    };
    let header = view.header();
    assert_eq!(
        header.header_len + view.payload().len() + header.padding_len,
        bytes.len()
    );
    let mut block = ExtensionBlock::new();
    for (id, value) in view.extensions() {
        let _ = AudioLevel::parse(value);
        let _ = AbsCaptureTime::parse(value).map(AbsCaptureTime::to_bytes);
        let _ = PlayoutDelay::parse(value).map(PlayoutDelay::to_bytes);
        let _ = parse_transport_cc(value);
        let _ = parse_identifier(value);
        block.push(id, value);
    }
    let out_header = OutHeader {
        marker: header.marker,
        payload_type: header.payload_type,
        sequence: header.sequence,
        timestamp: header.timestamp,
        ssrc: header.ssrc,
        padding: false,
    };
    let mut out = [0; 512];
    let Some(len) = write_header(&mut out, &out_header, &block) else {
        return;
    };
    let again =
        RtpView::parse(out.get(..len).unwrap_or_default()).expect("what we write can be read");
    assert!(again.extensions().eq(block.iter()));
    assert_eq!(
        (again.header().sequence, again.header().timestamp),
        (header.sequence, header.timestamp)
    );
}

/// An RTCP compound: hostile numbers are clamped, and what was read can be written and read again.
pub fn rtcp(bytes: &[u8]) {
    let mut packets = Vec::new();
    let _ = parse_compound(bytes, &mut packets);
    for packet in &packets {
        match packet {
            Rtcp::Nack { lost, .. } => assert!(lost.len() <= MAX_NACK),
            Rtcp::TransportCc(feedback) => {
                assert!(feedback.arrivals.len() <= TransportCcFeedback::MAX_STATUSES);
            }
            Rtcp::Remb { bitrate, .. } => assert!((MIN_REMB..=MAX_REMB).contains(bitrate)),
            _ => {}
        }
    }
    let mut written = Vec::new();
    write_compound(&packets, &mut written);
    let mut again = Vec::new();
    parse_compound(&written, &mut again).expect("what we write can be read");
    assert!(again.len() <= packets.len());
}

/// A payload: the first byte chooses the format.
pub fn payload(bytes: &[u8]) {
    let Some((format, payload)) = bytes.split_first() else {
        return;
    };
    match format % 7 {
        0 => {
            let Some(view) = Vp8View::parse(payload) else {
                return;
            };
            assert!(view.descriptor_len <= payload.len());
        }
        1 => {
            let Some(view) = Vp9View::parse(payload) else {
                return;
            };
            assert!(view.descriptor_len <= payload.len());
        }
        2 => drop(H264View::parse(payload)),
        3 => drop(H265View::parse(payload)),
        4 => drop(Av1View::parse(payload)),
        5 => drop(OpusView::parse(payload)),
        _ => {
            let Some(view) = RedView::parse(payload) else {
                return;
            };
            assert!(payload.get(view.primary.clone()).is_some());
            assert!(
                view.redundant()
                    .iter()
                    .all(|block| payload.get(block.range.clone()).is_some())
            );
        }
    }
}

/// Descriptors of one stream, each after a byte with its length.
pub fn dependency_descriptor(bytes: &[u8]) {
    let mut reader = Reader::default();
    let mut rest = bytes;
    while let Some((&len, behind)) = rest.split_first() {
        let Some((descriptor, behind)) = behind.split_at_checked(usize::from(len)) else {
            return;
        };
        let read = reader.read(descriptor);
        let _ = read_targets(descriptor);
        let active = reader.targets().map(|targets| (1, targets.count()));
        let mut out = [0; 300];
        let len = rewrite(descriptor, 7, active, &mut out);
        if let (Some(read), Some(len)) = (read, len) {
            let again = reader.read(out.get(..len).unwrap_or_default());
            let active_targets = if read.has_structure {
                read.active_targets
            } else {
                Some(1)
            };
            let expected = Descriptor {
                frame_number: 7,
                active_targets,
                ..read
            };
            assert_eq!(again, Some(expected), "rewriting changes nothing else");
        }
        rest = behind;
    }
}
