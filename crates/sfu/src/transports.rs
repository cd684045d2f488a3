//! The transports of a worker and the routes to them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Instant;

use sluice_forward::down_track::DownTrackState;
use sluice_peer::{
    CandidateKind, Certificate, Credentials, DtlsRole as PeerDtlsRole, Fingerprint, LocalCandidate,
    Peer, PeerConfig, Protocol, RemoteCandidate, RemoteDescription, SrtpProfile,
};
use sluice_wire::id::{DownTrackId, PeerId, Ssrc};
use sluice_wire::path::Path;
use sluice_wire::rtcp::Rtcp;

use crate::command::{self, Candidate, DtlsRole, ExtensionIds, IceCredentials, OpenPeer};
use crate::config::LocalAddress;
use crate::media::sources::Sources;
use crate::routes::Routes;
use crate::slab::Slab;

/// All transports, by slab index.
#[derive(Default)]
pub struct Transports {
    slots: Slab<Transport>,
    by_id: HashMap<PeerId, usize>,
    /// Addresses and ufrags to indices.
    pub routes: Routes,
    touched: Vec<usize>,
}

/// One transport and what hangs on it.
pub struct Transport {
    /// Its id.
    pub id: PeerId,
    /// ICE, DTLS, SRTP, SCTP.
    pub peer: Peer,
    /// What it publishes, by SSRC.
    pub sources: Sources,
    /// Header extensions on audio sections.
    pub audio: ExtensionIds,
    /// Header extensions on video sections.
    pub video: ExtensionIds,
    /// Slab indices of the tracks it publishes.
    pub ups: Vec<usize>,
    /// What it is subscribed to.
    pub downs: Vec<DownRef>,
    /// SSRC of the RTCP we send for no stream of ours.
    pub feedback_ssrc: Ssrc,
    /// RTCP that waits for the end of the turn.
    pub feedback: Vec<Rtcp>,
    /// What the client estimates it can receive, bits per second.
    pub remb: Option<u64>,
    /// Where the streams of former subscriptions ended, by SSRC: another one on the same SSRC goes on from there.
    pub retired: Vec<(Ssrc, DownTrackState)>,
    /// When sender reports are due.
    pub next_report: Option<Instant>,
    /// ICE was restarted and checks for former credentials still find their way here.
    restarted: bool,
    touched: bool,
}

/// A subscription of a transport, by the SSRCs that its client's RTCP names.
#[derive(Debug, Clone, Copy)]
pub struct DownRef {
    /// The subscription.
    pub down: DownTrackId,
    /// Its media.
    pub ssrc: Ssrc,
    /// Its retransmissions.
    pub rtx: Option<Ssrc>,
}

impl Transports {
    /// Opens a transport on these sockets; None where the id is taken.
    pub fn open(
        &mut self,
        now: Instant,
        open: OpenPeer,
        locals: &[LocalAddress],
        certificate: Certificate,
        seed: u64,
    ) -> Option<usize> {
        if self.by_id.contains_key(&open.peer) {
            return None;
        }
        let ufrag = open.ice.ufrag.clone();
        let ice = Credentials::new(open.ice.ufrag, open.ice.pwd);
        let mut config = PeerConfig::new(open.peer, ice, certificate, seed);
        config.ice_lite = open.ice_lite;
        config.controlling = open.controlling;
        let mut peer = Peer::new(now, config);
        for local in locals {
            peer.add_local_address(local.protocol, local.socket, local.advertised);
        }
        let index = self.slots.insert(Transport {
            id: open.peer,
            peer,
            sources: Sources::default(),
            audio: ExtensionIds::default(),
            video: ExtensionIds::default(),
            ups: Vec::new(),
            downs: Vec::new(),
            feedback_ssrc: Ssrc((seed >> 32) as u32 | 1),
            feedback: Vec::new(),
            remb: None,
            retired: Vec::new(),
            next_report: None,
            restarted: false,
            touched: false,
        });
        self.by_id.insert(open.peer, index);
        self.routes.add_ufrag(&ufrag, index);
        for local in locals
            .iter()
            .filter(|local| local.protocol == Protocol::Udp)
        {
            self.routes.add_socket(local.socket, index);
        }
        Some(index)
    }

    /// Takes a transport out, with all routes to it.
    pub fn remove(&mut self, index: usize) -> Option<Transport> {
        let transport = self.slots.remove(index)?;
        self.by_id.remove(&transport.id);
        self.routes.forget(index);
        Some(transport)
    }

    /// Begins an ICE session with new credentials.
    pub fn restart_ice(&mut self, now: Instant, index: usize, ice: &IceCredentials) {
        if let Some(transport) = self.slots.get_mut(index) {
            transport.peer.restart_ice(now, credentials(ice));
            transport.restarted = true;
            let peer = &transport.peer;
            self.routes
                .keep_ufrags(index, |ufrag| peer.answers_to(ufrag));
            self.routes.add_ufrag(&ice.ufrag, index);
            self.touch(index);
        }
    }

    /// Forgets the credentials from before a restart once the new session has a pair.
    pub fn end_restart(&mut self, index: usize) {
        if let Some(transport) = self.slots.get_mut(index)
            && transport.restarted
            && !transport.peer.is_restarting()
        {
            transport.restarted = false;
            let peer = &transport.peer;
            self.routes
                .keep_ufrags(index, |ufrag| peer.answers_to(ufrag));
        }
    }

