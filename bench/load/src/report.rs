//! What was seen, as the lines that whoever started the load reads.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::media::Counts;

/// What was seen in a stretch of time. Those of several threads add up.
pub struct Seen {
    /// Packets of media received.
    pub media: Counts,
    /// How old they were.
    pub delay: Histogram<u64>,
    /// RTP packets sent.
    pub sent: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Packets of ours that servers asked for again.
    pub resent: u64,
    /// Key-frame requests received.
    pub plis: u64,
    /// Key frames sent.
    pub key_frames: u64,
    /// Receiver reports sent.
    pub reports: u64,
    /// Data packets sent.
    pub data_sent: u64,
    /// Received.
    pub data_received: u64,
    /// Missing before a later one of the same sender.
    pub data_lost: i64,
    /// How old they were.
    pub data_delay: Histogram<u64>,
    /// Signal messages sent.
    pub signals_sent: u64,
    /// Received.
    pub signals_received: u64,
    /// Clients that joined.
    pub joined: u64,
    /// Those that did not, by reason.
    pub failed: BTreeMap<String, u64>,
    /// From the connection's begin to the server's answer.
    pub join: Histogram<u64>,
    /// From there to the first transport that stood.
    pub connect: Histogram<u64>,
    /// From there to the first packet of media.
    pub first_media: Histogram<u64>,
    /// CPU time of the thread.
    pub cpu: Duration,
    /// Of the busiest thread, 0 to 1.
    pub busiest: f64,
    /// Frames that left too late.
    pub late: u64,
    /// Agreed SRTP protections, with the transports that have them.
    pub profiles: BTreeMap<&'static str, u64>,
}

impl Seen {
    /// Nothing yet.
    pub fn new() -> Self {
        let histogram = || Histogram::new_with_bounds(1, 60_000_000, 3).expect("bounds that fit");
        Self {
            media: Counts::default(),
            delay: histogram(),
            sent: 0,
            sent_bytes: 0,
            resent: 0,
            plis: 0,
            key_frames: 0,
            reports: 0,
            data_sent: 0,
            data_received: 0,
            data_lost: 0,
            data_delay: histogram(),
            signals_sent: 0,
            signals_received: 0,
            joined: 0,
            failed: BTreeMap::new(),
            join: histogram(),
            connect: histogram(),
            first_media: histogram(),
            cpu: Duration::ZERO,
            busiest: 0.0,
            late: 0,
            profiles: BTreeMap::new(),
        }
    }

    /// Adds what another thread saw.
    pub fn merge(&mut self, other: &Self) {
        self.media += other.media;
        self.sent += other.sent;
        self.sent_bytes += other.sent_bytes;
        self.resent += other.resent;
        self.plis += other.plis;
        self.key_frames += other.key_frames;
        self.reports += other.reports;
        self.data_sent += other.data_sent;
        self.data_received += other.data_received;
        self.data_lost += other.data_lost;
        self.signals_sent += other.signals_sent;
        self.signals_received += other.signals_received;
        self.joined += other.joined;
        self.cpu += other.cpu;
        self.busiest = self.busiest.max(other.busiest);
        self.late += other.late;
        for (reason, count) in &other.failed {
            *self.failed.entry(reason.clone()).or_default() += count;
        }
        for (profile, count) in &other.profiles {
            *self.profiles.entry(profile).or_default() += count;
        }
        for (own, theirs) in [
            (&mut self.delay, &other.delay),
            (&mut self.data_delay, &other.data_delay),
            (&mut self.join, &other.join),
            (&mut self.connect, &other.connect),
            (&mut self.first_media, &other.first_media),
        ] {
            own.add(theirs).expect("equal bounds");
        }
    }

    /// How joins went is what all of the run says of it, also that before the measurement.
    pub fn with_joins_of(mut self, whole: &Self) -> Self {
        self.joined = whole.joined;
        self.failed.clone_from(&whole.failed);
        self.join = whole.join.clone();
        self.connect = whole.connect.clone();
        self.first_media = whole.first_media.clone();
        self.profiles.clone_from(&whole.profiles);
        self
    }

    /// As JSON. `drops` are datagrams that the load's own sockets lost.
    pub fn to_json(&self, seconds: f64, streams: usize, drops: u64) -> Value {
        let failed: u64 = self.failed.values().sum();
        let reason = self.bottleneck(drops);
        json!({
            "seconds": seconds,
            "streams": streams,
            "packets": {
                "received": self.media.received,
                "sent": self.sent,
                "lost": self.media.lost,
                "duplicates": self.media.duplicates,
                "reordered": self.media.reordered,
                "retransmitted": self.media.retransmitted,
            },
            "bytes": { "received": self.media.bytes, "sent": self.sent_bytes },
            "delayMs": percentiles(&self.delay),
            "data": {
                "sent": self.data_sent,
                "received": self.data_received,
                "lost": self.data_lost.max(0),
                "delayMs": percentiles(&self.data_delay),
            },
            "signals": { "sent": self.signals_sent, "received": self.signals_received },
            "feedback": {
                "nacksSent": self.media.nacks,
                "plisReceived": self.plis,
                "keyFramesSent": self.key_frames,
                "rrSent": self.reports,
            },
            "joins": {
                "ok": self.joined,
                "failed": failed,
                "byReason": self.failed,
                "ms": percentiles(&self.join),
                "firstMediaMs": percentiles(&self.first_media),
            },
            "connectMs": percentiles(&self.connect),
            "load": {
                "cpuSeconds": self.cpu.as_secs_f64(),
                "busiestThread": self.busiest,
                "socketDrops": drops,
                "saturated": reason.is_some(),
                "reason": reason,
            },
            "srtp": self.profiles.iter().max_by_key(|(_, count)| **count).map(|(name, _)| name),
        })
    }

    fn bottleneck(&self, drops: u64) -> Option<String> {
        if drops > 0 {
            return Some(format!("its sockets lost {drops} datagrams"));
        }
        if self.busiest > BUSY {
            return Some(format!(
                "a thread of it was busy {:.0} % of the time",
                self.busiest * 100.0
            ));
        }
        (self.late > 0).then(|| format!("{} frames left more than 50 ms late", self.late))
    }
}

fn percentiles(histogram: &Histogram<u64>) -> Value {
    if histogram.is_empty() {
        return Value::Null;
    }
    let at = |quantile: f64| histogram.value_at_quantile(quantile) as f64 / 1_000.0;
    json!({
        "p50": at(0.5),
        "p95": at(0.95),
        "p99": at(0.99),
        "p999": at(0.999),
        "max": histogram.max() as f64 / 1_000.0,
    })
}

/// Counts a time in microseconds.
pub fn note(histogram: &mut Histogram<u64>, time: Duration) {
    histogram.saturating_record((time.as_micros() as u64).max(1));
}

/// A thread that is busier than this is late with everything.
const BUSY: f64 = 0.85;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_threads_saw_adds_up() {
        let (mut all, mut other) = (Seen::new(), Seen::new());
        note(&mut all.delay, Duration::from_millis(1));
        note(&mut other.delay, Duration::from_millis(3));
        (all.busiest, other.busiest) = (0.2, 0.9);
        other.failed.insert("http 503".to_owned(), 2);
        all.merge(&other);
        let told = all.to_json(1.0, 2, 0);
        assert_eq!(told["delayMs"]["max"].as_f64().map(f64::round), Some(3.0));
        assert_eq!(told["joins"]["failed"], 2);
        assert_eq!(told["load"]["saturated"], true);
        assert!(told["data"]["delayMs"].is_null());
    }
}
