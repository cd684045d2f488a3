//! A description as its lines tell it, borrowed from the text.

use memchr::memchr_iter;

use super::attributes::Direction;
use super::format::{codec_of, repaired_by};
use crate::signal::plan::Codec;

/// A whole description.
#[derive(Debug, Default)]
pub struct Description<'a> {
    /// The other side is an ICE lite agent.
    pub lite: bool,
    /// Of the bundle: the first of each line wherever it stands, and all candidates.
    pub transport: TransportLines<'a>,
    /// In order; an answer needs one for each.
    pub sections: Vec<Section<'a>>,
}

/// What concerns the transport.
#[derive(Debug, Default)]
pub struct TransportLines<'a> {
    /// `a=ice-ufrag`
    pub ufrag: Option<&'a str>,
    /// `a=ice-pwd`
    pub pwd: Option<&'a str>,
    /// `a=fingerprint`, hash and value.
    pub fingerprints: Vec<(&'a str, &'a str)>,
    /// `a=setup`
    pub setup: Option<&'a str>,
    /// `a=candidate`, behind the colon.
    pub candidates: Vec<&'a str>,
}

/// What a section is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// `audio`
    Audio,
    /// `video`
    Video,
    /// Data channels.
    Application,
    /// Nothing that we know.
    Other,
}

/// One `m=` line and those below it.
#[derive(Debug)]
pub struct Section<'a> {
    /// What it is for.
    pub media: Media,
    /// The whole `m=` line behind the equals sign.
    pub line: &'a str,
    /// Port 0: not used.
    pub rejected: bool,
    /// `a=mid`; empty where there is none.
    pub mid: &'a str,
    /// Seen from the writer; `sendrecv` where nothing is said.
    pub direction: Direction,
    /// In the order of the `m=` line.
    pub formats: Vec<SdpFormat<'a>>,
    /// Whole lines that describe one payload type, or all of them where there is none: `a=rtpmap`, `a=rtcp-fb`, `a=fmtp`.
    pub format_lines: Vec<(Option<u8>, &'a str)>,
    /// `a=extmap`: id and URI.
    pub extensions: Vec<(u8, &'a str)>,
    /// `a=msid`: stream and track.
    pub msid: Option<(&'a str, &'a str)>,
    /// SSRCs in the order of their first line.
    pub ssrcs: Vec<u32>,
    /// `a=ssrc-group:FID`: a stream and its retransmissions.
    pub retransmissions: Vec<(u32, u32)>,
}

/// One payload type of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SdpFormat<'a> {
    /// The payload type.
    pub pt: u8,
    /// What it is, where we speak that.
    pub codec: Option<Codec>,
    /// The payload type whose retransmissions it has.
    pub repairs: Option<u8>,
    /// Of `a=rtpmap`; 0 where there is none.
    pub clock_rate: u32,
    /// Of `a=fmtp`; empty where there is none.
    pub parameters: &'a str,
}

impl<'a> Description<'a> {
    /// Reads a description. Lines that say nothing to us, or nothing at all, are passed over.
    pub fn parse(text: &'a str) -> Self {
        let mut description = Self::default();
        let mut begin = 0;
        for end in memchr_iter(b'\n', text.as_bytes()).chain([text.len()]) {
            let line = text.get(begin..end).unwrap_or_default();
            description.read(line.strip_suffix('\r').unwrap_or(line));
            begin = end + 1;
        }
        description
    }

    fn read(&mut self, line: &'a str) {
        if let Some(rest) = line.strip_prefix("m=") {
            self.sections.push(Section::new(rest));
        } else if let Some(rest) = line.strip_prefix("a=") {
            let (name, value) = split(rest, b':').unwrap_or((rest, ""));
            match self.sections.last_mut() {
                _ if self.transport.read(name, value) => {}
                Some(section) => section.read(line, name, value),
                None => self.lite |= name == "ice-lite",
            }
        }
    }
}

