//! Warnings and errors of the media plane on their way to the control plane's log.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::lock::Lock;

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogRecord {
    /// `warn` or `error`.
    pub level: &'static str,
    /// The module that says it.
    pub target: String,
    /// What it says.
    pub message: String,
    /// And with which values.
    pub fields: BTreeMap<String, String>,
}

/// Collects the records of one thread.
pub struct LogCollector {
    shared: Arc<Shared>,
}

/// Takes the collected records of one thread out.
pub struct LogSource {
    shared: Arc<Shared>,
    window_start: Instant,
    allowance: usize,
}

#[derive(Default)]
struct Shared {
    /// False where the queue is empty: then nobody takes its lock to see that.
    waiting: AtomicBool,
    queue: Lock<Queue>,
}

#[derive(Default)]
struct Queue {
    records: VecDeque<LogRecord>,
    suppressed: u64,
}

/// A subscriber for a thread, and what it collects. Nobody but that thread touches either.
pub fn collector(now: Instant) -> (LogCollector, LogSource) {
    let shared = Arc::new(Shared::default());
    let source = LogSource {
        shared: Arc::clone(&shared),
        window_start: now,
        allowance: MAX_PER_WINDOW,
    };
    (LogCollector { shared }, source)
}

impl LogSource {
    /// The next record, within the allowance of lines per second: no remote party may flood the log.
    pub fn poll(&mut self, now: Instant) -> Option<LogRecord> {
        if !self.shared.waiting.load(Ordering::Relaxed) {
            return None;
        }
        let mut queue = self.shared.queue.take();
        if queue.records.is_empty() && queue.suppressed == 0 {
            self.shared.waiting.store(false, Ordering::Relaxed);
            return None;
        }
        if now.saturating_duration_since(self.window_start) >= WINDOW {
            self.window_start = now;
            self.allowance = MAX_PER_WINDOW;
            if queue.suppressed > 0 {
                return Some(suppressed(std::mem::take(&mut queue.suppressed)));
            }
        }
        if self.allowance == 0 {
            queue.suppressed += queue.records.len() as u64;
            queue.records.clear();
            return None;
        }
        let record = queue.records.pop_front()?;
        self.allowance -= 1;
        Some(record)
    }
}

fn suppressed(count: u64) -> LogRecord {
    LogRecord {
        level: "warn",
        target: module_path!().to_owned(),
        message: "log records were suppressed".to_owned(),
        fields: BTreeMap::from([("count".to_owned(), count.to_string())]),
    }
}

impl Subscriber for LogCollector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= Level::WARN
    }

    fn max_level_hint(&self) -> Option<tracing::level_filters::LevelFilter> {
        Some(tracing::level_filters::LevelFilter::WARN)
    }

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let mut record = LogRecord {
            level: if *metadata.level() == Level::ERROR {
                "error"
            } else {
                "warn"
            },
            target: metadata.target().to_owned(),
            message: String::new(),
            fields: BTreeMap::new(),
        };
        event.record(&mut record);
        let mut queue = self.shared.queue.take();
        self.shared.waiting.store(true, Ordering::Relaxed);
        if queue.records.len() < MAX_PER_WINDOW {
            queue.records.push_back(record);
        } else {
            queue.suppressed += 1;
        }
    }

    // Spans carry nothing that records need.
    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

impl Visit for LogRecord {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.to_owned());
    }
}

impl LogRecord {
    fn put(&mut self, field: &Field, value: String) {
        if field.name() == "message" {
            self.message = value;
        } else {
            self.fields.insert(field.name().to_owned(), value);
        }
    }
}

const WINDOW: Duration = Duration::from_secs(1);

/// Lines per second and worker.
const MAX_PER_WINDOW: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_collected_with_their_fields() {
        let now = Instant::now();
        let (collector, mut source) = collector(now);
        tracing::subscriber::with_default(collector, || {
            tracing::info!("not this");
            tracing::warn!(peer = 7, reason = "odd", "the peer {} is odd", 7);
        });
        let record = source.poll(now).expect("one record");
        assert_eq!(
            (record.level, record.message.as_str()),
            ("warn", "the peer 7 is odd")
        );
        let fields = [("peer", "7"), ("reason", "odd")];
        assert_eq!(
            record.fields,
            fields.map(|(k, v)| (k.to_owned(), v.to_owned())).into()
        );
        assert_eq!(source.poll(now), None);
    }

    #[test]
    fn a_flood_is_cut_off_and_counted() {
        let start = Instant::now();
        let (collector, mut source) = collector(start);
        let lines = MAX_PER_WINDOW * 3;
        let mut seen = 0;
        tracing::subscriber::with_default(collector, || {
            for _ in 0..lines {
                tracing::error!("again");
                seen += usize::from(source.poll(start).is_some());
            }
        });
        assert_eq!(seen, MAX_PER_WINDOW);
        let record = source
            .poll(start + WINDOW)
            .expect("the count of what was cut off");
        assert_eq!(record.fields["count"], (lines - MAX_PER_WINDOW).to_string());
    }
}
