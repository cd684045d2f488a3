//! A load of WebRTC clients for a server that speaks livekit's protocol, and what it costs at least to serve them.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a client of the real world has sockets, threads and clocks"
)]

mod floor;
mod signal;

use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let said = match args.split_first() {
        Some((command, rest)) if command == "floor" => floor::run(rest)
            .map(|value| value.to_string())
            .map_err(|error| error.to_string()),
        _ => Err("usage: sluice-load floor".to_owned()),
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
