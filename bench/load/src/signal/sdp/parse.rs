//! A description as its lines tell it, borrowed from the text.

use super::attributes::Direction;

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
    /// `a=rtcp-fb`: payload type, none for `*`, and the rest.
    pub feedback: Vec<(Option<u8>, &'a str)>,
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
    /// `opus/48000/2` and the like; empty where the type is a static one.
    pub rtpmap: &'a str,
    /// `a=fmtp`; empty where there is none.
    pub fmtp: &'a str,
}

impl<'a> Description<'a> {
    /// Reads a description. Lines that say nothing to us, or nothing at all, are passed over.
    pub fn parse(text: &'a str) -> Self {
        let mut description = Self::default();
        for line in text.lines() {
            match line.split_once('=') {
                Some(("m", rest)) => description.sections.push(Section::new(rest)),
                Some(("a", rest)) => {
                    let (name, value) = rest.split_once(':').unwrap_or((rest, ""));
                    if name == "ice-lite" {
                        description.lite = true;
                    } else if !description.transport.read(name, value)
                        && let Some(section) = description.sections.last_mut()
                    {
                        section.read(name, value);
                    }
                }
                _ => {}
            }
        }
        description
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
        let empty = |pt| SdpFormat {
            pt,
            rtpmap: "",
            fmtp: "",
        };
        Self {
            media,
            line,
            rejected,
            mid: "",
            direction: Direction::SendRecv,
            formats: formats.map(empty).collect(),
            feedback: Vec::new(),
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

    fn read(&mut self, name: &str, value: &'a str) {
        match name {
            "mid" => self.mid = value,
            "rtpmap" => self.amend(value, |format, text| format.rtpmap = text),
            "fmtp" => self.amend(value, |format, text| format.fmtp = text),
            "rtcp-fb" => self.read_feedback(value),
            "extmap" => self.read_extension(value),
            "msid" => {
                let (stream, track) = value.split_once(' ').unwrap_or((value, ""));
                self.msid = Some((stream, track.trim_end()));
            }
            "ssrc" => {
                let ssrc = value.split(' ').next().and_then(|ssrc| ssrc.parse().ok());
                if let Some(ssrc) = ssrc
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

    /// Hands the text behind a payload type to that format.
    fn amend(&mut self, value: &'a str, set: impl FnOnce(&mut SdpFormat<'a>, &'a str)) {
        if let Some((pt, text)) = value.split_once(' ')
            && let Ok(pt) = pt.parse::<u8>()
            && let Some(format) = self.formats.iter_mut().find(|format| format.pt == pt)
        {
            set(format, text);
        }
    }

    fn read_feedback(&mut self, value: &'a str) {
        if let Some((pt, text)) = value.split_once(' ') {
            match pt.parse() {
                Ok(pt) => self.feedback.push((Some(pt), text)),
                Err(_) if pt == "*" => self.feedback.push((None, text)),
                Err(_) => {}
            }
        }
    }

    /// `5/sendonly uri attributes`: the direction and what follows the URI are of no interest.
    fn read_extension(&mut self, value: &'a str) {
        let mut words = value.split(' ');
        let id = words
            .next()
            .and_then(|id| id.split('/').next()?.parse().ok());
        if let (Some(id), Some(uri)) = (id, words.next()) {
            self.extensions.push((id, uri));
        }
    }
}