impl<'a> TransportLines<'a> {
    /// False for a line that is none of these.
    fn read(&mut self, name: &str, value: &'a str) -> bool {
        match name {
            "ice-ufrag" => {
                self.ufrag.get_or_insert(value);
            }
            "ice-pwd" => {
                self.pwd.get_or_insert(value);
            }
            "setup" => {
                self.setup.get_or_insert(value);
            }
            "fingerprint" => {
                if let Some(fingerprint) = value.split_once(' ')
                    && !self.fingerprints.contains(&fingerprint)
                {
                    self.fingerprints.push(fingerprint);
                }
            }
            "candidate" => {
                if !self.candidates.contains(&value) {
                    self.candidates.push(value);
                }
            }
            _ => return false,
        }
        true
    }
}

impl<'a> Section<'a> {
    fn new(line: &'a str) -> Self {
        let mut words = line.split(' ');
        let media = match words.next() {
            Some("audio") => Media::Audio,
            Some("video") => Media::Video,
            Some("application") => Media::Application,
            _ => Media::Other,
        };
        let rejected = words.next() == Some("0");
        let formats = words.skip(1).filter_map(|pt| pt.parse().ok());
        let unnamed = |pt| SdpFormat {
            pt,
            codec: None,
            repairs: None,
            clock_rate: 0,
            parameters: "",
        };
        Self {
            media,
            line,
            rejected,
            mid: "",
            direction: Direction::SendRecv,
            formats: formats.map(unnamed).collect(),
            format_lines: Vec::new(),
            extensions: Vec::new(),
            msid: None,
            ssrcs: Vec::new(),
            retransmissions: Vec::new(),
        }
    }

    /// The payload type, if the section has it.
    pub fn format(&self, pt: u8) -> Option<SdpFormat<'a>> {
        self.formats.iter().find(|format| format.pt == pt).copied()
    }

    fn read(&mut self, line: &'a str, name: &str, value: &'a str) {
        match name {
            "mid" => self.mid = value,
            "rtpmap" | "rtcp-fb" | "fmtp" => self.read_format(line, name, value),
            "extmap" => self.read_extension(value),
            "msid" => {
                let (stream, track) = split(value, b' ').unwrap_or((value, ""));
                self.msid = Some((stream, track.trim_end()));
            }
            "ssrc" => {
                let (ssrc, _) = split(value, b' ').unwrap_or((value, ""));
                if let Ok(ssrc) = ssrc.parse()
                    && !self.ssrcs.contains(&ssrc)
                {
                    self.ssrcs.push(ssrc);
                }
            }
            "ssrc-group" => {
                let mut words = value.split(' ');
                if words.next() == Some("FID") {
                    let mut ssrc = || words.next()?.parse().ok();
                    if let (Some(media), Some(rtx)) = (ssrc(), ssrc()) {
                        self.retransmissions.push((media, rtx));
                    }
                }
            }
            _ => {
                if let Some(direction) = Direction::parse(name) {
                    self.direction = direction;
                }
            }
        }
    }

    fn read_format(&mut self, line: &'a str, name: &str, value: &'a str) {
        let Some((pt, text)) = split(value, b' ') else {
            return;
        };
        let Ok(pt) = pt.parse() else {
            if pt == "*" {
                self.format_lines.push((None, line));
            }
            return;
        };
        let Some(format) = self.formats.iter_mut().find(|format| format.pt == pt) else {
            return;
        };
        match name {
            "rtpmap" => (format.codec, format.clock_rate) = codec_of(text),
            "fmtp" => {
                format.parameters = text;
                format.repairs = repaired_by(text);
            }
            _ => {}
        }
        self.format_lines.push((Some(pt), line));
    }

    /// `5/sendonly uri attributes`: the direction and what follows the URI are of no interest.
    fn read_extension(&mut self, value: &'a str) {
        let Some((id, rest)) = split(value, b' ') else {
            return;
        };
        let (id, _) = split(id, b'/').unwrap_or((id, ""));
        let (uri, _) = split(rest, b' ').unwrap_or((rest, ""));
        if let Ok(id) = id.parse() {
            self.extensions.push((id, uri));
        }
    }
}

/// What is before and behind the first such byte. Unlike `split_once`, made for text of a few bytes.
pub(super) fn split(text: &str, at: u8) -> Option<(&str, &str)> {
    let place = text.bytes().position(|byte| byte == at)?;
    Some((text.get(..place)?, text.get(place + 1..)?))
}
