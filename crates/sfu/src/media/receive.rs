//! A decrypted packet of a publisher, to the end of reception.

use sluice_forward::packet::PacketMeta;
use sluice_forward::up_track::Discard;
use sluice_wire::rtp::RtpView;

use super::sources::Unrouted;
use super::track::{Origin, Track};
use super::{Media, Turn};
use crate::stats::Counters;

impl Media {
    /// Takes a packet in; it is fanned out when the turn ends.
    #[inline]
    pub fn handle_rtp(&mut self, turn: &mut Turn, transport: usize, packet: &[u8]) {
        let counters = &mut turn.outbox.counters;
        counters.rtp_in += 1;
        let Ok(view) = RtpView::parse(packet) else {
            counters.drop_malformed_rtp += 1;
            return;
        };
        let Some(from) = turn.transports.get_mut(transport) else {
            return;
        };
        let source = match from.sources.find(&view, [&from.audio, &from.video]) {
            Ok(source) => source,
            Err(Unrouted::Unknown) => {
                counters.drop_unknown_ssrc += 1;
                return;
            }
            Err(Unrouted::Cap) => {
                counters.drop_ssrc_cap += 1;
                return;
            }
        };
        let Some(Track {
            origin: Origin::Local(local),
            ..
        }) = self.tracks.get_mut(source.track)
        else {
            counters.drop_unknown_ssrc += 1;
            return;
        };
        let received = local
            .up
            .handle_rtp(turn.now, source.layer, source.rtx, &view);
        self.received(source.track, received, counters);
    }

    /// Lists an accepted packet for fan-out, or counts why it was not accepted.
    #[inline]
    pub(super) fn received(
        &mut self,
        index: usize,
        received: Result<PacketMeta, Discard>,
        counters: &mut Counters,
    ) {
        match received {
            Ok(meta) => {
                if let Some(track) = self.tracks.get_mut(index) {
                    track.pending.push(meta);
                }
            }
            Err(reason) => *discarded(counters, reason) += 1,
        }
        self.tracks.mark(index);
    }
}

fn discarded(counters: &mut Counters, reason: Discard) -> &mut u64 {
    match reason {
        Discard::UnknownLayer => &mut counters.drop_unknown_layer,
        Discard::UnknownPayloadType => &mut counters.drop_unknown_payload_type,
        Discard::Probe => &mut counters.drop_probe,
        Discard::RetiredSsrc => &mut counters.drop_retired_ssrc,
        Discard::NotStarted => &mut counters.drop_repair_not_started,
        Discard::Jump => &mut counters.drop_jump,
        Discard::Duplicate => &mut counters.drop_duplicate,
        Discard::TooOld => &mut counters.drop_too_old,
        Discard::Padding => &mut counters.drop_padding,
        Discard::Malformed => &mut counters.drop_malformed_repair,
    }
}
