//! SRTP and SRTCP (RFC 3711, RFC 7714): no allocation per packet, no state for what is not authenticated.

pub(crate) mod cipher;
pub(crate) mod header;
pub(crate) mod keys;
pub(crate) mod receiver;
pub(crate) mod sender;
pub(crate) mod window;
