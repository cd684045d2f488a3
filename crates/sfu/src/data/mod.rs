//! Data packets between the participants of a room: who may send what, in whose name, to whom.

pub mod channels;
pub mod delivery;
pub mod frame;
pub mod packet;
pub mod room;
pub mod router;
pub mod streams;
pub mod tracks;

mod base64;
mod joining;
mod proto;
