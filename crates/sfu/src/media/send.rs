//! One packet out: header into its slot in the arena, payload sealed behind it.

use std::time::Instant;

use sluice_forward::outgoing::{Outgoing, OutgoingKind};
use sluice_forward::up_track::UpTrack;
use sluice_wire::id::Ssrc;

use super::repeats::Repeats;
use super::track::{Down, Streams};
use crate::egress::Egress;
use crate::outbox::Outbox;
use crate::stats::Counters;
use crate::transports::Transport;

/// The way to one subscriber.
pub struct Sending<'a> {
    /// Its transport.
    pub transport: &'a mut Transport,
    /// Where sends are written.
    pub egress: &'a mut Egress,
    /// Counters.
    pub outbox: &'a mut Outbox,
}

impl Sending<'_> {
    /// True where packets can go out: the transport has a path and keys, and the subscription its sealing contexts.
    #[inline]
    pub fn is_ready(&mut self, down: &mut Down) -> bool {
        let peer = &mut self.transport.peer;
        if peer.path().is_none() {
            return false;
        }
        if down.streams.is_none() {
            down.streams = peer.send_stream(down.ssrc).map(|media| Streams {
                ssrc: down.ssrc,
                media,
                rtx: down.rtx_ssrc.and_then(|ssrc| peer.send_stream(ssrc)),
            });
        }
        down.streams.is_some()
    }

    /// Sends one packet of a subscription.
    #[inline]
    pub fn send(
        &mut self,
        streams: Option<Streams>,
        repeats: &mut Option<Repeats>,
        out: &mut Outgoing,
    ) {
        let peer = &mut self.transport.peer;
        let counters = &mut self.outbox.counters;
        let (Some(streams), Some(path)) = (streams, peer.path()) else {
            counters.drop_no_path += 1;
            return;
        };
        let sequence = out.header.sequence;
        if out.kind == OutgoingKind::Retransmission && out.header.ssrc == streams.ssrc {
            // On the media stream: only as the very bytes that were sent before.
            if let Some(sealed) = repeats.as_ref().and_then(|repeats| repeats.get(sequence)) {
                self.egress.push(path, sealed);
                sent(counters, out.kind, sealed.len());
            }
            return;
        }
        let Some(stream) = streams.of(out.header.ssrc) else {
            counters.drop_seal += 1;
            return;
        };
        out.number(|| peer.next_transport_sequence());
        let written = self.egress.write(path, |slot| {
            let header_len = out.write_header(slot)?;
            let prefix = out.prefix.as_slice();
            if out.padding == 0 {
                return peer
                    .seal_rtp(stream, slot, header_len, prefix, out.payload)
                    .ok();
            }
            let body_len = out.write_body(slot.get_mut(header_len..)?)?;
            peer.protect_rtp(stream, slot, header_len + body_len).ok()
        });
        let Some(len) = written else {
            counters.drop_seal += 1;
            return;
        };
        sent(counters, out.kind, len);
        if let Some(repeats) = repeats
            && let Some(sealed) = self.egress.last(len)
        {
            repeats.keep(sequence, sealed);
        }
    }
}

fn sent(counters: &mut Counters, kind: OutgoingKind, len: usize) {
    counters.packets_out += 1;
    counters.bytes_out += len as u64;
    counters.rtp_out += 1;
    if kind == OutgoingKind::Retransmission {
        counters.rtx_out += 1;
        counters.rtx_bytes_out += len as u64;
    }
}

impl Down {
    /// Sends again what the ring still has.
    pub fn retransmit(&mut self, now: Instant, up: &UpTrack, lost: &[u16], sending: &mut Sending) {
        if !sending.is_ready(self) {
            return;
        }
        let Self {
            track,
            streams,
            repeats,
            ..
        } = self;
        let fetch = |layer, sequence| up.stored(layer, sequence);
        track.handle_nack(now, lost, fetch, &mut |out| {
            sending.send(*streams, repeats, out);
        });
    }
}

impl Streams {
    fn of(self, ssrc: Ssrc) -> Option<sluice_peer::SendStream> {
        if ssrc == self.ssrc {
            Some(self.media)
        } else {
            self.rtx
        }
    }
}
