//! The ways between workers: one bounded ring per ordered pair, so that no two threads ever wait for each other.

use std::collections::VecDeque;

use rtrb::{Consumer, Producer, RingBuffer};
use sluice_sfu::LinkMessage;
use sluice_sfu::pool::PoolBuffer;
use sluice_wire::id::WorkerId;
use sluice_wire::path::Path;

use crate::ice_tcp::Visitor;
use crate::waker::Alarm;

/// What travels between two workers.
#[derive(Debug)]
pub enum Hop {
    /// A message of the media plane.
    Link(LinkMessage),
    /// A datagram that came in on a shared port at the wrong worker.
    Datagram {
        /// Its way; the receiver has a socket of the same local address.
        path: Path,
        /// The bytes.
        bytes: PoolBuffer,
    },
    /// A datagram for a client of the receiver's TURN server.
    Relayed {
        /// From a media port of the sender to the relayed address.
        path: Path,
        /// The bytes.
        bytes: PoolBuffer,
    },
    /// A connection that another worker is to have.
    Connection(Box<Visitor>),
    /// "This path is mine": a check from there was answered. Sent to the worker that handed it over.
    Claim {
        /// From the client to the shared port.
        path: Path,
    },
}

/// One worker's ends of all its rings.
pub struct Ends {
    /// By worker; none at this worker's own place.
    to: Vec<Option<Way>>,
    from: Vec<Option<Consumer<Hop>>>,
    /// What was lost, since the start.
    pub lost: Lost,
}

/// Losses of one worker's outgoing rings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lost {
    /// Media and lossy data: the price of a slow neighbour.
    pub droppable: u64,
    /// What must arrive, beyond what we are ready to keep: the neighbour is stuck.
    pub reliable: u64,
}

struct Way {
    ring: Producer<Hop>,
    /// What must arrive and found the ring full; everything later queues behind it.
    backlog: VecDeque<Hop>,
    alarm: Alarm,
    pushed: bool,
}

/// Ends for as many workers as there are alarms.
pub fn mesh(alarms: &[Alarm]) -> Vec<Ends> {
    let capacity = (TOTAL_SLOTS / alarms.len().max(1)).clamp(MIN_SLOTS, MAX_SLOTS);
    let mut ends: Vec<Ends> = alarms
        .iter()
        .map(|_| Ends {
            to: Vec::new(),
            from: Vec::new(),
            lost: Lost::default(),
        })
        .collect();
    for (sender, _) in alarms.iter().enumerate() {
        for (receiver, alarm) in alarms.iter().enumerate() {
            let (way, consumer) = if sender == receiver {
                (None, None)
            } else {
                let (ring, consumer) = RingBuffer::new(capacity);
                let backlog = VecDeque::new();
                (
                    Some(Way {
                        ring,
                        backlog,
                        alarm: alarm.clone(),
                        pushed: false,
                    }),
                    Some(consumer),
                )
            };
            if let Some(end) = ends.get_mut(sender) {
                end.to.push(way);
            }
            if let Some(end) = ends.get_mut(receiver) {
                end.from.push(consumer);
            }
        }
    }
    ends
}

impl Ends {
    /// Sends; woken receivers follow with [`Ends::flush`]. A message to nobody is lost and counted.
    pub fn send(&mut self, to: WorkerId, hop: Hop) {
        let may_drop = hop.may_drop();
        let refused = match self.to.get_mut(usize::from(to.0)).and_then(Option::as_mut) {
            Some(way) => way.send(hop, may_drop),
            None => true,
        };
        if refused && may_drop {
            self.lost.droppable += 1;
        } else if refused {
            if self.lost.reliable == 0 {
                tracing::warn!(worker = to.0, "messages to a stuck worker are lost");
            }
            self.lost.reliable += 1;
        }
    }

    /// Moves backlogs on and wakes whom this turn wrote to.
    pub fn flush(&mut self) {
        for way in self.to.iter_mut().flatten() {
            way.drain();
            if std::mem::take(&mut way.pushed) {
                way.alarm.ring();
            }
        }
    }

    /// True where something still waits for room in a ring.
    pub fn has_backlog(&self) -> bool {
        self.to.iter().flatten().any(|way| !way.backlog.is_empty())
    }

    /// The next hop from one worker.
    pub fn poll(&mut self, from: WorkerId) -> Option<Hop> {
        self.from.get_mut(usize::from(from.0))?.as_mut()?.pop().ok()
    }

    /// All workers, this one included.
    pub fn workers(&self) -> impl Iterator<Item = WorkerId> + use<> {
        (0..self.from.len() as u16).map(WorkerId)
    }

    /// True of a worker that there is, this one included.
    pub fn knows(&self, worker: WorkerId) -> bool {
        usize::from(worker.0) < self.from.len()
    }

