//! A load of WebRTC clients for a server that speaks livekit's protocol, and what it costs at least to serve them.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a client of the real world has sockets, threads and clocks"
)]

mod signal;

fn main() {}
