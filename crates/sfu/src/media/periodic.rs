//! Reports at fixed intervals: who is heard, how good it is.

use sluice_forward::quality::WindowSample;
use sluice_forward::up_track::UpTrack;
use sluice_wire::codec::MediaKind;

use super::track::{Origin, Track};
use super::{MIN_LEVEL_INTERVAL, Media, QUALITY_INTERVAL, Turn};
use crate::event::{AudioLevel, DownTrackQuality, Event, LayerState, StreamWindow, TrackQuality};

impl Media {
    /// Reports what is due.
    pub(super) fn report_intervals(&mut self, turn: &mut Turn) {
        if turn.now >= self.next_levels {
            self.next_levels = turn.now + self.config.audio.update_interval.max(MIN_LEVEL_INTERVAL);
            self.report_levels(turn);
        }
        if turn.now >= self.next_quality {
            self.next_quality = turn.now + QUALITY_INTERVAL;
            self.report_quality(turn);
        }
    }

    fn report_levels(&mut self, turn: &mut Turn) {
        let now = turn.now;
        let levels = self.tracks.iter_mut().filter_map(|(_, track)| {
            let id = track.id;
            let Origin::Local(local) = &mut track.origin else {
                return None;
            };
            let audio = local.config.kind == MediaKind::Audio;
            let loudness = audio.then(|| local.up.loudness(now))?;
            Some(AudioLevel {
                track: id,
                level: loudness.level,
                active: loudness.active,
            })
        });
        if let Some(report) = self.speakers.report(levels) {
            turn.outbox.report(report);
        }
    }

    fn report_quality(&mut self, turn: &mut Turn) {
        let (mut up, mut down) = (Vec::new(), Vec::new());
        for (_, track) in self.tracks.iter_mut() {
            if let Track {
                id,
                origin: Origin::Local(local),
                ..
            } = track
            {
                let quality = local.up.quality();
                up.push(TrackQuality {
                    track: *id,
                    score: quality.score,
                    lost: quality.lost,
                    window: stream_window(local.up.last_window()),
                });
            }
            down.extend(track.downs.iter().filter_map(|down| {
                let quality = down.track.quality()?;
                let heard = down.track.receiver_stats();
                Some(DownTrackQuality {
                    down: down.id,
                    score: quality.score,
                    lost: quality.lost,
                    loss: heard.fraction_lost,
                    rtt_ms: heard
                        .rtt
                        .map_or(0, |rtt| u32::try_from(rtt.as_millis()).unwrap_or(u32::MAX)),
                    window: down
                        .track
                        .last_window()
                        .map(stream_window)
                        .unwrap_or_default(),
                })
            }));
        }
        if !up.is_empty() || !down.is_empty() {
            turn.outbox.report(Event::Quality { up, down });
        }
    }
}

fn stream_window(sample: &WindowSample) -> StreamWindow {
    let count = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    StreamWindow {
        expected: count(sample.expected),
        received: count(sample.received),
        late: count(sample.late),
        jitter_us: u32::try_from(sample.jitter.as_micros()).unwrap_or(u32::MAX),
    }
}

/// The state of a track's layers, as reported.
pub fn layer_states(up: &UpTrack) -> Vec<LayerState> {
    up.layers()
        .map(|layer| LayerState {
            active: layer.active,
            width: layer.width,
            height: layer.height,
            bitrate: layer.bitrate,
        })
        .collect()
}
