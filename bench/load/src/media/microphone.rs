//! A microphone: Opus at a constant rate, or with pauses of silence that are not sent.

use std::time::{Duration, Instant};

use sluice_wire::id::Ssrc;
use sluice_wire::rtp::AudioLevel;

use super::outbound::{Frame, Out, Outbound};
use super::stamp;
use crate::scenario::Audio;
use crate::signal::Publication;

/// A microphone.
pub struct Microphone {
    stream: Outbound,
    interval: Duration,
    ticks: u32,
    dtx: bool,
    /// Where in its turn to speak it is.
    beat: u32,
    timestamp: u32,
    silent: bool,
    next: Instant,
    payload: Vec<u8>,
}

impl Microphone {
    /// A microphone as negotiated; none where nothing was.
    pub fn new(now: Instant, audio: &Audio, publication: &Publication, seed: u32) -> Option<Self> {
        let stream = Outbound::new(publication, publication.encodings.first()?, seed as u16);
        let interval = Duration::from_millis(u64::from(audio.packet_ms.max(1)));
        let bytes = (audio.kbps * f64::from(audio.packet_ms) / 8.0) as usize;
        Some(Self {
            ticks: stream.clock_rate() / 1_000 * audio.packet_ms,
            stream,
            interval,
            dtx: audio.dtx,
            beat: seed,
            timestamp: seed.wrapping_mul(31_337),
            silent: true,
            next: now + interval.mul_f64(f64::from(seed % 1_000) / 1_000.0),
            payload: vec![0x5a; bytes.max(stamp::LEN + 4)],
        })
    }

    /// Sends the packets that are due.
    pub fn handle_timeout(&mut self, out: &mut Out<'_>) {
        while self.next <= out.now {
            self.next += self.interval;
            self.timestamp = self.timestamp.wrapping_add(self.ticks);
            self.beat = self.beat.wrapping_add(1);
            if self.dtx && !self.speaks() {
                self.silent = true;
                continue;
            }
            // TOC byte: fullband, 20 ms, one frame (RFC 6716 section 3.1).
            if let Some(toc) = self.payload.first_mut() {
                *toc = 0x78;
            }
            let mut frame = Frame {
                timestamp: self.timestamp,
                marker: std::mem::take(&mut self.silent),
                level: Some(AudioLevel {
                    voice: true,
                    level: 20,
                }),
                payload: &mut self.payload,
            };
            self.stream.send(out, &mut frame);
        }
        self.stream.report(out, self.timestamp);
    }

    /// When the next packet is due.
    pub fn poll_timeout(&self) -> Instant {
        self.next
    }

    /// The stream, if it has this SSRC.
    pub fn stream(&mut self, ssrc: Ssrc) -> Option<&mut Outbound> {
        (self.stream.ssrc() == ssrc).then_some(&mut self.stream)
    }

    /// Two seconds of ten.
    fn speaks(&self) -> bool {
        let turn = (10_000 / self.interval.as_millis().max(1)) as u32;
        self.beat % turn < turn / 5
    }
}
