//! The answer of a client that takes what it is offered.

use std::fmt::Write;

use super::attributes::{Direction, is_known};
use super::format::is_spoken;
use super::offer::{Line, transport_lines, write_head, write_transport};
use super::parse::{Description, Media, SdpFormat, Section};
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
    let transport = transport_lines(local, setup);
    for section in &offer.sections {
        match section.media {
            _ if is_refused(section) => refuse(&mut text, section),
            Media::Application => {
                text.line(format_args!("m={}", section.line));
                write_transport(&mut text, &transport, section.mid);
                text.line(format_args!("a=sctp-port:5000"));
                text.line(format_args!("a=max-message-size:262144"));
            }
            _ => accept(&mut text, section, &transport),
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

fn accept(text: &mut String, section: &Section, transport: &str) {
    let media = if section.media == Media::Audio {
        "audio"
    } else {
        "video"
    };
    let accepted = |format: &&SdpFormat| is_spoken(section, format);
    let accepted: Vec<u8> = section
        .formats
        .iter()
        .filter(accepted)
        .map(|format| format.pt)
        .collect();
    write!(text, "m={media} 9 UDP/TLS/RTP/SAVPF").expect("strings take all");
    for pt in &accepted {
        write!(text, " {pt}").expect("strings take all");
    }
    text.push_str("\r\n");
    write_transport(text, transport, section.mid);
    for (id, uri) in &section.extensions {
        if is_known(uri) {
            text.line(format_args!("a=extmap:{id} {uri}"));
        }
    }
    let direction = if section.direction.sends() {
        Direction::RecvOnly
    } else {
        Direction::Inactive
    };
    text.line(format_args!("a={}", direction.name()));
    text.push_str("a=rtcp-mux\r\na=rtcp-rsize\r\n");
    for &(pt, line) in &section.format_lines {
        if pt.is_none_or(|pt| accepted.contains(&pt)) {
            text.push_str(line);
            text.push_str("\r\n");
        }
    }
}

/// About what they come to, to allocate once.
const HEAD_BYTES: usize = 512;
const SECTION_BYTES: usize = 2048;
