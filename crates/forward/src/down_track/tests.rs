//! Subscriptions fed from a virtual publisher, on a virtual clock.

mod audio;
mod rtx;
mod video;

use std::collections::HashMap;
use std::time::Duration;

use sluice_wire::codec::vp8::{PictureId, Temporal, Vp8Descriptor, Vp8View};
use sluice_wire::rtp::RtpView;

use super::*;
use crate::outgoing::OutgoingKind;
use crate::ring::PacketRing;
use crate::sender_report::SenderReportMap;
use crate::test_packets::{at, meta};

const SSRC: Ssrc = Ssrc(0x1111);
const RTX: Ssrc = Ssrc(0x2222);

/// A packet as it went out.
#[derive(Debug, Clone)]
struct Seen {
    kind: OutgoingKind,
    sequence: u64,
    bytes: Vec<u8>,
}

impl Seen {
    fn view(&self) -> RtpView<'_> {
        RtpView::parse(&self.bytes).unwrap()
    }

    fn timestamp(&self) -> u32 {
        self.view().header().timestamp
    }

    fn vp8(&self) -> Vp8Descriptor {
        Vp8View::parse(self.view().payload()).unwrap().descriptor
    }
}

/// One publisher, one subscription and what came out of it.
struct Bench {
    down: DownTrack,
    rings: [PacketRing; 3],
    layers: Layers,
    seen: Vec<Seen>,
    transport: u16,
    /// Every packet ever sent, by SSRC and extended sequence number.
    nonces: HashMap<(u32, u64), Vec<u8>>,
}

impl Bench {
    fn new(settings: DownTrackSettings) -> Self {
        Self {
            down: DownTrack::new(settings),
            rings: std::array::from_fn(|_| PacketRing::new(512, 100)),
            layers: Layers {
                streams: 3,
                active: [true; 3],
                ..Layers::default()
            },
            seen: Vec::new(),
            transport: 0,
            nonces: HashMap::new(),
        }
    }

    /// Receives a packet at its arrival time; returns how many went out.
    fn receive(&mut self, meta: &PacketMeta, descriptor: &[u8], payload: &[u8]) -> usize {
        let meta = PacketMeta {
            payload_len: payload.len() as u16,
            ..*meta
        };
        let ring = &mut self.rings[usize::from(meta.layer)];
        ring.insert(meta, descriptor, payload);
        let stored = ring.get(meta.sequence).unwrap();
        let before = self.seen.len();
        let (seen, transport) = (&mut self.seen, &mut self.transport);
        let moment = Moment::new(meta.arrival, at(0), &self.layers);
        self.down
            .handle_packets(&moment, [&stored], &mut |outgoing| {
                seen.push(write(outgoing, transport));
            });
        self.check(before)
    }

    fn nack(&mut self, ms: u64, lost: &[u16]) -> usize {
        let before = self.seen.len();
        let (seen, transport, rings) = (&mut self.seen, &mut self.transport, &self.rings);
        let fetch = |layer: u8, sequence| rings[usize::from(layer)].get(sequence);
        self.down.handle_nack(at(ms), lost, fetch, &mut |outgoing| {
            seen.push(write(outgoing, transport));
        });
        self.check(before)
    }

    fn timeout(&mut self, ms: u64) -> usize {
        let before = self.seen.len();
        let (seen, transport) = (&mut self.seen, &mut self.transport);
        self.down.handle_timeout(at(ms), &mut |outgoing| {
            seen.push(write(outgoing, transport));
        });
        self.check(before)
    }

    /// No SSRC and sequence number may ever stand for two different packets.
    fn check(&mut self, before: usize) -> usize {
        for seen in &self.seen[before..] {
            let key = (seen.view().header().ssrc.0, seen.sequence);
            let former = self.nonces.entry(key).or_insert_with(|| seen.bytes.clone());
            assert_eq!(*former, seen.bytes, "one number for two packets");
        }
        self.seen.len() - before
    }

    fn media(&self) -> impl Iterator<Item = &Seen> {
        self.seen
            .iter()
            .filter(|seen| seen.kind == OutgoingKind::Media)
    }

    /// Sequence numbers sent first-hand, relative to the first one.
    fn sequences(&self) -> Vec<u64> {
        let first = self.media().next().map_or(0, |seen| seen.sequence);
        self.media().map(|seen| seen.sequence - first).collect()
    }
}

