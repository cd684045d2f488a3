//! A published track as it comes in: one SDP section with up to three simulcast layers, or one stream.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sluice_wire::codec::{Codec, MediaKind};
use sluice_wire::id::{PayloadType, Ssrc};
use sluice_wire::rtcp::Rtcp;
use sluice_wire::rtp::{AbsCaptureTime, AudioLevel, RtpHeader, RtpView};

use crate::audio_level::{AudioLevelMeter, AudioSettings, Loudness};
use crate::layer_tracker::{LayerTracker, TrackerSettings};
use crate::layers::{Layers, MAX_SPATIAL};
use crate::packet::PacketMeta;
use crate::quality::{Quality, QualityScorer, WindowSample};
use crate::ring::Stored;
use crate::sender_report::SenderReportMap;
use crate::sight::{self, Sight, Sizes};
use crate::time_average::TimeAverage;
use crate::up_stream::{Admitted, Incoming, Start, UpStream};

/// What the control plane says of a published section.
#[derive(Debug, Clone)]
pub struct UpTrackSettings {
    /// Audio or video.
    pub kind: MediaKind,
    /// Payload types of the section; packets of others are dropped.
    pub codecs: Vec<UpCodec>,
    /// RTP streams: simulcast layers, or 1. Clamped to 1 to 3.
    pub streams: u8,
    /// Slower layer trackers.
    pub screen_share: bool,
    /// Payloads are encrypted end to end.
    pub encrypted: bool,
    /// The publisher has it muted.
    pub muted: bool,
    /// Header extensions of the section's kind.
    pub extensions: UpExtensions,
    /// Least time between key-frame requests, by layer.
    pub pli_throttle: [Duration; MAX_SPATIAL],
    /// Packets kept per stream.
    pub packet_buffer: usize,
    /// How loudness is measured.
    pub audio: AudioSettings,
}

/// One payload type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpCodec {
    /// Primary payload type.
    pub pt: PayloadType,
    /// Its format.
    pub codec: Codec,
    /// RTP clock, Hz.
    pub clock_rate: u32,
    /// Payload type of its retransmissions (RFC 4588).
    pub rtx_pt: Option<PayloadType>,
    /// NACK was negotiated.
    pub nack: bool,
}

/// Negotiated ids of the extensions that are read here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UpExtensions {
    /// RFC 6464.
    pub audio_level: Option<u8>,
    /// abs-capture-time.
    pub abs_capture_time: Option<u8>,
    /// The AV1 RTP dependency descriptor.
    pub dependency_descriptor: Option<u8>,
}

/// What happened to the track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpEvent {
    /// The first packet of a stream came in, or the first in another video codec.
    Started {
        /// Index of the stream.
        layer: u8,
        /// Its payload type.
        pt: PayloadType,
    },
    /// See [`UpTrack::layers`].
    Layers,
}

/// Why a packet goes no further. None of these is a fault of ours; each is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Discard {
    /// There is no such layer.
    UnknownLayer,
    /// The section has no such payload type.
    UnknownPayloadType,
    /// SSRC 0: a bandwidth probe before any stream.
    Probe,
    /// Of an SSRC that another one replaced.
    RetiredSsrc,
    /// A repair for a stream of which nothing came in yet.
    NotStarted,
    /// Far from the stream's sequence numbers.
    Jump,
    /// Came in before.
    Duplicate,
    /// No subscription can use it any more.
    TooOld,
    /// Nothing but padding.
    Padding,
    /// A repair too short for a sequence number.
    Malformed,
}

/// One spatial layer as received.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LayerInfo {
    /// Packets arrive.
    pub active: bool,
    /// Of the last key frame, pixels; 0 if unknown.
    pub width: u16,
    /// As `width`.
    pub height: u16,
    /// Bits per second of all temporal layers over the last interval.
    pub bitrate: u32,
    /// Bits per second up to and including each temporal layer.
    pub temporal_bitrates: [u32; 4],
    /// Frames per second up to and including each temporal layer.
    pub fps: [f32; 4],
}

/// The highest spatial layer that any subscriber wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Nobody wants anything: no packets are no fault.
    Nothing,
    /// This layer and those below.
    UpTo(u8),
}

/// Reception of one published track. Driven by the five verbs; feedback to the publisher takes the place of
/// `poll_transmit`.
#[derive(Debug)]
pub struct UpTrack {
    settings: UpTrackSettings,
    streams: Vec<UpStream>,
    /// By spatial layer: of simulcast, or within an SVC stream.
    trackers: [LayerTracker; MAX_SPATIAL],
    sizes: Sizes,
    /// Spatial layers seen, at least 1.
    spatial_layers: u8,
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
        let tracker = |layer| {
            LayerTracker::new(match settings.kind {
                MediaKind::Audio => TrackerSettings::for_audio(),
                MediaKind::Video => TrackerSettings::for_layer(layer, settings.screen_share),
            })
        };
        let codec = settings
            .codecs
            .first()
            .map_or(Codec::Opus, |codec| codec.codec);
        let mut track = Self {
            streams: Vec::new(),
            trackers: [tracker(0), tracker(1), tracker(2)],
            sizes: Sizes::default(),
            spatial_layers: 1,
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
        self.observe(now, &meta, &sight, codec.clock_rate, view.bytes().len());
        Ok(meta)
    }

