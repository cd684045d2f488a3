//! What goes to the control plane at the end of a turn.

use std::time::Instant;

use sluice_sfu::event::{Answer, Event};

use super::Thread;
use crate::kernel::ReceiveDrops;
use crate::lock;
use crate::outbox::{EngineReport, Outbox, Report};
use crate::relay::Relay;

impl Thread {
    pub(super) fn report(&mut self, now: Instant, outbox: &mut Outbox) {
        while let Some(mut event) = self.world.poll_event() {
            match &mut event {
                Event::PeerClosed { peer, .. } => self.ended.push(*peer),
                Event::Answer {
                    answer: Answer::WorkerStats { counters },
                    ..
                } => {
                    counters.extend(self.counters(outbox));
                }
                _ => {}
            }
            outbox.push(now, Report::Event(event));
        }
        while let Some(record) = self.logs.poll(now) {
            outbox.push(now, Report::Engine(EngineReport::Log(record)));
        }
        // Before anybody reads of an end: the next transport finds the port free.
        self.close_ended();
        outbox.flush(now);
    }

    /// What this crate counts, beside what the world does.
    fn counters(&self, outbox: &Outbox) -> impl Iterator<Item = (String, u64)> + use<> {
        let sends = self.seat.sockets.counters;
        let lost = self.seat.ends.lost;
        let relay = self.seat.relay.as_ref().map(Relay::counters);
        let unread = self.receive_drops.as_ref().map_or(0, ReceiveDrops::count);
        [
            ("datagrams_sent", sends.sent),
            ("sends", sends.calls),
            ("datagrams_handed_over", self.handed_over),
            ("ports_exhausted", self.refused_peers),
            ("train_fallbacks", sends.train_fallbacks),
            ("drop_receive_full", unread),
            ("drop_send_full", sends.full),
            ("drop_send_too_large", sends.too_large),
            ("drop_send_refused", sends.refused),
            ("drop_link_full", lost.droppable),
            ("drop_link_reliable", lost.reliable),
            ("drop_report", outbox.lost),
            ("locks", lock::taken()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .chain(self.seat.tcp.counters())
        .chain(relay.into_iter().flatten())
        .chain(self.timings.counters())
    }
}
