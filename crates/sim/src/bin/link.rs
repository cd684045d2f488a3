//! A bad network between two TUN devices, for tests with real clients where the kernel has no `netem`.
//!
//! `link <device> <device> <seed>` makes both devices, says `ready` and carries packets from each to the other, as
//! [`sluice_sim::link`] says. The caller moves the devices into the namespaces where they belong. Each line of the
//! standard input changes the weather and is answered by `set`; the end of the input ends the program, and the
//! devices with it:
//!
//! ```text
//! both delay=50 jitter=10 loss=0.05 reorder=0.02 reorder-by=30 duplicate=0.01 rate=2000000 queue=100000
//! first loss=1          what comes from the first device; all else as on an ideal link
//! second delay=20
//! ```
//! Times in milliseconds, shares from 0 to 1, rates in bits per second, queues in bytes.
#![expect(
    clippy::disallowed_methods,
    reason = "real packets travel in real time, each way on threads of its own"
)]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use sluice_sim::{Link, LinkSettings, Loss};
use tun_rs::{DeviceBuilder, SyncDevice};

/// Room for the largest packet of a device.
const PACKET: usize = 65_536;
/// IPv4 and UDP: a [`Link`] adds them to what it carries, and packets of a device have them already.
const HEADERS: usize = 28;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            let _ = writeln!(io::stderr(), "{why}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<(), String> {
    let [first, second, seed] = arguments else {
        return Err("usage: link <device> <device> <seed>".to_owned());
    };
    let seed: u64 = number("seed", seed)?;
    let devices = [open(first)?, open(second)?];
    let ways = [
        carry(&devices[0], &devices[1], seed),
        carry(&devices[1], &devices[0], seed.wrapping_add(1)),
    ];
    say("ready")?;
    for line in io::stdin().lock().lines() {
        let line = line.map_err(|error| error.to_string())?;
        match change(&line, &ways) {
            Ok(()) => say("set")?,
            Err(why) => say(&format!("refused: {why}"))?,
        }
    }
    Ok(())
}

fn say(line: &str) -> Result<(), String> {
    writeln!(io::stdout(), "{line}").map_err(|error| error.to_string())
}

fn open(name: &str) -> Result<Arc<SyncDevice>, String> {
    DeviceBuilder::new()
        .name(name)
        .mtu(1_500)
        .build_sync()
        .map(Arc::new)
        .map_err(|error| format!("{name}: {error}"))
}

/// One direction: its weather, which the reading thread asks for each packet.
type Way = Arc<Mutex<Link>>;

/// Starts the threads of one direction.
fn carry(from: &Arc<SyncDevice>, to: &Arc<SyncDevice>, seed: u64) -> Way {
    let way = Arc::new(Mutex::new(Link::new(ideal(), seed)));
    let (travelling, arriving) = mpsc::channel();
    let (from, to, link) = (from.clone(), to.clone(), way.clone());
    thread::spawn(move || depart(&from, &link, &travelling));
    thread::spawn(move || arrive(&to, &arriving));
    way
}

/// When a packet arrives, and its number, which keeps packets of equal times in order.
type Due = (Instant, u64);
type Travelling = Reverse<(Due, Vec<u8>)>;

fn depart(from: &SyncDevice, link: &Mutex<Link>, travelling: &Sender<Travelling>) {
    let mut buffer = vec![0; PACKET];
    let mut sent = 0;
    loop {
        let Ok(len) = from.recv(&mut buffer) else {
            // The device is down while it moves between namespaces.
            thread::sleep(Duration::from_millis(10));
            continue;
        };
        let mut link = link.lock().unwrap_or_else(PoisonError::into_inner);
        let times = link.carry(Instant::now(), len.saturating_sub(HEADERS));
        for at in times.into_iter().flatten() {
            sent += 1;
            let packet = buffer.get(..len).unwrap_or_default().to_vec();
            if travelling.send(Reverse(((at, sent), packet))).is_err() {
                return;
            }
        }
    }
}

fn arrive(to: &SyncDevice, arriving: &Receiver<Travelling>) {
    let mut packets: BinaryHeap<Travelling> = BinaryHeap::new();
    loop {
        let wait = packets.peek().map(|Reverse(((at, _), _))| {
            let now = Instant::now();
            at.saturating_duration_since(now)
        });
        if wait == Some(Duration::ZERO) {
            if let Some(Reverse((_, packet))) = packets.pop() {
                // A device that is down loses it, as a cable that is out.
                let _ = to.send(&packet);
            }
            continue;
        }
        match wait.map_or_else(
            || arriving.recv().map_err(|_| RecvTimeoutError::Disconnected),
            |wait| arriving.recv_timeout(wait),
        ) {
            Ok(packet) => packets.push(packet),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn ideal() -> LinkSettings {
    LinkSettings::delayed(Duration::ZERO)
}

fn change(line: &str, ways: &[Way; 2]) -> Result<(), String> {
    let mut words = line.split_whitespace();
    let changed = match words.next() {
        Some("both") => &ways[..],
        Some("first") => &ways[..1],
        Some("second") => &ways[1..],
        _ => return Err("a line begins with first, second or both".to_owned()),
    };
    let settings = words.try_fold(ideal(), weather)?;
    for way in changed {
        way.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .set(settings);
    }
    Ok(())
}

fn weather(settings: LinkSettings, word: &str) -> Result<LinkSettings, String> {
    let (key, value) = word
        .split_once('=')
        .ok_or_else(|| format!("{word} is not key=value"))?;
    let milliseconds = |value| number(key, value).map(Duration::from_millis);
    Ok(match key {
        "delay" => LinkSettings {
            delay: milliseconds(value)?,
            ..settings
        },
        "jitter" => LinkSettings {
            jitter: milliseconds(value)?,
            ..settings
        },
        "loss" => LinkSettings {
            loss: Loss::Random(share(key, value)?),
            ..settings
        },
        "reorder" => LinkSettings {
            reorder: share(key, value)?,
            ..settings
        },
        "reorder-by" => LinkSettings {
            reorder_by: milliseconds(value)?,
            ..settings
        },
        "duplicate" => LinkSettings {
            duplicate: share(key, value)?,
            ..settings
        },
        "rate" => LinkSettings {
            rate: Some(number(key, value)?),
            ..settings
        },
        "queue" => LinkSettings {
            queue: number(key, value)?,
            ..settings
        },
        _ => return Err(format!("there is no {key}")),
    })
}

fn number<T: std::str::FromStr>(key: &str, value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("{key}={value}: not a number"))
}

fn share(key: &str, value: &str) -> Result<f64, String> {
    let share = number(key, value)?;
    if (0.0..=1.0).contains(&share) {
        Ok(share)
    } else {
        Err(format!("{key}={value}: not from 0 to 1"))
    }
}
