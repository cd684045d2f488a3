//! Both ends of links: what home tells the workers that want a track, and what they tell home.

use std::time::{Duration, Instant};

use sluice_forward::layers::LayerStates;
use sluice_forward::packet::PacketMeta;
use sluice_forward::ring::Stored;
use sluice_forward::up_track::UpTrack;
use sluice_wire::codec::MediaKind;
use sluice_wire::id::{TrackId, WorkerId};

use super::gaps::{Gaps, LAYERS};
use super::interest::Watchers;
use super::publish::introduce;
use super::settings;
use super::track::{Linked, Local, Origin, Track};
use super::{Media, Turn};
use crate::command::UpTrackConfig;
use crate::link::LinkMessage;
use crate::outbox::Outbox;
use crate::pool::{Pool, PoolBuffer};

impl Media {
    /// Takes in what another worker says of a track.
    pub fn handle_link(&mut self, turn: &mut Turn, from: WorkerId, message: LinkMessage) {
        let now = turn.now;
        match message {
            LinkMessage::Want { track, max_layer } => self.want(turn, from, track, max_layer),
            LinkMessage::Unwant { track } => self.unwant(from, track),
            LinkMessage::KeyFrame { track, layer } => self.far_key_frame(track, layer),
            LinkMessage::Nack { track, layer, lost } => {
                self.far_nack(turn, from, track, layer, &lost);
            }
            LinkMessage::Opened(config) => self.far_opened(turn, from, &config),
            LinkMessage::Muted { track, muted } => {
                if let Some(index) = self.tracks.index(track) {
                    self.set_muted(now, index, muted);
                }
            }
            LinkMessage::Closed { track } => self.far_closed(now, from, track),
            LinkMessage::Layers { track, states } => self.far_layers(from, track, states),
            LinkMessage::Packet {
                track,
                descriptor_len,
                packet,
            } => {
                self.far_packet(turn, track, descriptor_len, &packet);
            }
            LinkMessage::SenderReport {
                track,
                layer,
                ntp,
                rtp,
            } => {
                if let Some(up) = self.tracks.named(track).and_then(Track::up_mut) {
                    up.handle_sender_report(now, layer, ntp, rtp);
                }
            }
            LinkMessage::Data(_) => {}
        }
    }

    fn want(&mut self, turn: &mut Turn, from: WorkerId, id: TrackId, max_layer: Option<u8>) {
        let index = self.tracks.entry(id);
        let Some(track) = self.tracks.get_mut(index) else {
            return;
        };
        if track.watchers.want(from, max_layer)
            && let Origin::Local(local) = &track.origin
        {
            introduce(turn.now, local, from, turn.outbox);
        }
        self.tracks.mark(index);
    }

    fn unwant(&mut self, from: WorkerId, id: TrackId) {
        if let Some(index) = self.tracks.index(id) {
            if let Some(track) = self.tracks.get_mut(index) {
                track.watchers.unwant(from);
            }
            self.tracks.mark(index);
            self.tracks.remove_if_vacant(index);
        }
    }

    fn far_key_frame(&mut self, id: TrackId, layer: u8) {
        let Some(index) = self.tracks.index(id) else {
            return;
        };
        if let Some(Track {
            origin: Origin::Local(local),
            ..
        }) = self.tracks.get_mut(index)
        {
            local.up.request_key_frame(layer);
            self.tracks.mark(index);
        }
    }

    fn far_nack(&mut self, turn: &mut Turn, from: WorkerId, id: TrackId, layer: u8, lost: &[u64]) {
        let Some(Track {
            origin: Origin::Local(local),
            ..
        }) = self.tracks.named(id)
        else {
            return;
        };
        for stored in lost
            .iter()
            .filter_map(|sequence| local.up.stored(layer, *sequence))
        {
            match wrap(&mut self.pool, id, &stored) {
                Some(message) => turn.outbox.link(from, message),
                None => turn.outbox.counters.drop_link_pool += 1,
            }
        }
    }

    fn far_opened(&mut self, turn: &mut Turn, from: WorkerId, config: &UpTrackConfig) {
        let settings = settings::linked(&self.config, config);
        let muted = config.muted;
        let Some(index) = self.tracks.index(config.track) else {
            turn.outbox.counters.drop_link_stray += 1;
            return;
        };
        match self
            .tracks
            .get_mut(index)
            .and_then(|track| track.linked_from(from))
        {
            Some(Linked { up: Some(up), .. }) => up.reconfigure(turn.now, settings),
            Some(linked) => linked.up = Some(UpTrack::new(turn.now, settings)),
            None => {
                turn.outbox.counters.drop_link_stray += 1;
                return;
            }
        }
        self.set_muted(turn.now, index, muted);
    }

