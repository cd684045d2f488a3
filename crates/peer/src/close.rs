//! How a transport ends.

use std::panic::{AssertUnwindSafe, catch_unwind};

use sluice_secure::DtlsError;

use crate::event::{CloseReason, PeerEvent};
use crate::peer::Peer;

impl Peer {
    /// Runs what enters third-party libraries. A panic there ends this transport and nothing else; the
    /// broken pieces are never entered again.
    pub(crate) fn guarded<T>(&mut self, enter: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.dirty = true;
        self.shielded(enter)
    }

    /// As [`Peer::guarded`], for what makes nothing to send.
    pub(crate) fn shielded<T>(&mut self, enter: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.is_closed() {
            return None;
        }
        if let Ok(value) = catch_unwind(AssertUnwindSafe(|| enter(self))) {
            return Some(value);
        }
        tracing::error!(peer = self.id().0, "panic inside a transport");
        self.end(
            CloseReason::InternalError,
            "panic in a protocol library".to_owned(),
        );
        None
    }

    /// Ends the transport and reports it.
    pub(crate) fn end(&mut self, reason: CloseReason, detail: String) {
        if self.is_closed() {
            return;
        }
        tracing::debug!(peer = self.id().0, ?reason, detail, "transport ended");
        self.mark_closed();
        self.report(PeerEvent::Closed { reason, detail });
    }

    pub(crate) fn end_by_dtls(&mut self, error: &DtlsError) {
        let reason = match error {
            DtlsError::FingerprintMismatch => CloseReason::FingerprintMismatch,
            DtlsError::Closed => CloseReason::RemoteClosed,
            _ => CloseReason::DtlsFailed,
        };
        self.end(reason, error.to_string());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use sluice_ice::Credentials;
    use sluice_secure::Certificate;
    use sluice_wire::id::PeerId;

    use super::*;
    use crate::PeerConfig;

    #[test]
    #[allow(clippy::disallowed_methods)]
    fn a_panic_ends_this_transport_with_an_internal_error() {
        let certificate = Certificate::generate().expect("a certificate");
        let config = PeerConfig::new(PeerId(1), Credentials::new("u", "p"), certificate, 1);
        let mut peer = Peer::new(Instant::now(), config);
        assert_eq!(
            peer.guarded(|_| -> u8 { panic!("as a library might") }),
            None
        );
        assert!(peer.is_closed());
        let event = peer.poll_event();
        assert!(matches!(
            event,
            Some(PeerEvent::Closed {
                reason: CloseReason::InternalError,
                ..
            })
        ));
        assert_eq!(peer.guarded(|_| 1), None, "never entered again");
        assert_eq!(peer.poll_timeout(), None);
    }
}
