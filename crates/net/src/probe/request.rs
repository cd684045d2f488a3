//! What to try, as JSON from `ts/doctor/prober.ts`.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;
use sluice_peer::{Credentials, DtlsRole, Fingerprint, RemoteDescription};

use super::ProbeError;

/// One way, and both descriptions.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Request {
    pub way: Way,
    local: Ice,
    remote: Remote,
    /// Longest time that ICE, DTLS and the data channel may each take, milliseconds.
    step_ms: u64,
}

/// How to get to one of the server's candidates.
#[derive(Debug, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub(super) enum Way {
    Udp { candidate: SocketAddr },
    Tcp { candidate: SocketAddr },
    TurnUdp { turn: Turn },
    TurnTcp { turn: Turn },
    TurnTls { turn: Turn, server_name: String },
}

/// A TURN server, and the candidate to reach through it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Turn {
    pub server: SocketAddr,
    pub username: String,
    pub credential: String,
    pub peer: SocketAddr,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ice {
    ufrag: String,
    pwd: String,
}

/// The server's answer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Remote {
    ufrag: String,
    pwd: String,
    lite: bool,
    /// True where it begins DTLS.
    active: bool,
    /// Name of the hash and value, as `a=fingerprint` has them.
    fingerprints: Vec<(String, String)>,
}

/// What a transport needs beside a way.
pub(super) struct Session {
    pub local: Credentials,
    pub remote: RemoteDescription,
    pub patience: Duration,
}

impl Request {
    pub(super) fn session(&self) -> Result<Session, ProbeError> {
        let fingerprints = self
            .remote
            .fingerprints
            .iter()
            .map(|(algorithm, value)| {
                Fingerprint::parse(algorithm, value)
                    .ok_or_else(|| ProbeError::Fingerprint(format!("{algorithm} {value}")))
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Session {
            local: Credentials::new(&self.local.ufrag, &self.local.pwd),
            remote: RemoteDescription {
                ice: Credentials::new(&self.remote.ufrag, &self.remote.pwd),
                ice_lite: self.remote.lite,
                dtls_role: if self.remote.active {
                    DtlsRole::Server
                } else {
                    DtlsRole::Client
                },
                fingerprints,
            },
            patience: Duration::from_millis(self.step_ms.clamp(100, MAX_STEP_MS)),
        })
    }
}

/// ICE gives up by itself after as long.
const MAX_STEP_MS: u64 = 30_000;
