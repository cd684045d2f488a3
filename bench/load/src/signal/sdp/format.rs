//! Payload formats of a section.

use super::parse::{SdpFormat, Section};
use crate::signal::event::Format;
use crate::signal::plan::Codec;

/// The codecs of a section that we speak, each with its retransmissions, in the section's order.
pub fn formats(section: &Section) -> Vec<Format> {
    let red = section
        .formats
        .iter()
        .find(|format| codec(format) == Some(Codec::Red));
    let spoken = section.formats.iter().filter_map(|format| {
        let codec = codec(format)?;
        Some(Format {
            payload_type: format.pt,
            rtx: retransmissions(section, format.pt),
            red: red
                .filter(|red| codec == Codec::Opus && wraps(red, format.pt))
                .map(|red| red.pt),
            codec,
            clock_rate: clock_rate(format),
            nack: has_feedback(section, format.pt, "nack"),
        })
    });
    spoken.collect()
}

/// True of a codec of ours, and of retransmissions of one.
pub fn is_spoken(section: &Section, format: &SdpFormat) -> bool {
    codec(format).is_some()
        || repaired(format)
            .and_then(|pt| section.format(pt))
            .is_some_and(|repaired| codec(&repaired).is_some())
}

fn codec(format: &SdpFormat) -> Option<Codec> {
    let name = format.rtpmap.split('/').next()?;
    CODECS
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|&(_, codec)| codec)
}

fn clock_rate(format: &SdpFormat) -> u32 {
    let rate = format.rtpmap.split('/').nth(1);
    rate.and_then(|rate| rate.parse().ok()).unwrap_or(90_000)
}

/// The payload type of retransmissions of this one (RFC 4588 section 8.6).
fn retransmissions(section: &Section, pt: u8) -> Option<u8> {
    let repairs = |format: &&SdpFormat| repaired(format) == Some(pt);
    section.formats.iter().find(repairs).map(|format| format.pt)
}

fn repaired(format: &SdpFormat) -> Option<u8> {
    let name = format.rtpmap.split('/').next()?;
    if !name.eq_ignore_ascii_case("rtx") {
        return None;
    }
    let parameter = |part: &str| part.trim().strip_prefix("apt=")?.parse().ok();
    format.fmtp.split(';').find_map(parameter)
}

/// True where this RED format's blocks are of that payload type (`111/111`, RFC 2198 section 5).
fn wraps(red: &SdpFormat, pt: u8) -> bool {
    red.fmtp.split('/').next().and_then(|pt| pt.parse().ok()) == Some(pt)
}

fn has_feedback(section: &Section, pt: u8, wanted: &str) -> bool {
    let named = |&(of, what): &(Option<u8>, &str)| what == wanted && of.is_none_or(|of| of == pt);
    section.feedback.iter().any(named)
}

const CODECS: [(&str, Codec); 6] = [
    ("opus", Codec::Opus),
    ("red", Codec::Red),
    ("VP8", Codec::Vp8),
    ("VP9", Codec::Vp9),
    ("H264", Codec::H264),
    ("AV1", Codec::Av1),
];
