//! Reliable messages for a participant whose channel does not stand yet: kept for a moment, in order, bounded.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

/// What waits for one participant.
#[derive(Debug, Default)]
pub struct Joining {
    held: VecDeque<Held>,
    sequenced: usize,
    unsequenced: usize,
}

#[derive(Debug)]
struct Held {
    at: Instant,
    sequenced: bool,
    message: Bytes,
}

impl Joining {
    /// Keeps a message. Those with a sequence make room by dropping the oldest of their kind and last 2 s; those
    /// without (nobody could ask for them again) wait until there is no more room. False where it was not kept.
    pub fn hold(&mut self, now: Instant, sequenced: bool, message: Bytes) -> bool {
        self.expire(now);
        if message.len() > MAX_BYTES {
            return false;
        }
        if sequenced {
            while self.sequenced + message.len() > MAX_BYTES {
                self.drop_oldest_sequenced();
            }
            self.sequenced += message.len();
        } else {
            if self.unsequenced + message.len() > MAX_BYTES {
                return false;
            }
            self.unsequenced += message.len();
        }
        self.held.push_back(Held {
            at: now,
            sequenced,
            message,
        });
        true
    }

    /// Hands out what still counts, oldest first, and is empty afterwards.
    pub fn release(&mut self, now: Instant) -> impl Iterator<Item = Bytes> + use<> {
        self.expire(now);
        std::mem::take(self)
            .held
            .into_iter()
            .map(|held| held.message)
    }

    fn expire(&mut self, now: Instant) {
        let mut gone = 0;
        self.held.retain(|held| {
            let keep = !held.sequenced || now.duration_since(held.at) < LIFETIME;
            if !keep {
                gone += held.message.len();
            }
            keep
        });
        self.sequenced -= gone;
    }

    fn drop_oldest_sequenced(&mut self) {
        let oldest = self.held.iter().position(|held| held.sequenced);
        match oldest.and_then(|i| self.held.remove(i)) {
            Some(held) => self.sequenced -= held.message.len(),
            None => self.sequenced = 0,
        }
    }
}

/// How long a sequenced message is worth delivering: LiveKit's cache.
const LIFETIME: Duration = Duration::from_secs(2);

/// Bytes held of either kind: LiveKit's bounds.
const MAX_BYTES: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::disallowed_methods)]
    fn start() -> Instant {
        Instant::now()
    }

    fn released(joining: &mut Joining, now: Instant) -> Vec<Bytes> {
        joining.release(now).collect()
    }

    #[test]
    fn messages_come_out_in_order_and_once() {
        let now = start();
        let mut joining = Joining::default();
        joining.hold(now, true, Bytes::from_static(b"1"));
        joining.hold(now, false, Bytes::from_static(b"2"));
        assert_eq!(released(&mut joining, now), ["1", "2"]);
        assert!(released(&mut joining, now).is_empty());
    }

    #[test]
    fn sequenced_messages_last_two_seconds_and_others_longer() {
        let now = start();
        let mut joining = Joining::default();
        joining.hold(now, true, Bytes::from_static(b"old"));
        joining.hold(now, false, Bytes::from_static(b"api"));
        assert_eq!(released(&mut joining, now + LIFETIME), ["api"]);
    }

    #[test]
    fn both_kinds_are_bounded() {
        let now = start();
        let mut joining = Joining::default();
        let big = Bytes::from(vec![0; 60_000]);
        assert!(joining.hold(now, true, big.clone()));
        assert!(joining.hold(now, true, big.clone()));
        assert!(joining.hold(now, false, big.clone()));
        assert!(!joining.hold(now, false, big.clone()));
        assert!(!joining.hold(now, true, Bytes::from(vec![0; MAX_BYTES + 1])));
        assert_eq!(released(&mut joining, now).len(), 2);
    }
}
