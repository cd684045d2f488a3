//! Commands on their way to one worker: bounded, in order, and read without ever waiting for the writer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rtrb::{Consumer, Producer, RingBuffer};
use sluice_sfu::command::Command;

use crate::lock::Lock;
use crate::waker::Alarm;

/// The writer's end; only the control plane's threads meet at its lock.
pub struct Sender {
    producer: Lock<Producer<Vec<Command>>>,
    waiting: Arc<AtomicUsize>,
    alarm: Alarm,
}

/// The worker's end.
pub struct Receiver {
    consumer: Consumer<Vec<Command>>,
    waiting: Arc<AtomicUsize>,
    batch: std::vec::IntoIter<Command>,
}

/// The worker has fallen so far behind, or is so dead, that waiting commands would fill the memory.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

/// A mailbox whose arrivals ring `alarm`.
pub fn mailbox(alarm: Alarm) -> (Sender, Receiver) {
    let (producer, consumer) = RingBuffer::new(MAX_BATCHES);
    let waiting = Arc::new(AtomicUsize::new(0));
    let sender = Sender {
        producer: Lock::new(producer),
        waiting: Arc::clone(&waiting),
        alarm,
    };
    (
        sender,
        Receiver {
            consumer,
            waiting,
            batch: Vec::new().into_iter(),
        },
    )
}

impl Sender {
    /// Takes all commands or none.
    ///
    /// # Errors
    /// [`Full`] where there is no room for them.
    pub fn submit(&self, commands: Vec<Command>) -> Result<(), Full> {
        if commands.is_empty() {
            return Ok(());
        }
        let mut producer = self.producer.take();
        let count = commands.len();
        if self.waiting.fetch_add(count, Ordering::Relaxed) + count > MAX_COMMANDS
            || producer.push(commands).is_err()
        {
            self.waiting.fetch_sub(count, Ordering::Relaxed);
            return Err(Full);
        }
        drop(producer);
        self.alarm.ring();
        Ok(())
    }

    /// Has the worker look around, for example at its stop flag.
    pub fn ring(&self) {
        self.alarm.ring();
    }
}

impl Receiver {
    /// The next command.
    pub fn poll(&mut self) -> Option<Command> {
        if let Some(command) = self.batch.next() {
            return Some(command);
        }
        let batch = self.consumer.pop().ok()?;
        self.waiting.fetch_sub(batch.len(), Ordering::Relaxed);
        self.batch = batch.into_iter();
        self.batch.next()
    }

    /// True where [`Receiver::poll`] would find nothing.
    pub fn is_empty(&self) -> bool {
        self.batch.as_slice().is_empty() && self.consumer.is_empty()
    }
}

/// Batches that may wait: one per tick of the control plane, so minutes of them.
const MAX_BATCHES: usize = 4096;

/// Commands that may wait, in all batches: some 30 MB of them. A room of 3,000 joins with fewer.
const MAX_COMMANDS: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_wire::id::PeerId;

    fn close(peer: u32) -> Command {
        Command::ClosePeer { peer: PeerId(peer) }
    }

    fn open() -> (Sender, Receiver, mio::Poll) {
        let poll = mio::Poll::new().expect("epoll works");
        let (alarm, _) = crate::waker::pair(poll.registry(), mio::Token(0)).expect("eventfd works");
        let (sender, receiver) = mailbox(alarm);
        (sender, receiver, poll)
    }

    #[test]
    fn commands_arrive_in_order_across_batches() {
        let (sender, mut receiver, _poll) = open();
        sender
            .submit(vec![close(1), close(2)])
            .expect("there is room");
        sender.submit(vec![]).expect("nothing needs no room");
        sender.submit(vec![close(3)]).expect("there is room");
        let peers: Vec<u32> = std::iter::from_fn(|| match receiver.poll()? {
            Command::ClosePeer { peer } => Some(peer.0),
            _ => None,
        })
        .collect();
        assert_eq!(peers, [1, 2, 3]);
        assert!(receiver.is_empty());
    }

    #[test]
    fn a_full_mailbox_refuses_whole_batches_until_it_is_read() {
        let (sender, mut receiver, _poll) = open();
        sender
            .submit(vec![close(1); MAX_COMMANDS])
            .expect("there is room");
        assert_eq!(sender.submit(vec![close(2)]), Err(Full));
        receiver.poll();
        assert_eq!(sender.submit(vec![close(2)]), Ok(()));
    }
}
