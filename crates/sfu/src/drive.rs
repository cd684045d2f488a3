//! Ends a turn for one transport: what it reports becomes events and data, what it sends becomes datagrams.

use std::time::{Duration, Instant};

use sluice_peer::{
    ChannelId, CloseReason, DtlsRole as PeerDtlsRole, IceState as PeerIceState, PeerEvent,
    SendOutcome,
};

use crate::command::DtlsRole;
use crate::data::delivery::Delivery;
use crate::data::router::Router;
use crate::egress::Egress;
use crate::event::{Event, IceState, PeerCloseReason};
use crate::media::send_feedback;
use crate::outbox::Outbox;
use crate::transports::{Transports, profile_name};

/// What a transport's reports ask of the worker beyond reporting on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Driven {
    /// Nothing.
    Alive,
    /// It has keys, or another path: what hangs on it may send.
    Ready,
    /// It ended and was reported: take it away.
    Ended,
}

/// Drains one transport.
pub fn drive(
    now: Instant,
    index: usize,
    transports: &mut Transports,
    data: &mut Router,
    egress: &mut Egress,
    outbox: &mut Outbox,
) -> Driven {
    transports.end_restart(index);
    let mut driven = Driven::Alive;
    while let Some(event) = transports.get_mut(index).and_then(|t| t.peer.poll_event()) {
        driven = driven.max(handle(now, index, event, transports, data, outbox));
    }
    if let Some(transport) = transports.get_mut(index) {
        send_feedback(transport, egress, outbox);
    }
    send(index, transports, egress, outbox);
    driven
}

/// Moves what a transport wants sent, but for media, to the arena.
pub fn send(index: usize, transports: &mut Transports, egress: &mut Egress, outbox: &mut Outbox) {
    let Some(transport) = transports.get_mut(index) else {
        return;
    };
    while let Some(transmit) = transport.peer.poll_transmit() {
        outbox.counters.packets_out += 1;
        outbox.counters.bytes_out += transmit.bytes.len() as u64;
        egress.push(transmit.path, &transmit.bytes);
    }
}

/// Hands one data message to its receiver's transport.
pub fn deliver(
    now: Instant,
    delivery: &Delivery,
    limit: usize,
    transports: &mut Transports,
    outbox: &mut Outbox,
) {
    let counters = &mut outbox.counters;
    let Some(transport) = transports.named(delivery.peer) else {
        counters.drop_data_no_channel += 1;
        return;
    };
    let channel = ChannelId(delivery.channel);
    match transport
        .peer
        .send_data(now, channel, &delivery.message, delivery.binary, limit)
    {
        SendOutcome::Sent => counters.data_out += 1,
        SendOutcome::Full => counters.drop_data_slow += 1,
        SendOutcome::NotOpen => counters.drop_data_no_channel += 1,
        SendOutcome::TooLong => counters.drop_data_oversize += 1,
    }
}

fn handle(
    now: Instant,
    index: usize,
    event: PeerEvent,
    transports: &mut Transports,
    data: &mut Router,
    outbox: &mut Outbox,
) -> Driven {
    let Some(peer) = transports.get(index).map(|transport| transport.id) else {
        return Driven::Alive;
    };
    match event {
        PeerEvent::Ice(state, path) => {
            if let Some(state) = ice_state(state) {
                let pair = path.map(|path| path.to_string());
                outbox.report(Event::IceState { peer, state, pair });
            }
        }
        PeerEvent::Path(path) => {
            transports.routes.learn_path(path, index);
            outbox.report(Event::IceState {
                peer,
                state: IceState::Connected,
                pair: Some(path.to_string()),
            });
            return Driven::Ready;
        }
        PeerEvent::Connected {
            profile,
            role,
            ice,
            dtls,
        } => {
            outbox.report(Event::PeerConnected {
                peer,
                srtp_profile: profile_name(profile).to_owned(),
                role: match role {
                    PeerDtlsRole::Server => DtlsRole::Passive,
                    PeerDtlsRole::Client => DtlsRole::Active,
                },
                ice_ms: millis(ice),
                dtls_ms: millis(dtls),
            });
            return Driven::Ready;
        }
        PeerEvent::ChannelOpened { id, settings } => {
            data.channel_opened(now, peer, id.0, &settings.label);
            let label = settings.label;
            outbox.report(Event::DataChannelOpened { peer, label });
        }
        PeerEvent::Message { id, binary, bytes } => {
            data.handle_message(now, peer, id.0, binary, &bytes, &mut outbox.counters);
        }
        PeerEvent::ChannelClosed { id } => data.channel_closed(peer, id.0),
        PeerEvent::Closed { reason, detail } => {
            let reason = close_reason(reason);
            outbox.report(Event::PeerClosed {
                peer,
                reason,
                detail,
            });
            return Driven::Ended;
        }
    }
    Driven::Alive
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

fn ice_state(state: PeerIceState) -> Option<IceState> {
    match state {
        PeerIceState::New => None,
        PeerIceState::Checking => Some(IceState::Checking),
        PeerIceState::Connected => Some(IceState::Connected),
        PeerIceState::Disconnected => Some(IceState::Disconnected),
        PeerIceState::Failed => Some(IceState::Failed),
    }
}

fn close_reason(reason: CloseReason) -> PeerCloseReason {
    match reason {
        CloseReason::FingerprintMismatch => PeerCloseReason::FingerprintMismatch,
        CloseReason::DtlsFailed => PeerCloseReason::DtlsFailed,
        CloseReason::RemoteClosed => PeerCloseReason::RemoteClosed,
        CloseReason::InternalError => PeerCloseReason::InternalError,
    }
}
