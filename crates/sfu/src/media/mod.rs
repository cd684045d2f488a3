//! Tracks: published here or coming in over links, their subscriptions, and everything that passes between them.

mod batch;
mod fanout;
mod gaps;
mod interest;
mod link;
mod periodic;
mod publish;
mod receive;
mod repeats;
mod rtcp_in;
mod rtcp_out;
mod send;
mod settings;
pub mod sources;
mod speakers;
mod subscribe;
mod track;
mod tracks;

use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sluice_forward::packet::PacketMeta;
use sluice_wire::codec::MediaKind;
use sluice_wire::id::WorkerId;
use sluice_wire::rtcp::Rtcp;

use crate::config::WorkerConfig;
use crate::egress::Egress;
use crate::outbox::Outbox;
use crate::pool::Pool;
use crate::timers::Timers;
use crate::transports::{Transport, Transports};
pub use fanout::Flushed;
pub use rtcp_out::send_feedback;
use speakers::Speakers;
pub use subscribe::Wish;
use tracks::Tracks;

/// All tracks of a worker and what serves them.
pub struct Media {
    this: WorkerId,
    config: WorkerConfig,
    tracks: Tracks,
    timers: Timers,
    pool: Pool<PacketMeta>,
    /// Origin of abs-send-time.
    start: Instant,
    speakers: Speakers,
    next_levels: Instant,
    next_quality: Instant,
    random: SmallRng,
    /// Compound packets are parsed into it.
    compound: Vec<Rtcp>,
    /// What is being served: a panic is the end of the transport.
    serving: Serving,
}

/// Slab indices of what a fan-out is at.
#[derive(Debug, Clone, Copy, Default)]
struct Serving {
    track: Option<usize>,
    transport: Option<usize>,
}

/// What a step may touch besides the tracks.
pub struct Turn<'a> {
    /// The time of the turn.
    pub now: Instant,
    /// The transports.
    pub transports: &'a mut Transports,
    /// Sends.
    pub egress: &'a mut Egress,
    /// Reports, link messages, counters.
    pub outbox: &'a mut Outbox,
}

impl Media {
    /// No tracks.
    pub fn new(config: &WorkerConfig, now: Instant, seed: u64) -> Self {
        Self {
            this: config.id,
            config: config.clone(),
            tracks: Tracks::default(),
            timers: Timers::default(),
            pool: Pool::default(),
            start: now,
            speakers: Speakers::default(),
            next_levels: now + config.audio.update_interval.max(MIN_LEVEL_INTERVAL),
            next_quality: now + QUALITY_INTERVAL,
            random: SmallRng::seed_from_u64(seed),
            compound: Vec::new(),
            serving: Serving::default(),
        }
    }

    /// Does what is due for tracks, and the reports of each interval.
    pub fn handle_timeout(&mut self, turn: &mut Turn) {
        while let Some(index) = self.timers.pop(turn.now) {
            self.tracks.mark(index);
        }
        self.report_intervals(turn);
    }

    /// When [`Media::handle_timeout`] has something to do. Without tracks there is nothing.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let intervals = (self.tracks.len() > 0).then_some(self.next_levels.min(self.next_quality));
        [self.timers.next(), intervals].into_iter().flatten().min()
    }

    /// Tracks published here, subscriptions, and ends of links here.
    pub fn count(&self) -> (usize, usize, usize) {
        self.tracks.count()
    }

    /// Kinds of the tracks that hang on a transport, published ones first.
    pub fn kinds(&self, transport: &Transport) -> Vec<MediaKind> {
        let published = transport
            .ups
            .iter()
            .filter_map(|index| self.tracks.get(*index)?.kind());
        let subscribed = transport.downs.iter().filter_map(|down| {
            let at = self.tracks.down_at(down.down)?;
            Some(self.tracks.get(at.track)?.downs.get(at.position)?.kind)
        });
        published.chain(subscribed).collect()
    }

    /// The transport that was served when a panic happened. The track's other subscribers are served again.
    pub fn take_blame(&mut self) -> Option<usize> {
        let Serving { track, transport } = std::mem::take(&mut self.serving);
        match (track, transport) {
            (Some(track), Some(_)) => self.tracks.mark(track),
            (Some(track), None) => {
                // Nobody to blame: the packets themselves must not come again.
                if let Some(track) = self.tracks.get_mut(track) {
                    track.pending.clear();
                }
            }
            (None, _) => {}
        }
        transport
    }

    /// A transport can send now: what hangs on it need not wait for the next packet to say what it lacks.
    pub fn transport_ready(&mut self, turn: &mut Turn, transport: usize) {
        let downs = turn
            .transports
            .get(transport)
            .map(|transport| &transport.downs);
        for down in downs.into_iter().flatten() {
            if let Some(at) = self.tracks.down_at(down.down) {
                self.tracks.mark(at.track);
            }
        }
    }

    fn seed(&mut self) -> u64 {
        self.random.random()
    }
}

/// Scores cover this much (livekit-facts 4.12).
const QUALITY_INTERVAL: Duration = Duration::from_secs(5);

/// Levels are never reported more often.
const MIN_LEVEL_INTERVAL: Duration = Duration::from_millis(20);
