//! One track on this worker: where its packets come from, who subscribes to it.

use std::time::Instant;

use sluice_forward::down_track::DownTrack;
use sluice_forward::layers::LayerStates;
use sluice_forward::packet::PacketMeta;
use sluice_forward::up_track::{UpTrack, Wanted};
use sluice_peer::SendStream;
use sluice_wire::codec::MediaKind;
use sluice_wire::id::{DownTrackId, Ssrc, TrackId, WorkerId};

use super::fanout::Served;
use super::gaps::{Gaps, LAYERS};
use super::interest::{Watchers, Wish};
use super::repeats::Repeats;
use super::subscribe::Wish as Wanting;
use crate::command::{DownTrackConfig, UpTrackConfig};

/// A track that is published here, subscribed to here, or both.
pub struct Track {
    /// Its id.
    pub id: TrackId,
    /// Where its packets come from.
    pub origin: Origin,
    /// Subscriptions of this worker's transports, side by side: fan-out runs over them.
    pub downs: Vec<Down>,
    /// Other workers that want it from here.
    pub watchers: Watchers,
    /// What came in since the last fan-out.
    pub pending: Vec<PacketMeta>,
    /// Listed for the end of the turn.
    pub dirty: bool,
    /// Where a fan-out goes on that stopped for its sends.
    pub next_down: usize,
    /// What that fan-out came to so far.
    pub served: Served,
}

/// Where a track's packets come from.
///
/// ```text
///            openUpTrack              openDownTrack, home elsewhere
///  Local ◀───────────────▶ Awaited ◀───────────────────────────────▶ Linked
///            closeUpTrack              last closeDownTrack
/// ```
pub enum Origin {
    /// Not known yet, or ended: only those who want it keep it here.
    Awaited,
    /// A transport of this worker.
    Local(Box<Local>),
    /// The worker where it is published.
    Linked(Box<Linked>),
}

/// A track published here.
pub struct Local {
    /// Slab index of the transport it comes in on.
    pub transport: usize,
    /// As opened.
    pub config: UpTrackConfig,
    /// Reception.
    pub up: UpTrack,
    /// What reception was last told that subscribers want.
    pub wanted: Option<Wanted>,
    /// What other workers were last told of the layers.
    pub told: LayerStates,
}

/// A track that comes in over a link.
pub struct Linked {
    /// What home was told.
    pub wish: Wish,
    /// Reception; none until home says that the track is open.
    pub up: Option<UpTrack>,
    /// What the link lost.
    pub gaps: Gaps,
    /// When home was last asked for a key frame of each layer.
    pub asked: [Option<Instant>; LAYERS],
}

impl Linked {
    /// A track to be wanted from `home`.
    pub fn new(home: WorkerId) -> Self {
        Self {
            wish: Wish::new(home),
            up: None,
            gaps: Gaps::default(),
            asked: [None; LAYERS],
        }
    }
}

/// A subscription.
pub struct Down {
    /// Its id.
    pub id: DownTrackId,
    /// Slab index of the transport it leaves by.
    pub transport: usize,
    /// Audio or video.
    pub kind: MediaKind,
    /// Selection, munging, retransmission.
    pub track: DownTrack,
    /// Sealing contexts of its SSRCs, once the transport is connected.
    pub streams: Option<Streams>,
    /// What may be asked for again, where there is no retransmission stream for it.
    pub repeats: Option<Repeats>,
    /// Of the section.
    pub ssrc: Ssrc,
    /// Of its retransmissions.
    pub rtx_ssrc: Option<Ssrc>,
    /// Media id, for SDES.
    pub mid: String,
    /// Canonical name, for SDES.
    pub cname: String,
    /// What the subscriber wants.
    pub wish: Wanting,
    /// As opened.
    pub config: DownTrackConfig,
}

/// Sealing contexts of a subscription.
#[derive(Debug, Clone, Copy)]
pub struct Streams {
    /// The media SSRC.
    pub ssrc: Ssrc,
    /// Its context.
    pub media: SendStream,
    /// Context of the RTX SSRC.
    pub rtx: Option<SendStream>,
}

impl Track {
    /// A track that nobody knows yet.
    pub fn new(id: TrackId) -> Self {
        Self {
            id,
            origin: Origin::Awaited,
            downs: Vec::new(),
            watchers: Watchers::default(),
            pending: Vec::new(),
            dirty: false,
            next_down: 0,
            served: Served::default(),
        }
    }

    /// Reception, while there is any.
    pub fn up(&self) -> Option<&UpTrack> {
        self.origin.up()
    }

    /// Reception, to change.
    pub fn up_mut(&mut self) -> Option<&mut UpTrack> {
        match &mut self.origin {
            Origin::Awaited => None,
            Origin::Local(local) => Some(&mut local.up),
            Origin::Linked(linked) => linked.up.as_mut(),
        }
    }

    /// This side of the link from `home`, where that is where the track comes from.
    pub fn linked_from(&mut self, home: WorkerId) -> Option<&mut Linked> {
        match &mut self.origin {
            Origin::Linked(linked) if linked.wish.home() == home => Some(linked),
            _ => None,
        }
    }

    /// What it carries, once that is known.
    pub fn kind(&self) -> Option<MediaKind> {
        Some(self.up()?.settings().kind)
    }

    /// True where nobody needs it any more.
    pub fn is_vacant(&self) -> bool {
        matches!(self.origin, Origin::Awaited) && self.downs.is_empty() && self.watchers.is_empty()
    }

    /// Nothing more comes in, for now.
    pub fn source_ended(&mut self, now: Instant) {
        self.pending.clear();
        for down in &mut self.downs {
            down.track.set_source_muted(now, true);
        }
    }
}

impl Origin {
    /// Reception, while there is any.
    #[inline]
    pub fn up(&self) -> Option<&UpTrack> {
        match self {
            Self::Awaited => None,
            Self::Local(local) => Some(&local.up),
            Self::Linked(linked) => linked.up.as_ref(),
        }
    }
}
