//! Reports on their way to the control plane: batched, bounded, and written without ever waiting for the reader.
//!
//! A worker serializes what is due into one batch and puts it into its ring; the wake function tells the control
//! plane to come and take. While the control plane is blocked the ring fills, then the worker keeps reports back,
//! and of those it keeps the states and forgets the oldest measurements first.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rtrb::{Consumer, Producer, RingBuffer};
use serde::Serialize;
use sluice_sfu::event::Event;

use crate::lock::Lock;
use crate::log::LogRecord;

/// One report: a worker's event, or one of the engine itself.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Report {
    /// Of the media plane.
    Event(Event),
    /// Of the engine.
    Engine(EngineReport),
}

/// Reports that concern no peer, track or room.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum EngineReport {
    /// A worker's thread ended by a bug of ours. Its peers are gone; nothing goes on without a restart.
    WorkerFailed {
        /// Which.
        worker: u16,
        /// The panic's message.
        detail: String,
    },
    /// A warning or an error for the log.
    Log(LogRecord),
}

/// A worker's end.
pub struct Outbox {
    pending: VecDeque<Report>,
    /// Measurements among `pending`.
    measurements: usize,
    ring: Producer<String>,
    bell: Arc<Bell>,
    /// When the next batch leaves.
    due: Option<Instant>,
    /// Reports forgotten since the start.
    pub lost: u64,
}

/// The control plane's end of all outboxes.
pub struct Inbox {
    rings: Lock<Vec<Consumer<String>>>,
    bell: Arc<Bell>,
}

struct Bell {
    rung: AtomicBool,
    wake: Box<dyn Fn() + Send + Sync>,
}

/// Outboxes for `workers`. `wake` is called from their threads, once until the inbox is next emptied; it must not
/// block.
pub fn outboxes(workers: usize, wake: impl Fn() + Send + Sync + 'static) -> (Vec<Outbox>, Inbox) {
    let bell = Arc::new(Bell {
        rung: AtomicBool::new(false),
        wake: Box::new(wake),
    });
    let (outboxes, rings) = (0..workers)
        .map(|_| {
            let (ring, consumer) = RingBuffer::new(MAX_BATCHES);
            let outbox = Outbox {
                pending: VecDeque::new(),
                measurements: 0,
                ring,
                bell: Arc::clone(&bell),
                due: None,
                lost: 0,
            };
            (outbox, consumer)
        })
        .unzip();
    (
        outboxes,
        Inbox {
            rings: Lock::new(rings),
            bell,
        },
    )
}

impl Outbox {
    /// Takes a report; states leave with the next [`Outbox::flush`], measurements within 20 ms.
    pub fn push(&mut self, now: Instant, report: Report) {
        let measurement = report.is_measurement();
        if self.pending.len() >= MAX_PENDING {
            self.forget();
        }
        self.measurements += usize::from(measurement);
        self.pending.push_back(report);
        let due = if measurement {
            now + MEASUREMENT_DELAY
        } else {
            now
        };
        self.due = Some(self.due.map_or(due, |old| old.min(due)));
    }

    /// Hands over what is due, if the control plane has room for it.
    pub fn flush(&mut self, now: Instant) {
        if self.due.is_none_or(|due| due > now) {
            return;
        }
        while !self.pending.is_empty() && !self.ring.is_full() {
            let batch = self.serialize();
            if self.ring.push(batch).is_ok() {
                self.bell.ring();
            }
        }
        self.due = (!self.pending.is_empty()).then(|| now + MEASUREMENT_DELAY);
    }

    /// When to call [`Outbox::flush`] at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// The next batch: JSON values joined by commas.
    fn serialize(&mut self) -> String {
        let mut batch = String::new();
        while batch.len() < MAX_BATCH_BYTES
            && let Some(report) = self.pending.pop_front()
        {
            self.measurements -= usize::from(report.is_measurement());
            match serde_json::to_string(&report) {
                Ok(json) => {
                    if !batch.is_empty() {
                        batch.push(',');
                    }
                    batch.push_str(&json);
                }
                Err(error) => debug_assert!(false, "a report is always JSON: {error}"),
            }
        }
        batch
    }

    /// Makes room for one report.
    fn forget(&mut self) {
        let at = if self.measurements > 0 {
            self.pending
                .iter()
                .position(Report::is_measurement)
                .unwrap_or(0)
        } else {
            0
        };
        if let Some(report) = self.pending.remove(at) {
            self.measurements -= usize::from(report.is_measurement());
            self.lost += 1;
        }
    }
}

