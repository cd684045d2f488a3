//! A published track as it comes in: one SDP section with up to three simulcast layers, or one stream.

mod links;
mod outcome;
mod settings;
mod spatial_layers;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sluice_wire::codec::{Codec, MediaKind};
use sluice_wire::id::Ssrc;
use sluice_wire::rtcp::Rtcp;
use sluice_wire::rtp::{AbsCaptureTime, AudioLevel, RtpHeader, RtpView};

pub use outcome::{Discard, UpEvent, Wanted};
pub use settings::{UpCodec, UpExtensions, UpTrackSettings};
pub use spatial_layers::LayerInfo;
use spatial_layers::SpatialLayers;

use crate::audio_level::{AudioLevelMeter, Loudness};
use crate::layers::{Layers, MAX_SPATIAL};
use crate::packet::PacketMeta;
use crate::quality::{Quality, QualityScorer, WindowSample};
use crate::ring::Stored;
use crate::sender_report::SenderReportMap;
use crate::sight::{self, Sizes};
use crate::time_average::TimeAverage;
use crate::up_stream::{Admitted, Incoming, Start, UpStream};

/// Reception of one published track. Driven by the five verbs; feedback to the publisher takes the place of
/// `poll_transmit`.
#[derive(Debug)]
pub struct UpTrack {
    settings: UpTrackSettings,
    streams: Vec<UpStream>,
    layers: SpatialLayers,
    rtt: Duration,
    audio: AudioLevelMeter,
    quality: QualityScorer,
    wanted: Option<Wanted>,
    missing_layers: TimeAverage,
    events: VecDeque<UpEvent>,
    feedback: VecDeque<Rtcp>,
}

impl UpTrack {
    /// A track of which nothing came in yet.
    pub fn new(now: Instant, settings: UpTrackSettings) -> Self {
        let codec = settings
            .codecs
            .first()
            .map_or(Codec::Opus, |codec| codec.codec);
        let mut track = Self {
            streams: Vec::new(),
            layers: SpatialLayers::new(settings.kind, settings.screen_share, 1),
            rtt: DEFAULT_RTT,
            audio: AudioLevelMeter::new(settings.audio),
            quality: QualityScorer::new(now, codec),
            wanted: None,
            missing_layers: TimeAverage::new(now, 0.0),
            events: VecDeque::new(),
            feedback: VecDeque::new(),
            settings,
        };
        track.open_streams();
        track.apply_muted(now);
        track
    }

    /// The settings after another offer; what came in stays.
    pub fn reconfigure(&mut self, now: Instant, settings: UpTrackSettings) {
        let muted = self.settings.muted != settings.muted;
        self.settings = settings;
        self.open_streams();
        if muted {
            self.apply_muted(now);
        }
    }

