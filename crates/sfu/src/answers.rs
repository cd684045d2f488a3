//! Answers to the control plane's questions.

use sluice_peer::DropReason;
use sluice_wire::codec::MediaKind;

use crate::event::Answer;
use crate::stats::Counters;
use crate::transports::Transport;

/// How much of everything a worker holds at the moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Transports.
    pub peers: usize,
    /// Tracks published here.
    pub up_tracks: usize,
    /// Subscriptions here.
    pub down_tracks: usize,
    /// Tracks that come in over links, and workers that get ours.
    pub links: usize,
    /// Rooms of data routing.
    pub rooms: usize,
    /// Participants of data routing.
    pub participants: usize,
    /// Routes to transports.
    pub routes: usize,
}

/// Counters and gauges of a worker.
pub fn worker_stats(counters: &Counters, gauges: Gauges) -> Answer {
    let held = [
        ("peers", gauges.peers),
        ("up_tracks", gauges.up_tracks),
        ("down_tracks", gauges.down_tracks),
        ("links", gauges.links),
        ("rooms", gauges.rooms),
        ("participants", gauges.participants),
        ("routes", gauges.routes),
    ];
    let held = held.into_iter().map(|(name, value)| (name, value as u64));
    Answer::WorkerStats {
        counters: counters
            .iter()
            .chain(held)
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    }
}

/// Counters of a transport.
pub fn peer_stats(transport: Option<&Transport>, tracks: Vec<MediaKind>) -> Answer {
    let Some(transport) = transport else {
        return Answer::PeerStats {
            found: false,
            counters: Vec::new(),
            tracks,
        };
    };
    let stats = transport.peer.stats();
    let rtt = transport.peer.rtt().map_or(0, |rtt| rtt.as_micros() as u64);
    let drops = DropReason::ALL.map(|reason| (reason, stats.dropped(reason)));
    let srtp_rejected = stats.srtp_rejected();
    let known = [
        ("rtt_us", rtt),
        ("srtp_rejected", srtp_rejected),
        ("rtp_in", stats.rtp_in),
        ("rtp_bytes_in", stats.rtp_bytes_in),
        ("rtcp_in", stats.rtcp_in),
        ("rtp_out", stats.rtp_out),
        ("rtp_bytes_out", stats.rtp_bytes_out),
        ("rtcp_out", stats.rtcp_out),
        ("seal_errors", stats.seal_errors),
        ("stun_in", stats.stun_in),
        ("path_switches", stats.path_switches),
        ("messages_in", stats.messages_in),
        ("messages_out", stats.messages_out),
        ("messages_dropped", stats.messages_dropped),
    ];
    let known = known
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    let drops = drops
        .into_iter()
        .map(|(reason, n)| (format!("drop_{}", reason.name()), n));
    Answer::PeerStats {
        found: true,
        counters: known.chain(drops).collect(),
        tracks,
    }
}
