//! A camera: VP8 in one to three simulcast streams, or VP9 with its spatial layers in one; key frames on request.

use std::time::{Duration, Instant};

use sluice_wire::codec::vp8::{PictureId, Temporal, Vp8Descriptor};
use sluice_wire::id::Ssrc;

use super::outbound::{Frame, Out, Outbound};
use super::{stamp, vp9};
use crate::scenario::{Video, VideoCodec};
use crate::signal::Publication;

/// A camera.
pub struct Camera {
    layers: Vec<Layer>,
    /// One per layer, or one for all.
    streams: Vec<Outbound>,
    codec: VideoCodec,
    fps: f64,
    packet_bytes: usize,
    next: Option<Instant>,
    /// Key frames sent.
    pub key_frames: u64,
    /// Frames that were more than [`LATE`] behind their time.
    pub late: u64,
    payload: Vec<u8>,
}

struct Layer {
    /// Bytes of a frame that is no key frame.
    frame_bytes: usize,
    size: (u16, u16),
    timestamp: u32,
    picture_id: u16,
    tl0_pic_idx: u8,
    key_wanted: bool,
    wanted: bool,
    last_key: Option<Instant>,
}

impl Camera {
    /// A camera as negotiated; it starts within one frame of `now`, each at another moment.
    pub fn new(now: Instant, video: &Video, publication: &Publication, seed: u32) -> Self {
        let count = video.kbps.len();
        let layers = video.kbps.iter().enumerate().map(|(at, kbps)| {
            let down = 1_u32 << (count - 1 - at);
            Layer {
                frame_bytes: ((kbps * 1_000.0 / 8.0 / video.fps) as usize).max(LEAST_FRAME),
                size: ((video.width / down) as u16, (video.height / down) as u16),
                timestamp: seed.wrapping_mul(77_777).wrapping_add(at as u32 * 123_457),
                picture_id: (seed as u16).wrapping_add(at as u16 * 11) & PICTURE_ID_MASK,
                tl0_pic_idx: seed as u8,
                key_wanted: true,
                wanted: true,
                last_key: None,
            }
        });
        let streams = publication.encodings.iter();
        let phase = f64::from(seed % 1_000) / 1_000.0 / video.fps;
        Self {
            layers: layers.collect(),
            streams: streams
                .map(|encoding| Outbound::new(publication, encoding, seed as u16))
                .collect(),
            codec: video.codec,
            fps: video.fps,
            packet_bytes: video.packet_bytes,
            next: Some(now + Duration::from_secs_f64(phase)),
            key_frames: 0,
            late: 0,
            payload: Vec::new(),
        }
    }

    /// Sends the frames that are due.
    pub fn handle_timeout(&mut self, out: &mut Out<'_>) {
        let interval = Duration::from_secs_f64(1.0 / self.fps);
        let Some(mut due) = self.next else {
            return;
        };
        if out.peer.path().is_none() {
            self.next = Some(out.now + interval);
            return;
        }
        while due <= out.now {
            self.late += u64::from(out.now - due > LATE);
            match self.codec {
                VideoCodec::Vp8 => self.send_simulcast(out),
                VideoCodec::Vp9 | VideoCodec::Av1 => self.send_layered(out),
            }
            due += interval;
        }
        self.next = Some(due);
        for (stream, layer) in self.streams.iter_mut().zip(&self.layers) {
            let ahead = (due - out.now).as_secs_f64() * f64::from(stream.clock_rate());
            stream.report(out, layer.timestamp.wrapping_sub(ahead as u32));
        }
    }

    /// When the next frame is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    /// A key frame of the stream with this SSRC, soon. False where it is none of ours.
    pub fn request_key_frame(&mut self, ssrc: Ssrc) -> bool {
        let Some(at) = self.streams.iter().position(|stream| stream.ssrc() == ssrc) else {
            return false;
        };
        if let Some(layer) = self.layers.get_mut(at) {
            layer.key_wanted = true;
        }
        true
    }

    /// Layers that nobody wants are not sent.
    pub fn set_wanted(&mut self, wanted: [bool; 3]) {
        for (layer, wanted) in self.layers.iter_mut().zip(wanted) {
            layer.key_wanted |= wanted && !layer.wanted;
            layer.wanted = wanted;
        }
    }

    /// The stream with this SSRC.
    pub fn stream(&mut self, ssrc: Ssrc) -> Option<&mut Outbound> {
        self.streams.iter_mut().find(|stream| stream.ssrc() == ssrc)
    }

