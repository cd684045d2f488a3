//! Whether a VP8 decoder could show what arrives: frames whole, referring only to frames it has.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sluice_wire::codec::vp8::{Vp8Descriptor, Vp8View};

use super::stamp::Stamp;

/// Takes packets in sequence order and judges the frames in them.
#[derive(Debug, Default)]
pub struct Decoder {
    frame: Option<Frame>,
    /// Layer and numbers of frames it has shown last.
    shown: VecDeque<(u8, u32)>,
    last: Option<Last>,
    /// A packet is missing since the last frame: what follows may be numbered anyhow.
    gap: bool,
    broken: bool,
    shown_at: Option<Instant>,
    report: DecoderReport,
}

/// What a decoder saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DecoderReport {
    /// Frames shown.
    pub frames: u64,
    /// Frames shown of each spatial layer.
    pub by_layer: [u64; 3],
    /// Frames shown of each temporal layer.
    pub by_temporal: [u64; 4],
    /// Key frames among them.
    pub key_frames: u64,
    /// Changes of spatial layer.
    pub switches: u64,
    /// Frames that could not be shown though nothing was lost before them: the sender's fault.
    pub undecodable: u64,
    /// Frames that could not be shown because something was lost.
    pub skipped: u64,
    /// Picture ids that did not follow on.
    pub picture_id_jumps: u64,
    /// Base-layer counters that did not follow on.
    pub tl0_jumps: u64,
    /// Packets without stamp or descriptor, and frames of mixed packets.
    pub corrupt: u64,
    /// Longest time between two frames shown.
    pub longest_freeze: Duration,
}

#[derive(Debug)]
struct Frame {
    timestamp: u32,
    picture_id: Option<u16>,
    key: bool,
    stamp: Stamp,
    whole: bool,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    picture_id: Option<u16>,
    tl0: Option<u8>,
}

impl Decoder {
    /// What it saw so far.
    pub fn report(&self) -> &DecoderReport {
        &self.report
    }

    /// Whether it needs a key frame to go on.
    pub fn wants_key_frame(&self) -> bool {
        self.broken || self.report.frames == 0
    }

    /// When it last showed a frame.
    pub fn shown_at(&self) -> Option<Instant> {
        self.shown_at
    }

    /// A packet that will not come any more.
    pub fn lose(&mut self) {
        self.gap = true;
        if let Some(frame) = &mut self.frame {
            frame.whole = false;
        }
    }

    /// The next packet in sequence order.
    pub fn decode(&mut self, now: Instant, timestamp: u32, marker: bool, payload: &[u8]) {
        let (Some(view), Some(stamp)) = (Vp8View::parse(payload), Stamp::of(payload)) else {
            self.report.corrupt += 1;
            return;
        };
        let descriptor = view.descriptor;
        let picture_id = descriptor.picture_id.map(|id| id.value);
        if descriptor.is_frame_start() {
            self.report.corrupt +=
                u64::from(self.frame.take().is_some_and(|unfinished| unfinished.whole));
            self.check_numbers(&descriptor);
            let whole = stamp.index == 0;
            let key = view.key_frame;
            self.frame = Some(Frame {
                timestamp,
                picture_id,
                key,
                stamp,
                whole,
            });
        } else if let Some(frame) = &mut self.frame {
            let follows = stamp.index == frame.stamp.index + 1 && stamp.frame == frame.stamp.frame;
            let same = timestamp == frame.timestamp && picture_id == frame.picture_id;
            frame.stamp.index = stamp.index;
            if frame.whole && !(follows && same) {
                self.report.corrupt += 1;
                frame.whole = false;
            }
        }
        if marker && let Some(frame) = self.frame.take() {
            self.finish(now, &frame);
        }
    }

    fn finish(&mut self, now: Instant, frame: &Frame) {
        let Stamp {
            layer,
            temporal,
            frame: number,
            reference,
            ..
        } = frame.stamp;
        let whole = frame.whole && frame.stamp.index == frame.stamp.last;
        let referred = reference.is_some_and(|reference| self.shown.contains(&(layer, reference)));
        if whole && (frame.key || (referred && !self.broken)) {
            self.show(now, frame, layer, temporal, number);
        } else if self.gap || self.broken || self.report.frames == 0 {
            self.report.skipped += 1;
            // A lost frame that nothing refers to leaves the picture whole.
            self.broken |= !(whole && referred);
        } else {
            self.report.undecodable += 1;
            self.broken = true;
        }
        self.gap = false;
    }

    fn show(&mut self, now: Instant, frame: &Frame, layer: u8, temporal: u8, number: u32) {
        let report = &mut self.report;
        report.frames += 1;
        report.key_frames += u64::from(frame.key);
        report.switches += u64::from(self.shown.back().is_some_and(|(last, _)| *last != layer));
        if let Some(count) = report.by_layer.get_mut(usize::from(layer)) {
            *count += 1;
        }
        if let Some(count) = report.by_temporal.get_mut(usize::from(temporal)) {
            *count += 1;
        }
        if let Some(before) = self.shown_at.replace(now) {
            report.longest_freeze = report.longest_freeze.max(now - before);
        }
        if frame.key {
            self.shown.clear();
            self.broken = false;
        }
        self.shown.push_back((layer, number));
        if self.shown.len() > REFERENCES {
            self.shown.pop_front();
        }
    }

    /// Picture ids count frames, TL0PICIDX counts base frames (RFC 7741 section 4.2).
    fn check_numbers(&mut self, descriptor: &Vp8Descriptor) {
        let now = Last {
            picture_id: descriptor.picture_id.map(|id| id.value),
            tl0: descriptor.tl0_pic_idx,
        };
        let before = self.last.replace(now);
        let Some(before) = before.filter(|_| !self.gap) else {
            return;
        };
        if let (Some(before), Some(now)) = (before.picture_id, now.picture_id) {
            self.report.picture_id_jumps += u64::from(now != (before + 1) & 0x7fff);
        }
        if let (Some(before), Some(now), Some(temporal)) =
            (before.tl0, now.tl0, descriptor.temporal)
        {
            let expected = before.wrapping_add(u8::from(temporal.id == 0));
            self.report.tl0_jumps += u64::from(now != expected);
        }
    }
}

/// VP8 has three reference buffers; the model's patterns refer at most four frames back.
const REFERENCES: usize = 8;
