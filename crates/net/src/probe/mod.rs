//! A client that tries the ways into a server, for `sluice doctor`: real TCP, TLS, TURN, ICE, DTLS and data channel
//! exchanges, one way at a time, each step timed. Blocking sockets on the caller's thread; every wait ends.
//!
//! ```text
//! udp       ────────────────────────────────▶ ice ▶ dtls ▶ data
//! tcp       connect ────────────────────────▶ ice ▶ dtls ▶ data
//! turn-udp            ▶ allocate ▶ permit ▶ channel ▶ ice ▶ …
//! turn-tcp  connect   ▶ allocate ▶ …
//! turn-tls  connect ▶ tls ▶ allocate ▶ …
//! ```

mod link;
mod relay;
mod report;
mod request;
mod stream;
mod tls;
mod transport;

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use sluice_peer::{Certificate, CertificateError};

use link::{Link, UdpLink};
use relay::Relay;
use report::Report;
use request::{Request, Session, Way};
use stream::{Framing, StreamLink};

/// Holds the certificate that all probes of a process show, so that one offer fits them.
pub struct Prober {
    certificate: Certificate,
}

/// A request that is not one.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// No JSON, or not what is expected.
    #[error("malformed probe request: {0}")]
    Malformed(#[from] serde_json::Error),
    /// A library panicked over what the server sent.
    #[error("a protocol library panicked")]
    Panic,
    /// A fingerprint of the other side that nobody could match.
    #[error("unusable fingerprint: {0}")]
    Fingerprint(String),
}

impl Prober {
    /// Makes a certificate.
    ///
    /// # Errors
    /// Where that fails.
    pub fn new() -> Result<Self, CertificateError> {
        Ok(Self {
            certificate: Certificate::generate()?,
        })
    }

    /// What an offer says of the certificate, SHA-256.
    pub fn fingerprint(&self) -> String {
        self.certificate.fingerprint_sha256()
    }

    /// Tries one way; the report as JSON. Blocks for no longer than the request's limits together.
    ///
    /// # Errors
    /// For a malformed request; a way that does not work is a report.
    pub fn run(&self, request_json: &str) -> Result<String, ProbeError> {
        let request: Request = serde_json::from_str(request_json)?;
        let session = request.session()?;
        let work = AssertUnwindSafe(|| self.go(&request, session));
        let report = catch_unwind(work).map_err(|_| ProbeError::Panic)?;
        Ok(serde_json::to_string(&report)?)
    }

    fn go(&self, request: &Request, session: Session) -> Report {
        let mut report = Report::default();
        // What failed is in the report.
        if let Some(mut reached) = reach(request, &mut report) {
            let ends = (reached.local, reached.remote);
            let certificate = self.certificate.clone();
            transport::run(&mut *reached.link, ends, session, certificate, &mut report);
            reached.link.finish();
        }
        report
    }
}

/// A way on which datagrams can be sent to the server's candidate.
struct Reached {
    link: Box<dyn Link>,
    local: SocketAddr,
    remote: SocketAddr,
}

fn reach(request: &Request, report: &mut Report) -> Option<Reached> {
    match &request.way {
        Way::Udp { candidate } => {
            let socket = report.step("connect", || UdpLink::connect(*candidate))?;
            let local = socket.local();
            Some(Reached {
                link: Box::new(socket),
                local,
                remote: *candidate,
            })
        }
        Way::Tcp { candidate } => {
            let stream = report.step("connect", || stream::connect(*candidate))?;
            let local = report.step("connect", || stream.local_addr())?;
            Some(Reached {
                link: Box::new(StreamLink::new(stream, Framing::Packets)),
                local,
                remote: *candidate,
            })
        }
        Way::TurnUdp { turn } => {
            let link = report.step("connect", || UdpLink::connect(turn.server))?;
            relay(Box::new(link), turn, report)
        }
        Way::TurnTcp { turn } => {
            let stream = report.step("connect", || stream::connect(turn.server))?;
            relay(
                Box::new(StreamLink::new(stream, Framing::Turn)),
                turn,
                report,
            )
        }
        Way::TurnTls { turn, server_name } => {
            let stream = report.step("connect", || stream::connect(turn.server))?;
            let stream = report.step("tls", || tls::shake_hands(stream, server_name))?;
            relay(
                Box::new(StreamLink::new(stream, Framing::Turn)),
                turn,
                report,
            )
        }
    }
}

/// Allocation, permission and channel.
fn relay(link: Box<dyn Link>, turn: &request::Turn, report: &mut Report) -> Option<Reached> {
    let mut relay = Relay::new(link, turn);
    let relayed = report.step("allocate", || relay.allocate())?;
    report.note(format!("relayed address {relayed}"));
    report.step("permit", || relay.permit())?;
    report.step("channel", || relay.bind_channel())?;
    Some(Reached {
        link: Box::new(relay),
        local: relayed,
        remote: turn.peer,
    })
}

/// Waits until `deadline` at the longest; the least that a socket takes is a millisecond.
fn left(deadline: Instant) -> Option<std::time::Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    (left >= std::time::Duration::from_millis(1)).then_some(left)
}
