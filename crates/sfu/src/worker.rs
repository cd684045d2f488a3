//! One worker's world, driven by five verbs. Dispatch only: each noun has its own file.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sluice_peer::{ChannelSettings, Received};
use sluice_wire::classify::{Kind, classify};
use sluice_wire::id::{PeerId, WorkerId};
use sluice_wire::path::Path;

use crate::answers::Holdings;
use crate::command::{Command, ExtensionIds, OpenPeer};
use crate::config::{LocalAddress, WorkerConfig};
use crate::data::router::{Output, Router};
use crate::drive::{self, Driven};
use crate::egress::{Egress, Transmit};
use crate::event::{Event, PeerCloseReason};
use crate::link::LinkMessage;
use crate::media::{Flushed, Media, Turn, Wish};
use crate::outbox::Outbox;
use crate::routes;
use crate::timers::Timers;
use crate::transports::{self, Transports};

/// One worker's world. A turn of its loop: any number of `handle_*`, then [`Worker::flush`], then all `poll_*`.
pub struct Worker {
    config: WorkerConfig,
    transports: Transports,
    media: Media,
    data: Router,
    timers: Timers,
    egress: Egress,
    outbox: Outbox,
    random: SmallRng,
}

impl Worker {
    /// A worker without peers.
    pub fn new(config: WorkerConfig, now: Instant) -> Self {
        let mut random = SmallRng::seed_from_u64(config.seed);
        Self {
            media: Media::new(&config, now, random.random()),
            transports: Transports::default(),
            data: Router::new(config.id),
            timers: Timers::default(),
            egress: Egress::default(),
            outbox: Outbox::default(),
            random,
            config,
        }
    }

    /// Opens a transport that owns or shares the sockets `locals`; reports its candidates.
    pub fn open_peer(&mut self, now: Instant, open: OpenPeer, locals: &[LocalAddress]) {
        let peer = open.peer;
        let certificate = self.config.certificate.clone();
        let seed = self.random.random();
        let index = self.transports.open(now, open, locals, certificate, seed);
        let Some(transport) = index.and_then(|index| self.transports.get(index)) else {
            self.outbox.counters.drop_command += 1;
            return;
        };
        let candidates = transport.peer.local_candidates();
        let candidates = candidates.iter().map(transports::local_candidate).collect();
        self.outbox.report(Event::PeerOpened { peer, candidates });
        self.transports.named(peer);
    }

    /// Handles one command but `openPeer`, which needs sockets: see [`Worker::open_peer`].
    pub fn handle_command(&mut self, now: Instant, command: Command) {
        match command {
            Command::SetRemote {
                peer,
                ice,
                ice_lite,
                dtls_role,
                fingerprints,
            } => {
                let remote =
                    transports::remote_description(&ice, ice_lite, dtls_role, &fingerprints);
                self.with_peer(peer, |t| t.peer.set_remote(now, remote));
            }
            Command::AddRemoteCandidate { peer, candidate } => {
                let candidate = transports::remote_candidate(&candidate);
                self.with_peer(peer, |t| {
                    candidate.map(|candidate| t.peer.add_remote_candidate(now, &candidate));
                });
            }
            Command::RestartIce { peer, ice } => match self.transports.index(peer) {
                Some(index) => self.transports.restart_ice(now, index, &ice),
                None => self.outbox.counters.drop_command += 1,
            },
            Command::SetExtensions { peer, audio, video } => {
                self.set_extensions(now, peer, audio, video);
            }
            Command::ClosePeer { peer } => self.close_peer(now, peer),
            Command::OpenDataChannel {
                peer,
                label,
                ordered,
                max_retransmits,
            } => {
                let settings = ChannelSettings {
                    label,
                    ordered,
                    max_retransmits,
                    max_lifetime_ms: None,
                };
                self.with_peer(peer, |t| {
                    t.peer.open_data_channel(now, settings);
                });
            }
            Command::SetParticipant(config) => self.data.set_participant(config),
            Command::CloseParticipant { participant } => self.data.close_participant(participant),
            Command::SetRoomWorkers { room, workers } => self.data.set_room_workers(room, workers),
            Command::SetDataTrack(config) => self.data.set_track(config),
            Command::CloseDataTrack { publisher, handle } => {
                self.data.close_track(publisher, handle);
            }
            Command::SetDataSinks { room, identities } => self.data.set_sinks(room, identities),
            Command::SendData {
                room,
                packet,
                reliable,
                destinations,
                except,
            } => {
                let counters = &mut self.outbox.counters;
                let to = (room, reliable);
                self.data
                    .send(now, to, &packet, &destinations, except, counters);
            }
            Command::Query { id, query } => {
                let all = Holdings {
                    transports: &self.transports,
                    media: &self.media,
                    data: &self.data,
                    counters: &self.outbox.counters,
                };
                let answer = all.answer(&query);
                self.outbox.report(Event::Answer { id, answer });
            }
            command => self.handle_track_command(now, command),
        }
    }

