//! One DTLS association: handshake, fingerprint check, key export, then the records that carry SCTP.
//!
//! ```text
//!                    fingerprint, profile ok
//!   Handshaking ───────────────────────────────▶ Established ──close_notify, close()──▶ Closed
//!        │                                            │
//!        └── mismatch, alert, timeout, no profile ────┴── authenticated violation ───▶ Failed
//! ```
//! Datagrams that cannot be meant seriously are dropped and counted before the library sees them; what it finds to be
//! noise it drops itself. Neither ends an association.

pub(crate) mod certificate;
mod error;
pub(crate) mod fingerprint;
mod screen;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use dimpl::Output;
use tracing::{debug, trace};

use crate::srtp::keys::{SrtpKeys, SrtpProfile};
use certificate::Certificate;
pub use error::DtlsError;
use error::{has_rsa_key, translate};
use fingerprint::Fingerprint;
use screen::Budget;
pub use screen::{DtlsCounters, DtlsNoise};

/// A DTLS association (RFC 6347) of one transport, without sockets or clocks.
pub struct Dtls {
    library: dimpl::Dtls,
    role: DtlsRole,
    versions: DtlsVersions,
    expected: Vec<Fingerprint>,
    state: State,
    peer_certificate: Option<Vec<u8>>,
    budget: Budget,
    counters: DtlsCounters,
    transmits: VecDeque<Vec<u8>>,
    events: VecDeque<DtlsEvent>,
    timeout: Option<Instant>,
    scratch: Vec<u8>,
}

/// Who sends the first hello.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DtlsRole {
    /// We wait (`a=setup:passive`) and choose the SRTP profile.
    #[default]
    Server,
    /// We begin (`a=setup:active`).
    Client,
}

/// Which protocol versions are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DtlsVersions {
    /// DTLS 1.2 alone; every browser falls back to it.
    #[default]
    V12,
    /// DTLS 1.3 (RFC 9147) where the other side offers it, otherwise 1.2.
    V13OrV12,
}

/// What an association has to tell.
#[derive(Debug)]
pub enum DtlsEvent {
    /// The handshake is done and the certificate is the announced one. Once per association.
    Connected(SrtpKeys),
    /// Application data: one SCTP packet (RFC 8261).
    Data(Vec<u8>),
    /// The other side closed in good order.
    Closed,
}

enum State {
    Handshaking { finished: bool },
    Established,
    Closed,
    Failed,
}

impl Dtls {
    /// Starts an association. A client's first hello is ready in [`Dtls::poll_transmit`] at once.
    ///
    /// `fingerprints` are those announced by signalling, of which the certificate must match one; an empty list
    /// matches nothing.
    pub fn new(
        certificate: &Certificate,
        role: DtlsRole,
        versions: DtlsVersions,
        fingerprints: Vec<Fingerprint>,
        now: Instant,
    ) -> Result<Self, DtlsError> {
        let (config, identity) = (certificate.config(), certificate.identity());
        let mut library = match versions {
            DtlsVersions::V12 => dimpl::Dtls::new_12(config, identity, now),
            DtlsVersions::V13OrV12 => dimpl::Dtls::new_auto(config, identity, now),
        };
        library.set_active(role == DtlsRole::Client);
        let mut dtls = Self {
            library,
            role,
            versions,
            expected: fingerprints,
            state: State::Handshaking { finished: false },
            peer_certificate: None,
            budget: Budget::new(now),
            counters: DtlsCounters::default(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            timeout: None,
            scratch: vec![0; SCRATCH_LEN],
        };
        dtls.handle_timeout(now)?;
        Ok(dtls)
    }

    /// Takes one datagram from the validated path. An error is fatal and is returned once: later calls do nothing.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) -> Result<(), DtlsError> {
        if !matches!(self.state, State::Handshaking { .. } | State::Established) {
            self.counters.count(DtlsNoise::AfterEnd);
            return Ok(());
        }
        let established = matches!(self.state, State::Established);
        let screened =
            screen::check(datagram, self.versions, self.role, established).and_then(|()| {
                if established || self.budget.take(now) {
                    Ok(())
                } else {
                    Err(DtlsNoise::OverBudget)
                }
            });
        if let Err(noise) = screened {
            trace!(?noise, len = datagram.len(), "datagram dropped");
            self.counters.count(noise);
            return Ok(());
        }
        let result = self
            .library
            .handle_timeout(now)
            .and_then(|()| self.library.handle_packet(datagram));
        self.settle(now, result)
    }

    /// Fires retransmissions and the handshake limit.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsError> {
        if !matches!(self.state, State::Handshaking { .. } | State::Established) {
            return Ok(());
        }
        let result = self.library.handle_timeout(now);
        self.settle(now, result)
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.transmits.pop_front()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<DtlsEvent> {
        self.events.pop_front()
    }

