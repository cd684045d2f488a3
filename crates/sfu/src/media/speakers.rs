//! Who is heard: collects the loudness of local audio tracks each interval into one report.

use sluice_wire::id::TrackId;

use crate::event::{AudioLevel, Event};

/// Tracks that were audible when last reported.
#[derive(Debug, Default)]
pub struct Speakers {
    audible: Vec<TrackId>,
}

impl Speakers {
    /// The report of an interval: every track above silence, and once more those that fell silent or ended.
    /// None where nobody was heard, now or before.
    pub fn report(&mut self, levels: impl Iterator<Item = AudioLevel>) -> Option<Event> {
        let mut heard: Vec<AudioLevel> = levels.filter(|level| level.level > 0.0).collect();
        let audible: Vec<TrackId> = heard.iter().map(|level| level.track).collect();
        let silent = self.audible.iter().filter(|track| !audible.contains(track));
        heard.extend(silent.map(|track| AudioLevel {
            track: *track,
            level: 0.0,
            active: false,
        }));
        self.audible = audible;
        (!heard.is_empty()).then_some(Event::AudioLevels { levels: heard })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(track: u32, level: f32) -> AudioLevel {
        AudioLevel {
            track: TrackId(track),
            level,
            active: level > 0.1,
        }
    }

    fn reported(speakers: &mut Speakers, levels: &[AudioLevel]) -> Vec<(u32, f32)> {
        match speakers.report(levels.iter().copied()) {
            Some(Event::AudioLevels { levels }) => {
                levels.iter().map(|l| (l.track.0, l.level)).collect()
            }
            _ => Vec::new(),
        }
    }

    #[test]
    fn silence_is_reported_once() {
        let mut speakers = Speakers::default();
        assert_eq!(
            reported(&mut speakers, &[level(1, 0.5), level(2, 0.0)]),
            [(1, 0.5)]
        );
        assert_eq!(reported(&mut speakers, &[level(1, 0.0)]), [(1, 0.0)]);
        assert_eq!(reported(&mut speakers, &[level(1, 0.0)]), []);
    }

    #[test]
    fn a_track_that_ended_is_reported_silent() {
        let mut speakers = Speakers::default();
        reported(&mut speakers, &[level(1, 0.5)]);
        assert_eq!(
            reported(&mut speakers, &[level(2, 0.25)]),
            [(2, 0.25), (1, 0.0)]
        );
    }
}
