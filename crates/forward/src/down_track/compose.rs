//! Puts packets together from their records and the publisher's ring.

use std::time::Instant;

use sluice_wire::codec::opus;
use sluice_wire::id::{PayloadType, Ssrc};
use sluice_wire::rtp::{ExtensionBlock, OutHeader, abs_send_time};

use super::settings::DownTrackSettings;
use crate::outgoing::{Outgoing, OutgoingKind, Prefix, TransportSlot};
use crate::red;
use crate::ring::Stored;
use crate::rtx::{Origin, Patch, Sent};

/// The stream a packet goes out on.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stream {
    /// The first time, on the media stream.
    Media,
    /// Again on the media stream, byte for byte.
    Again,
    /// Again on the RTX stream (RFC 4588 section 4).
    Rtx {
        ssrc: Ssrc,
        payload_type: PayloadType,
        sequence: u64,
        now: Instant,
    },
}

/// Builds the packet of a record. None where the ring no longer has its payload.
#[inline]
pub(super) fn compose<'a>(
    settings: &DownTrackSettings,
    sent: &Sent,
    packet: Option<&Stored<'a>>,
    stream: Stream,
    extensions: &'a mut ExtensionBlock,
) -> Option<Outgoing<'a>> {
    let mut prefix = Prefix::default();
    let (ssrc, payload_type, sequence) = match stream {
        Stream::Rtx {
            ssrc,
            payload_type,
            sequence,
            ..
        } => {
            prefix.push(&(sent.sequence as u16).to_be_bytes());
            (ssrc, payload_type, sequence)
        }
        Stream::Media | Stream::Again => (settings.ssrc, sent.payload_type, sent.sequence),
    };
    let payload = payload_of(sent, packet, &mut prefix)?;
    let send_time = match stream {
        Stream::Rtx { now, .. } => send_time(settings, now),
        Stream::Media | Stream::Again => sent.send_time,
    };
    write_extensions(settings, sent, packet, send_time, extensions);
    let frozen = match stream {
        Stream::Again => sent.transport_number,
        Stream::Media | Stream::Rtx { .. } => None,
    };
    let padding = u8::from(sent.origin == Origin::Padding);
    Some(Outgoing {
        header: OutHeader {
            marker: sent.marker,
            payload_type,
            sequence: sequence as u16,
            timestamp: sent.timestamp,
            ssrc,
            padding: padding > 0,
        },
        sequence,
        extensions,
        prefix,
        payload,
        padding,
        kind: match (stream, sent.origin) {
            (Stream::Media, Origin::Padding) => OutgoingKind::Padding,
            (Stream::Media, _) => OutgoingKind::Media,
            _ => OutgoingKind::Retransmission,
        },
        transport: settings
            .extensions
            .transport_cc
            .map(|id| TransportSlot { id, number: frozen }),
    })
}

/// A packet of padding alone on the RTX stream.
pub(super) fn compose_probe<'a>(
    settings: &DownTrackSettings,
    stream: (Ssrc, PayloadType, u64),
    timestamp: u32,
    now: Instant,
    extensions: &'a mut ExtensionBlock,
) -> Outgoing<'a> {
    let (ssrc, payload_type, sequence) = stream;
    extensions.clear();
    if let Some(id) = settings.extensions.abs_send_time {
        extensions.push(id, &send_time(settings, now));
    }
    Outgoing {
        header: OutHeader {
            marker: false,
            payload_type,
            sequence: sequence as u16,
            timestamp,
            ssrc,
            padding: true,
        },
        sequence,
        extensions,
        prefix: Prefix::default(),
        payload: &[],
        padding: PROBE_BYTES,
        kind: OutgoingKind::Padding,
        transport: settings
            .extensions
            .transport_cc
            .map(|id| TransportSlot { id, number: None }),
    }
}

/// The value of abs-send-time at `now`.
pub(super) fn send_time(settings: &DownTrackSettings, now: Instant) -> [u8; 3] {
    abs_send_time(now.saturating_duration_since(settings.origin))
}

#[inline]
fn payload_of<'a>(
    sent: &Sent,
    packet: Option<&Stored<'a>>,
    prefix: &mut Prefix,
) -> Option<&'a [u8]> {
    match sent.origin {
        Origin::Silence => Some(&opus::SILENCE),
        Origin::Padding => Some(&[]),
        Origin::Block { redundant, .. } => red::extract(packet?.payload, redundant),
        Origin::Packet { .. } => {
            let packet = packet?;
            match (sent.patch, &packet.meta.vp8) {
                (Patch::Vp8(patch), Some(view)) => patch.apply(view, packet.payload, prefix),
                _ => Some(packet.payload),
            }
        }
    }
}

#[inline]
fn write_extensions(
    settings: &DownTrackSettings,
    sent: &Sent,
    packet: Option<&Stored<'_>>,
    send_time: [u8; 3],
    extensions: &mut ExtensionBlock,
) {
    let ids = &settings.extensions;
    extensions.clear();
    if let Some(id) = ids.mid {
        extensions.push(id, settings.mid.as_bytes());
    }
    if let Some(id) = ids.abs_send_time {
        extensions.push(id, &send_time);
    }
    if let (Some(id), Some(delay), true) = (
        ids.playout_delay,
        settings.playout_delay,
        sent.playout_delay,
    ) {
        extensions.push(id, &delay.to_bytes());
    }
    // What the publisher said of a whole packet is not true of an older block in it.
    let whole = !matches!(
        sent.origin,
        Origin::Block {
            redundant: Some(_),
            ..
        } | Origin::Padding
    );
    let Some(packet) = packet.filter(|_| whole) else {
        return;
    };
    if let (Some(id), Patch::Descriptor(patch)) = (ids.dependency_descriptor, sent.patch) {
        patch.apply(packet.descriptor, id, extensions);
    }
    if let (Some(id), Some(time)) = (ids.abs_capture_time, packet.meta.abs_capture_time) {
        let (bytes, len) = time.to_bytes();
        extensions.push(id, bytes.get(..len).unwrap_or_default());
    }
    if let (Some(id), Some(level)) = (ids.audio_level, packet.meta.audio_level) {
        extensions.push(id, &level.to_bytes());
    }
}

/// As much padding as one packet can have.
const PROBE_BYTES: u8 = 255;
