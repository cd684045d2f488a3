//! Payload formats of a section.

use super::parse::{SdpFormat, Section, split};
use crate::signal::event::Format;
use crate::signal::plan::Codec;

/// The codecs of a section that we speak, each with its retransmissions, in the section's order.
pub fn formats(section: &Section) -> Vec<Format> {
    let all = &section.formats;
    let red = all.iter().find(|format| format.codec == Some(Codec::Red));
    let spoken = all.iter().filter_map(|format| {
        let codec = format.codec?;
        let pt = format.pt;
        let red = red.filter(|red| codec == Codec::Opus && wraps(red, pt));
        let rtx = all.iter().find(|other| other.repairs == Some(pt));
        Some(Format {
            payload_type: pt,
            rtx: rtx.map(|rtx| rtx.pt),
            red: red.map(|red| red.pt),
            codec,
            clock_rate: format.clock_rate,
            nack: has_nack(section, pt),
        })
    });
    spoken.collect()
}

/// True of a codec of ours, and of retransmissions of one.
pub fn is_spoken(section: &Section, format: &SdpFormat) -> bool {
    let repaired = || section.format(format.repairs?)?.codec;
    format.codec.is_some() || repaired().is_some()
}

/// Codec and clock rate of an `a=rtpmap`, behind the payload type; no codec for one that we don't speak.
pub(super) fn codec_of(rtpmap: &str) -> (Option<Codec>, u32) {
    let (name, rest) = split(rtpmap, b'/').unwrap_or((rtpmap, ""));
    let (rate, _) = split(rest, b'/').unwrap_or((rest, ""));
    let mut known = CODECS.iter();
    let codec = known.find(|(known, _)| known.eq_ignore_ascii_case(name));
    (codec.map(|&(_, codec)| codec), rate.parse().unwrap_or(0))
}

/// The payload type that an `a=fmtp` of retransmissions names (RFC 4588 section 8.6).
pub(super) fn repaired_by(parameters: &str) -> Option<u8> {
    let rest = parameters.strip_prefix("apt=")?;
    let (pt, _) = split(rest, b';').unwrap_or((rest, ""));
    pt.parse().ok()
}

/// True where this RED format's blocks are of that payload type (`111/111`, RFC 2198 section 5).
fn wraps(red: &SdpFormat, pt: u8) -> bool {
    let (first, _) = split(red.parameters, b'/').unwrap_or((red.parameters, ""));
    first.parse() == Ok(pt)
}

/// True where lost packets may be asked for (RFC 4585 section 4.2).
fn has_nack(section: &Section, pt: u8) -> bool {
    let mut lines = section.format_lines.iter();
    lines.any(|&(of, line)| {
        let feedback = line.starts_with("a=rtcp-fb:") && line.ends_with(" nack");
        feedback && of.is_none_or(|of| of == pt)
    })
}

const CODECS: [(&str, Codec); 6] = [
    ("opus", Codec::Opus),
    ("red", Codec::Red),
    ("VP8", Codec::Vp8),
    ("VP9", Codec::Vp9),
    ("H264", Codec::H264),
    ("AV1", Codec::Av1),
];
