//! Media, data and reports that are due.

use std::time::{Duration, Instant};

use bytes::Bytes;
use sluice_peer::SendOutcome;
use sluice_wire::rtcp::Rtcp;

use super::{Client, Surroundings};
use crate::media::{DataSource, Out};
use crate::signal::Pc;
use crate::transport::Transport;

impl Client {
    pub(super) fn send_media(&mut self, around: &mut Surroundings<'_>) {
        let seen = &mut *around.seen;
        let Some(transport) = self
            .transports
            .iter_mut()
            .find(|transport| transport.pc == Pc::Publisher)
        else {
            return;
        };
        let mut out = Out {
            peer: &mut transport.peer,
            line: &transport.line,
            now: around.now,
            begin: around.begin,
            sent: &mut seen.sent,
            sent_bytes: &mut seen.sent_bytes,
        };
        if let Some(camera) = &mut self.camera {
            let before = (camera.key_frames, camera.late);
            camera.handle_timeout(&mut out);
            seen.key_frames += camera.key_frames - before.0;
            seen.late += camera.late - before.1;
        }
        if let Some(microphone) = &mut self.microphone {
            microphone.handle_timeout(&mut out);
        }
        if let Some(data) = &mut self.data {
            seen.data_sent += send_data(transport, data, around.now, around.begin);
        }
    }
}

fn send_data(
    transport: &mut Transport,
    data: &mut DataSource,
    now: Instant,
    begin: Instant,
) -> u64 {
    let Some(channel) = transport.peer.data_channel(data.channel()) else {
        data.skip_to(now + CHANNEL_WAIT);
        return 0;
    };
    let mut sent = 0;
    while let Some(packet) = data.poll_packet(now, begin) {
        let packet: Bytes = packet;
        if transport
            .peer
            .send_data(now, channel, &packet, true, SEND_LIMIT)
            == SendOutcome::Sent
        {
            sent += 1;
        }
    }
    transport.flush();
    sent
}

/// Reports and feedback of all streams of a transport, in one packet.
pub(super) fn report(transport: &mut Transport, around: &mut Surroundings<'_>) {
    let (mut blocks, mut feedback) = (Vec::new(), Vec::new());
    for inbound in &mut transport.inbound {
        inbound.handle_timeout(around.now, transport.rtcp_ssrc, &mut blocks, &mut feedback);
    }
    if blocks.is_empty() && feedback.is_empty() {
        return;
    }
    around.seen.reports += u64::from(!blocks.is_empty());
    let mut rest = blocks.split_off(blocks.len().min(MOST_BLOCKS));
    let mut packets = vec![Rtcp::ReceiverReport {
        ssrc: transport.rtcp_ssrc,
        reports: blocks,
    }];
    while !rest.is_empty() {
        let next = rest.split_off(rest.len().min(MOST_BLOCKS));
        packets.push(Rtcp::ReceiverReport {
            ssrc: transport.rtcp_ssrc,
            reports: std::mem::replace(&mut rest, next),
        });
    }
    packets.append(&mut feedback);
    let (mut sent, mut bytes) = (0, 0);
    let mut out = Out {
        peer: &mut transport.peer,
        line: &transport.line,
        now: around.now,
        begin: around.begin,
        sent: &mut sent,
        sent_bytes: &mut bytes,
    };
    out.send_rtcp(&packets);
}

/// In one receiver report (RFC 3550 section 6.4.2).
const MOST_BLOCKS: usize = 31;
/// Until the channels are looked for again.
const CHANNEL_WAIT: Duration = Duration::from_millis(20);
/// Bytes that may wait on a channel.
const SEND_LIMIT: usize = 1 << 20;
