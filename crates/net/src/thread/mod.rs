//! One worker's thread: its loop, and what one turn of it does in which order.

mod commands;
mod connections;
mod datagrams;
mod relays;
mod reports;
mod timings;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::SmallRng;
use sluice_sfu::pool::Pool;
use sluice_sfu::{Worker, WorkerConfig};
use sluice_wire::id::{PeerId, WorkerId};

use crate::affinity;
use crate::config::EngineConfig;
use crate::gather::{Gather, Moved};
use crate::ice_tcp::IceTcp;
use crate::kernel::ReceiveDrops;
use crate::log::{self, LogSource};
use crate::mailbox;
use crate::mesh::Ends;
use crate::mux::Handoff;
use crate::outbox::{EngineReport, Outbox, Report};
use crate::ports::PortBook;
use crate::relay::Relay;
use crate::socket::ReceiveSlots;
use crate::sockets::Sockets;
use crate::stream::StreamSlots;
use crate::waker::Sleeper;
use timings::Timings;

/// Everything a thread is given; it shares none of it but the rings' other ends, the book and the flag.
pub struct Seat {
    /// The worker's settings, its id among them.
    pub worker: WorkerConfig,
    /// The engine's settings.
    pub engine: Arc<EngineConfig>,
    /// What the thread sleeps in.
    pub poll: mio::Poll,
    /// Whom to wake.
    pub sleeper: Sleeper,
    /// What the control plane asks.
    pub commands: mailbox::Receiver,
    /// To and from the other workers.
    pub ends: Ends,
    /// Shared sockets, if any, are in it already.
    pub sockets: Sockets,
    /// Listeners, if any, are in it already.
    pub tcp: IceTcp,
    /// The TURN server; none where it is off.
    pub relay: Option<Relay>,
    /// Ports for peers; none where they share sockets.
    pub ports: Option<Arc<PortBook>>,
    /// Who else has our shared ports.
    pub handoff: Handoff,
    /// Raised to end the thread.
    pub stop: Arc<AtomicBool>,
    /// Where to stay.
    pub core: Option<usize>,
}

/// The running worker.
struct Thread {
    seat: Seat,
    world: Worker,
    slots: ReceiveSlots,
    stream_slots: StreamSlots,
    /// Copies of datagrams for their owners.
    pool: Pool,
    gather: Gather,
    /// Chooses ports.
    rng: SmallRng,
    logs: LogSource,
    /// Datagrams that other workers got from us.
    handed_over: u64,
    /// Peers that got no socket.
    refused_peers: u64,
    /// Peers that ended in this turn; their sockets are closed behind its sends.
    ended: Vec<PeerId>,
    timings: Timings,
    /// Of all workers; the first one counts.
    receive_drops: Option<ReceiveDrops>,
    /// True where the turn left something behind because it had done enough.
    saturated: bool,
    /// True where the next packets were there within a tick of the last.
    steady: bool,
    events: mio::Events,
}

/// Runs a worker until it is told to stop. A panic is reported, never passed on.
pub fn run(seat: Seat, mut outbox: Outbox) {
    if let Some(core) = seat.core {
        affinity::pin(core);
    }
    affinity::sleep_exactly();
    affinity::come_first();
    let worker = seat.worker.id;
    let (collector, logs) = log::collector(Instant::now());
    tracing::subscriber::with_default(collector, || {
        report_panic(worker, &mut outbox, |outbox| {
            Thread::new(seat, logs).run(outbox);
        });
    });
}

fn report_panic(worker: WorkerId, outbox: &mut Outbox, body: impl FnOnce(&mut Outbox)) {
    // A report that was being written when it happened is whole or not there at all.
    let Err(panic) = catch_unwind(AssertUnwindSafe(|| body(outbox))) else {
        return;
    };
    let now = Instant::now();
    let failed = EngineReport::WorkerFailed {
        worker: worker.0,
        detail: panic_message(&*panic),
    };
    outbox.push(now, Report::Engine(failed));
    outbox.flush(now);
}