    fn far_closed(&mut self, now: Instant, from: WorkerId, id: TrackId) {
        let Some(index) = self.tracks.index(id) else {
            return;
        };
        if let Some(track) = self.tracks.get_mut(index)
            && let Some(linked) = track.linked_from(from)
        {
            linked.up = None;
            linked.gaps = Gaps::default();
            track.source_ended(now);
            self.timers.set(index, None);
        }
    }

    fn far_layers(&mut self, from: WorkerId, id: TrackId, states: LayerStates) {
        let Some(index) = self.tracks.index(id) else {
            return;
        };
        if let Some(track) = self.tracks.get_mut(index)
            && let Some(Linked { up: Some(up), .. }) = track.linked_from(from)
        {
            up.handle_linked_layers(states);
            self.tracks.mark(index);
        }
    }

    fn far_packet(
        &mut self,
        turn: &mut Turn,
        id: TrackId,
        descriptor_len: u16,
        packet: &PoolBuffer<PacketMeta>,
    ) {
        let counters = &mut turn.outbox.counters;
        let index = self.tracks.index(id);
        let track = index.and_then(|index| self.tracks.get_mut(index));
        let (
            Some(index),
            Some(Track {
                origin: Origin::Linked(linked),
                ..
            }),
        ) = (index, track)
        else {
            counters.drop_link_stray += 1;
            return;
        };
        let parts = packet.split_at_checked(usize::from(descriptor_len));
        let (Some(up), Some((descriptor, payload))) = (&mut linked.up, parts) else {
            counters.drop_link_stray += 1;
            return;
        };
        let meta = packet.meta();
        linked
            .gaps
            .handle_packet(turn.now, meta.layer, meta.sequence);
        let received = up.handle_linked(turn.now, meta, descriptor, payload);
        self.received(index, received, counters);
    }
}

/// A stored packet as a link carries it; None where no buffer is free.
pub fn wrap(pool: &mut Pool<PacketMeta>, track: TrackId, stored: &Stored) -> Option<LinkMessage> {
    let descriptor_len = stored.descriptor.len();
    let packet = pool.fill_with(*stored.meta, |slot| {
        let len = descriptor_len + stored.payload.len();
        let (descriptor, payload) = slot.get_mut(..len)?.split_at_mut(descriptor_len);
        descriptor.copy_from_slice(stored.descriptor);
        payload.copy_from_slice(stored.payload);
        Some(len)
    })?;
    Some(LinkMessage::Packet {
        track,
        descriptor_len: descriptor_len as u16,
        packet,
    })
}

/// Tells other workers what the layers of a track are, where that changed.
pub fn tell_layers(local: &mut Local, watchers: &Watchers, outbox: &mut Outbox) {
    if watchers.is_empty() || local.config.kind == MediaKind::Audio {
        return;
    }
    let states = local.up.layer_states();
    if !states.differ(&local.told) {
        return;
    }
    local.told = states;
    let track = local.config.track;
    for worker in watchers.workers() {
        outbox.link(worker, LinkMessage::Layers { track, states });
    }
}

/// Tells home what is wanted of a track now, where that changed.
pub fn tell_home(track: TrackId, linked: &mut Linked, max_layer: Option<u8>, outbox: &mut Outbox) {
    if linked.wish.change(max_layer) {
        outbox.link(linked.wish.home(), LinkMessage::Want { track, max_layer });
    }
}

/// Asks home for key frames that subscribers need, and for packets that the link lost. Returns when to ask again.
pub fn ask_home(
    now: Instant,
    track: TrackId,
    linked: &mut Linked,
    key_frames: impl Iterator<Item = u8>,
    outbox: &mut Outbox,
) -> Option<Instant> {
    let home = linked.wish.home();
    for layer in key_frames {
        if let Some(asked) = linked.asked.get_mut(usize::from(layer))
            && asked.is_none_or(|at| now >= at + KEY_FRAME_REPEAT)
        {
            *asked = Some(now);
            outbox.link(home, LinkMessage::KeyFrame { track, layer });
        }
    }
    for layer in 0..LAYERS as u8 {
        let lost = linked.gaps.due(now, layer);
        if !lost.is_empty() {
            outbox.link(home, LinkMessage::Nack { track, layer, lost });
        }
    }
    linked.gaps.poll_timeout()
}

/// Between two requests of one worker for a key frame of one layer; home has its own throttle towards the publisher.
const KEY_FRAME_REPEAT: Duration = Duration::from_millis(100);
