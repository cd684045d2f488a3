//! A whole run: threads with their crowds, the phases, and the lines that tell of them.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::crowd::{Census, Crowd};
use crate::floor::thread_time as thread_cpu;
use crate::report::Seen;
use crate::roster::seats;
use crate::scenario::{Request, Server};
use crate::signal::Target;

/// What is asked of a thread.
enum Ask {
    Census,
    /// What was seen until now is told; `true` when a measurement begins.
    Seen(bool),
    Leave,
}

/// What a thread says.
enum Told {
    Census(Census),
    Seen(Box<Seen>),
    Failed(String),
}

struct Worker {
    asks: Sender<Ask>,
    told: Receiver<Told>,
    thread: JoinHandle<()>,
}

/// Reads the request and runs it, telling each step to `out`.
///
/// # Errors
/// A message for whoever asked.
pub fn run(mut input: impl Read, out: &mut impl Write) -> Result<(), String> {
    let mut text = String::new();
    input
        .read_to_string(&mut text)
        .map_err(|error| error.to_string())?;
    let request: Request =
        serde_json::from_str(&text).map_err(|error| format!("request: {error}"))?;
    if let Some(refusal) = request.refusal() {
        return Err(refusal);
    }
    let Server::Livekit {
        url,
        api_key,
        api_secret,
    } = &request.target;
    let target =
        Target::new(url, api_key, api_secret).map_err(|error| format!("target: {error}"))?;
    Run::start(request, target)?.through(out)
}

struct Run {
    request: Arc<Request>,
    workers: Vec<Worker>,
    /// Clients that are to join.
    of: usize,
}

impl Run {
    fn start(request: Request, target: Target) -> Result<Self, String> {
        let (request, target) = (Arc::new(request), Arc::new(target));
        let seats = seats(&request);
        let of = seats.len();
        let begin = Instant::now();
        let mut workers = Vec::new();
        for at in 0..request.threads {
            let own = seats
                .iter()
                .skip(at)
                .step_by(request.threads)
                .copied()
                .collect();
            let (asks, asked) = channel();
            let (tell, told) = channel();
            let threads = request.threads;
            let crowd = Crowd::new(
                Arc::clone(&request),
                Arc::clone(&target),
                own,
                threads,
                begin,
            );
            let crowd = crowd.map_err(|error| error.to_string())?;
            let thread = thread::spawn(move || attend(crowd, &asked, &tell));
            workers.push(Worker { asks, told, thread });
        }
        Ok(Self {
            request,
            workers,
            of,
        })
    }

    fn through(self, out: &mut impl Write) -> Result<(), String> {
        self.until_settled(out)?;
        say(out, &json!({ "event": "settled" }))?;
        self.pass(
            out,
            "warming up",
            Duration::from_secs_f64(self.request.warmup_seconds),
        )?;
        let before = self.seen(true)?;
        let drops = datagrams_lost();
        let (start, streams) = (Instant::now(), self.census()?.streams);
        say(out, &json!({ "event": "measuring" }))?;
        self.pass(
            out,
            "measuring",
            Duration::from_secs_f64(self.request.seconds),
        )?;
        let seconds = start.elapsed();
        let mut window = self.seen(false)?;
        window.busiest /= seconds.as_secs_f64();
        let drops = datagrams_lost().saturating_sub(drops);
        let mut whole = before;
        whole.merge(&window);
        let told = window
            .with_joins_of(&whole)
            .to_json(seconds.as_secs_f64(), streams, drops);
        say(out, &json!({ "event": "measured", "window": told }))?;
        for Worker { asks, told, thread } in self.workers {
            let _ = asks.send(Ask::Leave);
            drop(told);
            let _ = thread.join();
        }
        say(out, &json!({ "event": "done", "report": told }))
    }

    /// Until everybody has joined or failed, and then until everything has come that is to come.
    fn until_settled(&self, out: &mut impl Write) -> Result<(), String> {
        let mut all_here: Option<Instant> = None;
        let mut told = Instant::now();
        loop {
            let census = self.census()?;
            if told.elapsed() >= PROGRESS {
                told = Instant::now();
                self.progress(out, "joining", census, None)?;
            }
            if census.coming == 0 {
                let since = *all_here.get_or_insert_with(Instant::now);
                if census.settled == census.joined || since.elapsed() > PATIENCE {
                    self.progress(out, "settled", census, None)?;
                    return match census.joined {
                        0 => Err(format!("nobody could join: {:?}", self.seen(false)?.failed)),
                        _ => Ok(()),
                    };
                }
            }
            thread::sleep(LOOK);
        }
    }

