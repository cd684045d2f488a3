//! Small things that several descriptions share.

use crate::signal::event::Extensions;

/// `a=sendrecv` and the like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Both ways.
    SendRecv,
    /// From the writer.
    SendOnly,
    /// To the writer.
    RecvOnly,
    /// Neither way.
    Inactive,
}

impl Direction {
    /// Reads an attribute's name.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "sendrecv" => Self::SendRecv,
            "sendonly" => Self::SendOnly,
            "recvonly" => Self::RecvOnly,
            "inactive" => Self::Inactive,
            _ => return None,
        })
    }

    /// The attribute's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// True where its writer sends.
    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }
}

/// The header extensions that we know, with the ids and the kinds of section Chromium offers them with.
pub const EXTENSIONS: [Extension; 9] = [
    Extension {
        id: 1,
        audio: true,
        video: false,
        uri: "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    },
    Extension {
        id: 2,
        audio: true,
        video: true,
        uri: ABS_SEND_TIME,
    },
    Extension {
        id: 3,
        audio: true,
        video: true,
        uri: TRANSPORT_CC,
    },
    Extension {
        id: 4,
        audio: true,
        video: true,
        uri: "urn:ietf:params:rtp-hdrext:sdes:mid",
    },
    Extension {
        id: 5,
        audio: false,
        video: true,
        uri: PLAYOUT_DELAY,
    },
    Extension {
        id: 8,
        audio: false,
        video: true,
        uri: DEPENDENCY_DESCRIPTOR,
    },
    Extension {
        id: 9,
        audio: true,
        video: true,
        uri: ABS_CAPTURE_TIME,
    },
    Extension {
        id: 10,
        audio: false,
        video: true,
        uri: "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    },
    Extension {
        id: 11,
        audio: false,
        video: true,
        uri: "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
    },
];

/// One of them.
#[derive(Debug, Clone, Copy)]
pub struct Extension {
    /// That we offer it with.
    pub id: u8,
    /// Offered for audio.
    pub audio: bool,
    /// Offered for video.
    pub video: bool,
    /// Its name.
    pub uri: &'static str,
}

const ABS_SEND_TIME: &str = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time";
const ABS_CAPTURE_TIME: &str = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time";
const PLAYOUT_DELAY: &str = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay";
const TRANSPORT_CC: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
const DEPENDENCY_DESCRIPTOR: &str =
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";

/// True of a header extension that we know.
pub fn is_known(uri: &str) -> bool {
    EXTENSIONS.iter().any(|known| known.uri == uri)
}

/// Ids by name; what we don't know is left out.
pub fn extension_ids(list: &[(u8, &str)]) -> Extensions {
    let mut ids = Extensions::default();
    for &(id, uri) in list {
        let slot = match uri {
            "urn:ietf:params:rtp-hdrext:sdes:mid" => &mut ids.mid,
            "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id" => &mut ids.rid,
            "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id" => &mut ids.repaired_rid,
            "urn:ietf:params:rtp-hdrext:ssrc-audio-level" => &mut ids.audio_level,
            ABS_SEND_TIME => &mut ids.abs_send_time,
            ABS_CAPTURE_TIME => &mut ids.abs_capture_time,
            PLAYOUT_DELAY => &mut ids.playout_delay,
            TRANSPORT_CC => &mut ids.transport_cc,
            DEPENDENCY_DESCRIPTOR => &mut ids.dependency_descriptor,
            _ => continue,
        };
        *slot = Some(id);
    }
    ids
}
