//! Data tracks of this worker's rooms: which are published, where their packets go, and under which handles.

use std::collections::HashMap;

use bytes::{Bytes, BytesMut};
use sluice_wire::id::{ParticipantId, WorkerId};

use super::frame;
use crate::command::{DataTrackConfig, DataTrackReceiver};

/// All tracks with a publisher or a receiver here, by publisher and its handle.
#[derive(Debug, Default)]
pub struct Tracks {
    tracks: HashMap<(ParticipantId, u16), DataTrackConfig>,
    block: BytesMut,
}

/// Where one packet goes.
#[derive(Debug)]
pub struct Spread<'a> {
    /// Other workers.
    pub workers: &'a [WorkerId],
    /// Receivers here.
    pub receivers: &'a [DataTrackReceiver],
    block: &'a mut BytesMut,
}

impl Tracks {
    /// Adds a track or replaces what was known of it.
    pub fn set(&mut self, config: DataTrackConfig) {
        self.tracks
            .insert((config.publisher, config.handle), config);
    }

    /// Forgets a track.
    pub fn close(&mut self, publisher: ParticipantId, handle: u16) {
        self.tracks.remove(&(publisher, handle));
    }

    /// Forgets all tracks of a publisher.
    pub fn close_all(&mut self, publisher: ParticipantId) {
        self.tracks.retain(|(of, _), _| *of != publisher);
    }

    /// Where a packet of the track goes; none where there is no such track.
    pub fn spread(&mut self, publisher: ParticipantId, handle: u16) -> Option<Spread<'_>> {
        let track = self.tracks.get(&(publisher, handle))?;
        Some(Spread {
            workers: &track.workers,
            receivers: &track.receivers,
            block: &mut self.block,
        })
    }
}

impl Spread<'_> {
    /// The packet with a receiver's handle. It is a piece of a block that many share and that is used again once the
    /// pieces are sent, so that packets cost no allocation each.
    pub fn readdress(&mut self, packet: &Bytes, handle: u16) -> Bytes {
        if self.block.capacity() < packet.len() {
            self.block.reserve(packet.len().max(BLOCK));
        }
        self.block.extend_from_slice(packet);
        let mut copy = self.block.split();
        frame::set_handle(&mut copy, handle);
        copy.freeze()
    }
}

/// Bytes per block: some fifty full packets of LiveKit's clients.
const BLOCK: usize = 64 << 10;
