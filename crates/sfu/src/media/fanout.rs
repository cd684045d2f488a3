//! The end of a turn for tracks: *for subscriber { for packet }*, then what the track itself has to say, then
//! once to each worker that wants them.

use std::cell::Cell;
use std::time::{Duration, Instant};

use sluice_forward::down_track::Moment;
use sluice_forward::outgoing::Outgoing;
use sluice_forward::packet::PacketMeta;
use sluice_forward::up_track::{UpEvent, Wanted};
use sluice_wire::codec::MediaKind;
use sluice_wire::rtcp::Rtcp;

use super::batch::Batch;
use super::link::{ask_home, tell_home, tell_layers, wrap};
use super::periodic::layer_states;
use super::send::Sending;
use super::track::{Down, Local, Origin, Track};
use super::{Media, Turn};
use crate::event::Event;
use crate::outbox::Outbox;
use crate::pool::Pool;

impl Media {
    /// Fans out what came in, for every track that anything happened to, until there is enough to be sent first.
    pub fn flush(&mut self, turn: &mut Turn) -> Flushed {
        let mut flushed = Flushed::Idle;
        while let Some(index) = self.tracks.next_marked() {
            flushed = Flushed::Done;
            let others = self.tracks.any_marked();
            let Some(track) = self.tracks.get_mut(index) else {
                continue;
            };
            self.serving.track = Some(index);
            if track.next_down == 0 {
                // Other workers fan out while we do. What the layers are comes before the packet that made one
                // active: it may be its key frame.
                track.tell_layers(turn.outbox);
                track.pass_to_links(&mut self.pool, turn.outbox);
            }
            let slice = if others { SLICE } else { usize::MAX };
            if !track.fan_out(turn, self.start, slice, &mut self.serving.transport) {
                self.tracks.mark(index);
                if turn.egress.is_full() {
                    flushed = Flushed::Full;
                    break;
                }
                continue;
            }
            let due = track.conclude(turn);
            track.pending.clear();
            self.timers.set(index, due);
        }
        self.serving.track = None;
        flushed
    }
}

/// How far a fan-out came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flushed {
    /// There was nothing to do.
    Idle,
    /// All of it.
    Done,
    /// Until there was enough to be sent; the rest comes with the next call.
    Full,
}

/// What the subscriptions of a track came to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Served {
    /// Layers of which key frames are needed, a bit each.
    key_frames: u8,
    /// The highest layer that any subscription is on or on its way to.
    wanted: Option<u8>,
    /// When one of them has something to do.
    due: Option<Instant>,
}

impl Track {
    /// Serves subscriptions here from where the last call stopped, `slice` of them. False where others are to be
    /// served, or what is there to be sent, before the rest.
    fn fan_out(
        &mut self,
        turn: &mut Turn,
        origin: Instant,
        slice: usize,
        blame: &mut Option<usize>,
    ) -> bool {
        let served = &mut self.served;
        let Some(up) = self.origin.up() else {
            self.pending.clear();
            served.wanted = self.downs.iter().filter_map(Down::wanted_layer).max();
            return true;
        };
        let layers = up.view();
        let moment = Moment::new(turn.now, origin, &layers);
        let batch = Batch::gather(up, &self.pending);
        let first = self.next_down;
        for (at, down) in self.downs.iter_mut().enumerate().skip(first) {
            // Behind a panic it is this one's place, which another has taken, that comes next.
            self.next_down = at;
            if at > first && (turn.egress.is_full() || at - first >= slice) {
                return false;
            }
            let Some(transport) = turn.transports.get_mut(down.transport) else {
                continue;
            };
            *blame = Some(down.transport);
            let mut sending = Sending {
                transport,
                egress: turn.egress,
                outbox: turn.outbox,
            };
            if sending.is_ready(down) {
                let due = down.serve(&moment, &batch, &mut sending, &mut served.key_frames);
                served.due = earlier(served.due, due);
            } else {
                turn.outbox.counters.drop_no_path += self.pending.len() as u64;
            }
            served.wanted = served.wanted.max(down.wanted_layer());
            *blame = None;
        }
        true
    }

    fn tell_layers(&mut self, outbox: &mut Outbox) {
        if let Origin::Local(local) = &mut self.origin {
            tell_layers(local, &self.watchers, outbox);
        }
    }

    fn pass_to_links(&mut self, pool: &mut Pool<PacketMeta>, outbox: &mut Outbox) {
        let Origin::Local(local) = &self.origin else {
            return;
        };
        if self.watchers.is_empty() {
            return;
        }
        for meta in self
            .pending
            .iter()
            .filter(|meta| self.watchers.want_layer(meta.layer))
        {
            let stored = local.up.stored(meta.layer, meta.sequence);
            match stored.and_then(|stored| wrap(pool, self.id, &stored)) {
                Some(message) => {
                    for worker in self.watchers.of_layer(meta.layer) {
                        outbox.link(worker, message.clone());
                    }
                }
                None => outbox.counters.drop_link_pool += 1,
            }
        }
    }

