//! RTCP that clients send: reports of what they send us and how they receive us, requests for packets and frames.

use sluice_wire::id::Ssrc;
use sluice_wire::rtcp::{ReferenceDelay, ReportBlock, Rtcp, parse_compound};

use super::send::Sending;
use super::track::Track;
use super::{Media, Turn};
use crate::link::LinkMessage;

impl Media {
    /// Takes a decrypted compound packet in.
    pub fn handle_rtcp(&mut self, turn: &mut Turn, transport: usize, compound: &[u8]) {
        let mut packets = std::mem::take(&mut self.compound);
        packets.clear();
        if parse_compound(compound, &mut packets).is_err() {
            turn.outbox.counters.drop_malformed_rtcp += 1;
        }
        for packet in packets.drain(..) {
            self.handle_packet(turn, transport, packet);
        }
        self.compound = packets;
    }

    fn handle_packet(&mut self, turn: &mut Turn, transport: usize, packet: Rtcp) {
        match packet {
            Rtcp::SenderReport {
                ssrc,
                ntp,
                rtp,
                reports,
                ..
            } => {
                self.published_report(turn, transport, ssrc, ntp, rtp);
                self.reception(turn, transport, &reports);
            }
            Rtcp::ReceiverReport { reports, .. } => self.reception(turn, transport, &reports),
            Rtcp::Nack { media, lost, .. } => {
                turn.outbox.counters.nack_in += lost.len() as u64;
                self.retransmit(turn, transport, media, &lost);
            }
            Rtcp::Pli { media, .. } => {
                turn.outbox.counters.pli_in += 1;
                self.picture_lost(turn, transport, media);
            }
            Rtcp::Fir { requests, .. } => {
                turn.outbox.counters.fir_in += requests.len() as u64;
                for (media, _) in requests {
                    self.picture_lost(turn, transport, media);
                }
            }
            Rtcp::Remb { bitrate, .. } => {
                if let Some(transport) = turn.transports.get_mut(transport) {
                    transport.remb = Some(bitrate);
                }
            }
            Rtcp::ExtendedReport {
                sender,
                reference_time: Some(reference),
                ..
            } => {
                answer_reference(turn, transport, sender, reference);
            }
            Rtcp::ExtendedReport { .. }
            | Rtcp::SourceDescription { .. }
            | Rtcp::Bye { .. }
            | Rtcp::TransportCc(_)
            | Rtcp::Unknown { .. } => {}
        }
    }

    /// A publisher's sender report, for its track here and on other workers.
    fn published_report(
        &mut self,
        turn: &mut Turn,
        transport: usize,
        ssrc: Ssrc,
        ntp: u64,
        rtp: u32,
    ) {
        let source = turn
            .transports
            .get(transport)
            .and_then(|t| t.sources.known(ssrc));
        let Some(source) = source.filter(|source| !source.rtx) else {
            return;
        };
        let Some(track) = self.tracks.get_mut(source.track) else {
            return;
        };
        let layer = source.layer;
        if let Some(up) = track.up_mut() {
            up.handle_sender_report(turn.now, layer, ntp, rtp);
        }
        for worker in track.watchers.of_layer(layer) {
            turn.outbox.link(
                worker,
                LinkMessage::SenderReport {
                    track: track.id,
                    layer,
                    ntp,
                    rtp,
                },
            );
        }
    }

    /// How a subscriber receives us.
    fn reception(&mut self, turn: &mut Turn, transport: usize, blocks: &[ReportBlock]) {
        let Some(from) = turn.transports.get_mut(transport) else {
            return;
        };
        for block in blocks {
            let Some(down) = from.down_by_ssrc(Ssrc(block.ssrc)) else {
                continue;
            };
            if let Some((track, position)) = self.tracks.with_down(down.down)
                && let Some(down) = track.downs.get_mut(position)
                && down.ssrc.0 == block.ssrc
            {
                down.track.handle_report(turn.now, block);
                if let Some(rtt) = down.track.receiver_stats().rtt {
                    from.peer.observe_rtt(rtt);
                }
            }
        }
    }

    /// A subscriber misses packets: what the ring has goes out again.
    fn retransmit(&mut self, turn: &mut Turn, index: usize, media: Ssrc, lost: &[u16]) {
        let Some(transport) = turn.transports.get_mut(index) else {
            return;
        };
        let Some(down) = transport
            .down_by_ssrc(media)
            .filter(|down| down.ssrc == media)
        else {
            return;
        };
        let Some((track, position)) = self.tracks.with_down(down.down) else {
            return;
        };
        let Track { origin, downs, .. } = track;
        let (Some(up), Some(down)) = (origin.up(), downs.get_mut(position)) else {
            return;
        };
        let mut sending = Sending {
            transport,
            egress: turn.egress,
            outbox: turn.outbox,
        };
        down.retransmit(turn.now, up, lost, &mut sending);
    }

    /// A subscriber can't decode: its layer's publisher is asked for a key frame, as often as it may be.
    fn picture_lost(&mut self, turn: &mut Turn, transport: usize, media: Ssrc) {
        let Some(down) = turn
            .transports
            .get(transport)
            .and_then(|t| t.down_by_ssrc(media))
        else {
            return;
        };
        let Some(at) = self.tracks.down_at(down.down) else {
            return;
        };
        if let Some((track, position)) = self.tracks.with_down(down.down)
            && let Some(down) = track.downs.get_mut(position)
        {
            down.track.handle_key_frame_request(turn.now);
        }
        self.tracks.mark(at.track);
    }
}

/// A receiver asks how long its reports take (RFC 3611 section 4.5).
fn answer_reference(turn: &mut Turn, index: usize, sender: Ssrc, reference: u64) {
    let Some(transport) = turn.transports.get_mut(index) else {
        return;
    };
    let answer = ReferenceDelay {
        ssrc: sender,
        last_reference: (reference >> 16) as u32,
        delay: 0,
    };
    transport.feedback.push(Rtcp::ExtendedReport {
        sender: transport.feedback_ssrc,
        reference_time: None,
        delays: vec![answer],
    });
    turn.transports.touch(index);
}