fn write(outgoing: &mut Outgoing<'_>, transport: &mut u16) -> Seen {
    outgoing.number(|| {
        *transport = transport.wrapping_add(1);
        *transport
    });
    let mut bytes = vec![0xee; 1500];
    let header = outgoing.write_header(&mut bytes).unwrap();
    let body = outgoing.write_body(&mut bytes[header..]).unwrap();
    assert_eq!(body, outgoing.body_len());
    bytes.truncate(header + body);
    assert_eq!(outgoing.header.sequence, outgoing.sequence as u16);
    Seen {
        kind: outgoing.kind,
        sequence: outgoing.sequence,
        bytes,
    }
}

fn settings(kind: MediaKind, rtx: bool) -> DownTrackSettings {
    let map = |from, to, rtx_pt| PayloadMap {
        from: PayloadType(from),
        to: PayloadType(to),
        rtx: rtx.then_some(PayloadType(rtx_pt)),
    };
    DownTrackSettings {
        kind,
        ssrc: SSRC,
        rtx_ssrc: rtx.then_some(RTX),
        payloads: vec![map(96, 100, 101), map(98, 98, 99), map(111, 111, 112)],
        mid: "7".into(),
        extensions: ExtensionIds {
            mid: Some(1),
            abs_send_time: Some(2),
            transport_cc: Some(3),
            dependency_descriptor: Some(4),
            abs_capture_time: Some(5),
            audio_level: Some(6),
            playout_delay: Some(7),
        },
        nack: true,
        encrypted: false,
        playout_delay: None,
        origin: at(0),
        seed: 0x1234_5678_9abc_def0,
        resume: None,
    }
}

/// A VP8 frame of one packet.
#[derive(Clone, Copy)]
struct Frame {
    layer: u8,
    sequence: u64,
    timestamp: u32,
    ms: u64,
    picture: u16,
    tl0: u8,
    temporal: u8,
    key: bool,
}

impl Frame {
    /// The `n`th frame of a layer at 30 frames per second, all layers captured at the same times, each with sequence
    /// numbers, timestamps and picture ids of its own; every second one of temporal layer 1.
    fn of(layer: u8, n: u64, key: bool) -> Self {
        let own = u64::from(layer) + 1;
        Self {
            layer,
            sequence: 66_000 + own * 10_000 + n,
            timestamp: (own * 1_000_000 + n * 3_000) as u32,
            ms: n * 33,
            picture: (own * 5_000 + n) as u16,
            tl0: (own * 50 + n / 2) as u8,
            temporal: if key { 0 } else { (n % 2) as u8 },
            key,
        }
    }

    fn meta_and_payload(self) -> (PacketMeta, Vec<u8>) {
        let descriptor = Vp8Descriptor {
            non_reference: false,
            partition_start: true,
            partition: 0,
            picture_id: Some(PictureId {
                value: self.picture & 0x7fff,
                long: true,
            }),
            tl0_pic_idx: Some(self.tl0),
            temporal: Some(Temporal {
                id: self.temporal,
                layer_sync: self.temporal == 1,
            }),
            key_idx: Some(1),
        };
        let (bytes, len) = descriptor.write();
        let mut payload = bytes[..len].to_vec();
        payload.push(u8::from(!self.key));
        payload.extend(self.sequence.to_be_bytes());
        payload.push(self.layer);
        let meta = PacketMeta {
            layer: self.layer,
            timestamp: self.timestamp,
            arrival: at(self.ms),
            marker: true,
            key_frame: self.key,
            frame_start: true,
            frame_end: true,
            temporal: self.temporal,
            switch_up: self.temporal == 1,
            vp8: Vp8View::parse(&payload),
            ..meta(self.sequence)
        };
        (meta, payload)
    }
}

impl Bench {
    fn frame(&mut self, frame: Frame) -> usize {
        let (meta, payload) = frame.meta_and_payload();
        self.receive(&meta, &[], &payload)
    }

    fn late(&mut self, frame: Frame) -> usize {
        let (meta, payload) = frame.meta_and_payload();
        self.receive(&PacketMeta { late: true, ..meta }, &[], &payload)
    }

    fn wish(&mut self, ms: u64, spatial: u8, temporal: u8) {
        self.down
            .set_wish(at(ms), true, Target { spatial, temporal }, 0);
    }

    /// Reports that tie the layers of [`Frame::of`] together.
    fn with_reports(mut self) -> Self {
        for layer in 0..3u32 {
            self.layers.reports[layer as usize] = Some(SenderReportMap {
                ntp: 1_000 << 32,
                rtp: (layer + 1) * 1_000_000,
                at: at(0),
            });
        }
        self
    }
}

fn rising(values: impl Iterator<Item = u64>) -> bool {
    let values: Vec<_> = values.collect();
    values.windows(2).all(|pair| pair[1] == pair[0] + 1)
}
