//! What clients send, and what they make of what they receive. Sans-IO: time comes in, packets go out through [`Out`].

mod camera;
mod data;
mod inbound;
mod microphone;
mod outbound;
mod stamp;
mod vp9;

pub use camera::Camera;
pub use data::{DataReceiver, DataSource};
pub use inbound::{Counts, Inbound};
pub use microphone::Microphone;
pub use outbound::Out;
