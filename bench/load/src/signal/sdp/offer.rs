//! What a client offers, in the words of Chromium.

use std::fmt::{Arguments, Write};

use sluice_peer::HashAlgorithm;

use super::attributes::EXTENSIONS;
use crate::signal::event::{Encoding, LocalTransport};
use crate::signal::plan::{Codec, Kind};

/// One section of an offer; its mid is its place.
#[derive(Debug)]
pub enum OfferedSection {
    /// Audio or video.
    Media {
        /// Which.
        kind: Kind,
        /// What we do on it.
        role: Role,
    },
    /// Data channels.
    Data,
}

/// What we do on a media section.
#[derive(Debug)]
pub enum Role {
    /// Send a track.
    Send {
        /// The track's id, as announced.
        cid: String,
        /// Offered first.
        codec: Codec,
        /// Several of them are simulcast.
        encodings: Vec<Encoding>,
    },
    /// Receive whatever the server puts there.
    Receive,
}

/// Writes an offer; versions count up from one offer to the next.
pub fn write_offer(sections: &[OfferedSection], local: &LocalTransport, version: u32) -> String {
    let mut text = String::with_capacity(512 + sections.len() * 2048);
    let mids: Vec<String> = (0..sections.len()).map(|place| place.to_string()).collect();
    write_head(&mut text, version, mids.iter().map(String::as_str));
    let transport = transport_lines(local, "actpass");
    for (section, mid) in sections.iter().zip(&mids) {
        match section {
            OfferedSection::Media { kind, role } => {
                write_media(&mut text, *kind, role, &transport, mid);
            }
            OfferedSection::Data => {
                text.line(format_args!(
                    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel"
                ));
                write_transport(&mut text, &transport, mid);
                text.line(format_args!("a=sctp-port:5000"));
                text.line(format_args!("a=max-message-size:262144"));
            }
        }
    }
    text
}

fn write_media(text: &mut String, kind: Kind, role: &Role, transport: &str, mid: &str) {
    let (media, formats) = match kind {
        Kind::Audio => ("audio", AUDIO.as_slice()),
        Kind::Video => ("video", VIDEO.as_slice()),
    };
    let preferred = match role {
        Role::Send { codec, .. } => Some(*codec),
        Role::Receive => None,
    };
    write!(text, "m={media} 9 UDP/TLS/RTP/SAVPF").expect("strings take all");
    // The order of the line is the order of preference; those below it have none (RFC 3264 section 5.1).
    let (first, rest): (Vec<_>, Vec<_>) = formats
        .iter()
        .partition(|offered| Some(offered.codec) == preferred);
    for offered in first.into_iter().chain(rest) {
        write!(text, " {}", offered.pt).expect("strings take all");
        if kind == Kind::Video {
            write!(text, " {}", offered.pt + 1).expect("strings take all");
        }
    }
    text.push_str("\r\n");
    write_transport(text, transport, mid);
    for extension in EXTENSIONS {
        if (kind == Kind::Audio && extension.audio) || (kind == Kind::Video && extension.video) {
            text.line(format_args!("a=extmap:{} {}", extension.id, extension.uri));
        }
    }
    match role {
        Role::Send { cid, .. } => {
            text.line(format_args!("a=sendonly"));
            text.line(format_args!("a=msid:- {cid}"));
        }
        Role::Receive => text.line(format_args!("a=recvonly")),
    }
    text.line(format_args!("a=rtcp-mux"));
    text.line(format_args!("a=rtcp-rsize"));
    for offered in formats {
        text.push_str(offered.lines);
    }
    if let Role::Send { cid, encodings, .. } = role {
        write_encodings(text, cid, encodings);
    }
}

/// Simulcast names its streams by rid and leaves their SSRCs to the packets (RFC 8853); one stream is named by its SSRC.
fn write_encodings(text: &mut String, cid: &str, encodings: &[Encoding]) {
    let rids: Vec<&str> = encodings
        .iter()
        .filter_map(|encoding| encoding.rid.as_deref())
        .collect();
    if rids.is_empty() {
        for Encoding { ssrc, rtx, .. } in encodings {
            if let Some(rtx) = rtx {
                text.line(format_args!("a=ssrc-group:FID {} {}", ssrc.0, rtx.0));
            }
            for ssrc in [Some(*ssrc), *rtx].into_iter().flatten() {
                text.line(format_args!("a=ssrc:{} cname:{cid}", ssrc.0));
                text.line(format_args!("a=ssrc:{} msid:- {cid}", ssrc.0));
            }
        }
        return;
    }
    for rid in &rids {
        text.line(format_args!("a=rid:{rid} send"));
    }
    text.line(format_args!("a=simulcast:send {}", rids.join(";")));
}