    /// What the track has to say, to its publisher or to its home. Returns when it has more.
    fn conclude(&mut self, turn: &mut Turn) -> Option<Instant> {
        self.next_down = 0;
        let served = std::mem::take(&mut self.served);
        let up_due = match &mut self.origin {
            Origin::Awaited => None,
            Origin::Local(local) => {
                let far = (0..=2).rev().find(|layer| self.watchers.want_layer(*layer));
                let wanted = served.wanted.max(far).map_or(Wanted::Nothing, Wanted::UpTo);
                if local.wanted != Some(wanted) {
                    local.wanted = Some(wanted);
                    local.up.set_wanted(turn.now, wanted);
                }
                for layer in bits(served.key_frames) {
                    local.up.request_key_frame(layer);
                }
                let due = conclude_local(local, turn);
                tell_layers(local, &self.watchers, turn.outbox);
                Some(due)
            }
            Origin::Linked(linked) => {
                tell_home(self.id, linked, served.wanted, turn.outbox);
                ask_home(
                    turn.now,
                    self.id,
                    linked,
                    bits(served.key_frames),
                    turn.outbox,
                )
            }
        };
        let down_due = served.due.map(|due| due.max(turn.now + MIN_WAIT));
        earlier(up_due, down_due)
    }
}

impl Down {
    /// The highest layer that the subscription is on or on its way to.
    fn wanted_layer(&self) -> Option<u8> {
        let current = self.track.current().map(|current| current.spatial);
        self.track
            .wanted_layer()
            .map(|wanted| current.map_or(wanted, |current| current.max(wanted)))
    }

    /// Forwards what came in and does what is due; adds the layer of which it needs a key frame, as a bit. Returns
    /// when it has more to do.
    #[inline]
    fn serve(
        &mut self,
        moment: &Moment,
        batch: &Batch,
        sending: &mut Sending,
        key_frames: &mut u8,
    ) -> Option<Instant> {
        let now = moment.now();
        let Self {
            track,
            streams,
            repeats,
            ..
        } = self;
        sending.outbox.counters.drop_overrun += batch.overrun();
        let (video, lacks_one) = (self.kind == MediaKind::Video, Cell::new(false));
        let mut emit = |out: &mut Outgoing| {
            if lacks_one.get() {
                out.pad_by_one();
            }
            sending.send(*streams, repeats, out);
        };
        let found = batch.found();
        let found = found.inspect(|packet| lacks_one.set(video && batch.lacks_one(packet)));
        track.handle_packets(moment, found, &mut emit);
        lacks_one.set(false);
        for packet in batch.rest() {
            track.handle_packets(moment, [&packet], &mut emit);
        }
        while track.poll_event().is_some() {
            sending
                .outbox
                .report(Event::DownTrackStarted { down: self.id });
        }
        let due = track.poll_timeout(now);
        if due.is_none_or(|due| due > now) {
            return due;
        }
        track.handle_timeout(now, &mut |out| sending.send(*streams, repeats, out));
        if let Some(layer) = track.poll_key_frame_request(now) {
            *key_frames |= 1 << layer.min(7);
        }
        track.poll_timeout(now)
    }
}

fn conclude_local(local: &mut Local, turn: &mut Turn) -> Instant {
    let up = &mut local.up;
    let Some(transport) = turn.transports.get_mut(local.transport) else {
        return up.poll_timeout(turn.now);
    };
    if let Some(rtt) = transport.peer.rtt() {
        up.handle_rtt(rtt);
    }
    if up.poll_timeout(turn.now) <= turn.now {
        up.handle_timeout(turn.now);
    }
    let track = local.config.track;
    while let Some(event) = up.poll_event() {
        turn.outbox.report(match event {
            UpEvent::Started { layer, pt } => Event::TrackStarted { track, pt, layer },
            UpEvent::Layers => Event::Layers {
                track,
                layers: layer_states(up),
            },
        });
    }
    let before = transport.feedback.len();
    while let Some(packet) = up.poll_feedback() {
        let counters = &mut turn.outbox.counters;
        match &packet {
            Rtcp::Pli { .. } => counters.key_frame_requests += 1,
            Rtcp::Nack { lost, .. } => counters.nack_out += lost.len() as u64,
            _ => {}
        }
        transport.feedback.push(packet);
    }
    if transport.feedback.len() > before {
        turn.transports.touch(local.transport);
    }
    up.poll_timeout(turn.now)
}

fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    [a, b].into_iter().flatten().min()
}

fn bits(set: u8) -> impl Iterator<Item = u8> {
    (0..8).filter(move |bit| set & (1 << bit) != 0)
}

/// Subscriptions of one track that are served before those of another: who subscribes to both, as all listeners of a
/// room do, then gets both tracks' packets in one train.
const SLICE: usize = 32;

/// Subscriptions are looked at no more often than this without a packet.
const MIN_WAIT: Duration = Duration::from_millis(5);
