//! From a path to keys: DTLS, SRTP and the data transport above it.

use std::time::{Duration, Instant};

use sluice_data::{ChannelSettings, DataConfig, DataEvent, DataTransport};
use sluice_ice::Path;
use sluice_secure::{
    Certificate, Dtls, DtlsEvent, DtlsRole, DtlsVersions, Fingerprint, SrtpReceiver, SrtpSender,
};

use crate::event::{CloseReason, PeerEvent};
use crate::peer::Peer;

/// Where DTLS stands.
///
/// ```text
/// AwaitingRemote ──set_remote──▶ Ready ──path, or a hello from a valid tuple──▶ Running
/// ```
pub(crate) enum Handshake {
    /// Fingerprints and role are unknown.
    AwaitingRemote,
    /// Known; nothing was sent or received yet.
    Ready {
        role: DtlsRole,
        fingerprints: Vec<Fingerprint>,
    },
    /// Shaking hands, or standing.
    Running(Box<Dtls>),
}

/// Keys of the transport.
pub(crate) struct Srtp {
    pub sender: SrtpSender,
    pub receiver: SrtpReceiver,
}

/// When the way to a connection reached each of its stages for the first time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Progress {
    described: Option<Instant>,
    /// A pair was nominated, or DTLS began on a tuple that was valid before.
    passable: Option<Instant>,
    shaking: Option<Instant>,
}

impl Progress {
    pub(crate) fn described(&mut self, now: Instant) {
        self.described.get_or_insert(now);
    }

    pub(crate) fn nominated(&mut self, now: Instant) {
        self.passable.get_or_insert(now);
    }

    fn shaking(&mut self, now: Instant) {
        self.passable.get_or_insert(now);
        self.shaking.get_or_insert(now);
    }

    /// How long ICE took, and DTLS.
    fn until(&self, now: Instant) -> (Duration, Duration) {
        let described = self.described.unwrap_or(now);
        let passable = self.passable.unwrap_or(now);
        let shaking = self.shaking.unwrap_or(now);
        (
            passable.saturating_duration_since(described),
            now.saturating_duration_since(shaking),
        )
    }
}

impl Peer {
    /// Takes the DTLS half of the remote description; only the first counts.
    pub(crate) fn prepare_handshake(&mut self, role: DtlsRole, fingerprints: Vec<Fingerprint>) {
        if matches!(self.handshake, Handshake::AwaitingRemote) {
            self.handshake = Handshake::Ready { role, fingerprints };
        }
    }

    /// Starts DTLS if it can be and isn't.
    pub(crate) fn begin_handshake(&mut self, now: Instant) {
        let Handshake::Ready { role, fingerprints } = &self.handshake else {
            return;
        };
        match start(
            &self.certificate,
            *role,
            self.versions,
            fingerprints.clone(),
            now,
        ) {
            Ok(dtls) => {
                self.progress.shaking(now);
                self.handshake = Handshake::Running(dtls);
            }
            Err(error) => self.end_by_dtls(&error),
        }
    }

    pub(crate) fn handle_dtls(&mut self, now: Instant, path: Path, datagram: &[u8]) -> bool {
        self.begin_handshake(now);
        let Handshake::Running(dtls) = &mut self.handshake else {
            return false;
        };
        let noise_before = dtls.counters().total();
        let result = dtls.handle_datagram(now, datagram);
        let taken = dtls.counters().total() == noise_before;
        if taken {
            self.handshake_path = Some(path);
        }
        self.drain_dtls(now);
        if let Err(error) = result {
            self.end_by_dtls(&error);
        }
        taken
    }

    pub(crate) fn drain_dtls(&mut self, now: Instant) {
        while let Handshake::Running(dtls) = &mut self.handshake {
            let Some(event) = dtls.poll_event() else {
                return;
            };
            match event {
                DtlsEvent::Connected(keys) => {
                    let (profile, role) = (keys.profile, dtls.role());
                    let (sender, receiver) = keys.into_streams();
                    self.srtp = Some(Box::new(Srtp { sender, receiver }));
                    let (ice, dtls) = self.progress.until(now);
                    self.report(PeerEvent::Connected {
                        profile,
                        role,
                        ice,
                        dtls,
                    });
                    self.begin_data(now, role);
                    self.go_along_handshake();
                }
                DtlsEvent::Data(packet) => {
                    if let Some(data) = &mut self.data {
                        if let Err(refusal) = data.handle_packet(now, &packet) {
                            tracing::trace!(?refusal, "SCTP packet dropped");
                        }
                        self.drain_data();
                    }
                }
                DtlsEvent::Closed => {
                    self.end(CloseReason::RemoteClosed, "DTLS close_notify".to_owned());
                    return;
                }
            }
        }
    }

    /// Media need not wait for a nomination, which may be lost on its way: where keys were agreed on, it gets through.
    fn go_along_handshake(&mut self) {
        let proven = self.handshake_path.filter(|path| self.ice.is_valid(*path));
        if let (None, Some(path)) = (self.path, proven) {
            self.path = Some(path);
            self.report(PeerEvent::Path(path));
        }
    }

    fn begin_data(&mut self, now: Instant, role: DtlsRole) {
        let config = DataConfig {
            role: self.data_role,
            dtls_client: role == DtlsRole::Client,
        };
        let mut data = Box::new(DataTransport::new(now, config));
        for settings in self.wanted_channels.drain(..) {
            data.open_channel(now, settings);
        }
        self.data = Some(data);
    }

    pub(crate) fn open_channel(&mut self, now: Instant, settings: ChannelSettings) -> bool {
        match &mut self.data {
            Some(data) => data.open_channel(now, settings).is_some(),
            None if self.wanted_channels.len() < sluice_data::MAX_CHANNELS => {
                self.wanted_channels.push(settings);
                true
            }
            None => false,
        }
    }

    pub(crate) fn drain_data(&mut self) {
        while let Some(event) = self.data.as_mut().and_then(|data| data.poll_event()) {
            match event {
                DataEvent::Connected => {}
                DataEvent::ChannelOpened { id, settings } => {
                    self.report(PeerEvent::ChannelOpened { id, settings });
                }
                DataEvent::Message { id, binary, bytes } => {
                    self.report(PeerEvent::Message { id, binary, bytes });
                }
                DataEvent::ChannelClosed { id } => self.report(PeerEvent::ChannelClosed { id }),
                DataEvent::Closed => self.end(
                    CloseReason::RemoteClosed,
                    "SCTP association closed".to_owned(),
                ),
            }
        }
    }

    /// SCTP packets into DTLS records.
    pub(crate) fn seal_data(&mut self, now: Instant) {
        let (Handshake::Running(dtls), Some(data)) = (&mut self.handshake, &mut self.data) else {
            return;
        };
        while let Some(packet) = data.poll_transmit() {
            if let Err(error) = dtls.send(now, &packet) {
                return self.end_by_dtls(&error);
            }
        }
    }
}

fn start(
    certificate: &Certificate,
    role: DtlsRole,
    versions: DtlsVersions,
    fingerprints: Vec<Fingerprint>,
    now: Instant,
) -> Result<Box<Dtls>, sluice_secure::DtlsError> {
    Dtls::new(certificate, role, versions, fingerprints, now).map(Box::new)
}