    /// A decrypted packet of stream `layer`; with `repair` one that came on its retransmission stream (RFC 4588).
    /// The payload is in the ring afterwards: [`Self::stored`].
    pub fn handle_rtp(
        &mut self,
        now: Instant,
        layer: u8,
        repair: bool,
        view: &RtpView<'_>,
    ) -> Result<PacketMeta, Discard> {
        let header = view.header();
        let codec = self.codec_of(&header, repair)?;
        let stream = self
            .streams
            .get_mut(usize::from(layer))
            .ok_or(Discard::UnknownLayer)?;
        let (packet, payload) = unwrap_repair(&header, repair, view.payload())?;
        let admitted = stream.admit(now, &packet, &codec, self.rtt)?;

        let extension = |id: Option<u8>| id.and_then(|id| view.extension(id));
        let extensions = self.settings.extensions;
        let raw_descriptor = extension(extensions.dependency_descriptor).unwrap_or_default();
        let descriptor = if raw_descriptor.is_empty() {
            None
        } else {
            stream.descriptors.read(raw_descriptor)
        };
        let resolved = descriptor
            .as_ref()
            .map(|descriptor| (descriptor, stream.descriptors.targets()));
        let sight = sight::look(codec.codec, self.settings.encrypted, payload, resolved);
        let meta = PacketMeta {
            layer,
            epoch: stream.epoch,
            sequence: admitted.sequence,
            timestamp: header.timestamp,
            marker: header.marker,
            pt: codec.pt,
            codec: codec.codec,
            arrival: now,
            payload_len: u16::try_from(payload.len()).map_err(|_| Discard::Malformed)?,
            late: admitted.late,
            key_frame: sight.key_frame,
            frame_start: sight.frame_start.unwrap_or(admitted.new_timestamp),
            frame_end: sight.frame_end.unwrap_or(header.marker),
            spatial: sight.spatial,
            temporal: sight.temporal,
            switch_up: sight.switch_up,
            vp8: sight.vp8,
            vp9: sight.vp9,
            dd: descriptor,
            audio_level: extension(extensions.audio_level).and_then(AudioLevel::parse),
            abs_capture_time: extension(extensions.abs_capture_time)
                .and_then(AbsCaptureTime::parse),
        };
        if !stream.ring.insert(meta, raw_descriptor, payload) {
            return Err(Discard::TooOld);
        }
        if sight.key_frame {
            stream.key_frames.handle_key_frame();
        }
        self.note_start(&meta, &admitted);
        self.observe(
            now,
            &meta,
            sight.sizes,
            codec.clock_rate,
            view.bytes().len(),
        );
        Ok(meta)
    }

    /// The sender report of a stream: `ntp` UQ32.32 seconds, `rtp` on the stream's clock.
    pub fn handle_sender_report(&mut self, now: Instant, layer: u8, ntp: u64, rtp: u32) {
        if let Some(stream) = self.streams.get_mut(usize::from(layer)) {
            let report = SenderReportMap::update(stream.sender_report, now, ntp, rtp);
            stream.sender_report = report.or(stream.sender_report);
        }
    }

    /// The publisher's round-trip time as measured on its transport.
    pub fn handle_rtt(&mut self, rtt: Duration) {
        self.rtt = rtt;
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        for stream in &mut self.streams {
            stream.handle_timeout(now, &mut self.feedback);
        }
        // Feedback nobody fetches is of no use later.
        let excess = self.feedback.len().saturating_sub(MAX_QUEUED);
        self.feedback.drain(..excess);
        if self.layers.handle_timeout(now) {
            self.layers_changed(now);
        }
        if now >= self.quality.poll_timeout() {
            self.score_window(now);
        }
    }

    /// RTCP for the publisher: NACK, PLI and receiver reports, their sender SSRC being the stream's own.
    pub fn poll_feedback(&mut self) -> Option<Rtcp> {
        self.feedback.pop_front()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<UpEvent> {
        self.events.pop_front()
    }

    /// When [`Self::handle_timeout`] is due; not after `now` where something is due already.
    pub fn poll_timeout(&self, now: Instant) -> Instant {
        let streams = self
            .streams
            .iter()
            .filter_map(|stream| stream.poll_timeout(now));
        streams
            .chain(self.layers.poll_timeout())
            .fold(self.quality.poll_timeout(), Instant::min)
    }

    /// Asks the publisher for a key frame of a stream, as soon as the layer's throttle allows.
    pub fn request_key_frame(&mut self, layer: u8) {
        if self.settings.muted || self.settings.kind == MediaKind::Audio {
            return;
        }
        if let Some(stream) = self.streams.get_mut(usize::from(layer)) {
            stream.key_frames.handle_request();
        }
    }

    /// The publisher muted or unmuted it. Packets of a muted track are still received; its layers are inactive, its
    /// level is zero and no key frames are asked for.
    pub fn set_muted(&mut self, now: Instant, muted: bool) {
        if self.settings.muted != muted {
            self.settings.muted = muted;
            self.apply_muted(now);
        }
    }

    /// The highest layer that subscribers want. The quality score measures against it, and layers that are wanted
    /// anew, which the publisher may have paused meanwhile, count as active from their first packet on.
    pub fn set_wanted(&mut self, now: Instant, wanted: Wanted) {
        let former = self.wanted.replace(wanted).map_or(0, Wanted::layers);
        if !self.settings.muted {
            self.layers.expect(former..wanted.layers());
        }
        self.apply_quality_hold(now);
        self.measure_missing(now);
    }
}

impl UpTrack {
    /// A packet by stream and published sequence number, while the ring has it.
    #[inline]
    pub fn stored(&self, layer: u8, sequence: u64) -> Option<Stored<'_>> {
        self.streams.get(usize::from(layer))?.ring.get(sequence)
    }

