//! Tracks that transports of this worker publish: opened, changed, muted, closed.

use std::time::Instant;

use sluice_forward::layers::LayerStates;
use sluice_forward::up_track::UpTrack;
use sluice_wire::id::{TrackId, WorkerId};

use super::settings;
use super::track::{Local, Origin};
use super::{Media, Turn};
use crate::command::UpTrackConfig;
use crate::link::LinkMessage;
use crate::outbox::Outbox;

impl Media {
    /// Opens a published track, or changes its description. Whoever waits for it is told.
    pub fn open_up(&mut self, turn: &mut Turn, config: UpTrackConfig) {
        let Some(at) = turn.transports.index(config.peer) else {
            turn.outbox.counters.drop_command += 1;
            return;
        };
        let index = self.tracks.entry(config.track);
        self.detach_from_other(index, at, turn);
        let (Some(transport), Some(track)) =
            (turn.transports.get_mut(at), self.tracks.get_mut(index))
        else {
            return;
        };
        let settings =
            settings::published(&self.config, &config, transport.extensions(config.kind));
        transport.sources.set_section(index, &config);
        if !transport.ups.contains(&index) {
            transport.ups.push(index);
        }
        if let Origin::Linked(linked) = &track.origin {
            let home = linked.wish.home();
            turn.outbox
                .link(home, LinkMessage::Unwant { track: track.id });
        }
        match &mut track.origin {
            Origin::Local(local) => {
                local.up.reconfigure(turn.now, settings);
                local.config = config;
            }
            origin => {
                let up = UpTrack::new(turn.now, settings);
                *origin = Origin::Local(Box::new(Local {
                    transport: at,
                    config,
                    up,
                    wanted: None,
                    told: LayerStates::default(),
                }));
            }
        }
        if let Origin::Local(local) = &track.origin {
            for worker in track.watchers.workers() {
                introduce(turn.now, local, worker, turn.outbox);
            }
            for down in &mut track.downs {
                down.track.set_source_muted(turn.now, local.up.is_muted());
            }
        }
        self.tracks.mark(index);
    }

    /// A transport's header extensions changed: its tracks read the new ids, its subscriptions write them.
    pub fn extensions_changed(&mut self, turn: &mut Turn, transport: usize) {
        self.rebuild_downs(turn, transport);
        let Some(transport) = turn.transports.get(transport) else {
            return;
        };
        for index in &transport.ups {
            if let Some(Origin::Local(local)) =
                self.tracks.get_mut(*index).map(|track| &mut track.origin)
            {
                let ids = transport.extensions(local.config.kind);
                let mut settings = settings::published(&self.config, &local.config, ids);
                settings.muted = local.up.is_muted();
                local.up.reconfigure(turn.now, settings);
            }
        }
    }

    /// Mutes or unmutes a published track, here and on the workers that have it.
    pub fn mute_up(&mut self, turn: &mut Turn, id: TrackId, muted: bool) {
        let Some(index) = self.tracks.index(id) else {
            turn.outbox.counters.drop_command += 1;
            return;
        };
        self.set_muted(turn.now, index, muted);
        if let Some(track) = self.tracks.get(index) {
            for worker in track.watchers.workers() {
                turn.outbox
                    .link(worker, LinkMessage::Muted { track: id, muted });
            }
        }
    }

    /// Ends a published track; its subscriptions stay until they are closed.
    pub fn close_up(&mut self, turn: &mut Turn, id: TrackId) {
        match self.tracks.index(id) {
            Some(index) => self.end_up(turn, index),
            None => turn.outbox.counters.drop_command += 1,
        }
    }

    pub(super) fn end_up(&mut self, turn: &mut Turn, index: usize) {
        let Some(track) = self.tracks.get_mut(index) else {
            return;
        };
        let Origin::Local(local) = &track.origin else {
            return;
        };
        if let Some(transport) = turn.transports.get_mut(local.transport) {
            transport.sources.remove_section(index);
            transport.ups.retain(|up| *up != index);
        }
        for worker in track.watchers.workers() {
            turn.outbox
                .link(worker, LinkMessage::Closed { track: track.id });
        }
        track.origin = Origin::Awaited;
        track.source_ended(turn.now);
        self.timers.set(index, None);
        self.tracks.remove_if_vacant(index);
    }

    pub(super) fn set_muted(&mut self, now: Instant, index: usize, muted: bool) {
        if let Some(track) = self.tracks.get_mut(index) {
            if let Some(up) = track.up_mut() {
                up.set_muted(now, muted);
            }
            for down in &mut track.downs {
                down.track.set_source_muted(now, muted);
            }
        }
        self.tracks.mark(index);
    }

    /// A track that moves from one transport to another leaves the first.
    fn detach_from_other(&mut self, index: usize, transport: usize, turn: &mut Turn) {
        if let Some(Origin::Local(local)) = self.tracks.get(index).map(|track| &track.origin)
            && local.transport != transport
        {
            if let Some(former) = turn.transports.get_mut(local.transport) {
                former.sources.remove_section(index);
                former.ups.retain(|up| *up != index);
            }
            if let Some(track) = self.tracks.get_mut(index) {
                track.origin = Origin::Awaited;
            }
        }
    }
}

/// Tells another worker all that is known of a track.
pub fn introduce(now: Instant, local: &Local, worker: WorkerId, outbox: &mut Outbox) {
    let mut config = local.config.clone();
    config.muted = local.up.is_muted();
    let track = config.track;
    outbox.link(worker, LinkMessage::Opened(Box::new(config)));
    for layer in 0..local.up.settings().streams {
        let known = local.up.sender_report(layer);
        if let Some((report, clock_rate)) = known.zip(local.up.clock_rate(layer)) {
            // As if it came in now: its age would be lost on the way.
            let ntp = report.ntp_now(now);
            let rtp = report.timestamp_at(ntp, clock_rate);
            outbox.link(
                worker,
                LinkMessage::SenderReport {
                    track,
                    layer,
                    ntp,
                    rtp,
                },
            );
        }
    }
    let states = local.up.layer_states();
    outbox.link(worker, LinkMessage::Layers { track, states });
}
