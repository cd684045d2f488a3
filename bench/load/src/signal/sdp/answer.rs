//! The answer of a client that takes what it is offered.

use std::fmt::Write;

use super::attributes::{Direction, EXTENSIONS};
use super::format::is_spoken;
use super::offer::{Line, write_head, write_transport};
use super::parse::{Description, Media, Section};
use crate::signal::event::LocalTransport;

/// Accepts every section that the server sends on, in all codecs and with all extensions that we know.
pub fn write_answer(offer: &Description, local: &LocalTransport, version: u32) -> String {
    let mids = offer.sections.iter().filter(|section| !is_refused(section));
    let mut text = String::with_capacity(HEAD_BYTES + offer.sections.len() * SECTION_BYTES);
    write_head(&mut text, version, mids.map(|section| section.mid));
    // RFC 5763 section 5: we choose to begin, wherever the offer leaves the choice to us.
    let setup = match offer.transport.setup {
        Some("active") => "passive",
        _ => "active",
    };
    for section in &offer.sections {
        match section.media {
            _ if is_refused(section) => refuse(&mut text, section),
            Media::Application => {
                text.line(format_args!("m={}", section.line));
                write_transport(&mut text, local, setup, section.mid);
                text.line(format_args!("a=sctp-port:5000"));
                text.line(format_args!("a=max-message-size:262144"));
            }
            _ => accept(&mut text, section, local, setup),
        }
    }
    text
}

fn is_refused(section: &Section) -> bool {
    let spoken = || {
        section
            .formats
            .iter()
            .any(|format| is_spoken(section, format))
    };
    section.rejected
        || match section.media {
            Media::Application => false,
            Media::Audio | Media::Video => !spoken(),
            Media::Other => true,
        }
}

/// RFC 8829 section 5.3.1: the same line with port 0.
fn refuse(text: &mut String, section: &Section) {
    let mut words = section.line.splitn(3, ' ');
    let (media, _, rest) = (words.next(), words.next(), words.next());
    let (media, rest) = (media.unwrap_or_default(), rest.unwrap_or_default());
    text.line(format_args!("m={media} 0 {rest}"));
    text.line(format_args!("c=IN IP4 0.0.0.0"));
    if !section.mid.is_empty() {
        text.line(format_args!("a=mid:{}", section.mid));
    }
    text.line(format_args!("a=inactive"));
}

fn accept(text: &mut String, section: &Section, local: &LocalTransport, setup: &str) {
    let media = if section.media == Media::Audio {
        "audio"
    } else {
        "video"
    };
    let accepted = || {
        section
            .formats
            .iter()
            .filter(|format| is_spoken(section, format))
    };
    write!(text, "m={media} 9 UDP/TLS/RTP/SAVPF").expect("strings take all");
    for format in accepted() {
        write!(text, " {}", format.pt).expect("strings take all");
    }
    text.push_str("\r\n");
    write_transport(text, local, setup, section.mid);
    for (id, uri) in &section.extensions {
        if EXTENSIONS.iter().any(|known| known.uri == *uri) {
            text.line(format_args!("a=extmap:{id} {uri}"));
        }
    }
    let direction = if section.direction.sends() {
        Direction::RecvOnly
    } else {
        Direction::Inactive
    };
    text.line(format_args!("a={}", direction.name()));
    text.line(format_args!("a=rtcp-mux"));
    text.line(format_args!("a=rtcp-rsize"));
    for format in accepted() {
        text.line(format_args!("a=rtpmap:{} {}", format.pt, format.rtpmap));
        for (pt, feedback) in &section.feedback {
            if pt.is_none_or(|pt| pt == format.pt) {
                text.line(format_args!("a=rtcp-fb:{} {feedback}", format.pt));
            }
        }
        if !format.fmtp.is_empty() {
            text.line(format_args!("a=fmtp:{} {}", format.pt, format.fmtp));
        }
    }
}

/// About what they come to, to allocate once.
const HEAD_BYTES: usize = 512;
const SECTION_BYTES: usize = 2048;
