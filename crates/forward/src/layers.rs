//! What a subscription has to know of the track it is subscribed to.

use crate::sender_report::SenderReportMap;

/// The state of a published track's layers, kept by the up track and shown to every subscription.
#[derive(Debug, Clone, Copy, Default)]
pub struct Layers {
    /// RTP streams: simulcast layers, or 1. 0 while unknown.
    pub streams: u8,
    /// Which spatial layers are active; all false while unknown.
    pub active: [bool; MAX_SPATIAL],
    /// Frames per second up to and including each temporal layer of each spatial layer; 0 where unknown.
    pub fps: [[f32; MAX_TEMPORAL]; MAX_SPATIAL],
    /// The latest sender report of each RTP stream in its present epoch.
    pub reports: [Option<SenderReportMap>; MAX_SPATIAL],
}

/// What a link tells the far side of [`Layers`], which sees only the layers that were sent to it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LayerStates {
    /// As [`Layers::active`].
    pub active: [bool; MAX_SPATIAL],
    /// As [`Layers::fps`].
    pub fps: [[f32; MAX_TEMPORAL]; MAX_SPATIAL],
}

impl LayerStates {
    /// True where subscriptions may decide otherwise by `other`: measurements that waver don't count.
    pub fn differ(&self, other: &Self) -> bool {
        let rates = self.fps.iter().flatten().zip(other.fps.iter().flatten());
        self.active != other.active || rates.into_iter().any(|(a, b)| (a - b).abs() >= FPS_STEP)
    }
}

/// Frames per second by which a measured rate must move to be news.
const FPS_STEP: f32 = 1.0;

/// Most spatial layers, simulcast or SVC.
pub const MAX_SPATIAL: usize = 3;
/// Most temporal layers.
pub const MAX_TEMPORAL: usize = 4;