    /// The state of each spatial layer, lowest first: of simulcast, or within an SVC stream.
    pub fn layers(&self) -> impl Iterator<Item = LayerInfo> + '_ {
        self.layers.iter()
    }

    /// What subscriptions have to know of the track.
    pub fn view(&self) -> Layers {
        let mut view = Layers {
            streams: self.streams.len() as u8,
            ..Layers::default()
        };
        self.layers.show(&mut view);
        for (stream, report) in self.streams.iter().zip(&mut view.reports) {
            *report = stream.sender_report;
        }
        view
    }

    /// The SSRC of a stream, once a packet came in.
    pub fn ssrc(&self, layer: u8) -> Option<Ssrc> {
        self.streams.get(usize::from(layer))?.ssrc()
    }

    /// The RTP clock of a stream, Hz, once a packet came in.
    pub fn clock_rate(&self, layer: u8) -> Option<u32> {
        self.streams
            .get(usize::from(layer))
            .map(|stream| stream.clock_rate)
            .filter(|&rate| rate != 0)
    }

    /// The last sender report of a stream.
    pub fn sender_report(&self, layer: u8) -> Option<SenderReportMap> {
        self.streams.get(usize::from(layer))?.sender_report
    }

    /// How loud it is now.
    pub fn loudness(&mut self, now: Instant) -> Loudness {
        if self.settings.muted {
            Loudness::default()
        } else {
            self.audio.loudness(now)
        }
    }

    /// The quality score of the last window.
    pub const fn quality(&self) -> Quality {
        self.quality.quality()
    }

    /// What came during the last quality window.
    pub const fn last_window(&self) -> &WindowSample {
        self.quality.last_window()
    }

    /// True while the publisher has it muted.
    pub const fn is_muted(&self) -> bool {
        self.settings.muted
    }

    /// The settings as last given.
    pub const fn settings(&self) -> &UpTrackSettings {
        &self.settings
    }
}

impl UpTrack {
    fn open_streams(&mut self) {
        let wanted = usize::from(self.settings.streams.clamp(1, MAX_SPATIAL as u8));
        for throttle in self
            .settings
            .pli_throttle
            .iter()
            .take(wanted)
            .skip(self.streams.len())
        {
            self.streams.push(UpStream::new(
                *throttle,
                self.settings.packet_buffer,
                self.settings.kind,
            ));
        }
        self.layers.set_streams(self.streams.len() as u8);
    }

    fn codec_of(&self, header: &RtpHeader, repair: bool) -> Result<UpCodec, Discard> {
        if header.ssrc.0 == 0 {
            return Err(Discard::Probe);
        }
        let pt = header.payload_type;
        let is_it = |codec: &&UpCodec| {
            if repair {
                codec.rtx_pt == Some(pt)
            } else {
                codec.pt == pt
            }
        };
        self.settings
            .codecs
            .iter()
            .find(is_it)
            .copied()
            .ok_or(Discard::UnknownPayloadType)
    }

