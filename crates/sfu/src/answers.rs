//! Answers to the control plane's questions.

use sluice_peer::DropReason;
use sluice_wire::codec::MediaKind;

use crate::command::Query;
use crate::data::router::Router;
use crate::event::Answer;
use crate::media::Media;
use crate::stats::Counters;
use crate::transports::{Transport, Transports};

/// What a worker holds, to answer from.
pub struct Holdings<'a> {
    /// Its transports.
    pub transports: &'a Transports,
    /// Its tracks.
    pub media: &'a Media,
    /// Its participants.
    pub data: &'a Router,
    /// What it counted.
    pub counters: &'a Counters,
}

impl Holdings<'_> {
    /// Answers a question.
    pub fn answer(&self, query: &Query) -> Answer {
        match query {
            Query::WorkerStats => self.worker_stats(),
            Query::PeerStats { peer } => {
                let index = self.transports.index(*peer);
                let transport = index.and_then(|index| self.transports.get(index));
                let kinds = transport.map(|transport| self.media.kinds(transport));
                peer_stats(transport, kinds.unwrap_or_default())
            }
            Query::DataSequence { participant } => Answer::DataSequence {
                sequence: self.data.sequence(*participant),
            },
        }
    }

    /// Counters, and how much of everything there is at the moment.
    fn worker_stats(&self) -> Answer {
        let (rooms, participants) = self.data.len();
        let (up_tracks, down_tracks, links) = self.media.count();
        let held = [
            ("peers", self.transports.len()),
            ("up_tracks", up_tracks),
            ("down_tracks", down_tracks),
            ("links", links),
            ("rooms", rooms),
            ("participants", participants),
            ("routes", self.transports.routes.len()),
        ];
        let held = held.into_iter().map(|(name, value)| (name, value as u64));
        let counters = self.counters.iter().chain(held);
        Answer::WorkerStats {
            counters: counters
                .map(|(name, value)| (name.to_owned(), value))
                .chain(self.data.streams.counters())
                .collect(),
        }
    }
}

/// Counters of a transport.
fn peer_stats(transport: Option<&Transport>, tracks: Vec<MediaKind>) -> Answer {
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
