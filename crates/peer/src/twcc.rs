//! Transport-wide sequence marks of what comes in, and the reports that go back.

use std::time::Instant;

use sluice_wire::id::Ssrc;

/// Marks arrivals; idle until the extension is negotiated.
pub(crate) struct Twcc {
    sender: Ssrc,
    extension: Option<u8>,
}

impl Twcc {
    pub fn new(sender: Ssrc) -> Self {
        Self {
            sender,
            extension: None,
        }
    }

    pub fn set_extension(&mut self, extension: Option<u8>) {
        self.extension = extension;
    }

    /// An RTP packet that authenticated.
    pub fn mark(&mut self, _now: Instant, _packet: &[u8]) {
        let _ = self.sender;
    }

    /// A compound packet, in the clear, where a report is due.
    pub fn report(&mut self, _now: Instant) -> Option<Vec<u8>> {
        None
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}
