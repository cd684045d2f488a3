//! All tracks of a worker, by slab index, by id and by subscription.

use std::collections::{HashMap, VecDeque};

use sluice_wire::id::{DownTrackId, TrackId};

use super::track::{Down, Origin, Track};
use crate::slab::Slab;

/// All tracks.
#[derive(Default)]
pub struct Tracks {
    slab: Slab<Track>,
    by_id: HashMap<TrackId, usize>,
    downs: HashMap<DownTrackId, DownAt>,
    /// In turn: one whose fan-out stopped half way waits behind the others.
    dirty: VecDeque<usize>,
}

/// Where a subscription is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DownAt {
    /// Slab index of its track.
    pub track: usize,
    /// Position among the track's subscriptions.
    pub position: usize,
}

impl Tracks {
    /// The index of a track, which is made where it is not known yet.
    pub fn entry(&mut self, id: TrackId) -> usize {
        if let Some(index) = self.by_id.get(&id) {
            return *index;
        }
        let index = self.slab.insert(Track::new(id));
        self.by_id.insert(id, index);
        index
    }

    /// The index of a known track.
    pub fn index(&self, id: TrackId) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    /// A track.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&Track> {
        self.slab.get(index)
    }

    /// A track, to change.
    #[inline]
    pub fn get_mut(&mut self, index: usize) -> Option<&mut Track> {
        self.slab.get_mut(index)
    }

    /// A track by its id, to change.
    pub fn named(&mut self, id: TrackId) -> Option<&mut Track> {
        self.slab.get_mut(self.index(id)?)
    }

    /// All tracks with their indices.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut Track)> {
        self.slab.iter_mut()
    }

    /// Forgets a track that nobody needs any more. True where it was forgotten.
    pub fn remove_if_vacant(&mut self, index: usize) -> bool {
        let Some(id) = self
            .slab
            .get(index)
            .filter(|track| track.is_vacant())
            .map(|track| track.id)
        else {
            return false;
        };
        self.slab.remove(index);
        self.by_id.remove(&id);
        true
    }

    /// Adds a subscription to a track; false where its id is taken.
    pub fn add_down(&mut self, index: usize, down: Down) -> bool {
        let Some(track) = self.slab.get_mut(index) else {
            return false;
        };
        if self.downs.contains_key(&down.id) {
            return false;
        }
        let at = DownAt {
            track: index,
            position: track.downs.len(),
        };
        self.downs.insert(down.id, at);
        track.downs.push(down);
        true
    }

    /// Takes a subscription out, with the index of its track.
    pub fn remove_down(&mut self, id: DownTrackId) -> Option<(usize, Down)> {
        let at = self.downs.remove(&id)?;
        let track = self.slab.get_mut(at.track)?;
        let down = track.downs.swap_remove(at.position);
        if let Some(moved) = track.downs.get(at.position) {
            self.downs.insert(moved.id, at);
        }
        Some((at.track, down))
    }

    /// Where a subscription is.
    pub fn down_at(&self, id: DownTrackId) -> Option<DownAt> {
        self.downs.get(&id).copied()
    }

    /// The track of a subscription, and the subscription's position in it.
    pub fn with_down(&mut self, id: DownTrackId) -> Option<(&mut Track, usize)> {
        let at = self.down_at(id)?;
        Some((self.slab.get_mut(at.track)?, at.position))
    }

    /// Lists a track for the end of the turn.
    #[inline]
    pub fn mark(&mut self, index: usize) {
        if let Some(track) = self.slab.get_mut(index)
            && !track.dirty
        {
            track.dirty = true;
            self.dirty.push_back(index);
        }
    }

    /// The next track that was listed.
    pub fn next_marked(&mut self) -> Option<usize> {
        while let Some(index) = self.dirty.pop_front() {
            if let Some(track) = self.slab.get_mut(index)
                && std::mem::take(&mut track.dirty)
            {
                return Some(index);
            }
        }
        None
    }

    /// True where a track is listed.
    #[inline]
    pub fn any_marked(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Tracks published here, subscriptions, and ends of links here.
    pub fn count(&self) -> (usize, usize, usize) {
        let (mut published, mut links) = (0, 0);
        for track in self.slab.iter() {
            match &track.origin {
                Origin::Local(_) => published += 1,
                Origin::Linked(_) => links += 1,
                Origin::Awaited => {}
            }
            links += track.watchers.workers().count();
        }
        (published, self.downs.len(), links)
    }

    /// Tracks held, waiting ones included.
    pub fn len(&self) -> usize {
        self.slab.len()
    }
}