    fn send_simulcast(&mut self, out: &mut Out<'_>) {
        let step = (90_000.0 / self.fps) as u32;
        for (layer, stream) in self.layers.iter_mut().zip(&mut self.streams) {
            layer.timestamp = layer.timestamp.wrapping_add(step);
            if !layer.wanted {
                continue;
            }
            let key = layer.take_key(out.now);
            self.key_frames += u64::from(key);
            layer.begin();
            let count = layer.packets(key, self.packet_bytes);
            let bytes = layer.bytes(key) / count;
            for index in 0..count {
                let descriptor = Vp8Descriptor {
                    non_reference: false,
                    partition_start: index == 0,
                    partition: 0,
                    picture_id: Some(PictureId {
                        value: layer.picture_id,
                        long: true,
                    }),
                    tl0_pic_idx: Some(layer.tl0_pic_idx),
                    temporal: Some(Temporal {
                        id: 0,
                        layer_sync: false,
                    }),
                    key_idx: None,
                };
                let (head, len) = descriptor.write();
                fill(&mut self.payload, &head[..len], bytes);
                if index == 0 {
                    write_vp8_header(key, layer.size, &mut self.payload[len..]);
                }
                let mut frame = Frame {
                    timestamp: layer.timestamp,
                    marker: index + 1 == count,
                    level: None,
                    payload: &mut self.payload,
                };
                stream.send(out, &mut frame);
            }
        }
    }

    fn send_layered(&mut self, out: &mut Out<'_>) {
        let step = (90_000.0 / self.fps) as u32;
        let [base, ..] = self.layers.as_mut_slice() else {
            return;
        };
        base.timestamp = base.timestamp.wrapping_add(step);
        let (timestamp, key) = (base.timestamp, base.take_key(out.now));
        base.begin();
        let (picture_id, tl0_pic_idx) = (base.picture_id, base.tl0_pic_idx);
        self.key_frames += u64::from(key);
        let Some(stream) = self.streams.first_mut() else {
            return;
        };
        let sizes: Vec<(u16, u16)> = self.layers.iter().map(|layer| layer.size).collect();
        let highest = self
            .layers
            .iter()
            .rposition(|layer| layer.wanted)
            .unwrap_or(0);
        for (at, layer) in self.layers.iter().enumerate().take(highest + 1) {
            let count = layer.packets(key, self.packet_bytes);
            let bytes = layer.bytes(key) / count;
            for index in 0..count {
                let place = vp9::Vp9Place {
                    picture_id,
                    tl0_pic_idx,
                    spatial: at as u8,
                    key,
                    begins: index == 0,
                    ends: index + 1 == count,
                    top: at == highest,
                };
                let mut head = [0; vp9::MAX_LEN];
                let len = vp9::write(place, &sizes, &mut head);
                fill(&mut self.payload, &head[..len], bytes);
                if place.begins {
                    // Above the lowest layer, a key picture's frames build on the one below.
                    self.payload[len] = vp9::frame_header(key && at == 0);
                }
                let mut frame = Frame {
                    timestamp,
                    marker: place.ends && place.top,
                    level: None,
                    payload: &mut self.payload,
                };
                stream.send(out, &mut frame);
            }
        }
    }
}

impl Layer {
    fn take_key(&mut self, now: Instant) -> bool {
        let rested = self.last_key.is_none_or(|last| now - last >= KEY_INTERVAL);
        if !self.key_wanted || !rested {
            return false;
        }
        self.key_wanted = false;
        self.last_key = Some(now);
        true
    }

    fn begin(&mut self) {
        self.picture_id = (self.picture_id + 1) & PICTURE_ID_MASK;
        self.tl0_pic_idx = self.tl0_pic_idx.wrapping_add(1);
    }

    fn bytes(&self, key: bool) -> usize {
        if key {
            KEY_SIZE * self.frame_bytes
        } else {
            self.frame_bytes
        }
    }

    /// Of a frame, equal as encoders cut them.
    fn packets(&self, key: bool, packet_bytes: usize) -> usize {
        self.bytes(key).div_ceil(packet_bytes).max(1)
    }
}

fn fill(payload: &mut Vec<u8>, head: &[u8], bytes: usize) {
    payload.clear();
    payload.extend_from_slice(head);
    payload.resize(head.len() + bytes.max(16 + stamp::LEN), 0x33);
}

/// Frame tag, and for key frames start code and size (RFC 6386 section 9.1).
fn write_vp8_header(key: bool, (width, height): (u16, u16), frame: &mut [u8]) {
    frame[0] = u8::from(!key) | 0x10;
    if key {
        frame[3..6].copy_from_slice(&[0x9d, 0x01, 0x2a]);
        frame[6..8].copy_from_slice(&width.to_le_bytes());
        frame[8..10].copy_from_slice(&height.to_le_bytes());
    }
}

/// A frame smaller than that holds no header and stamp.
const LEAST_FRAME: usize = 40;
/// Times the other frames' bytes.
const KEY_SIZE: usize = 4;
/// Encoders make no more of them, whoever asks.
const KEY_INTERVAL: Duration = Duration::from_millis(200);
const PICTURE_ID_MASK: u16 = 0x7fff;
/// A load that is so much behind is no fair load.
const LATE: Duration = Duration::from_millis(50);