    /// Takes one datagram in; `buf` is decrypted in place. Media goes on with the next [`Worker::flush`].
    pub fn handle_datagram(&mut self, now: Instant, path: Path, buf: &mut [u8]) {
        self.outbox.counters.packets_in += 1;
        self.outbox.counters.bytes_in += buf.len() as u64;
        let Some(index) = self.transports.find(path, buf) else {
            self.outbox.counters.drop_no_route += 1;
            return;
        };
        let stun = classify(buf) == Some(Kind::Stun);
        let Some(transport) = self.transports.get_mut(index) else {
            return;
        };
        match transport.peer.handle_datagram(now, path, buf) {
            Received::Consumed if stun => self.transports.routes.learn(path, index),
            Received::Consumed => {}
            Received::Rtp { len } => self.receive(now, index, buf.get(..len), Media::handle_rtp),
            Received::Rtcp { len } => self.receive(now, index, buf.get(..len), Media::handle_rtcp),
            Received::Dropped(_) => self.outbox.counters.drop_transport += 1,
        }
        self.transports.touch(index);
    }

    /// A connection closed: whoever used it goes on along another path, at once where one stands.
    pub fn handle_path_closed(&mut self, now: Instant, path: Path) {
        if let Some(index) = self.transports.routes.forget_path(path)
            && let Some(transport) = self.transports.get_mut(index)
        {
            transport.peer.handle_path_closed(now, path);
            self.transports.touch(index);
        }
    }

    /// True for a STUN binding request to a transport of ours. Its integrity is another matter.
    pub fn knows_check(&self, datagram: &[u8]) -> bool {
        self.transports.routes.peer_of_check(datagram).is_some()
    }

    /// The transport that proved to be at the other end of a path.
    pub fn peer_at(&self, path: Path) -> Option<PeerId> {
        let index = self.transports.routes.peer_at(path)?;
        self.transports.get(index).map(|transport| transport.id)
    }

    /// True while the transport's ICE holds the path for its own: it proved itself within the last 30 s.
    pub fn is_valid(&self, peer: PeerId, path: Path) -> bool {
        let transport = self
            .transports
            .index(peer)
            .and_then(|at| self.transports.get(at));
        transport.is_some_and(|transport| transport.peer.is_valid(path))
    }

    /// Takes one message of another worker in.
    pub fn handle_link(&mut self, now: Instant, from: WorkerId, message: LinkMessage) {
        self.outbox.counters.link_in += 1;
        if let LinkMessage::Data(message) = message {
            self.data
                .handle_link(now, &message, &mut self.outbox.counters);
        } else {
            self.with_media(now, |media, turn| media.handle_link(turn, from, message));
        }
    }

