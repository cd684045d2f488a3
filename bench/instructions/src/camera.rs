//! A camera whose every frame is a train of equally long packets.

use std::collections::VecDeque;
use std::time::Instant;

use sluice_sfu::command::{Codec, MediaKind, UpCodec, UpSsrc, UpTrackConfig};
use sluice_sim::media::outbound::Sealer;
use sluice_sim::media::{Outbound, OutboundSettings};
use sluice_sim::{Client, Datagram, Room, presets};
use sluice_wire::codec::vp8::{PictureId, Vp8Descriptor};
use sluice_wire::id::{Ssrc, TrackId};

/// One VP8 stream without layers.
pub struct Camera {
    stream: Outbound,
    origin: Instant,
    frames: u16,
    key_requests: u64,
}

impl Camera {
    /// Opens a camera's section in a room, published by the member at `place`.
    pub fn publish(room: &mut Room, place: usize) -> (Self, TrackId) {
        let track = TrackId(1_000 + place as u32);
        let ssrc = Ssrc(5_000 + place as u32);
        let config = UpTrackConfig {
            track,
            peer: room.peer_of(place).1,
            kind: MediaKind::Video,
            mid: "1".to_owned(),
            codecs: vec![UpCodec {
                pt: presets::VP8,
                codec: Codec::Vp8,
                clock_rate: 90_000,
                rtx_pt: Some(presets::VP8_RTX),
                nack: true,
            }],
            ssrcs: vec![UpSsrc { ssrc, rtx: None }],
            rids: Vec::new(),
            screen_share: false,
            encrypted: false,
            muted: false,
        };
        room.publish_as(place, config);
        let settings = OutboundSettings {
            ssrc,
            payload_type: presets::VP8,
            rtx: None,
            sequence: 1,
            mid: "1".to_owned(),
            rid: None,
            extensions: presets::EXTENSIONS,
        };
        let camera = Self {
            stream: Outbound::new(settings, 90_000),
            origin: room.world.now,
            frames: 0,
            key_requests: 0,
        };
        (camera, track)
    }

    /// The next frame, sealed by its client: a key frame where one was asked for.
    pub fn capture(&mut self, client: &mut Client, out: &mut VecDeque<Datagram>) {
        let requests = client.key_frame_requests;
        let key =
            self.frames == 0 || std::mem::replace(&mut self.key_requests, requests) < requests;
        let mut sealer = Sealer {
            peer: &mut client.peer,
            transmits: out,
            origin: self.origin,
        };
        for index in 0..TRAIN {
            let descriptor = Vp8Descriptor {
                non_reference: false,
                partition_start: index == 0,
                partition: 0,
                picture_id: Some(PictureId {
                    value: self.frames & 0x7fff,
                    long: true,
                }),
                tl0_pic_idx: None,
                temporal: None,
                key_idx: None,
            };
            let (prefix, prefix_len) = descriptor.write();
            let mut payload = [0x33; PAYLOAD_BYTES];
            if index == 0 {
                // Frame tag, start code and size (RFC 6386 section 9.1).
                payload[0] = u8::from(!key) | 0x10;
                payload[3..6].copy_from_slice(&[0x9d, 0x01, 0x2a]);
                payload[6..10].copy_from_slice(&[0x00, 0x05, 0xd0, 0x02]);
            }
            let timestamp = 3_000 * u32::from(self.frames);
            let last = index + 1 == TRAIN;
            let prefix = &prefix[..prefix_len];
            self.stream
                .send(&mut sealer, timestamp, last, None, prefix, &payload);
        }
        self.frames += 1;
    }
}

/// Packets of a frame: 2.1 Mbit/s at 30 frames per second.
const TRAIN: usize = 8;

/// Makes 1,100 bytes of UDP payload: 12 of RTP header, 8 of extensions, 4 of descriptor, 16 of tag.
const PAYLOAD_BYTES: usize = 1_060;
