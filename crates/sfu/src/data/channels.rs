//! The data channels of one transport, by what LiveKit uses them for.

/// What a channel's label says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// `_reliable`: packets, ordered.
    Reliable,
    /// `_lossy`: packets, unordered, never sent again.
    Lossy,
    /// `_data_track`: frames of data tracks.
    Track,
    /// Any other label: messages for everybody.
    Unlabeled,
}

/// Open channels of one transport.
#[derive(Debug, Default)]
pub struct Channels {
    open: Vec<(u16, Lane)>,
}

impl Lane {
    /// By label.
    pub fn of(label: &str) -> Self {
        match label {
            "_reliable" => Self::Reliable,
            "_lossy" => Self::Lossy,
            "_data_track" => Self::Track,
            _ => Self::Unlabeled,
        }
    }
}

impl Channels {
    /// Notes an open channel; false where the transport has too many.
    pub fn open(&mut self, channel: u16, label: &str) -> bool {
        self.close(channel);
        let room = self.open.len() < MAX_CHANNELS;
        if room {
            self.open.push((channel, Lane::of(label)));
        }
        room
    }

    /// Forgets a channel.
    pub fn close(&mut self, channel: u16) {
        self.open.retain(|(id, _)| *id != channel);
    }

    /// What a channel is for.
    pub fn lane(&self, channel: u16) -> Option<Lane> {
        self.open
            .iter()
            .find(|(id, _)| *id == channel)
            .map(|(_, lane)| *lane)
    }

    /// The first channel of a lane.
    pub fn first(&self, lane: Lane) -> Option<u16> {
        self.open
            .iter()
            .find(|(_, open)| *open == lane)
            .map(|(id, _)| *id)
    }
}

/// Channels one transport may have open: an SDK opens three, an application a few.
const MAX_CHANNELS: usize = 64;
