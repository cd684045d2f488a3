//! A microphone: one Opus packet of 20 ms after the other.

use std::time::{Duration, Instant};

use sluice_wire::rtp::AudioLevel;

use super::outbound::{Outbound, OutboundSettings, Sealer, behind};
use super::stamp::Stamp;

/// How a microphone begins.
#[derive(Debug, Clone)]
pub struct OpusSettings {
    /// Its stream.
    pub stream: OutboundSettings,
    /// First RTP timestamp.
    pub timestamp: u32,
    /// Loudness in -dBov, 0 to 127.
    pub level: u8,
    /// Payload bytes of each packet.
    pub payload_len: usize,
}

/// A microphone.
#[derive(Debug)]
pub struct OpusSource {
    stream: Outbound,
    timestamp: u32,
    frame: u32,
    payload_len: usize,
    /// Loudness in -dBov; 127 is silence.
    pub level: u8,
    /// Nothing is sent while muted.
    pub muted: bool,
    next: Option<Instant>,
}

impl OpusSource {
    /// A microphone that starts at the first [`OpusSource::handle_timeout`].
    pub fn new(settings: OpusSettings) -> Self {
        Self {
            stream: Outbound::new(settings.stream, CLOCK_RATE),
            timestamp: settings.timestamp,
            frame: 0,
            payload_len: settings.payload_len.max(1 + Stamp::LEN),
            level: settings.level,
            muted: false,
            next: None,
        }
    }

    /// Sends what is due.
    pub fn handle_timeout(&mut self, now: Instant, sealer: &mut Sealer<'_>) {
        let mut due = *self.next.get_or_insert(now);
        while due <= now {
            if !self.muted {
                self.send(sealer);
            }
            self.timestamp = self.timestamp.wrapping_add(SAMPLES);
            due += FRAME;
        }
        self.next = Some(due);
        self.stream
            .report(now, behind(self.timestamp, due - now, CLOCK_RATE), sealer);
    }

    /// When the next packet is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    /// The stream, for feedback.
    pub fn stream_mut(&mut self) -> &mut Outbound {
        &mut self.stream
    }

    /// Packets sent.
    pub fn frames(&self) -> u32 {
        self.frame
    }

    fn send(&mut self, sealer: &mut Sealer<'_>) {
        let stamp = Stamp {
            layer: 0,
            temporal: 0,
            index: 0,
            last: 0,
            frame: self.frame,
            reference: None,
        };
        let mut payload = vec![0x55; self.payload_len - Stamp::LEN];
        // Configuration 31, stereo off, one frame: 20 ms of CELT full band (RFC 6716 section 3.1).
        payload[0] = 31 << 3;
        payload.extend(stamp.to_bytes());
        let level = AudioLevel {
            level: self.level,
            voice: self.level < 50,
        };
        self.stream.send(
            sealer,
            self.timestamp,
            self.frame == 0,
            Some(level),
            &[],
            &payload,
        );
        self.frame = self.frame.wrapping_add(1);
    }
}

/// RTP clock of Opus (RFC 7587 section 4.1).
pub const CLOCK_RATE: u32 = 48_000;
const SAMPLES: u32 = 960;
const FRAME: Duration = Duration::from_millis(20);
