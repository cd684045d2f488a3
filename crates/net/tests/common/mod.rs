//! A running engine, and clients that talk to it over loopback: our own transport in the client's role.
#![allow(dead_code, clippy::disallowed_methods, clippy::disallowed_types)]

pub mod certificates;
pub mod link;
pub mod turn;

use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sluice_net::{Engine, StartError};
use sluice_peer::{
    Certificate, Credentials, DataRole, DtlsRole, Fingerprint, Peer, PeerConfig, PeerEvent,
    Received, RemoteDescription,
};
use sluice_wire::id::{PayloadType, PeerId, Ssrc};
use sluice_wire::path::Path;
use sluice_wire::rtp::{ExtensionBlock, OutHeader, write_header};

use link::Link;

/// Longer than anything here takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// An engine and what it reported.
pub struct Rig {
    pub engine: Engine,
    rung: mpsc::Receiver<()>,
    reports: Vec<Value>,
}

impl Rig {
    pub fn start(config: &Value) -> Result<Self, StartError> {
        let (ring, rung) = mpsc::channel();
        let config = serde_json::from_value(config.clone()).expect("the configuration parses");
        let engine = Engine::start(config, move || {
            // The test may have ended.
            let _ = ring.send(());
        })?;
        Ok(Self {
            engine,
            rung,
            reports: Vec::new(),
        })
    }

    pub fn submit(&self, worker: u16, commands: &Value) {
        self.engine
            .submit(worker, &commands.to_string())
            .expect("the commands are taken");
    }

    /// Opens a transport; the addresses of its UDP candidates.
    pub fn open_peer(&mut self, worker: u16, peer: u32) -> Vec<SocketAddr> {
        self.open_peer_with_tcp(worker, peer).0
    }

    /// Opens a transport; the addresses of its UDP and of its TCP candidates.
    pub fn open_peer_with_tcp(
        &mut self,
        worker: u16,
        peer: u32,
    ) -> (Vec<SocketAddr>, Vec<SocketAddr>) {
        let ice = local_ice(worker, peer);
        self.submit(
            worker,
            &json!([{"type": "openPeer", "peer": peer, "ice": {"ufrag": ice.ufrag, "pwd": ice.pwd},
                     "iceLite": false, "controlling": false}]),
        );
        let opened =
            self.wait_for(|report| report["type"] == "peerOpened" && report["peer"] == peer);
        let candidates = opened["candidates"].as_array().expect("candidates").clone();
        let address = |candidate: &Value| {
            let ip = candidate["ip"].as_str()?.parse().ok()?;
            Some(SocketAddr::new(
                ip,
                u16::try_from(candidate["port"].as_u64()?).ok()?,
            ))
        };
        let of = |protocol: &str| {
            candidates
                .iter()
                .filter(|candidate| candidate["protocol"] == protocol)
                .map(|candidate| address(candidate).expect("an address"))
                .collect()
        };
        (of("udp"), of("tcp"))
    }

    /// Takes in what has been reported, waiting at most `patience` for something.
    pub fn look(&mut self, patience: Duration) {
        let _ = self.rung.recv_timeout(patience);
        if let Some(json) = self.engine.take_events() {
            let reports: Vec<Value> = serde_json::from_str(&json).expect("an array");
            self.reports.extend(reports);
        }
    }

    /// The first report, past or future, that `wanted` describes; it is taken out.
    pub fn wait_for(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.reports.iter().position(&wanted) {
                return self.reports.remove(at);
            }
            assert!(
                Instant::now() < deadline,
                "not reported; what was: {:#?}",
                self.reports
            );
            self.look(Duration::from_millis(50));
        }
    }

    pub fn has(&self, wanted: impl Fn(&Value) -> bool) -> bool {
        self.reports.iter().any(wanted)
    }

    /// One of the worker's counters.
    pub fn counter(&mut self, worker: u16, name: &str) -> u64 {
        self.submit(
            worker,
            &json!([{"type": "query", "id": 99, "query": {"type": "workerStats"}}]),
        );
        let answer = self.wait_for(|report| report["type"] == "answer" && report["id"] == 99);
        let counters = answer["answer"]["counters"]
            .as_array()
            .expect("counters")
            .clone();
        let found = counters.iter().find(|counter| counter[0] == name);
        found
            .and_then(|counter| counter[1].as_u64())
            .unwrap_or_else(|| panic!("no counter {name}"))
    }

    fn fingerprint(&self) -> Fingerprint {
        let info: Value = serde_json::from_str(self.engine.info()).expect("an object");
        let value = info["fingerprint"]["value"]
            .as_str()
            .expect("a fingerprint");
        Fingerprint::parse("sha-256", value).expect("a fingerprint")
    }
}

/// The server's credentials for a peer: what the control plane would make up.
pub fn local_ice(worker: u16, peer: u32) -> Credentials {
    Credentials::new(
        format!("{worker}server{peer:08}"),
        format!("server-password-{peer:016}"),
    )
}

/// A client, with its sockets. To its agent all of them are UDP.
pub struct Client {
    pub peer: Peer,
    id: u32,
    pub links: Vec<Link>,
    /// Decrypted RTP packets.
    pub packets: Vec<Vec<u8>>,
    pub events: Vec<PeerEvent>,
    next_sequence: u16,
}

impl Client {
    /// A client that connects to the transport `id` on `worker`, which has the given candidates.
    pub fn connect(rig: &Rig, worker: u16, id: u32, candidates: &[SocketAddr]) -> Self {
        let to = candidates.first().copied().expect("a candidate");
        let links = vec![Link::udp(to.ip())];
        Self::connect_over(rig, worker, id, candidates, links)
    }