    /// A packet that a link carried from the worker where the track is published, as its up track saw it there. It
    /// goes into the ring and the layer trackers; feedback is the other end's.
    pub fn handle_linked(
        &mut self,
        now: Instant,
        meta: &PacketMeta,
        descriptor: &[u8],
        payload: &[u8],
    ) -> Result<PacketMeta, Discard> {
        let meta = PacketMeta {
            arrival: now,
            ..*meta
        };
        let stream = self
            .streams
            .get_mut(usize::from(meta.layer))
            .ok_or(Discard::UnknownLayer)?;
        if stream.ring.get(meta.sequence).is_some() {
            return Err(Discard::Duplicate);
        }
        if !stream.ring.insert(meta, descriptor, payload) {
            return Err(Discard::TooOld);
        }
        if stream.epoch != meta.epoch {
            stream.epoch = meta.epoch;
            stream.sender_report = None;
        }
        let codec = self
            .settings
            .codecs
            .iter()
            .find(|codec| codec.pt == meta.pt);
        let clock_rate = codec.map_or(0, |codec| codec.clock_rate);
        if clock_rate != 0 {
            stream.clock_rate = clock_rate;
        }
        self.observe(now, &meta, &Sight::default(), clock_rate, payload.len());
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
        let mut changed = false;
        for tracker in &mut self.trackers {
            changed |= tracker.handle_timeout(now);
        }
        if changed {
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
        let trackers = self.trackers.iter().filter_map(LayerTracker::poll_timeout);
        streams
            .chain(trackers)
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

    /// The highest layer that subscribers want, which the quality score measures against.
    pub fn set_wanted(&mut self, now: Instant, wanted: Wanted) {
        self.wanted = Some(wanted);
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
        let layers = self
            .trackers
            .iter()
            .zip(self.sizes)
            .take(usize::from(self.layer_count()));
        layers.map(|(tracker, (width, height))| {
            let rates = tracker.rates();
            LayerInfo {
                active: tracker.is_active(),
                width,
                height,
                bitrate: rates.bitrate[rates.bitrate.len() - 1],
                temporal_bitrates: rates.bitrate,
                fps: rates.fps,
            }
        })
    }

    /// What subscriptions have to know of the track.
    pub fn view(&self) -> Layers {
        let mut view = Layers {
            streams: self.streams.len() as u8,
            ..Layers::default()
        };
        let slots = view.active.iter_mut().zip(&mut view.fps);
        for (tracker, (active, fps)) in self.trackers.iter().zip(slots) {
            *active = tracker.is_active();
            *fps = tracker.rates().fps;
        }
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

    /// Takes an accepted packet of `wire_len` bytes into levels, sizes and layer states.
    fn observe(
        &mut self,
        now: Instant,
        meta: &PacketMeta,
        sight: &Sight,
        clock_rate: u32,
        wire_len: usize,
    ) {
        if let Some(level) = meta
            .audio_level
            .filter(|_| !meta.late && !self.settings.muted)
        {
            self.audio
                .handle_packet(now, level.level, meta.timestamp, clock_rate);
        }
        let layer = self.spatial_layer(meta);
        let mut changed = false;
        if layer >= self.spatial_layers {
            self.spatial_layers = layer + 1;
            changed = true;
        }
        if let Some(sizes) = sight.sizes {
            changed |= self.note_sizes(meta.layer, sizes);
        }
        if let Some(tracker) = self.trackers.get_mut(usize::from(layer)) {
            changed |= tracker.handle_packet(now, wire_len, meta.temporal, meta.frame_start);
        }
        if changed {
            self.layers_changed(now);
        }
    }

    /// Keeps sizes of a key frame; true where one is new.
    fn note_sizes(&mut self, stream: u8, sizes: Sizes) -> bool {
        let former = self.sizes;
        if self.streams.len() > 1 {
            // One size; of a descriptor with several layers the highest that is told.
            let told = sizes.iter().rev().find(|&&size| size != (0, 0));
            if let (Some(slot), Some(&size)) = (self.sizes.get_mut(usize::from(stream)), told) {
                *slot = size;
            }
        } else {
            self.sizes = sizes;
        }
        self.sizes != former
    }

    fn spatial_layer(&self, meta: &PacketMeta) -> u8 {
        let layer = if self.streams.len() > 1 {
            meta.layer
        } else {
            meta.spatial
        };
        layer.min(MAX_SPATIAL as u8 - 1)
    }

    fn layer_count(&self) -> u8 {
        self.spatial_layers.max(self.streams.len() as u8)
    }

    fn layers_changed(&mut self, now: Instant) {
        if !self.events.contains(&UpEvent::Layers) {
            self.events.push_back(UpEvent::Layers);
        }
        self.measure_missing(now);
    }

    fn apply_muted(&mut self, now: Instant) {
        let muted = self.settings.muted;
        let was_active = self.trackers.iter().any(LayerTracker::is_active);
        for tracker in &mut self.trackers {
            tracker.set_paused(muted);
        }
        self.audio.reset();
        if muted {
            self.streams
                .iter_mut()
                .for_each(|stream| stream.key_frames.cancel());
        }
        self.apply_quality_hold(now);
        if was_active {
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
                (layer + 1).min(self.layer_count())
            }
            _ => 0,
        };
        let highest = self
            .trackers
            .iter()
            .rposition(LayerTracker::is_active)
            .map_or(0, |layer| layer + 1);
        self.missing_layers
            .set(now, usize::from(wanted).saturating_sub(highest) as f64);
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
