//! Data packets between the participants of a room: who may send what, in whose name, to whom.

pub mod channels;
pub mod delivery;
pub mod packet;
pub mod room;
pub mod router;

mod base64;
mod joining;
mod proto;
