//! What a worker is told once, when its thread starts.

use std::net::SocketAddr;
use std::time::Duration;

use sluice_peer::{Certificate, Protocol};
use sluice_wire::id::WorkerId;

/// Settings of one worker.
#[derive(Clone)]
pub struct WorkerConfig {
    /// Which worker this is; also the tag that its peers' ufrags begin with.
    pub id: WorkerId,
    /// Shown to every client; one per process.
    pub certificate: Certificate,
    /// Loudness measurement.
    pub audio: AudioConfig,
    /// Least time between two key-frame requests to a publisher, per spatial layer (low, middle, high).
    pub pli_throttle: [Duration; 3],
    /// Packets kept per video layer for retransmission.
    pub packet_buffer_video: usize,
    /// Packets kept per audio track for retransmission.
    pub packet_buffer_audio: usize,
    /// Bytes that may wait for one receiver of reliable data before messages to it are dropped.
    pub reliable_queue_bytes: usize,
    /// Bytes that may wait for one receiver of lossy data before messages to it are dropped.
    pub lossy_queue_bytes: usize,
    /// Seeds everything that must be random; equal seeds give equal runs.
    pub seed: u64,
}

/// Loudness measurement (`audio` in the configuration).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AudioConfig {
    /// Magnitude in dBov at or below which a packet counts as voice; 35 is LiveKit's default.
    pub active_level: u8,
    /// Share of an interval, in percent, that must be voice; 40.
    pub min_percentile: u8,
    /// The interval; 400 ms.
    pub update_interval: Duration,
    /// Intervals that the average spans; 2. Zero for no smoothing.
    pub smooth_intervals: u32,
}

/// One of our addresses a peer may be reached at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalAddress {
    /// A TCP address is one that clients connect to.
    pub protocol: Protocol,
    /// What the socket is bound to; transmits name it as `local`.
    pub socket: SocketAddr,
    /// What the client is told: differs from `socket` behind a one-to-one NAT.
    pub advertised: SocketAddr,
}

impl WorkerConfig {
    /// LiveKit's defaults for the worker `id`.
    #[must_use]
    pub fn new(id: WorkerId, certificate: Certificate, seed: u64) -> Self {
        Self {
            id,
            certificate,
            audio: AudioConfig::default(),
            pli_throttle: [
                Duration::from_millis(500),
                Duration::from_secs(1),
                Duration::from_secs(1),
            ],
            packet_buffer_video: 500,
            packet_buffer_audio: 200,
            reliable_queue_bytes: 2 << 20,
            lossy_queue_bytes: 64 << 10,
            seed,
        }
    }
}

impl Default for AudioConfig {
    fn default() -> Self {
        Self {
            active_level: 35,
            min_percentile: 40,
            update_interval: Duration::from_millis(400),
            smooth_intervals: 2,
        }
    }
}
