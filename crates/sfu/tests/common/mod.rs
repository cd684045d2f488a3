//! Workers, clients and the wires between them under one virtual clock.

#![allow(dead_code)]

pub mod client;
pub mod net;
pub mod publisher;
