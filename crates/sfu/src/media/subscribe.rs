//! Subscriptions of this worker's transports: opened, changed, closed.

use sluice_forward::down_track::DownTrack;
use sluice_forward::select::Target;
use sluice_forward::up_track::UpTrack;
use sluice_wire::id::DownTrackId;

use super::repeats::Repeats;
use super::rtcp_out::report_soon;
use super::settings;
use super::track::{Down, Linked, Origin};
use super::{Media, Turn};
use crate::command::DownTrackConfig;
use crate::link::LinkMessage;
use crate::transports::DownRef;

/// What a subscriber wants of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// False while disabled.
    pub enabled: bool,
    /// Highest layers.
    pub max: Target,
    /// Frames per second at most; 0 for no limit.
    pub max_fps: u8,
}

impl Media {
    /// Subscribes a transport to a track, which may be known, unknown yet, or another worker's.
    pub fn open_down(&mut self, turn: &mut Turn, config: DownTrackConfig) {
        let at = turn.transports.index(config.peer);
        let seed = self.seed();
        let Some((at, transport)) = at.and_then(|at| Some((at, turn.transports.get_mut(at)?)))
        else {
            turn.outbox.counters.drop_command += 1;
            return;
        };
        let wish = Wish::new(
            config.enabled,
            config.max_spatial,
            config.max_temporal,
            config.max_fps,
        );
        let index = self.tracks.entry(config.track);
        let Some(track) = self.tracks.get_mut(index) else {
            return;
        };
        if config.home != self.this && matches!(track.origin, Origin::Awaited) {
            track.origin = Origin::Linked(Box::new(Linked::new(config.home)));
        }
        let resume = transport.take_retired(config.ssrc);
        let settings = settings::subscribed(
            &config,
            transport.extensions(config.kind),
            self.start,
            seed,
            resume,
        );
        let mut down = Down {
            id: config.down,
            transport: at,
            kind: config.kind,
            track: DownTrack::new(settings),
            streams: None,
            repeats: (config.nack && config.rtx_ssrc.is_none()).then(|| Repeats::new(config.kind)),
            ssrc: config.ssrc,
            rtx_ssrc: config.rtx_ssrc,
            mid: config.mid.clone(),
            cname: config.cname.clone(),
            wish,
            config,
        };
        down.track
            .set_wish(turn.now, wish.enabled, wish.max, wish.max_fps);
        if let Some(up) = track.up() {
            down.track.set_source_muted(turn.now, up.is_muted());
        }
        let reference = DownRef {
            down: down.id,
            ssrc: down.ssrc,
            rtx: down.rtx_ssrc,
        };
        if self.tracks.add_down(index, down) {
            transport.downs.push(reference);
            report_soon(transport, turn.now);
            turn.transports.touch(at);
        } else {
            turn.outbox.counters.drop_command += 1;
        }
        self.tracks.mark(index);
    }

    /// Changes what a subscriber wants.
    pub fn set_down(&mut self, turn: &mut Turn, id: DownTrackId, wish: Wish) {
        let Some(at) = self.tracks.down_at(id) else {
            turn.outbox.counters.drop_command += 1;
            return;
        };
        if let Some((track, position)) = self.tracks.with_down(id)
            && let Some(down) = track.downs.get_mut(position)
        {
            down.wish = wish;
            down.track
                .set_wish(turn.now, wish.enabled, wish.max, wish.max_fps);
        }
        self.tracks.mark(at.track);
    }

    /// Ends a subscription. The last one of a track that is published elsewhere ends its link.
    pub fn close_down(&mut self, turn: &mut Turn, id: DownTrackId) {
        let Some((index, down)) = self.tracks.remove_down(id) else {
            turn.outbox.counters.drop_command += 1;
            return;
        };
        if let Some(transport) = turn.transports.get_mut(down.transport) {
            transport.downs.retain(|of| of.down != id);
            if let Some(state) = down.track.state() {
                transport.retired.push((down.ssrc, state));
            }
        }
        self.tracks.mark(index);
        self.unlink_if_unwanted(turn, index);
    }

    /// Ends all that hangs on a transport which is gone.
    pub fn close_transport(&mut self, turn: &mut Turn, ups: &[usize], downs: &[DownRef]) {
        for index in ups {
            self.end_up(turn, *index);
        }
        for down in downs {
            self.close_down(turn, down.down);
        }
    }

    /// A transport's header extensions changed: its subscriptions write the new ids.
    pub(super) fn rebuild_downs(&mut self, turn: &mut Turn, transport: usize) {
        let Some(transport) = turn.transports.get(transport) else {
            return;
        };
        for reference in &transport.downs {
            let seed = self.seed();
            let start = self.start;
            let Some((track, position)) = self.tracks.with_down(reference.down) else {
                continue;
            };
            let muted = track.up().is_some_and(UpTrack::is_muted);
            let Some(down) = track.downs.get_mut(position) else {
                continue;
            };
            let ids = transport.extensions(down.kind);
            let settings = settings::subscribed(&down.config, ids, start, seed, down.track.state());
            down.track = DownTrack::new(settings);
            down.track.set_wish(
                turn.now,
                down.wish.enabled,
                down.wish.max,
                down.wish.max_fps,
            );
            down.track.set_source_muted(turn.now, muted);
        }
    }

    fn unlink_if_unwanted(&mut self, turn: &mut Turn, index: usize) {
        let Some(track) = self.tracks.get_mut(index) else {
            return;
        };
        if let Origin::Linked(linked) = &track.origin
            && track.downs.is_empty()
        {
            turn.outbox
                .link(linked.wish.home(), LinkMessage::Unwant { track: track.id });
            track.origin = Origin::Awaited;
            track.pending.clear();
            self.timers.set(index, None);
        }
        self.tracks.remove_if_vacant(index);
    }
}

impl Wish {
    /// As commands tell it.
    pub fn new(enabled: bool, max_spatial: u8, max_temporal: u8, max_fps: u8) -> Self {
        let max = Target {
            spatial: max_spatial.min(2),
            temporal: max_temporal.min(3),
        };
        Self {
            enabled,
            max,
            max_fps,
        }
    }
}