impl Thread {
    fn new(seat: Seat, logs: LogSource) -> Self {
        let now = Instant::now();
        let longest = Duration::from_micros(seat.engine.max_flush_interval_us);
        Self {
            world: Worker::new(seat.worker.clone(), now),
            slots: ReceiveSlots::new(),
            stream_slots: StreamSlots::new(),
            pool: Pool::default(),
            gather: Gather::new(now, longest),
            rng: SmallRng::seed_from_u64(seat.worker.seed),
            logs,
            handed_over: 0,
            refused_peers: 0,
            ended: Vec::new(),
            timings: Timings::default(),
            receive_drops: (seat.worker.id == WorkerId(0)).then(ReceiveDrops::new),
            saturated: false,
            steady: false,
            events: mio::Events::with_capacity(MAX_POLL_EVENTS),
            seat,
        }
    }

    fn run(mut self, outbox: &mut Outbox) {
        loop {
            // Read before the turn, so that commands sent before the stop are still handled.
            let last = self.seat.stop.load(Ordering::Acquire);
            let now = Instant::now();
            let moved = self.turn(now, outbox);
            if last {
                return;
            }
            self.gather.handle_turn(now, moved);
            self.rest(now, outbox);
        }
    }

    /// One turn. The order is the order of importance; each step is bounded, so that none starves the next.
    /// Returns how many packets moved.
    fn turn(&mut self, now: Instant, outbox: &mut Outbox) -> Moved {
        let (sent_before, published_before) = (self.sent(), self.world.published());
        self.saturated = false;

        // 1. Commands: rare, and whatever comes in next may depend on them (a route, a subscription).
        self.handle_commands(now, outbox);

        // 2. What other workers sent has waited longest already: it has been through a turn of theirs.
        let hops = self.handle_hops(now);

        // 3. Datagrams: a receive buffer that overflows loses media for everybody.
        let datagrams = self.handle_datagrams(now);

        //    Connections behind them: what they carry waits in the kernel rather than being lost.
        let messages = self.handle_connections(now);

        //    Relayed ones likewise, and behind the direct ones: whoever can does without a relay.
        let relayed = self.handle_relays(now);

        // 4. Timers behind arrivals: an acknowledgement that is here already saves a retransmission.
        if self.world.poll_timeout().is_some_and(|due| due <= now) {
            self.world.handle_timeout(now);
        }
        self.close_connections(now);
        if let Some(relay) = &mut self.seat.relay {
            relay.handle_timeout(now);
        }

        // 5. Fan-out: all packets of the turn per subscriber, so that trains form; and first to the other
        //    workers, which then fan out at the same time as we do. A few subscribers at a time, whose packets
        //    leave while they are in the cache.
        let mut counted = sent_before;
        while self.world.flush_some(now) {
            self.pass_links();
            self.transmit(now);
            counted = self.count_sends(now, counted);
        }
        self.pass_links();
        self.transmit(now);

        // 6. What lets sends gather passes them on: nothing below is as urgent.
        self.end_sends(now);
        let moved = Moved {
            arrived: hops + datagrams + messages + relayed,
            published: self.world.published() - published_before,
            left: self.count_sends(now, counted) - sent_before,
        };
        if moved.arrived + moved.left > 0 {
            self.timings.handle_turn(now.elapsed());
        }

        // 7. Reports last: the control plane counts in milliseconds.
        self.report(now, outbox);
        moved
    }

    /// Notes how long what left since `counted` sends was here; returns how many there are by now.
    fn count_sends(&mut self, turn_start: Instant, counted: u64) -> u64 {
        let sent = self.sent();
        if sent > counted {
            let stayed = turn_start.elapsed() + self.gather.wait();
            self.timings.handle_sends(stayed, sent - counted);
        }
        sent
    }

    fn sent(&self) -> u64 {
        let relayed = self.seat.relay.as_ref().map_or(0, |relay| relay.sent);
        self.seat.sockets.counters.sent + self.seat.tcp.sent + relayed
    }

