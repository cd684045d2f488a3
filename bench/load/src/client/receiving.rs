//! What comes on the transports.

use std::time::Instant;

use sluice_peer::{PeerEvent, Received};
use sluice_wire::rtcp::{Rtcp, parse_compound};
use sluice_wire::rtp::RtpView;

use super::{Client, Surroundings};
use crate::media::{DataSource, Out};
use crate::report::note;
use crate::signal::Pc;

impl Client {
    pub(super) fn handle_delayed(&mut self, around: &mut Surroundings<'_>, at: usize) {
        loop {
            let line = self
                .transports
                .get_mut(at)
                .and_then(|transport| transport.impairment.as_mut());
            let Some((from, mut bytes)) = line.and_then(|line| line.poll_datagram(around.now))
            else {
                return;
            };
            self.handle_datagram(around, at, from, &mut bytes);
        }
    }

    pub(super) fn handle_datagram(
        &mut self,
        around: &mut Surroundings<'_>,
        at: usize,
        from: std::net::SocketAddr,
        bytes: &mut [u8],
    ) {
        let Some(transport) = self.transports.get_mut(at) else {
            return;
        };
        let path = transport.path(from);
        match transport.peer.handle_datagram(around.now, path, bytes) {
            Received::Rtp { len } => {
                let Ok(view) = RtpView::parse(&bytes[..len]) else {
                    return;
                };
                let ssrc = view.header().ssrc;
                let Some(inbound) = transport
                    .inbound
                    .iter_mut()
                    .find(|inbound| inbound.owns(ssrc))
                else {
                    return;
                };
                if let Some(age) = inbound.handle_rtp(Instant::now(), around.begin, &view, len) {
                    note(&mut around.seen.delay, age);
                }
                if !self.media {
                    self.media = true;
                    note(&mut around.seen.first_media, around.now - self.began);
                }
            }
            Received::Rtcp { len } => self.handle_rtcp(around, at, &bytes[..len]),
            Received::Consumed | Received::Dropped(_) => {}
        }
    }

    pub(super) fn handle_rtcp(&mut self, around: &mut Surroundings<'_>, at: usize, bytes: &[u8]) {
        let Self {
            transports,
            camera,
            microphone,
            ..
        } = self;
        let Some(transport) = transports.get_mut(at) else {
            return;
        };
        let mut packets = Vec::new();
        let _ = parse_compound(bytes, &mut packets);
        for packet in packets {
            match packet {
                Rtcp::SenderReport { ssrc, ntp, .. } => {
                    if let Some(inbound) = transport
                        .inbound
                        .iter_mut()
                        .find(|inbound| inbound.owns(ssrc))
                    {
                        inbound.handle_sender_report(around.now, ntp);
                    }
                }
                Rtcp::Pli { media, .. } => {
                    around.seen.plis += 1;
                    if let Some(camera) = camera {
                        camera.request_key_frame(media);
                    }
                }
                Rtcp::Nack { media, lost, .. } => {
                    let stream = camera.as_mut().and_then(|camera| camera.stream(media));
                    let stream = stream.or_else(|| microphone.as_mut()?.stream(media));
                    let seen = &mut *around.seen;
                    let mut out = Out {
                        peer: &mut transport.peer,
                        line: &transport.line,
                        now: around.now,
                        begin: around.begin,
                        sent: &mut seen.sent,
                        sent_bytes: &mut seen.sent_bytes,
                    };
                    seen.resent += stream.map_or(0, |stream| stream.retransmit(&mut out, &lost));
                }
                _ => {}
            }
        }
    }

    /// After datagrams and timers: events of the transport, and what it has to send.
    pub(super) fn settle(&mut self, around: &mut Surroundings<'_>, at: usize) {
        let Some(transport) = self.transports.get_mut(at) else {
            return;
        };
        let mut stands = None;
        while let Some(event) = transport.peer.poll_event() {
            match event {
                PeerEvent::Connected { profile, .. } => {
                    transport.connected_at = Some(around.now);
                    *around
                        .seen
                        .profiles
                        .entry(profile_name(profile))
                        .or_default() += 1;
                    stands = Some(transport.pc);
                }
                PeerEvent::Message { bytes, .. } => {
                    if let Some((age, missing)) =
                        self.heard.handle(around.now, around.begin, &bytes)
                    {
                        around.seen.data_received += 1;
                        around.seen.data_lost += missing;
                        note(&mut around.seen.data_delay, age);
                    }
                }
                PeerEvent::Closed { detail, .. } if !self.ended => {
                    *around
                        .seen
                        .failed
                        .entry(format!("transport closed: {detail}"))
                        .or_default() += 1;
                    self.ended = true;
                }
                _ => {}
            }
        }
        transport.flush();
        if let Some(pc) = stands {
            if !self.connected {
                self.connected = true;
                note(&mut around.seen.connect, around.now - self.began);
            }
            if pc == Pc::Publisher
                && let Some(data) = &self.plan.publish.data
            {
                self.data = Some(DataSource::new(around.now, data, self.seed));
            }
            self.converse(around);
        }
    }
}

fn profile_name(profile: sluice_peer::SrtpProfile) -> &'static str {
    match profile {
        sluice_peer::SrtpProfile::AeadAes128Gcm => "AEAD_AES_128_GCM",
        sluice_peer::SrtpProfile::AeadAes256Gcm => "AEAD_AES_256_GCM",
        sluice_peer::SrtpProfile::Aes128CmSha1_80 => "AES128_CM_HMAC_SHA1_80",
    }
}