/// The session's part of a description.
pub(super) fn write_head<'a>(text: &mut String, version: u32, mids: impl Iterator<Item = &'a str>) {
    text.line(format_args!("v=0"));
    text.line(format_args!(
        "o=- 4611731400430051336 {version} IN IP4 127.0.0.1"
    ));
    text.line(format_args!("s=-"));
    text.line(format_args!("t=0 0"));
    text.push_str("a=group:BUNDLE");
    for mid in mids {
        text.push(' ');
        text.push_str(mid);
    }
    text.push_str("\r\n");
    text.line(format_args!("a=extmap-allow-mixed"));
    text.line(format_args!("a=msid-semantic: WMS"));
}

/// The lines about the transport, which every section repeats.
pub(super) fn transport_lines(local: &LocalTransport, setup: &str) -> String {
    let hash = match local.fingerprint.algorithm() {
        HashAlgorithm::Sha1 => "sha-1",
        HashAlgorithm::Sha224 => "sha-224",
        HashAlgorithm::Sha256 => "sha-256",
        HashAlgorithm::Sha384 => "sha-384",
        HashAlgorithm::Sha512 => "sha-512",
    };
    let mut text = String::with_capacity(256);
    text.line(format_args!("c=IN IP4 0.0.0.0"));
    text.line(format_args!("a=rtcp:9 IN IP4 0.0.0.0"));
    text.line(format_args!("a=ice-ufrag:{}", local.ice.ufrag));
    text.line(format_args!("a=ice-pwd:{}", local.ice.pwd));
    text.line(format_args!("a=ice-options:trickle"));
    let value = local.fingerprint.value_text();
    text.line(format_args!("a=fingerprint:{hash} {value}"));
    text.line(format_args!("a=setup:{setup}"));
    text
}

/// A section's lines about transport and name.
pub(super) fn write_transport(text: &mut String, transport: &str, mid: &str) {
    text.push_str(transport);
    text.line(format_args!("a=mid:{mid}"));
}

/// Lines of a description end in CR and LF.
pub(super) trait Line {
    fn line(&mut self, line: Arguments);
}

impl Line for String {
    fn line(&mut self, line: Arguments) {
        self.write_fmt(line).expect("strings take all");
        self.push_str("\r\n");
    }
}

struct Offered {
    codec: Codec,
    pt: u8,
    lines: &'static str,
}

const AUDIO: [Offered; 2] = [
    Offered {
        codec: Codec::Opus,
        pt: 111,
        lines: "a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\na=rtcp-fb:111 nack\r\n\
                a=fmtp:111 minptime=10;useinbandfec=1\r\n",
    },
    Offered {
        codec: Codec::Red,
        pt: 63,
        lines: "a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n",
    },
];

/// Retransmissions are of the next payload type.
const VIDEO: [Offered; 4] = [
    Offered {
        codec: Codec::Vp8,
        pt: 96,
        lines: "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 goog-remb\r\na=rtcp-fb:96 transport-cc\r\n\
                a=rtcp-fb:96 ccm fir\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n\
                a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n",
    },
    Offered {
        codec: Codec::Vp9,
        pt: 98,
        lines: "a=rtpmap:98 VP9/90000\r\na=rtcp-fb:98 goog-remb\r\na=rtcp-fb:98 transport-cc\r\n\
                a=rtcp-fb:98 ccm fir\r\na=rtcp-fb:98 nack\r\na=rtcp-fb:98 nack pli\r\n\
                a=fmtp:98 profile-id=0\r\na=rtpmap:99 rtx/90000\r\na=fmtp:99 apt=98\r\n",
    },
    Offered {
        codec: Codec::H264,
        pt: 108,
        lines: "a=rtpmap:108 H264/90000\r\na=rtcp-fb:108 goog-remb\r\na=rtcp-fb:108 transport-cc\r\n\
                a=rtcp-fb:108 ccm fir\r\na=rtcp-fb:108 nack\r\na=rtcp-fb:108 nack pli\r\n\
                a=fmtp:108 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n\
                a=rtpmap:109 rtx/90000\r\na=fmtp:109 apt=108\r\n",
    },
    Offered {
        codec: Codec::Av1,
        pt: 45,
        lines: "a=rtpmap:45 AV1/90000\r\na=rtcp-fb:45 goog-remb\r\na=rtcp-fb:45 transport-cc\r\n\
                a=rtcp-fb:45 ccm fir\r\na=rtcp-fb:45 nack\r\na=rtcp-fb:45 nack pli\r\n\
                a=fmtp:45 level-idx=5;profile=0;tier=0\r\na=rtpmap:46 rtx/90000\r\na=fmtp:46 apt=45\r\n",
    },
];
