//! What clients publish in tests, and how it is opened and subscribed to.

use sluice_sfu::command::{Command, DownTrackConfig, PayloadMap, UpCodec, UpSsrc, UpTrackConfig};
use sluice_wire::codec::{Codec, MediaKind};
use sluice_wire::id::{DownTrackId, PayloadType, PeerId, Ssrc, TrackId, WorkerId};
use sluice_wire::rtcp::Rtcp;
use sluice_wire::rtp::ExtensionBlock;

use super::client::header;
use super::net::World;

pub const OPUS: u8 = 111;
pub const VP8: u8 = 96;
pub const RTX: u8 = 97;
/// Payload type and SSRCs on the subscriber's side differ from the publisher's.
pub const OPUS_DOWN: u8 = 109;
pub const VP8_DOWN: u8 = 100;
pub const RTX_DOWN: u8 = 101;

/// An audio track of a client.
pub struct Audio {
    pub client: usize,
    pub track: TrackId,
    pub ssrc: u32,
    sequence: u16,
    timestamp: u32,
}

/// A simulcast video track of a client, layers of one frame per 33 ms.
pub struct Video {
    pub client: usize,
    pub track: TrackId,
    pub layers: Vec<Layer>,
    pub packets_per_frame: usize,
    /// The last packet of a frame is a byte longer than those before it.
    pub uneven: bool,
    frames: u32,
}

pub struct Layer {
    pub ssrc: u32,
    pub sequence: u16,
    pub timestamp: u32,
    pub key_frames: usize,
    pub enabled: bool,
    picture: u16,
    tl0: u8,
    asked: usize,
}

impl Audio {
    pub fn open(world: &mut World, client: usize, track: u32) -> Self {
        let ssrc = 0x1000 + track;
        let config = up_audio(client, track, ssrc);
        let worker = world.clients[client].worker;
        world.command(worker, Command::OpenUpTrack(config));
        Self {
            client,
            track: TrackId(track),
            ssrc,
            sequence: 65_500,
            timestamp: 4_000_000_000,
        }
    }

    /// Sends one packet of 20 ms.
    pub fn send(&mut self, world: &mut World) {
        let mut extensions = ExtensionBlock::new();
        extensions.push(1, b"0");
        extensions.push(4, &[0x80 | 0x14]);
        let payload = [self.sequence.to_be_bytes().as_slice(), &[7; 60]].concat();
        let header = header(self.ssrc, OPUS, self.sequence, self.timestamp, false);
        world.clients[self.client].send_rtp(header, &extensions, &payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(960);
    }

    pub fn send_many(&mut self, world: &mut World, packets: usize) {
        for _ in 0..packets {
            self.send(world);
            world.run_ms(20);
        }
    }
}

impl Video {
    pub fn open(world: &mut World, client: usize, track: u32, layers: usize) -> Self {
        let layers: Vec<_> = (0..layers as u32)
            .map(|layer| Layer {
                ssrc: 0x2000 + track * 16 + layer * 2,
                sequence: 1_000 * layer as u16,
                timestamp: 90_000 * (layer + 1),
                key_frames: 0,
                enabled: true,
                picture: 100,
                tl0: 5,
                asked: 0,
            })
            .collect();
        let ssrcs = layers
            .iter()
            .map(|layer| UpSsrc {
                ssrc: Ssrc(layer.ssrc),
                rtx: Some(Ssrc(layer.ssrc + 1)),
            })
            .collect();
        let config = UpTrackConfig {
            track: TrackId(track),
            peer: PeerId(client as u32),
            kind: MediaKind::Video,
            mid: "1".into(),
            codecs: vec![UpCodec {
                pt: PayloadType(VP8),
                codec: Codec::Vp8,
                clock_rate: 90_000,
                rtx_pt: Some(PayloadType(RTX)),
                nack: true,
            }],
            ssrcs,
            rids: Vec::new(),
            screen_share: false,
            encrypted: false,
            muted: false,
        };
        let worker = world.clients[client].worker;
        world.command(worker, Command::OpenUpTrack(config));
        Self {
            client,
            track: TrackId(track),
            layers,
            packets_per_frame: 3,
            uneven: false,
            frames: 0,
        }
    }

