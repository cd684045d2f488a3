use sluice_wire::codec::{Codec, MediaKind};
use sluice_wire::id::{PeerId, TrackId};
use sluice_wire::rtp::{ExtensionBlock, OutHeader, write_header};

use super::*;
use crate::command::{UpCodec, UpSsrc};

const MID: u8 = 1;
const RID: u8 = 2;
const REPAIRED: u8 = 3;

fn ids() -> ExtensionIds {
    ExtensionIds {
        mid: Some(MID),
        rid: Some(RID),
        repaired_rid: Some(REPAIRED),
        ..ExtensionIds::default()
    }
}

fn video(mid: &str, rids: &[&str], ssrcs: &[(u32, u32)]) -> UpTrackConfig {
    UpTrackConfig {
        track: TrackId(1),
        peer: PeerId(1),
        kind: MediaKind::Video,
        mid: mid.into(),
        codecs: vec![UpCodec {
            pt: PayloadType(96),
            codec: Codec::Vp8,
            clock_rate: 90_000,
            rtx_pt: Some(PayloadType(97)),
            nack: true,
        }],
        ssrcs: ssrcs
            .iter()
            .map(|(ssrc, rtx)| UpSsrc {
                ssrc: Ssrc(*ssrc),
                rtx: Some(Ssrc(*rtx)),
            })
            .collect(),
        rids: rids.iter().map(|rid| (*rid).to_owned()).collect(),
        screen_share: false,
        encrypted: false,
        muted: false,
    }
}

fn packet(ssrc: u32, pt: u8, extensions: &[(u8, &str)]) -> Vec<u8> {
    let mut block = ExtensionBlock::new();
    for (id, value) in extensions {
        block.push(*id, value.as_bytes());
    }
    let header = OutHeader {
        marker: false,
        payload_type: PayloadType(pt),
        sequence: 1,
        timestamp: 1,
        ssrc: Ssrc(ssrc),
        padding: false,
    };
    let mut out = vec![0; 200];
    let len = write_header(&mut out, &header, &block).unwrap();
    out.truncate(len + 10);
    out
}

fn find(
    sources: &mut Sources,
    ssrc: u32,
    pt: u8,
    extensions: &[(u8, &str)],
) -> Result<Source, Unrouted> {
    let bytes = packet(ssrc, pt, extensions);
    let ids = ids();
    sources.find(&RtpView::parse(&bytes).unwrap(), [&ids, &ids])
}

#[allow(clippy::unnecessary_wraps)]
fn source(track: usize, layer: u8, rtx: bool) -> Result<Source, Unrouted> {
    Ok(Source { track, layer, rtx })
}

#[test]
fn announced_ssrcs_are_layers_in_order() {
    let mut sources = Sources::default();
    sources.set_section(7, &video("0", &[], &[(10, 11), (20, 21)]));
    assert_eq!(find(&mut sources, 10, 96, &[]), source(7, 0, false));
    assert_eq!(find(&mut sources, 21, 97, &[]), source(7, 1, true));
    assert_eq!(find(&mut sources, 30, 96, &[]), Err(Unrouted::Unknown));
}

#[test]
fn a_rid_is_learned_once_and_needs_no_extension_later() {
    let mut sources = Sources::default();
    sources.set_section(7, &video("0", &["q", "h", "f"], &[]));
    let tagged = [(MID, "0"), (RID, "f")];
    assert_eq!(find(&mut sources, 10, 96, &tagged), source(7, 2, false));
    assert_eq!(find(&mut sources, 10, 96, &[]), source(7, 2, false));
    let repaired = [(MID, "0"), (REPAIRED, "f")];
    assert_eq!(find(&mut sources, 11, 97, &repaired), source(7, 2, true));
}

#[test]
fn a_mid_alone_names_a_section_without_layers() {
    let mut sources = Sources::default();
    sources.set_section(7, &video("0", &[], &[]));
    sources.set_section(8, &video("1", &[], &[]));
    assert_eq!(
        find(&mut sources, 10, 96, &[(MID, "1")]),
        source(8, 0, false)
    );
    assert_eq!(
        find(&mut sources, 11, 97, &[(MID, "1")]),
        source(8, 0, true)
    );
    assert_eq!(find(&mut sources, 12, 96, &[]), Err(Unrouted::Unknown));
}

#[test]
fn a_payload_type_names_the_only_section_that_has_it() {
    let mut sources = Sources::default();
    sources.set_section(7, &video("0", &[], &[]));
    assert_eq!(find(&mut sources, 10, 96, &[]), source(7, 0, false));
    assert_eq!(find(&mut sources, 11, 100, &[]), Err(Unrouted::Unknown));
}

#[test]
fn layers_that_nobody_announced_are_refused() {
    let mut sources = Sources::default();
    sources.set_section(7, &video("0", &["q", "h"], &[]));
    let refused = Err(Unrouted::Unknown);
    assert_eq!(
        find(&mut sources, 10, 96, &[(MID, "0"), (RID, "x")]),
        refused
    );
    assert_eq!(find(&mut sources, 10, 96, &[(MID, "0")]), refused);
    assert_eq!(
        find(&mut sources, 10, 96, &[(MID, "9"), (RID, "q")]),
        refused
    );
    assert_eq!(
        find(&mut sources, 0, 96, &[(MID, "0"), (RID, "q")]),
        refused
    );
}

#[test]
fn a_flood_of_ssrcs_ends_at_the_cap() {
    let mut sources = Sources::default();
    sources.set_section(7, &video("0", &[], &[]));
    let mut routed = 0;
    for ssrc in 1..=100_000 {
        match find(&mut sources, ssrc, 96, &[(MID, "0")]) {
            Ok(_) => routed += 1,
            Err(refused) => assert_eq!(refused, Unrouted::Cap),
        }
    }
    assert_eq!((routed, sources.known.len()), (MAX_SSRCS, MAX_SSRCS));
}

#[test]
fn a_section_that_ended_frees_its_ssrcs() {
    let mut sources = Sources::default();
    sources.set_section(7, &video("0", &[], &[(10, 11)]));
    sources.remove_section(7);
    assert_eq!(sources.known(Ssrc(10)), None);
    assert_eq!(
        find(&mut sources, 10, 96, &[(MID, "0")]),
        Err(Unrouted::Unknown)
    );
}
