//! Bytes and structs: RTP, RTCP, STUN classification, codec payload views, sequence arithmetic and ids.

pub mod codec;
pub mod id;