    fn note_start(&mut self, meta: &PacketMeta, admitted: &Admitted) {
        if admitted.start == Start::Stream {
            self.quality.set_codec(meta.codec);
            self.events.push_back(UpEvent::Started {
                layer: meta.layer,
                pt: meta.pt,
            });
        }
        if admitted.start != Start::No {
            self.audio.reset();
        }
    }

    /// Takes an accepted packet of `wire_len` bytes into level and layer states.
    fn observe(
        &mut self,
        now: Instant,
        meta: &PacketMeta,
        sizes: Option<Sizes>,
        clock_rate: u32,
        wire_len: usize,
    ) {
        let audible = !meta.late && !self.settings.muted;
        if let Some(level) = meta.audio_level.filter(|_| audible) {
            self.audio
                .handle_packet(now, level.level, meta.timestamp, clock_rate);
        }
        if self.layers.handle_packet(now, meta, sizes, wire_len) {
            self.layers_changed(now);
        }
    }

    fn layers_changed(&mut self, now: Instant) {
        if !self.events.contains(&UpEvent::Layers) {
            self.events.push_back(UpEvent::Layers);
        }
        self.measure_missing(now);
    }

    fn apply_muted(&mut self, now: Instant) {
        let muted = self.settings.muted;
        let changed = self.layers.set_paused(muted);
        self.audio.reset();
        if muted {
            self.streams
                .iter_mut()
                .for_each(|stream| stream.key_frames.cancel());
        }
        self.apply_quality_hold(now);
        if changed {
            self.layers_changed(now);
        }
    }

    fn apply_quality_hold(&mut self, now: Instant) {
        let held = self.settings.muted || self.wanted == Some(Wanted::Nothing);
        self.quality.set_muted(now, held);
    }

    /// How many spatial layers are wanted and published but don't come.
    fn measure_missing(&mut self, now: Instant) {
        let wanted = match self.wanted {
            Some(Wanted::UpTo(layer)) if self.settings.kind == MediaKind::Video => {
                (layer + 1).min(self.layers.count())
            }
            _ => 0,
        };
        let missing = wanted.saturating_sub(self.layers.active());
        self.missing_layers.set(now, f64::from(missing));
    }

    fn score_window(&mut self, now: Instant) {
        let mut sample = WindowSample {
            layer_distance: self.missing_layers.take(now) as f32,
            ..WindowSample::default()
        };
        for stream in &mut self.streams {
            let window = stream.stats.take_window();
            sample.expected += window.expected;
            sample.received += window.received;
            sample.late += window.late;
            sample.jitter = sample
                .jitter
                .max(Duration::from_secs_f64(window.jitter_max));
            let age = stream
                .sender_report
                .map(|report| now.saturating_duration_since(report.at));
            sample.report_age = [sample.report_age, age].into_iter().flatten().min();
        }
        self.quality.handle_window(now, &sample);
    }
}

/// The packet that a retransmission carries: its original sequence number stands before the payload.
fn unwrap_repair<'a>(
    header: &RtpHeader,
    repair: bool,
    payload: &'a [u8],
) -> Result<(Incoming, &'a [u8]), Discard> {
    let (ssrc, sequence, payload) = if repair {
        // Bandwidth probes on the retransmission stream have no payload.
        if payload.is_empty() {
            return Err(Discard::Padding);
        }
        let (&sequence, payload) = payload.split_first_chunk::<2>().ok_or(Discard::Malformed)?;
        (None, u16::from_be_bytes(sequence), payload)
    } else {
        (Some(header.ssrc), header.sequence, payload)
    };
    let packet = Incoming {
        ssrc,
        sequence,
        timestamp: header.timestamp,
        has_payload: !payload.is_empty(),
    };
    Ok((packet, payload))
}

/// Until one is measured; livekit-server's default.
const DEFAULT_RTT: Duration = Duration::from_millis(70);
/// RTCP packets kept for a worker that fetches them each turn.
const MAX_QUEUED: usize = 64;

#[cfg(test)]
mod tests;