    /// As [`Client::connect`], over a TCP connection.
    pub fn connect_tcp(rig: &Rig, worker: u16, id: u32, candidate: SocketAddr) -> Self {
        let links = vec![Link::tcp(candidate)];
        Self::connect_over(rig, worker, id, &[candidate], links)
    }

    /// As [`Client::connect`], over any links.
    pub fn connect_over(
        rig: &Rig,
        worker: u16,
        id: u32,
        candidates: &[SocketAddr],
        links: Vec<Link>,
    ) -> Self {
        let now = Instant::now();
        let certificate = Certificate::generate().expect("a key can be made");
        let ours = Credentials::new(
            format!("client{id:08}"),
            format!("client-password-{id:016}"),
        );
        rig.submit(
            worker,
            &json!([{"type": "setRemote", "peer": id, "ice": {"ufrag": ours.ufrag, "pwd": ours.pwd},
                     "iceLite": false, "dtlsRole": "passive", "fingerprints":
                     [{"algorithm": "sha-256", "value": certificate.fingerprint_sha256()}]}]),
        );
        let mut config = PeerConfig::new(PeerId(id), ours, certificate, u64::from(id));
        config.controlling = true;
        config.data = DataRole::Active;
        let mut peer = Peer::new(now, config);
        for link in &links {
            peer.add_local_address(sluice_peer::Protocol::Udp, link.local(), link.local());
        }
        peer.set_remote(
            now,
            RemoteDescription {
                ice: local_ice(worker, id),
                ice_lite: false,
                dtls_role: DtlsRole::Client,
                fingerprints: vec![rig.fingerprint()],
            },
        );
        for &addr in candidates {
            let candidate = sluice_peer::RemoteCandidate {
                foundation: "1".to_owned(),
                priority: 2_130_706_431,
                addr,
                kind: sluice_peer::CandidateKind::Host,
                protocol: sluice_peer::Protocol::Udp,
            };
            assert!(peer.add_remote_candidate(now, &candidate));
        }
        let (packets, events) = (Vec::new(), Vec::new());
        Self {
            peer,
            id,
            links,
            packets,
            events,
            next_sequence: 1,
        }
    }

    /// Sends what is to be sent and takes in what is there.
    pub fn turn(&mut self) {
        self.transmit();
        for link in &mut self.links {
            let local = link.local();
            while let Some((mut datagram, remote)) = link.receive() {
                let now = Instant::now();
                if let Received::Rtp { len } =
                    self.peer
                        .handle_datagram(now, Path::udp(local, remote), &mut datagram)
                {
                    datagram.truncate(len);
                    self.packets.push(datagram);
                }
            }
        }
        let now = Instant::now();
        if self.peer.poll_timeout().is_some_and(|due| due <= now) {
            self.peer.handle_timeout(now);
        }
        self.transmit();
        self.events
            .extend(std::iter::from_fn(|| self.peer.poll_event()));
    }

    /// Sends one packet of media.
    pub fn send_media(&mut self, ssrc: u32, payload_type: u8, payload: &[u8]) {
        let timestamp = u32::from(self.next_sequence) * 960;
        self.send_at(Ssrc(ssrc), payload_type, timestamp, payload);
    }

    /// As [`Client::send_media`], of this moment of the stream.
    pub fn send_at(&mut self, ssrc: Ssrc, payload_type: u8, timestamp: u32, payload: &[u8]) {
        let sequence = self.next_sequence;
        self.next_sequence = sequence.wrapping_add(1);
        let header = OutHeader {
            marker: true,
            payload_type: PayloadType(payload_type),
            sequence,
            timestamp,
            ssrc,
            padding: false,
        };
        let mut out = [0; 1500];
        let header_len =
            write_header(&mut out, &header, &ExtensionBlock::default()).expect("it fits");
        let stream = self.peer.send_stream(ssrc).expect("it is connected");
        let sealed = self
            .peer
            .seal_rtp(stream, &mut out, header_len, &[], payload);
        let len = sealed.expect("it can be sealed");
        let path = self.peer.path().expect("it is connected");
        self.send(path, &out[..len]);
    }

    /// Sends along a path, if there is a link for it.
    pub fn send(&mut self, path: Path, bytes: &[u8]) {
        let link = self
            .links
            .iter_mut()
            .find(|link| link.local() == path.local);
        if let Some(link) = link {
            link.send(path.remote, bytes);
        }
    }

    /// Gives the client another network.
    pub fn add_link(&mut self, link: Link) {
        self.peer
            .add_local_address(sluice_peer::Protocol::Udp, link.local(), link.local());
        self.links.push(link);
    }

    pub fn id(&self) -> u32 {
        self.id
    }

    fn transmit(&mut self) {
        while let Some(transmit) = self.peer.poll_transmit() {
            self.send(transmit.path, &transmit.bytes);
        }
    }
}

/// Lets everybody run until `done`.
pub fn drive(
    clients: &mut [&mut Client],
    what: &str,
    mut done: impl FnMut(&mut [&mut Client]) -> bool,
) {
    let deadline = Instant::now() + PATIENCE;
    while !done(clients) {
        assert!(
            Instant::now() < deadline,
            "{what}: {:?}",
            clients.iter().map(|c| &c.events).collect::<Vec<_>>()
        );
        for client in clients.iter_mut() {
            client.turn();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