impl Inbox {
    /// Everything reported since the last call, as a JSON array, in order per worker; none where there is nothing.
    pub fn take(&self) -> Option<String> {
        self.bell.rung.store(false, Ordering::SeqCst);
        let mut rings = self.rings.take();
        let mut all = String::from("[");
        for ring in rings.iter_mut() {
            // What comes in while we read rings the bell again.
            for _ in 0..MAX_BATCHES {
                let Ok(batch) = ring.pop() else { break };
                if all.len() > 1 && !batch.is_empty() {
                    all.push(',');
                }
                all.push_str(&batch);
            }
        }
        all.push(']');
        (all.len() > 2).then_some(all)
    }
}

impl Bell {
    fn ring(&self) {
        if !self.rung.swap(true, Ordering::SeqCst) {
            (self.wake)();
        }
    }
}

impl Report {
    /// True for what the next one of its kind replaces.
    fn is_measurement(&self) -> bool {
        matches!(
            self,
            Self::Event(Event::AudioLevels { .. } | Event::Quality { .. } | Event::Layers { .. })
        )
    }
}

/// Batches the control plane may lag behind, per worker.
const MAX_BATCHES: usize = 256;

/// A batch is closed beyond this, bytes; `JSON.parse` of it takes about a millisecond.
const MAX_BATCH_BYTES: usize = 256 * 1024;

/// Reports kept while the ring is full: some megabytes.
const MAX_PENDING: usize = 16 * 1024;

/// Waking the control plane costs it 18 µs; nobody sees a level bar lag by this.
const MEASUREMENT_DELAY: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_sfu::event::IceState;
    use sluice_wire::id::PeerId;
    use std::sync::atomic::AtomicUsize;

    fn state(peer: u32) -> Report {
        Report::Event(Event::IceState {
            peer: PeerId(peer),
            state: IceState::Checking,
            pair: None,
        })
    }

    fn levels() -> Report {
        Report::Event(Event::AudioLevels { levels: vec![] })
    }

    fn one() -> (Outbox, Inbox, Arc<AtomicUsize>) {
        let rings = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&rings);
        let (mut outboxes, inbox) = outboxes(1, move || {
            count.fetch_add(1, Ordering::SeqCst);
        });
        (outboxes.pop().expect("one outbox"), inbox, rings)
    }

    fn types(json: Option<String>) -> Vec<String> {
        let reports: Vec<serde_json::Value> =
            serde_json::from_str(&json.unwrap_or_else(|| "[]".into())).expect("an array");
        reports
            .iter()
            .map(|report| report["type"].to_string())
            .collect()
    }

    #[test]
    fn a_state_leaves_at_once_and_takes_waiting_measurements_along() {
        let (mut outbox, inbox, rings) = one();
        let now = Instant::now();
        outbox.push(now, levels());
        outbox.flush(now);
        assert_eq!(inbox.take(), None);
        outbox.push(now, state(1));
        outbox.flush(now);
        assert_eq!(types(inbox.take()), ["\"audioLevels\"", "\"iceState\""]);
        assert_eq!(rings.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_measurement_leaves_after_20_ms() {
        let (mut outbox, inbox, _) = one();
        let now = Instant::now();
        outbox.push(now, levels());
        assert_eq!(outbox.poll_timeout(), Some(now + MEASUREMENT_DELAY));
        outbox.flush(now + MEASUREMENT_DELAY);
        assert_eq!(types(inbox.take()), ["\"audioLevels\""]);
        assert_eq!(outbox.poll_timeout(), None);
    }

    #[test]
    fn the_control_plane_is_woken_once_until_it_comes() {
        let (mut outbox, inbox, rings) = one();
        let now = Instant::now();
        for peer in 0..5 {
            outbox.push(now, state(peer));
            outbox.flush(now);
        }
        assert_eq!(rings.load(Ordering::SeqCst), 1);
        assert_eq!(types(inbox.take()).len(), 5);
        outbox.push(now, state(5));
        outbox.flush(now);
        assert_eq!(rings.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_blocked_control_plane_loses_measurements_before_states() {
        let (mut outbox, inbox, _) = one();
        let now = Instant::now();
        for peer in 0..MAX_BATCHES as u32 {
            outbox.push(now, state(peer));
            outbox.flush(now);
        }
        outbox.push(now, levels());
        for peer in 0..MAX_PENDING as u32 {
            outbox.push(now, state(peer));
        }
        outbox.flush(now);
        assert_eq!(outbox.lost, 1);
        assert_eq!(types(inbox.take()).len(), MAX_BATCHES);
        outbox.flush(now + MEASUREMENT_DELAY);
        let late = types(inbox.take());
        assert_eq!(late.len(), MAX_PENDING);
        assert!(!late.contains(&"\"audioLevels\"".to_owned()));
    }
}