    /// Sends one frame of each layer; a key frame where the server asked for one. A sender report each 30 frames.
    pub fn send(&mut self, world: &mut World) {
        let report = self.frames.is_multiple_of(30);
        let seconds = u64::from(self.frames) / 30;
        let packets = self.packets_per_frame;
        for index in 0..self.layers.len() {
            let layer = &mut self.layers[index];
            let asked = world.clients[self.client]
                .rtcp
                .iter()
                .filter(|packet| matches!(packet, Rtcp::Pli { media, .. } if media.0 == layer.ssrc))
                .count();
            let key = asked > layer.asked || self.frames == 0;
            layer.asked = asked;
            if !layer.enabled {
                layer.timestamp = layer.timestamp.wrapping_add(3_000);
                continue;
            }
            layer.key_frames += usize::from(key);
            if report {
                let report = Rtcp::SenderReport {
                    ssrc: Ssrc(layer.ssrc),
                    ntp: (4_000_000_000 + seconds) << 32,
                    rtp: layer.timestamp,
                    packets: 1,
                    octets: 1,
                    reports: vec![],
                };
                world.clients[self.client].send_rtcp(&[report]);
            }
            for part in 0..packets {
                let mut payload = layer.payload(key, part == 0, index);
                let last = part + 1 == packets;
                if self.uneven && last {
                    payload.push(0);
                }
                let header = header(layer.ssrc, VP8, layer.sequence, layer.timestamp, last);
                world.clients[self.client].send_rtp(header, &ExtensionBlock::new(), &payload);
                layer.sequence = layer.sequence.wrapping_add(1);
            }
            layer.picture = (layer.picture + 1) & 0x7fff;
            layer.tl0 = layer.tl0.wrapping_add(1);
            layer.timestamp = layer.timestamp.wrapping_add(3_000);
        }
        self.frames += 1;
    }

    pub fn send_many(&mut self, world: &mut World, frames: usize) {
        for _ in 0..frames {
            self.send(world);
            world.run_ms(33);
        }
    }
}

impl Layer {
    /// A VP8 payload (RFC 7741): descriptor with picture id, TL0PICIDX and TID; the layer in its last byte.
    fn payload(&self, key: bool, first: bool, layer: usize) -> Vec<u8> {
        let mut out = vec![0x80 | u8::from(first) << 4, 0xe0];
        out.extend((0x8000 | self.picture).to_be_bytes());
        out.extend([self.tl0, 0x20]);
        if first {
            let height = 180 << layer;
            out.extend([u8::from(!key), 0, 0]);
            if key {
                out.extend([0x9d, 0x01, 0x2a]);
                out.extend(((height * 16 / 9) as u16).to_le_bytes());
                out.extend((height as u16).to_le_bytes());
            }
        }
        out.resize(200, 1);
        out.push(layer as u8);
        out
    }
}

pub fn up_audio(client: usize, track: u32, ssrc: u32) -> UpTrackConfig {
    UpTrackConfig {
        track: TrackId(track),
        peer: PeerId(client as u32),
        kind: MediaKind::Audio,
        mid: "0".into(),
        codecs: vec![UpCodec {
            pt: PayloadType(OPUS),
            codec: Codec::Opus,
            clock_rate: 48_000,
            rtx_pt: None,
            nack: true,
        }],
        ssrcs: vec![UpSsrc {
            ssrc: Ssrc(ssrc),
            rtx: None,
        }],
        rids: Vec::new(),
        screen_share: false,
        encrypted: false,
        muted: false,
    }
}

/// A subscription of `client` to `track` at `home`. Its SSRC is `0x9000 + down`, of RTX `0xa000 + down`.
pub fn down(
    client: usize,
    down: u32,
    track: TrackId,
    home: usize,
    kind: MediaKind,
) -> DownTrackConfig {
    let video = kind == MediaKind::Video;
    let payload = if video {
        PayloadMap {
            from: PayloadType(VP8),
            to: PayloadType(VP8_DOWN),
            rtx: Some(PayloadType(RTX_DOWN)),
        }
    } else {
        PayloadMap {
            from: PayloadType(OPUS),
            to: PayloadType(OPUS_DOWN),
            rtx: None,
        }
    };
    DownTrackConfig {
        down: DownTrackId(down),
        peer: PeerId(client as u32),
        track,
        home: WorkerId(home as u16),
        kind,
        mid: "5".into(),
        cname: "PA_x|TR_y".into(),
        ssrc: Ssrc(0x9000 + down),
        rtx_ssrc: video.then_some(Ssrc(0xa000 + down)),
        payloads: vec![payload],
        nack: true,
        encrypted: false,
        playout_delay: None,
        enabled: true,
        max_spatial: 2,
        max_temporal: 3,
        max_fps: 0,
    }
}

/// Subscribes; returns the SSRC that will carry it.
pub fn subscribe(
    world: &mut World,
    client: usize,
    id: u32,
    track: TrackId,
    home: usize,
    kind: MediaKind,
) -> u32 {
    let worker = world.clients[client].worker;
    world.command(
        worker,
        Command::OpenDownTrack(down(client, id, track, home, kind)),
    );
    0x9000 + id
}
