//! Bytes and structs: RTP, RTCP, STUN classification, codec payload views, sequence arithmetic and ids.

pub mod classify;
pub mod codec;
pub mod dependency_descriptor;
pub mod framing;
#[doc(hidden)]
pub mod fuzz;
pub mod id;
pub mod path;
pub mod rtcp;
pub mod rtp;
pub mod seq;
pub mod stun;
