//! RTP packets (RFC 3550) as views over received bytes, and the writer for those we send.

mod extension;
mod view;
mod writer;

pub use extension::{
    AbsCaptureTime, AudioLevel, PlayoutDelay, abs_send_time, parse_identifier, parse_transport_cc,
};
pub use view::{Extensions, RtpError, RtpHeader, RtpView};
pub use writer::{ExtensionBlock, OutHeader, write_header};

/// Length of the header without contributing sources and extensions, bytes.
pub const FIXED_HEADER_LEN: usize = 12;

/// RFC 8285 profile of one-byte extension headers.
const PROFILE_ONE_BYTE: u16 = 0xbede;
/// RFC 8285 profile of two-byte extension headers; the low four bits are the application's.
const PROFILE_TWO_BYTE: u16 = 0x1000;
