//! A camera: VP8 in one to three simulcast streams with one or three temporal layers, key frames on request.

use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sluice_wire::codec::vp8::{PictureId, Temporal, Vp8Descriptor};
use sluice_wire::id::Ssrc;

use super::outbound::{Outbound, OutboundSettings, Sealer, behind};
use super::stamp::Stamp;

/// How a camera begins.
#[derive(Debug, Clone)]
pub struct Vp8Settings {
    /// Lowest layer first.
    pub layers: Vec<Vp8Layer>,
    /// Frames per second.
    pub fps: u32,
    /// 1, or 3 in the pattern 0 2 1 2 (L1T3).
    pub temporal_layers: u8,
    /// First RTP timestamp of the lowest layer; the others differ from it.
    pub timestamp: u32,
    /// First picture id of the lowest layer, below 2^15; the others differ from it.
    pub picture_id: u16,
    /// Varies frame sizes.
    pub seed: u64,
}

/// One simulcast stream.
#[derive(Debug, Clone)]
pub struct Vp8Layer {
    /// Its stream.
    pub stream: OutboundSettings,
    /// Bits per second on average.
    pub bitrate: u32,
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
}

/// A camera.
#[derive(Debug)]
pub struct Vp8Source {
    layers: Vec<Encoder>,
    interval: Duration,
    fps: u32,
    next: Option<Instant>,
    rng: SmallRng,
    /// Nothing is sent while muted.
    pub muted: bool,
}

#[derive(Debug)]
struct Encoder {
    layer: u8,
    settings: Vp8Layer,
    stream: Outbound,
    temporal_layers: u8,
    timestamp: u32,
    picture_id: u16,
    tl0_pic_idx: u8,
    key_frames: u32,
    frame: u32,
    /// Where in the temporal pattern the next frame is.
    phase: u32,
    /// Last frame of temporal layers 0 and 1.
    last: [u32; 2],
    key_wanted: bool,
    active: bool,
}

impl Vp8Source {
    /// A camera that starts at the first [`Vp8Source::handle_timeout`].
    pub fn new(settings: &Vp8Settings) -> Self {
        let encoder = |(at, layer): (usize, &Vp8Layer)| Encoder {
            layer: at as u8,
            settings: layer.clone(),
            stream: Outbound::new(layer.stream.clone(), CLOCK_RATE),
            temporal_layers: settings.temporal_layers,
            timestamp: settings.timestamp.wrapping_add(at as u32 * 123_457),
            picture_id: settings.picture_id.wrapping_add(at as u16 * 11) & PICTURE_ID_MASK,
            tl0_pic_idx: 250_u8.wrapping_add(at as u8),
            key_frames: 0,
            frame: 0,
            phase: 0,
            last: [0; 2],
            key_wanted: true,
            active: true,
        };
        Self {
            layers: settings.layers.iter().enumerate().map(encoder).collect(),
            interval: Duration::from_secs(1) / settings.fps,
            fps: settings.fps,
            next: None,
            rng: SmallRng::seed_from_u64(settings.seed),
            muted: false,
        }
    }

    /// Sends what is due.
    pub fn handle_timeout(&mut self, now: Instant, sealer: &mut Sealer<'_>) {
        let mut due = *self.next.get_or_insert(now);
        let ticks = CLOCK_RATE / self.fps;
        while due <= now {
            for encoder in &mut self.layers {
                if encoder.active && !self.muted {
                    let mean = encoder.settings.bitrate / 8 / self.fps;
                    let len = (f64::from(mean) * self.rng.random_range(0.7..1.3)) as usize;
                    encoder.send(len, sealer);
                }
                encoder.timestamp = encoder.timestamp.wrapping_add(ticks);
            }
            due += self.interval;
        }
        self.next = Some(due);
        for encoder in &mut self.layers {
            let timestamp = behind(encoder.timestamp, due - now, CLOCK_RATE);
            encoder.stream.report(now, timestamp, sealer);
        }
    }

    /// When the next frame is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    /// Makes the next frame of the layer with this SSRC a key frame. False where it is none of ours.
    pub fn request_key_frame(&mut self, ssrc: Ssrc) -> bool {
        let found = self
            .layers
            .iter_mut()
            .find(|encoder| encoder.stream.ssrc() == ssrc);
        found.map(|encoder| encoder.key_wanted = true).is_some()
    }