    /// When to call [`Dtls::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timeout
    }

    /// Sends application data as one record. Dropped and counted while the queue of datagrams is full.
    pub fn send(&mut self, now: Instant, data: &[u8]) -> Result<(), DtlsError> {
        if !matches!(self.state, State::Established) {
            return Err(DtlsError::Closed);
        }
        if self.transmits.len() >= MAX_QUEUED_DATAGRAMS {
            self.counters.count(DtlsNoise::SendQueueFull);
            return Ok(());
        }
        let result = self.library.send_application_data(data).map(|_| ());
        self.settle(now, result)
    }

    /// Says goodbye and ends the association; the alert is the last datagram to poll.
    pub fn close(&mut self, now: Instant) {
        if matches!(self.state, State::Closed | State::Failed) {
            return;
        }
        let result = self.library.close();
        if self.settle(now, result).is_ok() {
            self.state = State::Closed;
        }
        self.timeout = None;
    }

    /// Whether the handshake is done and nothing ended the association.
    pub fn is_established(&self) -> bool {
        matches!(self.state, State::Established)
    }

    /// Our role.
    pub fn role(&self) -> DtlsRole {
        self.role
    }

    /// Datagrams dropped so far, by reason.
    pub fn counters(&self) -> DtlsCounters {
        self.counters
    }

    /// Drains the library after a call to it and moves the state.
    fn settle(&mut self, now: Instant, result: Result<(), dimpl::Error>) -> Result<(), DtlsError> {
        let outcome = match (self.drain(now), result) {
            (Err(ours), _) => Err(ours),
            (Ok(()), Err(library)) => Err(translate(&library, self.peer_certificate.as_deref())),
            (Ok(()), Ok(())) => Ok(()),
        };
        if let Err(error) = &outcome {
            debug!(%error, "association failed");
            self.fail();
        }
        outcome
    }

    fn drain(&mut self, now: Instant) -> Result<(), DtlsError> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let result = self.drain_into(now, &mut scratch);
        self.scratch = scratch;
        result
    }

    fn drain_into(&mut self, now: Instant, scratch: &mut Vec<u8>) -> Result<(), DtlsError> {
        loop {
            match self.library.poll_output(scratch) {
                Output::Packet(packet) => self.transmits.push_back(packet.to_vec()),
                Output::PeerCert(der) => {
                    let der = der.to_vec();
                    self.check_certificate(der)?;
                }
                Output::Connected => self.state = State::Handshaking { finished: true },
                Output::KeyingMaterial(material, profile) => {
                    self.release_keys(&material, profile)?;
                }
                Output::ApplicationData(data) => {
                    self.events.push_back(DtlsEvent::Data(data.to_vec()));
                }
                Output::CloseNotify => {
                    self.events.push_back(DtlsEvent::Closed);
                    self.state = State::Closed;
                }
                Output::BufferTooSmall { needed } => {
                    if needed > MAX_RECORD_LEN {
                        return Err(DtlsError::Protocol("record longer than DTLS allows".into()));
                    }
                    scratch.resize(needed, 0);
                }
                Output::Timeout(at) => {
                    let idle = at.saturating_duration_since(now) > IDLE;
                    self.timeout = (!idle && !matches!(self.state, State::Closed)).then_some(at);
                    break;
                }
                _ => {}
            }
        }
        match self.state {
            State::Handshaking { finished: true } => Err(DtlsError::NoCommonProfile),
            _ => Ok(()),
        }
    }

    /// The check of RFC 8122 section 5, made as soon as the certificate is there; the handshake itself proves that the
    /// other side holds its key before [`Dtls::release_keys`] is reached.
    fn check_certificate(&mut self, der: Vec<u8>) -> Result<(), DtlsError> {
        if has_rsa_key(&der) {
            return Err(DtlsError::UnsupportedCertificate("RSA certificate"));
        }
        if !self
            .expected
            .iter()
            .any(|fingerprint| fingerprint.matches(&der))
        {
            return Err(DtlsError::FingerprintMismatch);
        }
        self.peer_certificate = Some(der);
        Ok(())
    }

    /// Of the profiles both sides know, the library takes GCM-256, GCM-128, counter mode, in this order and without a
    /// setting (dimpl 0.9). We would rather have GCM-128, but the difference is a tenth of the cost of one packet.
    fn release_keys(
        &mut self,
        material: &[u8],
        profile: dimpl::SrtpProfile,
    ) -> Result<(), DtlsError> {
        if self.peer_certificate.is_none() {
            return Err(DtlsError::NoCertificate);
        }
        let profile = match profile {
            dimpl::SrtpProfile::AEAD_AES_128_GCM => SrtpProfile::AeadAes128Gcm,
            dimpl::SrtpProfile::AEAD_AES_256_GCM => SrtpProfile::AeadAes256Gcm,
            dimpl::SrtpProfile::AES128_CM_SHA1_80 => SrtpProfile::Aes128CmSha1_80,
            _ => return Err(DtlsError::NoCommonProfile),
        };
        let keys = SrtpKeys::from_exported(profile, material, self.role == DtlsRole::Client)
            .ok_or_else(|| DtlsError::Protocol("keying material of a wrong length".into()))?;
        debug!(?profile, role = ?self.role, "association established");
        self.events.push_back(DtlsEvent::Connected(keys));
        self.state = State::Established;
        Ok(())
    }

    /// Nothing that the library still wanted to say goes out: after a mismatch not even our Finished.
    fn fail(&mut self) {
        self.transmits.clear();
        self.events.clear();
        self.timeout = None;
        self.state = State::Failed;
    }
}

impl std::fmt::Debug for Dtls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = match &self.state {
            State::Handshaking { .. } => "handshaking",
            State::Established => "established",
            State::Closed => "closed",
            State::Failed => "failed",
        };
        f.debug_struct("Dtls")
            .field("role", &self.role)
            .field("state", &state)
            .finish_non_exhaustive()
    }
}

/// Holds any datagram we make and any we take at the usual MTU; grown on demand up to one record.
const SCRATCH_LEN: usize = 2_048;

/// RFC 6347 section 4.1: 2^14 bytes of plaintext, 2,048 of expansion, 13 of header.
const MAX_RECORD_LEN: usize = (1 << 14) + 2_048 + 13;

/// Datagrams waiting for the worker to poll them: far beyond one SCTP burst, so only a stuck caller meets it.
const MAX_QUEUED_DATAGRAMS: usize = 1_024;

/// The library's "no timer" is years ahead; anything beyond this is none.
const IDLE: Duration = Duration::from_hours(1);
