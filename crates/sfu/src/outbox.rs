//! What a turn leaves behind besides datagrams: reports, messages to other workers, counts.

use std::collections::VecDeque;

use sluice_wire::id::WorkerId;

use crate::event::Event;
use crate::link::LinkMessage;
use crate::stats::Counters;

/// Filled by every stage, emptied by the worker's `poll_*`.
#[derive(Debug, Default)]
pub struct Outbox {
    events: VecDeque<Event>,
    links: VecDeque<(WorkerId, LinkMessage)>,
    /// Counters of the worker.
    pub counters: Counters,
}

impl Outbox {
    /// Reports to the control plane.
    pub fn report(&mut self, event: Event) {
        self.events.push_back(event);
    }

    /// Tells another worker.
    pub fn link(&mut self, worker: WorkerId, message: LinkMessage) {
        self.counters.link_out += 1;
        self.links.push_back((worker, message));
    }

    /// The next report.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The next message to another worker.
    pub fn next_link(&mut self) -> Option<(WorkerId, LinkMessage)> {
        self.links.pop_front()
    }
}
