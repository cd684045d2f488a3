//! From a way to a data channel: ICE, DTLS and SCTP by our own transport in the client's role.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sluice_peer::{
    CandidateKind, Certificate, ChannelSettings, DataRole, Path, Peer, PeerConfig, PeerEvent,
    Protocol, Received, RemoteCandidate,
};
use sluice_wire::id::PeerId;

use super::link::Link;
use super::report::Report;
use super::request::Session;

/// The steps, in order.
const STEPS: [&str; 3] = ["ice", "dtls", "data"];

/// Connects from `local` to `remote`, whatever lies between, and opens a data channel.
pub(super) fn run(
    link: &mut dyn Link,
    (local, remote): (SocketAddr, SocketAddr),
    session: Session,
    certificate: Certificate,
    report: &mut Report,
) {
    let mut probe = Probe::new(link, (local, remote), session, certificate);
    for step in STEPS {
        let begun = Instant::now();
        match probe.wait_for(step) {
            Ok(()) => report.passed(step, begun.elapsed()),
            Err(detail) => {
                report.failed(step, begun.elapsed(), detail);
                break;
            }
        }
    }
    probe.close();
}

struct Probe<'a> {
    link: &'a mut dyn Link,
    peer: Peer,
    /// To the transport every way is a UDP one: what lies between is the link's.
    path: Path,
    patience: Duration,
    /// How many of the steps are done.
    done: usize,
    arrived: u32,
    /// The last complaint of the system, such as a port that is closed.
    complaint: Option<io::Error>,
}

impl<'a> Probe<'a> {
    fn new(
        link: &'a mut dyn Link,
        (local, remote): (SocketAddr, SocketAddr),
        session: Session,
        certificate: Certificate,
    ) -> Self {
        let now = Instant::now();
        let config = PeerConfig {
            controlling: true,
            data: DataRole::Active,
            ..PeerConfig::new(PeerId(0), session.local, certificate, rand::random())
        };
        let mut peer = Peer::new(now, config);
        peer.add_local_address(Protocol::Udp, local, local);
        peer.open_data_channel(now, ChannelSettings::reliable(CHANNEL));
        peer.set_remote(now, session.remote);
        peer.add_remote_candidate(
            now,
            &RemoteCandidate {
                foundation: "1".to_owned(),
                priority: u32::from(u16::MAX),
                addr: remote,
                kind: CandidateKind::Host,
                protocol: Protocol::Udp,
            },
        );
        Self {
            link,
            peer,
            path: Path::udp(local, remote),
            patience: session.patience,
            done: 0,
            arrived: 0,
            complaint: None,
        }
    }

    /// Goes on until the step is done. Err: why not.
    fn wait_for(&mut self, step: &str) -> Result<(), String> {
        let wanted = STEPS.iter().position(|known| *known == step).unwrap_or(0) + 1;
        let deadline = Instant::now() + self.patience;
        loop {
            let now = Instant::now();
            self.flush()?;
            self.follow_events()?;
            if self.done >= wanted {
                return Ok(());
            }
            if now >= deadline {
                return Err(self.silence(step));
            }
            let due = self
                .peer
                .poll_timeout()
                .unwrap_or(deadline)
                .clamp(now + TICK, now + MAX_WAIT)
                .min(deadline.max(now + TICK));
            self.receive(due)?;
            self.peer.handle_timeout(Instant::now());
        }
    }

    fn flush(&mut self) -> Result<(), String> {
        while let Some(transmit) = self.peer.poll_transmit() {
            if transmit.path != self.path {
                continue;
            }
            if let Err(error) = self.link.send(&transmit.bytes) {
                self.complain(error)?;
            }
        }
        Ok(())
    }

    fn receive(&mut self, deadline: Instant) -> Result<(), String> {
        match self.link.receive(deadline) {
            Ok(Some(mut message)) => {
                let received = self
                    .peer
                    .handle_datagram(Instant::now(), self.path, &mut message);
                if !matches!(received, Received::Dropped(_)) {
                    self.arrived += 1;
                }
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(error) => self.complain(error),
        }
    }

    /// A lossy way goes on after an error: a port may open yet.
    fn complain(&mut self, error: io::Error) -> Result<(), String> {
        if !self.link.is_lossy() {
            return Err(error.to_string());
        }
        if self.complaint.replace(error).is_some() {
            // The system refuses at once where the network would be silent; no need to try more often than that.
            std::thread::sleep(TICK);
        }
        Ok(())
    }

    fn follow_events(&mut self) -> Result<(), String> {
        while let Some(event) = self.peer.poll_event() {
            let reached = match event {
                PeerEvent::Path(_) => 1,
                PeerEvent::Connected { .. } => 2,
                PeerEvent::ChannelOpened { .. } => 3,
                PeerEvent::Closed { reason, detail } => {
                    return Err(format!("{reason:?}: {detail}"));
                }
                _ => 0,
            };
            self.done = self.done.max(reached);
        }
        Ok(())
    }

    fn silence(&self, step: &str) -> String {
        let seconds = self.patience.as_secs_f64();
        match &self.complaint {
            Some(complaint) if self.arrived == 0 => complaint.to_string(),
            _ if self.arrived == 0 => format!("no answer within {seconds} s"),
            _ => format!("{step} did not end within {seconds} s"),
        }
    }

    fn close(mut self) {
        self.peer.close(Instant::now());
        while let Some(transmit) = self.peer.poll_transmit() {
            // It ends either way.
            let _ = self.link.send(&transmit.bytes);
        }
    }
}

/// A channel that LiveKit servers know.
const CHANNEL: &str = "_reliable";
const TICK: Duration = Duration::from_millis(5);
/// How long a single wait may be, so that timers of the libraries are looked at.
const MAX_WAIT: Duration = Duration::from_millis(100);
