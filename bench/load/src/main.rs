//! A load of WebRTC clients for a server that speaks livekit's protocol, and what it costs at least to serve them.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a client of the real world has sockets, threads and clocks"
)]

mod client;
mod crowd;
mod floor;
mod impairment;
mod media;
mod report;
mod roster;
mod run;
mod scenario;
mod signal;
mod transport;

use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let said = match args.split_first() {
        Some((command, rest)) if command == "floor" => floor::run(rest)
            .map(|value| value.to_string())
            .map_err(|error| error.to_string()),
        Some((command, [])) if command == "run" => {
            return match run::run(io::stdin(), &mut io::stdout()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(message) => {
                    let line = serde_json::json!({ "event": "error", "message": message });
                    let _ = writeln!(io::stdout(), "{line}");
                    ExitCode::FAILURE
                }
            };
        }
        Some((command, [])) if command == "--version" => Ok(env!("CARGO_PKG_VERSION").to_owned()),
        _ => Err(
            "usage: sluice-load run < request | sluice-load floor | sluice-load --version"
                .to_owned(),
        ),
    };
    match said {
        Ok(line) if writeln!(io::stdout(), "{line}").is_ok() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "sluice-load: {error}");
            ExitCode::FAILURE
        }
    }
}
