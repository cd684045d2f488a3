//! A datagram in.

use std::time::Instant;

use sluice_ice::Path;
use sluice_wire::classify::{Kind, classify};

use crate::counters::DropReason;
use crate::peer::Peer;

/// What a datagram was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// STUN or DTLS, handled: poll for what follows.
    Consumed,
    /// An RTP packet, decrypted in `buf[..len]`.
    Rtp {
        /// Its length.
        len: usize,
    },
    /// A compound RTCP packet, decrypted in `buf[..len]`.
    Rtcp {
        /// Its length.
        len: usize,
    },
    /// Dropped and counted.
    Dropped(DropReason),
}

impl Peer {
    /// Takes one datagram in. Media is decrypted in place.
    pub fn handle_datagram(&mut self, now: Instant, path: Path, buf: &mut [u8]) -> Received {
        let received = self.receive(now, path, buf);
        match received {
            Received::Dropped(reason) => {
                tracing::trace!(?reason, len = buf.len(), "datagram dropped");
                self.stats.count(reason);
            }
            Received::Rtp { len } => {
                self.stats.rtp_in += 1;
                self.stats.rtp_bytes_in += len as u64;
            }
            Received::Rtcp { .. } => self.stats.rtcp_in += 1,
            Received::Consumed => {}
        }
        received
    }

    fn receive(&mut self, now: Instant, path: Path, buf: &mut [u8]) -> Received {
        if self.is_closed() {
            return Received::Dropped(DropReason::Closed);
        }
        if buf.len() > MAX_DATAGRAM {
            return Received::Dropped(DropReason::Oversize);
        }
        self.now = now;
        match classify(buf) {
            Some(Kind::Rtp) => self.receive_rtp(now, path, buf),
            Some(Kind::Rtcp) => self.receive_rtcp(now, path, buf),
            Some(Kind::Stun) => self.receive_stun(now, path, buf),
            Some(Kind::Dtls) => self.receive_dtls(now, path, buf),
            Some(Kind::ChannelData) | None => Received::Dropped(DropReason::Unclassified),
        }
    }

    fn receive_rtp(&mut self, now: Instant, path: Path, buf: &mut [u8]) -> Received {
        if !self.ice.is_valid(path) {
            return Received::Dropped(DropReason::SrtpUnvalidated);
        }
        let Some(srtp) = &mut self.srtp else {
            return Received::Dropped(DropReason::SrtpTooEarly);
        };
        let len = match srtp.receiver.unprotect_rtp(buf) {
            Ok(len) => len,
            Err(reject) => return Received::Dropped(DropReason::of_srtp(reject)),
        };
        self.authenticated(now, path);
        if let Some(packet) = buf.get(..len) {
            self.twcc.mark(now, packet);
            self.collect_feedback();
        }
        Received::Rtp { len }
    }

    fn receive_rtcp(&mut self, now: Instant, path: Path, buf: &mut [u8]) -> Received {
        if !self.ice.is_valid(path) {
            return Received::Dropped(DropReason::SrtpUnvalidated);
        }
        let Some(srtp) = &mut self.srtp else {
            return Received::Dropped(DropReason::SrtpTooEarly);
        };
        match srtp.receiver.unprotect_rtcp(buf) {
            Ok(len) => {
                self.authenticated(now, path);
                Received::Rtcp { len }
            }
            Err(reject) => Received::Dropped(DropReason::of_srtp(reject)),
        }
    }

    /// Tells ICE that this tuple carries what only our peer can have made: media follows a client that roams.
    fn authenticated(&mut self, now: Instant, path: Path) {
        self.ice.handle_authenticated(now, path);
        if self.path != self.ice.selected() {
            self.dirty = true;
            self.drain_ice(now);
        }
    }

    fn receive_stun(&mut self, now: Instant, path: Path, buf: &[u8]) -> Received {
        let dropped = self.guarded(|peer| {
            let outcome = peer.ice.handle_datagram(now, path, buf);
            let dropped = DropReason::of_stun(outcome);
            if dropped.is_none() {
                peer.stats.stun_in += 1;
                peer.drain_ice(now);
            }
            dropped
        });
        dropped
            .flatten()
            .map_or(Received::Consumed, Received::Dropped)
    }

    fn receive_dtls(&mut self, now: Instant, path: Path, buf: &[u8]) -> Received {
        if !self.ice.is_valid(path) {
            return Received::Dropped(DropReason::DtlsUnvalidated);
        }
        match self.guarded(|peer| peer.handle_dtls(now, path, buf)) {
            Some(true) | None => Received::Consumed,
            Some(false) => Received::Dropped(DropReason::DtlsRefused),
        }
    }
}

/// Nothing longer fits our slots on the way out. Clients send at most 1,280 bytes or so.
const MAX_DATAGRAM: usize = 1_500;
