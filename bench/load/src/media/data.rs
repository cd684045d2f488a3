//! Livekit's data packets: sent at a rate, numbered and stamped, and counted where they arrive.

use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use rustc_hash::FxHashMap;

use super::stamp;
use crate::scenario::Data;
use crate::signal::{Delivery, read_user_packet, write_user_packet};

/// Sends data packets to the whole room.
pub struct DataSource {
    id: u32,
    sequence: u32,
    bytes: usize,
    reliable: bool,
    interval: Duration,
    next: Instant,
}

/// Counts what comes of all senders.
#[derive(Default)]
pub struct DataReceiver {
    /// Per sender: the highest number, and how many came.
    senders: FxHashMap<u32, (u32, u64)>,
}

impl DataSource {
    /// A sender with a number of its own.
    pub fn new(now: Instant, data: &Data, id: u32) -> Self {
        let interval = Duration::from_secs_f64(1.0 / data.per_second.max(0.001));
        Self {
            id,
            sequence: 0,
            bytes: data.bytes,
            reliable: data.reliable,
            interval,
            next: now + interval.mul_f64(f64::from(id % 97) / 97.0),
        }
    }

    /// Label of the channel it sends on.
    pub fn channel(&self) -> &'static str {
        if self.reliable { "_reliable" } else { "_lossy" }
    }

    /// The next packet that is due.
    pub fn poll_packet(&mut self, now: Instant, begin: Instant) -> Option<Bytes> {
        if now < self.next {
            return None;
        }
        self.next += self.interval;
        self.sequence += 1;
        let mut payload = BytesMut::with_capacity(self.bytes + 8 + stamp::LEN);
        payload.put_u32(self.id);
        payload.put_u32(self.sequence);
        payload.resize(self.bytes.saturating_sub(stamp::LEN).max(8), 0x5a);
        payload.extend_from_slice(&stamp::write(now - begin));
        let delivery = if self.reliable {
            Delivery::Reliable {
                sequence: self.sequence,
            }
        } else {
            Delivery::Lossy
        };
        Some(write_user_packet(payload.freeze(), delivery))
    }

    /// When the next packet is due.
    pub fn poll_timeout(&self) -> Instant {
        self.next
    }

    /// Begins anew from now on: what could not be sent before is not made up for.
    pub fn skip_to(&mut self, now: Instant) {
        self.next = self.next.max(now);
    }
}

impl DataReceiver {
    /// Takes a message; returns how old it is, and how many before it are missing. None for what is not ours.
    pub fn handle(
        &mut self,
        now: Instant,
        begin: Instant,
        message: &Bytes,
    ) -> Option<(Duration, i64)> {
        let payload = read_user_packet(message.clone())?;
        let (id, rest) = payload.split_first_chunk::<4>()?;
        let sequence = u32::from_be_bytes(*rest.first_chunk()?);
        let age = stamp::age(&payload, now, begin)?;
        let (highest, _) = self
            .senders
            .entry(u32::from_be_bytes(*id))
            .or_insert((sequence.wrapping_sub(1), 0));
        let ahead = i64::from(sequence) - i64::from(*highest);
        *highest = (*highest).max(sequence);
        // One that fills a gap takes back what the gap was counted as.
        Some((age, if ahead > 0 { ahead - 1 } else { -1 }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_numbered_and_gaps_are_counted() {
        let begin = Instant::now();
        let data = Data {
            per_second: 10.0,
            bytes: 100,
            reliable: true,
        };
        let mut source = DataSource::new(begin, &data, 97);
        let mut packets = Vec::new();
        for at in 0..5 {
            let now = begin + Duration::from_millis(100 * at);
            packets.extend(source.poll_packet(now, begin));
        }
        assert_eq!(packets.len(), 5);
        let mut receiver = DataReceiver::default();
        let later = begin + Duration::from_millis(450);
        let gaps: Vec<i64> = [0, 1, 4, 2]
            .iter()
            .filter_map(|at| Some(receiver.handle(later, begin, &packets[*at])?.1))
            .collect();
        assert_eq!(gaps, [0, 0, 2, -1]);
        let (age, _) = receiver.handle(later, begin, &packets[3]).expect("ours");
        assert_eq!(age, Duration::from_millis(150));
        assert!(
            receiver
                .handle(later, begin, &Bytes::from_static(b"other"))
                .is_none()
        );
    }
}