    /// Does what is due; cheap where nothing is.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(subject) = self.timers.pop(now) {
            if let Some(transport) = self.transports.get_mut(subject) {
                transport.peer.handle_timeout(now);
                self.transports.touch(subject);
            }
        }
        self.with_media(now, Media::handle_timeout);
    }

    /// Ends the turn: fans the media out that came in since the last flush, and drains the transports that
    /// anything happened to.
    pub fn flush(&mut self, now: Instant) {
        while self.flush_some(now) {}
    }

    /// As [`Worker::flush`], until there is enough to be sent. True where there is more to be done: poll the sends,
    /// so that they leave while they are in the cache, and call again.
    pub fn flush_some(&mut self, now: Instant) -> bool {
        loop {
            let mut more = match self.fan_out(now) {
                Flushed::Full => return true,
                flushed => flushed == Flushed::Done,
            };
            while let Some(index) = self.transports.next_touched() {
                self.drive(now, index);
                more = true;
            }
            if !self.route_data(now) && !more {
                return false;
            }
        }
    }

    /// The next send. All must be polled before the next turn.
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        self.egress.poll_transmit()
    }

    /// The next message to another worker.
    pub fn poll_link(&mut self) -> Option<(WorkerId, LinkMessage)> {
        self.outbox.next_link()
    }

    /// The next report to the control plane.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.outbox.next_event()
    }

    /// When to call [`Worker::handle_timeout`] at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.timers.next(), self.media.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Which worker owns the transport that a STUN binding request is for, by the first character of the ufrag in
    /// its USERNAME: `0`–`9`, `A`–`Z`, `a`–`z` for workers 0 to 61. For sockets that several workers share.
    pub fn owner_of(datagram: &[u8]) -> Option<WorkerId> {
        routes::owner_of(datagram)
    }

    /// This worker.
    pub fn id(&self) -> WorkerId {
        self.config.id
    }

    /// What there was to forward since the start: packets and messages of publishers, and of other workers.
    pub fn published(&self) -> u64 {
        let counters = &self.outbox.counters;
        counters.rtp_in + counters.data_in + counters.link_in
    }

    /// As if a transport had decrypted a packet: for the fuzz target, which has no keys.
    pub(crate) fn receive_decrypted(
        &mut self,
        now: Instant,
        peer: PeerId,
        rtcp: bool,
        packet: &[u8],
    ) {
        let stage = if rtcp {
            Media::handle_rtcp
        } else {
            Media::handle_rtp
        };
        if let Some(index) = self.transports.index(peer) {
            self.receive(now, index, Some(packet), stage);
            self.transports.touch(index);
        }
    }

    fn handle_track_command(&mut self, now: Instant, command: Command) {
        self.with_media(now, |media, turn| match command {
            Command::OpenUpTrack(config) => media.open_up(turn, config),
            Command::MuteUpTrack { track, muted } => media.mute_up(turn, track, muted),
            Command::CloseUpTrack { track } => media.close_up(turn, track),
            Command::OpenDownTrack(config) => media.open_down(turn, config),
            Command::SetDownTrack {
                down,
                enabled,
                max_spatial,
                max_temporal,
                max_fps,
            } => {
                let wish = Wish::new(enabled, max_spatial, max_temporal, max_fps);
                media.set_down(turn, down, wish);
            }
            Command::CloseDownTrack { down } => media.close_down(turn, down),
            _ => turn.outbox.counters.drop_command += 1,
        });
    }

    fn set_extensions(
        &mut self,
        now: Instant,
        peer: PeerId,
        audio: ExtensionIds,
        video: ExtensionIds,
    ) {
        let mut changed = false;
        self.with_peer(peer, |t| {
            t.peer
                .set_transport_cc(video.transport_cc.or(audio.transport_cc));
            changed = (&t.audio, &t.video) != (&audio, &video);
            (t.audio, t.video) = (audio, video);
        });
        if changed && let Some(index) = self.transports.index(peer) {
            self.with_media(now, |media, turn| media.extensions_changed(turn, index));
        }
    }

    fn with_media<T>(&mut self, now: Instant, act: impl FnOnce(&mut Media, &mut Turn) -> T) -> T {
        let mut turn = Turn {
            now,
            transports: &mut self.transports,
            egress: &mut self.egress,
            outbox: &mut self.outbox,
        };
        act(&mut self.media, &mut turn)
    }

    /// Hands on what a transport decrypted. A panic on account of it is that transport's end.
    #[inline]
    fn receive(
        &mut self,
        now: Instant,
        index: usize,
        packet: Option<&[u8]>,
        stage: fn(&mut Media, &mut Turn, usize, &[u8]),
    ) {
        let Some(packet) = packet else {
            return;
        };
        let caught = catch_unwind(AssertUnwindSafe(|| {
            self.with_media(now, |media, turn| stage(media, turn, index, packet));
        }));
        if caught.is_err() {
            self.end_by_panic(now, index);
        }
    }

    /// Fans out; a panic is the end of the transport that was being served.
    fn fan_out(&mut self, now: Instant) -> Flushed {
        let caught = catch_unwind(AssertUnwindSafe(|| self.with_media(now, Media::flush)));
        caught.unwrap_or_else(|_| {
            if let Some(index) = self.media.take_blame() {
                self.end_by_panic(now, index);
            }
            Flushed::Done
        })
    }

    fn end_by_panic(&mut self, now: Instant, index: usize) {
        self.outbox.counters.peer_panics += 1;
        let Some(peer) = self.transports.get(index).map(|transport| transport.id) else {
            return;
        };
        tracing::error!(peer = peer.0, "panic while serving a transport");
        let (reason, detail) = (
            PeerCloseReason::InternalError,
            "panic in the worker".to_owned(),
        );
        self.outbox.report(Event::PeerClosed {
            peer,
            reason,
            detail,
        });
        self.remove_peer(now, index);
    }

    fn with_peer(&mut self, peer: PeerId, act: impl FnOnce(&mut transports::Transport)) {
        match self.transports.named(peer) {
            Some(transport) => act(transport),
            None => self.outbox.counters.drop_command += 1,
        }
    }

    fn close_peer(&mut self, now: Instant, peer: PeerId) {
        let Some(index) = self.transports.index(peer) else {
            self.outbox.counters.drop_command += 1;
            return;
        };
        if let Some(transport) = self.transports.get_mut(index) {
            transport.peer.close(now);
        }
        drive::send(
            index,
            &mut self.transports,
            &mut self.egress,
            &mut self.outbox,
        );
        self.remove_peer(now, index);
    }

    fn drive(&mut self, now: Instant, index: usize) {
        self.with_media(now, |media, turn| media.report_downs(turn, index));
        let driven = drive::drive(
            now,
            index,
            &mut self.transports,
            &mut self.data,
            &mut self.egress,
            &mut self.outbox,
        );
        match driven {
            Driven::Ended => {
                self.remove_peer(now, index);
                return;
            }
            Driven::Ready => {
                self.with_media(now, |media, turn| media.transport_ready(turn, index));
            }
            Driven::Alive => {}
        }
        if let Some(transport) = self.transports.get_mut(index) {
            let due = [transport.peer.poll_timeout(), transport.report_due()];
            self.timers.set(index, due.into_iter().flatten().min());
        }
    }

    fn remove_peer(&mut self, now: Instant, index: usize) {
        self.timers.set(index, None);
        let Some(transport) = self.transports.remove(index) else {
            return;
        };
        self.data.peer_closed(transport.id);
        self.with_media(now, |media, turn| {
            media.close_transport(turn, &transport.ups, &transport.downs);
        });
    }

    /// Carries out what data routing decided; false where there was nothing.
    fn route_data(&mut self, now: Instant) -> bool {
        let mut any = false;
        while let Some(output) = self.data.poll() {
            any = true;
            match output {
                Output::Deliver(delivery) => {
                    let limit = if delivery.reliable {
                        self.config.reliable_queue_bytes
                    } else {
                        self.config.lossy_queue_bytes
                    };
                    drive::deliver(
                        now,
                        &delivery,
                        limit,
                        &mut self.transports,
                        &mut self.outbox,
                    );
                }
                Output::Link(worker, message) => {
                    self.outbox.link(worker, LinkMessage::Data(message));
                }
                Output::Report(event) => self.outbox.report(event),
            }
        }
        any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz;

    #[test]
    fn a_panic_on_account_of_one_transport_ends_that_transport_alone() {
        let (mut worker, now) = fuzz::worker();
        let index = worker.transports.index(PeerId(1)).expect("a transport");
        worker.receive(now, index, Some(&[]), |_, _, _, _| panic!("injected"));
        worker.flush(now);
        let closed: Vec<_> = std::iter::from_fn(|| worker.poll_event()).collect();
        let [
            Event::PeerClosed {
                peer: PeerId(1),
                reason,
                ..
            },
        ] = closed[..]
        else {
            panic!("unexpected {closed:?}");
        };
        assert_eq!(reason, PeerCloseReason::InternalError);
        assert!(worker.transports.index(PeerId(0)).is_some());
        assert_eq!(worker.outbox.counters.peer_panics, 1);
    }
}
