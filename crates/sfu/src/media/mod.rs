//! Tracks: published here or coming in over links, their subscriptions, and everything that passes between them.

pub mod interest;
pub mod sources;
pub mod speakers;
