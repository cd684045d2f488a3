//! Signs of life of both sides.

use std::time::{Duration, Instant};

use super::proto::{Join, Ping};

/// When to ping, and when the server has said nothing for too long.
#[derive(Debug)]
pub struct Pings {
    interval: Duration,
    /// Silence that ends the session.
    timeout: Duration,
    /// Timestamps count milliseconds from here.
    origin: Instant,
    next: Instant,
    heard: Instant,
    rtt: Duration,
}

/// What is due.
#[derive(Debug, PartialEq)]
pub enum Due {
    /// To ping.
    Ping(Ping),
    /// To give up.
    Silence,
}

impl Pings {
    /// As the server wants it; none where it wants no pings.
    pub fn new(now: Instant, join: &Join) -> Option<Self> {
        let seconds = |seconds: i32| Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        let (interval, timeout) = (seconds(join.ping_interval), seconds(join.ping_timeout));
        if interval.is_zero() || timeout <= interval {
            return None;
        }
        Some(Self {
            interval,
            timeout,
            origin: now,
            next: now + interval,
            heard: now,
            rtt: Duration::ZERO,
        })
    }

    /// Something came.
    pub fn hear(&mut self, now: Instant) {
        self.heard = now;
    }

    /// The answer to the ping of this timestamp came.
    pub fn handle_pong(&mut self, now: Instant, timestamp: i64) {
        let sent = Duration::from_millis(u64::try_from(timestamp).unwrap_or(0));
        self.rtt = (now - self.origin).saturating_sub(sent);
    }

    /// Asks what is due; a ping is then on its way.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Due> {
        if now >= self.heard + self.timeout {
            return Some(Due::Silence);
        }
        if now < self.next {
            return None;
        }
        self.next = now + self.interval;
        Some(Due::Ping(Ping {
            timestamp: (now - self.origin).as_millis() as i64,
            rtt: self.rtt.as_millis() as i64,
        }))
    }

    /// When something is due.
    pub fn poll_timeout(&self) -> Instant {
        self.next.min(self.heard + self.timeout)
    }
}
