//! What the control plane says, as the forwarding crate takes it.

use std::time::{Duration, Instant};

use sluice_forward::audio_level::AudioSettings;
use sluice_forward::down_track::{self, DownTrackSettings, DownTrackState};
use sluice_forward::up_track::{UpCodec, UpExtensions, UpTrackSettings};
use sluice_wire::codec::MediaKind;
use sluice_wire::rtp::PlayoutDelay;

use crate::command::{DownTrackConfig, ExtensionIds, UpTrackConfig};
use crate::config::WorkerConfig;

/// Settings of a track that comes in on a transport with these extensions.
pub fn published(
    worker: &WorkerConfig,
    track: &UpTrackConfig,
    ids: &ExtensionIds,
) -> UpTrackSettings {
    UpTrackSettings {
        kind: track.kind,
        codecs: track
            .codecs
            .iter()
            .map(|codec| UpCodec {
                pt: codec.pt,
                codec: codec.codec,
                clock_rate: codec.clock_rate,
                rtx_pt: codec.rtx_pt,
                nack: codec.nack,
            })
            .collect(),
        streams: track.rids.len().max(track.ssrcs.len()).clamp(1, 3) as u8,
        screen_share: track.screen_share,
        encrypted: track.encrypted,
        muted: track.muted,
        extensions: UpExtensions {
            audio_level: ids.audio_level,
            abs_capture_time: ids.abs_capture_time,
            dependency_descriptor: ids.dependency_descriptor,
        },
        pli_throttle: worker.pli_throttle,
        packet_buffer: match track.kind {
            MediaKind::Audio => worker.packet_buffer_audio,
            MediaKind::Video => worker.packet_buffer_video,
        },
        audio: AudioSettings {
            active_level: worker.audio.active_level,
            min_percentile: worker.audio.min_percentile,
            update_interval: worker.audio.update_interval,
            smooth_intervals: worker.audio.smooth_intervals,
        },
    }
}

/// Settings of a track that comes in over a link: what extensions say is in the packets' facts already.
pub fn linked(worker: &WorkerConfig, track: &UpTrackConfig) -> UpTrackSettings {
    published(worker, track, &ExtensionIds::default())
}

/// Settings of a subscription on a transport with these extensions; `resume` where its SSRC was used before.
pub fn subscribed(
    down: &DownTrackConfig,
    ids: &ExtensionIds,
    origin: Instant,
    seed: u64,
    resume: Option<DownTrackState>,
) -> DownTrackSettings {
    let ms = |ms: u32| Duration::from_millis(u64::from(ms));
    DownTrackSettings {
        kind: down.kind,
        ssrc: down.ssrc,
        rtx_ssrc: down.rtx_ssrc,
        payloads: down
            .payloads
            .iter()
            .map(|map| down_track::PayloadMap {
                from: map.from,
                to: map.to,
                rtx: map.rtx,
            })
            .collect(),
        mid: down.mid.clone(),
        extensions: down_track::ExtensionIds {
            mid: ids.mid,
            abs_send_time: ids.abs_send_time,
            transport_cc: ids.transport_cc,
            dependency_descriptor: ids.dependency_descriptor,
            abs_capture_time: ids.abs_capture_time,
            audio_level: ids.audio_level,
            playout_delay: ids.playout_delay,
        },
        nack: down.nack,
        encrypted: down.encrypted,
        playout_delay: down
            .playout_delay
            .map(|delay| PlayoutDelay::from_durations(ms(delay.min_ms), ms(delay.max_ms))),
        origin,
        seed,
        resume,
    }
}
