//! The world of one worker: peers, routes, tracks, links, data routing; commands in, events out.

pub mod command;
pub mod event;