    /// Sleeps until something comes in or is due; a busy worker lets arrivals gather. Going to sleep and waking up costs
    /// what a packet costs, so a burst that comes out of silence is waited for once, and the next one of a steady
    /// stream only as long as a tick takes.
    fn rest(&mut self, turn_start: Instant, outbox: &Outbox) {
        if self.saturated {
            // There is no time to rest: only look at what else is there.
            self.look(Duration::ZERO);
            return;
        }
        let tick = self.gather.wait();
        if self.steady {
            sleep_until(turn_start + tick);
        }
        let due = self.next_deadline(turn_start, outbox);
        let now = Instant::now();
        let patience = due.map_or(MAX_SLEEP, |due| due.saturating_duration_since(now));
        if patience <= tick {
            sleep_until(now + patience);
            self.look(Duration::ZERO);
            return;
        }
        self.seat.sleeper.lie_down();
        let waiting = self.has_work();
        self.look(if waiting {
            Duration::ZERO
        } else {
            patience.min(MAX_SLEEP)
        });
        self.seat.sleeper.get_up();
        let woken = Instant::now();
        let slept = woken.saturating_duration_since(now) > tick;
        self.steady = !slept && !tick.is_zero();
        if tick.is_zero() || !self.has_work() {
            return;
        }
        // The first packet of a burst: give the others the time of a tick.
        let gathered = if slept { woken } else { turn_start } + tick;
        if gathered > woken {
            sleep_until(gathered);
            self.look(Duration::ZERO);
        }
    }

    fn look(&mut self, patience: Duration) {
        // An interrupted poll is one without events.
        if self
            .seat
            .poll
            .poll(&mut self.events, Some(patience))
            .is_ok()
        {
            for event in &self.events {
                let seat = &mut self.seat;
                let of_relay = |relay: &mut Relay| relay.handle_event(event);
                if !seat.tcp.handle_event(event) && !seat.relay.as_mut().is_some_and(of_relay) {
                    seat.sockets.handle_ready(event.token());
                }
            }
        }
    }

    fn has_work(&self) -> bool {
        let seat = &self.seat;
        seat.sockets.has_ready()
            || seat.tcp.has_work()
            || seat.relay.as_ref().is_some_and(Relay::has_work)
            || !seat.commands.is_empty()
            || !seat.ends.is_empty()
            || seat.stop.load(Ordering::Acquire)
    }

    fn next_deadline(&self, now: Instant, outbox: &Outbox) -> Option<Instant> {
        let retry = self.seat.ends.has_backlog().then(|| now + BACKLOG_RETRY);
        let tcp = self.seat.tcp.poll_timeout();
        let relay = self.seat.relay.as_ref().and_then(Relay::poll_timeout);
        let (world, reports) = (self.world.poll_timeout(), outbox.poll_timeout());
        [world, tcp, relay, reports, retry]
            .into_iter()
            .flatten()
            .min()
    }
}

fn sleep_until(when: Instant) {
    let wait = when.saturating_duration_since(Instant::now());
    if !wait.is_zero() {
        std::thread::sleep(wait);
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without words")
        .to_owned()
}

/// Sockets that one look tells of; the rest is told by the next.
const MAX_POLL_EVENTS: usize = 1024;

/// Nothing depends on it: a thread that looks up once a second is easier to watch than one that never does.
const MAX_SLEEP: Duration = Duration::from_secs(1);

/// How soon a neighbour whose ring was full is tried again.
const BACKLOG_RETRY: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::outboxes;

    #[test]
    fn a_panic_is_reported_with_its_words() {
        for (words, panic) in [
            ("static", (|| panic!("static")) as fn()),
            ("made 7", || panic!("made {}", 7)),
            ("a panic without words", || std::panic::panic_any(7)),
        ] {
            let (mut outboxes, inbox) = outboxes(1, || ());
            let outbox = outboxes.first_mut().expect("one outbox");
            report_panic(WorkerId(3), outbox, |_| panic());
            let reported = inbox.take().expect("a report");
            let expected = format!(r#"[{{"type":"workerFailed","worker":3,"detail":"{words}"}}]"#);
            assert_eq!(reported, expected);
        }
    }
}