    fn pass(&self, out: &mut impl Write, phase: &str, time: Duration) -> Result<(), String> {
        let end = Instant::now() + time;
        let mut last = (Instant::now(), self.census()?.packets);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            thread::sleep(left.min(PROGRESS));
            let census = self.census()?;
            let rate =
                census.packets.saturating_sub(last.1) as f64 / last.0.elapsed().as_secs_f64();
            last = (Instant::now(), census.packets);
            self.progress(out, phase, census, Some(rate))?;
        }
    }

    fn progress(
        &self,
        out: &mut impl Write,
        phase: &str,
        census: Census,
        rate: Option<f64>,
    ) -> Result<(), String> {
        let Census { joined, failed, .. } = census;
        let line = json!({
            "event": "progress", "phase": phase, "joined": joined, "failed": failed, "of": self.of, "packetsPerSecond": rate,
        });
        say(out, &line)
    }

    fn census(&self) -> Result<Census, String> {
        let mut all = Census::default();
        for told in self.ask(|| Ask::Census)? {
            if let Told::Census(census) = told {
                all.joined += census.joined;
                all.failed += census.failed;
                all.settled += census.settled;
                all.coming += census.coming;
                all.packets += census.packets;
                all.streams += census.streams;
            }
        }
        Ok(all)
    }

    fn seen(&self, unrest: bool) -> Result<Seen, String> {
        let mut all = Seen::new();
        for told in self.ask(|| Ask::Seen(unrest))? {
            if let Told::Seen(seen) = told {
                all.merge(&seen);
            }
        }
        Ok(all)
    }

    fn ask(&self, ask: impl Fn() -> Ask) -> Result<Vec<Told>, String> {
        for worker in &self.workers {
            let _ = worker.asks.send(ask());
        }
        let mut all = Vec::new();
        for worker in &self.workers {
            match worker.told.recv_timeout(ANSWER) {
                Ok(Told::Failed(error)) => return Err(error),
                Ok(told) => all.push(told),
                Err(RecvTimeoutError::Timeout) => {
                    return Err("a thread of the load does not answer".to_owned());
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err("a thread of the load ended".to_owned());
                }
            }
        }
        Ok(all)
    }
}

/// A thread: turns of its crowd, and answers.
fn attend(mut crowd: Crowd, asked: &Receiver<Ask>, tell: &Sender<Told>) {
    let mut spent = thread_cpu();
    loop {
        if let Err(error) = crowd.turn(LONGEST_TURN) {
            let _ = tell.send(Told::Failed(error.to_string()));
            return;
        }
        for ask in asked.try_iter() {
            let told = match ask {
                Ask::Census => Told::Census(crowd.census()),
                Ask::Seen(unrest) => {
                    let mut seen = crowd.take_seen();
                    let now = thread_cpu();
                    seen.cpu = now.saturating_sub(spent);
                    seen.busiest = seen.cpu.as_secs_f64();
                    spent = now;
                    if unrest {
                        crowd.begin_unrest(Instant::now());
                    } else {
                        crowd.end_unrest();
                    }
                    Told::Seen(Box::new(seen))
                }
                Ask::Leave => {
                    crowd.leave();
                    let end = Instant::now() + LEAVING;
                    while Instant::now() < end && crowd.turn(LONGEST_TURN).is_ok() {}
                    return;
                }
            };
            if tell.send(told).is_err() {
                return;
            }
        }
    }
}

fn say(out: &mut impl Write, line: &Value) -> Result<(), String> {
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .map_err(|error: io::Error| error.to_string())
}

/// Datagrams that the sockets of this network namespace had no room for, since it was made.
fn datagrams_lost() -> u64 {
    let text = std::fs::read_to_string("/proc/net/snmp").unwrap_or_default();
    let mut lines = text.lines().filter(|line| line.starts_with("Udp:"));
    let (Some(names), Some(values)) = (lines.next(), lines.next()) else {
        return 0;
    };
    let found = names
        .split(' ')
        .zip(values.split(' '))
        .find(|(name, _)| *name == "RcvbufErrors");
    found.and_then(|(_, value)| value.parse().ok()).unwrap_or(0)
}

const LONGEST_TURN: Duration = Duration::from_millis(10);
const LOOK: Duration = Duration::from_millis(20);
const PROGRESS: Duration = Duration::from_millis(500);
/// For streams that are late, after everybody is there.
const PATIENCE: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(30);
/// For the last messages to be on their way.
const LEAVING: Duration = Duration::from_millis(300);