    /// The index of a transport.
    pub fn index(&self, peer: PeerId) -> Option<usize> {
        self.by_id.get(&peer).copied()
    }

    /// A transport.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&Transport> {
        self.slots.get(index)
    }

    /// A transport, to change.
    #[inline]
    pub fn get_mut(&mut self, index: usize) -> Option<&mut Transport> {
        self.slots.get_mut(index)
    }

    /// A transport by its id, to change; it counts as touched.
    pub fn named(&mut self, peer: PeerId) -> Option<&mut Transport> {
        let index = self.index(peer)?;
        self.touch(index);
        self.slots.get_mut(index)
    }

    /// The transport a datagram is for.
    #[inline]
    pub fn find(&self, path: Path, datagram: &[u8]) -> Option<usize> {
        self.routes.find(path, datagram)
    }

    /// Something happened to a transport: it is driven when the turn ends.
    #[inline]
    pub fn touch(&mut self, index: usize) {
        if let Some(transport) = self.slots.get_mut(index)
            && !transport.touched
        {
            transport.touched = true;
            self.touched.push(index);
        }
    }

    /// The next transport to drive.
    pub fn next_touched(&mut self) -> Option<usize> {
        while let Some(index) = self.touched.pop() {
            if let Some(transport) = self.slots.get_mut(index)
                && std::mem::take(&mut transport.touched)
            {
                return Some(index);
            }
        }
        None
    }

    /// Transports held.
    pub fn len(&self) -> usize {
        self.slots.len()
    }
}

impl Transport {
    /// Extension ids of sections of a kind.
    pub fn extensions(&self, kind: command::MediaKind) -> &ExtensionIds {
        match kind {
            command::MediaKind::Audio => &self.audio,
            command::MediaKind::Video => &self.video,
        }
    }

    /// When sender reports are due: only once they can be sent.
    pub fn report_due(&self) -> Option<Instant> {
        self.next_report
            .filter(|_| !self.downs.is_empty() && self.peer.is_connected())
    }

    /// Where the stream of an SSRC ended, for the subscription that goes on with it.
    pub fn take_retired(&mut self, ssrc: Ssrc) -> Option<DownTrackState> {
        let at = self
            .retired
            .iter()
            .position(|(retired, _)| *retired == ssrc)?;
        Some(self.retired.swap_remove(at).1)
    }

    /// The subscription that sends on an SSRC, its retransmissions included.
    pub fn down_by_ssrc(&self, ssrc: Ssrc) -> Option<DownRef> {
        self.downs
            .iter()
            .find(|down| down.ssrc == ssrc || down.rtx == Some(ssrc))
            .copied()
    }
}

/// Credentials as the transport takes them.
pub fn credentials(ice: &IceCredentials) -> Credentials {
    Credentials::new(ice.ufrag.clone(), ice.pwd.clone())
}

/// The client's description as the transport takes it; fingerprints of unknown hashes are left out.
pub fn remote_description(
    ice: &IceCredentials,
    ice_lite: bool,
    dtls_role: DtlsRole,
    fingerprints: &[command::Fingerprint],
) -> RemoteDescription {
    RemoteDescription {
        ice: credentials(ice),
        ice_lite,
        dtls_role: match dtls_role {
            DtlsRole::Passive => PeerDtlsRole::Server,
            DtlsRole::Active => PeerDtlsRole::Client,
        },
        fingerprints: fingerprints
            .iter()
            .filter_map(|fingerprint| {
                Fingerprint::parse(&fingerprint.algorithm, &fingerprint.value)
            })
            .collect(),
    }
}

/// The client's candidate as the transport takes it; None where it is none we could use.
pub fn remote_candidate(candidate: &Candidate) -> Option<RemoteCandidate> {
    Some(RemoteCandidate {
        foundation: candidate.foundation.clone(),
        priority: candidate.priority,
        addr: SocketAddr::new(candidate.ip.parse().ok()?, candidate.port),
        kind: match candidate.kind.as_str() {
            "host" => CandidateKind::Host,
            "srflx" => CandidateKind::ServerReflexive,
            "prflx" => CandidateKind::PeerReflexive,
            "relay" => CandidateKind::Relayed,
            _ => return None,
        },
        protocol: match candidate.protocol.as_str() {
            "udp" => Protocol::Udp,
            "tcp" => Protocol::Tcp,
            _ => return None,
        },
    })
}

/// Our candidate as signalling takes it.
pub fn local_candidate(candidate: &LocalCandidate) -> Candidate {
    let (protocol, tcp_type) = match candidate.protocol {
        Protocol::Udp => ("udp", None),
        Protocol::Tcp => ("tcp", Some("passive".to_owned())),
    };
    Candidate {
        foundation: candidate.foundation.clone(),
        protocol: protocol.to_owned(),
        priority: candidate.priority,
        ip: candidate.addr.ip().to_string(),
        port: candidate.addr.port(),
        kind: "host".to_owned(),
        tcp_type,
    }
}

/// A profile by its name in RFC 5764 or RFC 7714.
pub fn profile_name(profile: SrtpProfile) -> &'static str {
    match profile {
        SrtpProfile::AeadAes128Gcm => "SRTP_AEAD_AES_128_GCM",
        SrtpProfile::AeadAes256Gcm => "SRTP_AEAD_AES_256_GCM",
        SrtpProfile::Aes128CmSha1_80 => "SRTP_AES128_CM_SHA1_80",
    }
}