    /// True where nothing has come in.
    pub fn is_empty(&self) -> bool {
        self.from.iter().flatten().all(Consumer::is_empty)
    }
}

impl Way {
    /// True where the hop was refused.
    fn send(&mut self, hop: Hop, may_drop: bool) -> bool {
        self.drain();
        let hop = if self.backlog.is_empty() {
            match self.ring.push(hop) {
                Ok(()) => {
                    self.pushed = true;
                    return false;
                }
                Err(rtrb::PushError::Full(hop)) => hop,
            }
        } else {
            hop
        };
        if may_drop || self.backlog.len() >= MAX_BACKLOG {
            return true;
        }
        self.backlog.push_back(hop);
        false
    }

    fn drain(&mut self) {
        while !self.backlog.is_empty() && !self.ring.is_full() {
            if let Some(hop) = self.backlog.pop_front() {
                self.pushed |= self.ring.push(hop).is_ok();
            }
        }
    }
}

impl Hop {
    fn may_drop(&self) -> bool {
        match self {
            Self::Link(message) => message.may_drop(),
            // The network loses datagrams and connections too, and a claim is said again with the next check.
            Self::Datagram { .. }
            | Self::Relayed { .. }
            | Self::Connection(_)
            | Self::Claim { .. } => true,
        }
    }
}

/// Slots of all rings that lead to one worker: some 6 MB of messages.
const TOTAL_SLOTS: usize = 64 * 1024;

/// A burst of a few milliseconds must fit whatever the number of workers.
const MIN_SLOTS: usize = 512;

/// More would only add delay.
const MAX_SLOTS: usize = 4096;

/// Reliable messages kept for one worker that doesn't read: seconds of a busy room's data.
const MAX_BACKLOG: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_wire::id::TrackId;

    fn two() -> (Ends, Ends, mio::Poll) {
        let poll = mio::Poll::new().expect("epoll works");
        let (alarm, _) = crate::waker::pair(poll.registry(), mio::Token(0)).expect("eventfd works");
        let mut ends = mesh(&[alarm.clone(), alarm]);
        let second = ends.pop().expect("two ends");
        (ends.pop().expect("two ends"), second, poll)
    }

    fn reliable(track: u32) -> Hop {
        Hop::Link(LinkMessage::Closed {
            track: TrackId(track),
        })
    }

    fn droppable(track: u32) -> Hop {
        Hop::Link(LinkMessage::SenderReport {
            track: TrackId(track),
            layer: 0,
            ntp: 0,
            rtp: 0,
        })
    }

    fn read(ends: &mut Ends) -> Vec<u32> {
        std::iter::from_fn(|| match ends.poll(WorkerId(0))? {
            Hop::Link(LinkMessage::Closed { track } | LinkMessage::SenderReport { track, .. }) => {
                Some(track.0)
            }
            _ => None,
        })
        .collect()
    }

    #[test]
    fn messages_arrive_at_the_named_worker_in_order() {
        let (mut first, mut second, _poll) = two();
        for track in 0..3 {
            first.send(WorkerId(1), reliable(track));
        }
        assert!(!second.is_empty());
        assert_eq!(read(&mut second), [0, 1, 2]);
        assert!(second.is_empty() && first.is_empty());
    }

    #[test]
    fn a_full_ring_drops_media_and_keeps_what_must_arrive() {
        let (mut first, mut second, _poll) = two();
        let count = MAX_SLOTS as u32;
        for track in 0..count {
            first.send(WorkerId(1), droppable(track));
        }
        first.send(WorkerId(1), droppable(count));
        first.send(WorkerId(1), reliable(count + 1));
        first.send(WorkerId(1), droppable(count + 2));
        assert_eq!(
            first.lost,
            Lost {
                droppable: 2,
                reliable: 0
            }
        );
        assert!(first.has_backlog());
        assert_eq!(read(&mut second).len(), MAX_SLOTS);
        first.flush();
        assert!(!first.has_backlog());
        assert_eq!(read(&mut second), [count + 1]);
    }

    #[test]
    fn a_stuck_worker_costs_bounded_memory() {
        let (mut first, _second, _poll) = two();
        for track in 0..(MAX_SLOTS + MAX_BACKLOG + 5) as u32 {
            first.send(WorkerId(1), reliable(track));
        }
        assert_eq!(
            first.lost,
            Lost {
                droppable: 0,
                reliable: 5
            }
        );
    }

    #[test]
    fn a_message_to_a_worker_that_does_not_exist_is_counted() {
        let (mut first, _second, _poll) = two();
        first.send(WorkerId(9), droppable(1));
        first.send(WorkerId(0), reliable(1));
        assert_eq!(
            first.lost,
            Lost {
                droppable: 1,
                reliable: 1
            }
        );
    }
}
