//! What the control plane and the bandwidth allocator ask of a subscription, and what is due by the clock.

use std::time::{Duration, Instant};

use sluice_wire::codec::MediaKind;

use super::compose::send_time;
use super::{DownTrack, DownTrackState};
use crate::layers::Layers;
use crate::outgoing::Outgoing;
use crate::quality::{Quality, WindowSample};
use crate::rtx::Origin;
use crate::select::{Context, Selector, Target};
use crate::silence::{FRAME_TICKS, Silence};

impl DownTrack {
    /// What the subscriber wants: nothing, or layers up to `max` at no more than `max_fps` frames per second
    /// (0: no limit).
    pub fn set_wish(&mut self, now: Instant, enabled: bool, max: Target, max_fps: u8) {
        self.wish.max = max;
        self.wish.max_fps = max_fps;
        self.change(now, |track| track.enabled = enabled);
        self.receiver.set_muted(now, !enabled || self.source_muted);
    }

    /// What bandwidth allows: layers up to `allowed`, or none at all.
    pub fn set_allowed(&mut self, now: Instant, allowed: Option<Target>) {
        if let Some(allowed) = allowed {
            self.wish.allowed = allowed;
        }
        self.change(now, |track| track.paused = allowed.is_none());
        self.receiver.set_paused(now, allowed.is_none());
    }

    /// The publisher muted or unmuted the track. Packets are still forwarded, should there be any.
    pub fn set_source_muted(&mut self, now: Instant, muted: bool) {
        if muted == self.source_muted {
            return;
        }
        self.source_muted = muted;
        self.receiver.set_muted(now, !self.enabled || muted);
        let fades_out = muted && self.settings.kind == MediaKind::Audio && !self.settings.encrypted;
        self.silence = (fades_out && self.is_open()).then(|| Silence::new(now));
        if let Some(rtp) = self.rtp.as_mut().filter(|_| !muted) {
            rtp.detach();
        }
    }

    /// The layers of the published track changed.
    pub fn handle_layers(&mut self, layers: &Layers) {
        self.context = self.context_of(layers);
    }

    /// Sends what is due: silence after muting. Ends quality windows.
    pub fn handle_timeout(&mut self, now: Instant, emit: &mut impl FnMut(&mut Outgoing<'_>)) {
        while self
            .silence
            .as_mut()
            .is_some_and(|silence| silence.take(now))
        {
            self.send_silence(now, emit);
        }
        let distance = self.layer_distance();
        self.receiver.handle_timeout(now, distance);
    }

    /// When [`Self::handle_timeout`] or [`Self::poll_key_frame_request`] has something to do.
    pub fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        let silence = self.silence.as_ref().and_then(Silence::poll_timeout);
        let request = self.next_key_frame_request(now);
        [silence, request, self.receiver.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    /// The layers wanted: the subscriber's wish as far as bandwidth allows and layers are active. None while nothing
    /// is wanted.
    pub fn target(&self) -> Option<Target> {
        self.is_open().then_some(self.context.target)
    }

    /// The layers being forwarded.
    pub fn current(&self) -> Option<Target> {
        self.selector.current()
    }

    /// The highest spatial layer that the subscriber wants, whether or not it is active; none while disabled.
    pub fn wanted_layer(&self) -> Option<u8> {
        self.enabled.then_some(self.wish.max.spatial)
    }

    /// The score as of the last window; none before the first packet.
    pub fn quality(&self) -> Option<Quality> {
        self.receiver.quality()
    }

    /// What the subscriber reported of the last quality window; none before the first packet.
    pub fn last_window(&self) -> Option<&WindowSample> {
        self.receiver.last_window()
    }

    /// What the next subscription on the same SSRC must go on from ([`super::DownTrackSettings::resume`]).
    pub fn state(&self) -> Option<DownTrackState> {
        match &self.rtp {
            Some(rtp) => Some(DownTrackState {
                stream: rtp.state()?,
                rtx_sequence: self.rtx_sequence,
            }),
            None => self.settings.resume,
        }
    }

    pub(super) const fn is_open(&self) -> bool {
        self.enabled && !self.paused
    }

    pub(super) fn context_of(&self, layers: &Layers) -> Context {
        Context {
            target: self.wish.target(layers),
            streams: layers.streams,
        }
    }

    /// Opens or closes; what comes after closing starts afresh.
    fn change(&mut self, now: Instant, change: impl FnOnce(&mut Self)) {
        let was_open = self.is_open();
        change(self);
        if was_open && !self.is_open() {
            self.selector = Selector::default();
            self.starting = true;
            self.silence = None;
            if let Some(rtp) = &mut self.rtp {
                rtp.detach();
            }
        }
        if !was_open && self.is_open() {
            self.requests.restart(now);
        }
    }

    fn send_silence(&mut self, now: Instant, emit: &mut impl FnMut(&mut Outgoing<'_>)) {
        let (Some(payload_type), Some(rtp)) = (self.opus, &mut self.rtp) else {
            self.silence = None;
            return;
        };
        if let Some(place) = rtp.inject(now, FRAME_TICKS) {
            let sent = self.record(
                send_time(&self.settings, now),
                place,
                payload_type,
                Origin::Silence,
            );
            self.send(sent, None, emit);
        }
    }

    /// Spatial layers between what is wanted and what is forwarded.
    fn layer_distance(&self) -> f32 {
        match (self.selector.current(), self.is_open()) {
            (Some(current), true) => {
                f32::from(self.context.target.spatial.saturating_sub(current.spatial))
            }
            _ => 0.0,
        }
    }

    /// Round-trip time to the subscriber, or a guess.
    pub(super) fn rtt(&self) -> Duration {
        self.receiver.rtt().unwrap_or(DEFAULT_RTT)
    }
}

/// Until the subscriber's first receiver report; livekit-server's number.
const DEFAULT_RTT: Duration = Duration::from_millis(70);
