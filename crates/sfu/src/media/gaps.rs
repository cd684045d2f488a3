//! Packets that a link lost, by the gaps they leave, and when to ask home for them again.

use std::time::{Duration, Instant};

/// Missing packets of one track on its way over a link.
#[derive(Debug, Default)]
pub struct Gaps {
    highest: [Option<u64>; LAYERS],
    missing: Vec<Missing>,
}

#[derive(Debug, Clone, Copy)]
struct Missing {
    layer: u8,
    sequence: u64,
    asked: u8,
    next: Instant,
}

impl Gaps {
    /// A packet came in. A gap before it that is wider than any burst loss is a pause, not a loss.
    #[inline]
    pub fn handle_packet(&mut self, now: Instant, layer: u8, sequence: u64) {
        let Some(highest) = self.highest.get_mut(usize::from(layer)) else {
            return;
        };
        match *highest {
            Some(old) if sequence <= old => {
                self.missing
                    .retain(|m| (m.layer, m.sequence) != (layer, sequence));
                return;
            }
            Some(old) if sequence - old <= MAX_GAP => {
                let room = MAX_MISSING - self.missing.len();
                let lost = (old + 1..sequence).take(room);
                let missing = |sequence| Missing {
                    layer,
                    sequence,
                    asked: 0,
                    next: now,
                };
                self.missing.extend(lost.map(missing));
            }
            _ => {}
        }
        *highest = Some(sequence);
    }

    /// Sequence numbers of a layer to ask for now.
    pub fn due(&mut self, now: Instant, layer: u8) -> Vec<u64> {
        let mut due = Vec::new();
        self.missing.retain_mut(|missing| {
            if missing.layer != layer || now < missing.next {
                return true;
            }
            missing.asked += 1;
            missing.next = now + RETRY;
            due.push(missing.sequence);
            missing.asked < MAX_ASKED
        });
        due
    }

    /// When something is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.missing.iter().map(|missing| missing.next).min()
    }
}

/// Spatial layers of a track.
pub const LAYERS: usize = 3;

/// Packets lost in a row that are asked for again.
const MAX_GAP: u64 = 64;

/// Packets asked for at a time.
const MAX_MISSING: usize = 256;

/// How often one packet is asked for.
const MAX_ASKED: u8 = 4;

/// Between two requests for one packet: links are short.
const RETRY: Duration = Duration::from_millis(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::disallowed_methods)]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn lost_packets_are_asked_for_until_they_come() {
        let now = start();
        let mut gaps = Gaps::default();
        for sequence in [10, 11, 14] {
            gaps.handle_packet(now, 0, sequence);
        }
        assert_eq!(gaps.due(now, 0), [12, 13]);
        assert!(gaps.due(now, 0).is_empty());
        gaps.handle_packet(now, 0, 12);
        assert_eq!(gaps.due(now + RETRY, 0), [13]);
    }

    #[test]
    fn a_packet_that_never_comes_is_given_up() {
        let now = start();
        let mut gaps = Gaps::default();
        gaps.handle_packet(now, 1, 10);
        gaps.handle_packet(now, 1, 12);
        let asked = (0..100)
            .filter(|i| !gaps.due(now + RETRY * *i, 1).is_empty())
            .count();
        assert_eq!(asked, usize::from(MAX_ASKED));
        assert_eq!(gaps.poll_timeout(), None);
    }

    #[test]
    fn a_pause_is_no_loss() {
        let now = start();
        let mut gaps = Gaps::default();
        gaps.handle_packet(now, 2, 10);
        gaps.handle_packet(now, 2, 10_000);
        assert_eq!(gaps.poll_timeout(), None);
    }
}
