//! One worker under a fixed load, to be counted rather than timed: no sockets, no threads, a virtual clock.
//!
//! `sluice-instructions <case>` connects model clients to a worker, warms everything up, lets a fixed number of packets
//! through and prints one line of JSON: what was counted, how much of it, and the allocations on its way. Under
//! `valgrind --tool=callgrind --toggle-collect='*counted*'` only what [`counted`] holds is collected; `run.mjs` does that
//! and compares with `budgets.json`.

mod camera;
mod cases;
mod counted;
mod scene;

use std::alloc::System;
use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::json;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    let asked = std::env::args().nth(1);
    let case = cases::ALL
        .iter()
        .find(|case| Some(case.name) == asked.as_deref());
    let Some(case) = case else {
        let names: Vec<&str> = cases::ALL.iter().map(|case| case.name).collect();
        let usage = format!("usage: sluice-instructions {}\n", names.join("|"));
        drop(io::stderr().write_all(usage.as_bytes()));
        return ExitCode::from(2);
    };
    let tally = (case.run)();
    let line = json!({
        "case": case.name,
        "unit": case.unit,
        "units": tally.units,
        "datagramsIn": tally.datagrams_in,
        "sends": tally.sends,
        "allocations": tally.allocations,
        "allocatedBytes": tally.allocated_bytes,
    });
    let written = writeln!(io::stdout(), "{line}");
    if written.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
