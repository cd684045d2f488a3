//! Rewriting what a receiver counts by, so that a stream put together from several looks like one.

pub mod dependency_descriptor;
pub mod offsets;
pub mod rtp;
pub mod vp8;