    /// Turns a layer on or off; it starts again with a key frame.
    pub fn set_active(&mut self, layer: usize, active: bool) {
        if let Some(encoder) = self.layers.get_mut(layer) {
            encoder.key_wanted |= active && !encoder.active;
            encoder.active = active;
        }
    }

    /// The streams, for feedback.
    pub fn streams_mut(&mut self) -> impl Iterator<Item = &mut Outbound> {
        self.layers.iter_mut().map(|encoder| &mut encoder.stream)
    }

    /// Key frames sent on a layer.
    pub fn key_frames(&self, layer: usize) -> u32 {
        self.layers
            .get(layer)
            .map_or(0, |encoder| encoder.key_frames)
    }
}

impl Encoder {
    fn send(&mut self, mean: usize, sealer: &mut Sealer<'_>) {
        let key = std::mem::take(&mut self.key_wanted);
        if key {
            self.phase = 0;
            self.key_frames += 1;
        }
        let (temporal, reference) = self.place(key);
        if temporal == 0 {
            self.tl0_pic_idx = self.tl0_pic_idx.wrapping_add(1);
        }
        let len = if key { 4 * mean } else { mean }.max(40);
        let count = len.div_ceil(MAX_PAYLOAD);
        for index in 0..count {
            let descriptor = Vp8Descriptor {
                non_reference: temporal == 2,
                partition_start: index == 0,
                partition: 0,
                picture_id: Some(PictureId {
                    value: self.picture_id,
                    long: true,
                }),
                tl0_pic_idx: Some(self.tl0_pic_idx),
                temporal: Some(Temporal {
                    id: temporal,
                    layer_sync: self.is_sync(temporal),
                }),
                key_idx: Some((self.key_frames & 0x1f) as u8),
            };
            let stamp = Stamp {
                layer: self.layer,
                temporal,
                index: index as u16,
                last: (count - 1) as u16,
                frame: self.frame,
                reference,
            };
            let (prefix, prefix_len) = descriptor.write();
            let mut payload = vec![0x33; len / count];
            if index == 0 {
                self.write_frame_header(key, &mut payload);
            }
            payload.extend(stamp.to_bytes());
            self.stream.send(
                sealer,
                self.timestamp,
                index + 1 == count,
                None,
                &prefix[..prefix_len],
                &payload,
            );
        }
        self.advance(temporal);
    }

    /// Temporal layer of the next frame and the frame it refers to.
    fn place(&self, key: bool) -> (u8, Option<u32>) {
        if key {
            return (0, None);
        }
        let temporal = if self.temporal_layers == 3 {
            [0, 2, 1, 2][self.phase as usize % 4]
        } else {
            0
        };
        let reference = match (temporal, self.phase % 4) {
            (2, 3) => self.last[1],
            _ => self.last[0],
        };
        (temporal, Some(reference))
    }

    /// A receiver may step up at frames that refer to the base layer alone.
    fn is_sync(&self, temporal: u8) -> bool {
        temporal > 0 && !(temporal == 2 && self.phase % 4 == 3)
    }

    fn advance(&mut self, temporal: u8) {
        match temporal {
            0 => self.last = [self.frame; 2],
            1 => self.last[1] = self.frame,
            _ => {}
        }
        self.frame = self.frame.wrapping_add(1);
        self.phase = self.phase.wrapping_add(1);
        self.picture_id = (self.picture_id + 1) & PICTURE_ID_MASK;
    }

    /// Frame tag, and for key frames start code and size (RFC 6386 section 9.1).
    fn write_frame_header(&self, key: bool, payload: &mut Vec<u8>) {
        payload[0] = u8::from(!key) | 0x10;
        if key {
            payload.resize(payload.len().max(10), 0x33);
            payload[3..6].copy_from_slice(&[0x9d, 0x01, 0x2a]);
            payload[6..8].copy_from_slice(&self.settings.width.to_le_bytes());
            payload[8..10].copy_from_slice(&self.settings.height.to_le_bytes());
        }
    }
}

/// RTP clock of video.
pub const CLOCK_RATE: u32 = 90_000;
const PICTURE_ID_MASK: u16 = 0x7fff;
const MAX_PAYLOAD: usize = 1_100;
