//! Tracks as browsers send them, numbered close to every wrap.

use sluice_wire::codec::Codec;
use sluice_wire::id::{PayloadType, Ssrc};

use crate::media::{
    ExtensionNumbers, InboundSettings, OpusSettings, OutboundSettings, Vp8Layer, Vp8Settings,
};

/// Payload type of Opus.
pub const OPUS: PayloadType = PayloadType(111);
/// Payload type of VP8.
pub const VP8: PayloadType = PayloadType(96);
/// Payload type of VP8's retransmissions.
pub const VP8_RTX: PayloadType = PayloadType(97);
/// Simulcast names, lowest layer first.
pub const RIDS: [&str; 3] = ["q", "h", "f"];

/// Header extension ids as Chromium numbers them.
pub const EXTENSIONS: ExtensionNumbers = ExtensionNumbers {
    mid: Some(4),
    rid: Some(10),
    repaired_rid: Some(11),
    audio_level: Some(1),
    transport_cc: Some(3),
};

/// A microphone on one SSRC whose sequence numbers and timestamps soon wrap.
pub fn microphone(mid: &str, ssrc: u32) -> OpusSettings {
    OpusSettings {
        stream: OutboundSettings {
            ssrc: Ssrc(ssrc),
            payload_type: OPUS,
            rtx: None,
            sequence: 65_500,
            mid: mid.to_owned(),
            rid: None,
            extensions: EXTENSIONS,
        },
        timestamp: 0_u32.wrapping_sub(48_000),
        level: 30,
        payload_len: 90,
    }
}

/// A camera of three layers on SSRCs from `ssrc` up, retransmissions on those from `ssrc + 10` up, all numbers near
/// their wraps.
pub fn camera(mid: &str, ssrc: u32, temporal_layers: u8) -> Vp8Settings {
    let layer = |(at, (bitrate, width, height)): (usize, (u32, u16, u16))| Vp8Layer {
        stream: OutboundSettings {
            ssrc: Ssrc(ssrc + at as u32),
            payload_type: VP8,
            rtx: Some((Ssrc(ssrc + 10 + at as u32), VP8_RTX)),
            sequence: 65_500 + at as u16,
            mid: mid.to_owned(),
            rid: Some(RIDS[at].to_owned()),
            extensions: EXTENSIONS,
        },
        bitrate,
        width,
        height,
    };
    let layers = [
        (150_000, 320, 180),
        (500_000, 640, 360),
        (1_700_000, 1_280, 720),
    ];
    Vp8Settings {
        layers: layers.into_iter().enumerate().map(layer).collect(),
        fps: 30,
        temporal_layers,
        timestamp: 0_u32.wrapping_sub(90_000),
        picture_id: 32_700,
        seed: u64::from(ssrc),
    }
}

/// The receiving end of a microphone's stream.
pub fn hear(ssrc: u32) -> InboundSettings {
    InboundSettings {
        ssrc: Ssrc(ssrc),
        payload_type: OPUS,
        rtx: None,
        codec: Codec::Opus,
        nack: true,
    }
}

/// The receiving end of one VP8 stream.
pub fn watch(ssrc: u32, rtx: Option<u32>) -> InboundSettings {
    InboundSettings {
        ssrc: Ssrc(ssrc),
        payload_type: VP8,
        rtx: rtx.map(|ssrc| (Ssrc(ssrc), VP8_RTX)),
        codec: Codec::Vp8,
        nack: true,
    }
}
