//! The room as one client sees it: who publishes what, who spoke, and which of it the client wants.

use rustc_hash::{FxHashMap, FxHashSet};

use super::plan::{Kind, SubscribePlan, VideoWish};
use super::proto::{DISCONNECTED, ParticipantInfo, SpeakerInfo, TrackType, UpdateSubscription};

/// Everybody else that has tracks; who only listens is of no interest, and there are thousands.
#[derive(Debug)]
pub struct Room {
    own_sid: String,
    /// By SID.
    publishers: FxHashMap<String, Publisher>,
    /// Counts what changes an order: arrivals and words.
    clock: u64,
    chosen: FxHashSet<String>,
}

#[derive(Debug)]
struct Publisher {
    identity: String,
    tracks: Vec<(String, Kind)>,
    /// When they came and last spoke, by the room's count; 0 for never.
    arrived: u64,
    spoke: u64,
}

impl Room {
    /// An empty room, seen by this participant.
    pub fn new(own_sid: String) -> Self {
        Self {
            own_sid,
            publishers: FxHashMap::default(),
            clock: 0,
            chosen: FxHashSet::default(),
        }
    }

    /// The identity of somebody who publishes.
    pub fn identity(&self, sid: &str) -> Option<&str> {
        Some(self.publishers.get(sid)?.identity.as_str())
    }

    /// Takes news of participants.
    pub fn update(&mut self, participants: Vec<ParticipantInfo>) {
        for participant in participants {
            if participant.state == DISCONNECTED || participant.tracks.is_empty() {
                self.publishers.remove(&participant.sid);
                continue;
            }
            if participant.sid == self.own_sid {
                continue;
            }
            self.clock += 1;
            let arrived = self.clock;
            let publisher = self.publishers.entry(participant.sid).or_insert(Publisher {
                identity: participant.identity,
                tracks: Vec::new(),
                arrived,
                spoke: 0,
            });
            let tracks = participant.tracks.into_iter();
            publisher.tracks = tracks
                .map(|track| match TrackType::try_from(track.kind) {
                    Ok(TrackType::Audio) => (track.sid, Kind::Audio),
                    _ => (track.sid, Kind::Video),
                })
                .collect();
        }
    }

    /// Takes news of who speaks.
    pub fn hear(&mut self, speakers: &[SpeakerInfo]) {
        self.clock += 1;
        for speaker in speakers.iter().filter(|speaker| speaker.active) {
            if let Some(publisher) = self.publishers.get_mut(&speaker.sid) {
                publisher.spoke = self.clock;
            }
        }
    }

    /// What to ask of the server for the plan to come true; nothing where it subscribes by itself.
    pub fn choose(&mut self, plan: SubscribePlan) -> Vec<UpdateSubscription> {
        if plan.is_all() || plan.is_none() {
            return Vec::new();
        }
        let wanted = self.wanted(plan);
        // Whose publisher left need not be told.
        let gone = self
            .chosen
            .difference(&wanted)
            .filter(|sid| self.is_published(sid));
        let gone: Vec<String> = gone.cloned().collect();
        let new: Vec<String> = wanted.difference(&self.chosen).cloned().collect();
        self.chosen = wanted;
        [(gone, false), (new, true)]
            .into_iter()
            .filter(|(track_sids, _)| !track_sids.is_empty())
            .map(|(track_sids, subscribe)| UpdateSubscription {
                track_sids,
                subscribe,
            })
            .collect()
    }

    fn is_published(&self, sid: &str) -> bool {
        let mut tracks = self
            .publishers
            .values()
            .flat_map(|publisher| &publisher.tracks);
        tracks.any(|track| track.0 == sid)
    }

    fn wanted(&self, plan: SubscribePlan) -> FxHashSet<String> {
        let mut publishers: Vec<&Publisher> = self.publishers.values().collect();
        publishers
            .sort_unstable_by_key(|publisher| (u64::MAX - publisher.spoke, publisher.arrived));
        let tracks = |kind| {
            publishers
                .iter()
                .flat_map(|publisher| &publisher.tracks)
                .filter(move |track| track.1 == kind)
                .map(|(sid, _)| sid.clone())
        };
        let videos = match plan.video {
            VideoWish::All => usize::MAX,
            VideoWish::Speakers(count) => count,
            VideoWish::None => 0,
        };
        let audios = if plan.audio { usize::MAX } else { 0 };
        let videos = tracks(Kind::Video).take(videos);
        videos.chain(tracks(Kind::Audio).take(audios)).collect()
    }
}
