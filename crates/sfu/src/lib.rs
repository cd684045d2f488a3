//! The world of one worker: peers, routes, tracks, links, data routing; commands in, events out.
//!
//! Everything here is driven by [`worker::Worker`]'s five verbs and knows neither sockets, threads nor clocks.

pub mod command;
pub mod config;
pub mod event;
#[doc(hidden)]
pub mod fuzz;
pub mod histogram;
pub mod link;
pub mod pool;
pub mod stats;
pub mod worker;

mod answers;
mod data;
mod drive;
mod egress;
mod media;
mod outbox;
mod routes;
mod slab;
mod timers;
mod transports;

pub use config::{LocalAddress, WorkerConfig};
pub use egress::Transmit;
pub use link::LinkMessage;
pub use sluice_peer::{Certificate, CertificateError, Protocol};
pub use worker::Worker;
