//! What the server says, and what comes of it: transports, streams to send and to receive.

use std::time::Instant;

use mio::Token;

use super::{Client, Surroundings};
use crate::impairment::Impairment;
use crate::media::{Camera, Inbound, Microphone};
use crate::report::note;
use crate::signal::{Kind, Pc, Publication, SessionEvent, SocketEnd, Subscription};
use crate::transport::{Line, Transport};

impl Client {
    pub(super) fn handle_end(&mut self, around: &mut Surroundings<'_>, end: &SocketEnd) {
        if self.joined_at.is_none() && !self.ended {
            *around.seen.failed.entry(end.reason()).or_default() += 1;
        }
        self.ended = true;
    }

    /// Carries messages and events between the server and the transports until nothing is left to say.
    pub(super) fn converse(&mut self, around: &mut Surroundings<'_>) {
        while let Some(event) = self.session.poll_event() {
            self.handle_event(around, event);
        }
        while let Some(message) = self.session.poll_send() {
            around.seen.signals_sent += 1;
            self.socket.send(message);
        }
        if self.ended {
            self.socket.close();
        }
    }

    pub(super) fn handle_event(&mut self, around: &mut Surroundings<'_>, event: SessionEvent) {
        match event {
            SessionEvent::Joined => {
                self.joined_at = Some(around.now);
                around.seen.joined += 1;
                note(&mut around.seen.join, around.now - self.began);
            }
            SessionEvent::CreateTransport {
                pc,
                controlling,
                channels,
            } => {
                let token = Token(self.token + 1 + self.transports.len());
                let Ok(line) = Line::bind(around.registry, token, around.ip) else {
                    *around
                        .seen
                        .failed
                        .entry("no socket left".to_owned())
                        .or_default() += 1;
                    self.ended = true;
                    return;
                };
                let seed = u64::from(self.seed) * 2 + self.transports.len() as u64;
                let (mut transport, local) = Transport::new(
                    around.now,
                    pc,
                    line,
                    controlling,
                    channels,
                    around.certificate,
                    seed,
                );
                transport.impairment = self
                    .impair
                    .map(|impair| Impairment::new(around.now, impair, seed));
                self.transports.push(transport);
                self.session.set_local(pc, local);
            }
            SessionEvent::Remote { pc, remote } => self.with(pc, |transport| {
                transport.peer.set_remote(around.now, remote);
            }),
            SessionEvent::Candidate { pc, candidate } => self.with(pc, |transport| {
                transport.peer.add_remote_candidate(around.now, &candidate);
            }),
            SessionEvent::Publish(publication) => self.publish(around.now, publication),
            SessionEvent::Subscribed(subscription) => self.subscribe(around.now, &subscription),
            SessionEvent::Unsubscribed { track } => self.unsubscribe(&track),
            SessionEvent::Wanted { track, layers } => {
                if let Some(camera) = self
                    .camera
                    .as_mut()
                    .filter(|_| self.camera_track.as_ref() == Some(&track))
                {
                    camera.set_wanted(layers);
                }
            }
            SessionEvent::Left { reason } => {
                if self.joined_at.is_none() {
                    *around.seen.failed.entry(reason).or_default() += 1;
                }
                self.ended = true;
            }
        }
        for transport in &mut self.transports {
            transport.flush();
        }
    }

    pub(super) fn with(&mut self, pc: Pc, act: impl FnOnce(&mut Transport)) {
        if let Some(transport) = self
            .transports
            .iter_mut()
            .find(|transport| transport.pc == pc)
        {
            act(transport);
        }
    }

    pub(super) fn publish(&mut self, now: Instant, publication: Publication) {
        let publish = &self.plan.publish;
        match publication.kind {
            Kind::Video => {
                self.camera_track = Some(publication.track.clone());
                self.camera = publish
                    .video
                    .as_ref()
                    .map(|video| Camera::new(now, video, &publication, self.seed));
            }
            Kind::Audio => {
                let audio = publish.audio.as_ref();
                self.microphone =
                    audio.and_then(|audio| Microphone::new(now, audio, &publication, self.seed));
            }
        }
        self.publications.push(publication);
    }

    pub(super) fn subscribe(&mut self, now: Instant, subscription: &Subscription) {
        self.unsubscribe(&subscription.track);
        self.with(subscription.pc, |transport| {
            if subscription.extensions.transport_cc.is_some() {
                transport
                    .peer
                    .set_transport_cc(subscription.extensions.transport_cc);
            }
            transport.inbound.push(Inbound::new(now, subscription));
        });
    }

    pub(super) fn unsubscribe(&mut self, track: &str) {
        for transport in &mut self.transports {
            let ended = transport
                .inbound
                .extract_if(.., |inbound| inbound.track == track);
            for inbound in ended {
                self.past += inbound.counts();
            }
        }
    }
}
