//! The engine: starts the workers' threads, passes commands in and reports out, ends them again.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use serde::Serialize;
use sluice_sfu::command::{Command, Fingerprint};
use sluice_sfu::{Certificate, CertificateError};
use sluice_wire::id::WorkerId;

use crate::config::{ConfigError, EngineConfig, TcpPort, UdpPorts};
use crate::ice_tcp::IceTcp;
use crate::lock::Lock;
use crate::mailbox::{self, mailbox};
use crate::mesh::mesh;
use crate::mux::Handoff;
use crate::outbox::{Inbox, outboxes};
use crate::ports::PortBook;
use crate::relay::{CertificateStore, Relays, TurnCertificateError};
use crate::socket::Socket;
use crate::sockets::{Sockets, WAKER};
use crate::stream::Listener;
use crate::thread::{self, Seat};
use crate::{affinity, kernel, waker};

/// All workers of a process. Dropping it ends them.
pub struct Engine {
    mailboxes: Vec<mailbox::Sender>,
    inbox: Inbox,
    stop: Arc<AtomicBool>,
    threads: Lock<Vec<JoinHandle<()>>>,
    info: String,
    certificates: Arc<CertificateStore>,
}

/// Why an engine doesn't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration can't work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A port that all peers would share can't be had.
    #[error("{key}can't bind {protocol} {address}: {error}")]
    Bind {
        /// The key of the configuration and a colon, or nothing where several keys say so.
        key: &'static str,
        /// `UDP` or `TCP`.
        protocol: &'static str,
        /// Which.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// No key for DTLS.
    #[error("can't make a certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// The system has no thread, descriptor or memory left.
    #[error("can't start a worker: {0}")]
    System(#[from] io::Error),
}

/// Why commands were not taken.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// There is no such worker.
    #[error("there is no worker {0}")]
    NoWorker(u16),
    /// Not what `ts/media/commands.ts` describes: a bug of ours. None of the batch was taken.
    #[error("malformed commands: {0}")]
    Malformed(#[from] serde_json::Error),
    /// The worker doesn't keep up.
    #[error("worker {0} doesn't keep up: its mailbox is full")]
    Full(u16),
}

#[derive(Serialize)]
struct Info {
    workers: u16,
    fingerprint: Fingerprint,
    warnings: Vec<String>,
}

impl Engine {
    /// Starts all workers. `wake` is called from their threads whenever [`Engine::take_events`] has something to
    /// fetch, once until it is called; it must not block.
    ///
    /// # Errors
    /// See [`StartError`]; nothing is left running then.
    pub fn start(
        config: EngineConfig,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self, StartError> {
        config.validate()?;
        let config = Arc::new(config);
        let workers = usize::from(config.workers);
        let certificate = Certificate::generate()?;
        let stop = Arc::new(AtomicBool::new(false));
        let (outboxes, inbox) = outboxes(workers, wake);
        let certificates = Arc::new(CertificateStore::default());
        let (seats, mailboxes) = seats(&config, &certificate, &certificates, &stop)?;
        let info = describe(&config, &certificate)?;
        let engine = Self {
            mailboxes,
            inbox,
            stop,
            threads: Lock::new(Vec::with_capacity(workers)),
            info,
            certificates,
        };
        for (seat, outbox) in seats.into_iter().zip(outboxes) {
            let name = format!("sluice-worker-{}", seat.worker.id.0);
            // On failure `engine` is dropped, which ends the threads that did start.
            let thread = std::thread::Builder::new()
                .name(name)
                .spawn(move || thread::run(seat, outbox))?;
            engine.threads.take().push(thread);
        }
        Ok(engine)
    }

    /// Hands a JSON array of commands to a worker, all or none.
    ///
    /// # Errors
    /// See [`SubmitError`].
    pub fn submit(&self, worker: u16, json: &str) -> Result<(), SubmitError> {
        let mailbox = self
            .mailboxes
            .get(usize::from(worker))
            .ok_or(SubmitError::NoWorker(worker))?;
        let commands: Vec<Command> = serde_json::from_str(json)?;
        mailbox
            .submit(commands)
            .map_err(|mailbox::Full| SubmitError::Full(worker))
    }

    /// All reports since the last call, as a JSON array; none where there are none.
    pub fn take_events(&self) -> Option<String> {
        self.inbox.take()
    }

    /// `{"workers":2,"fingerprint":{"algorithm":"sha-256","value":"…"},"warnings":[]}`
    pub fn info(&self) -> &str {
        &self.info
    }

    /// What TURN clients over TLS are shown in handshakes from now on: PEM, the server's certificate first.
    ///
    /// # Errors
    /// See [`TurnCertificateError`]; the former one stays in use then.
    pub fn set_turn_certificate(
        &self,
        certificate: &str,
        key: &str,
    ) -> Result<(), TurnCertificateError> {
        self.certificates.set(certificate, key)
    }

    /// Ends all workers behind the commands that were submitted before, and waits for them; idempotent.
    pub fn close(&self) {
        self.stop.store(true, Ordering::Release);
        for mailbox in &self.mailboxes {
            mailbox.ring();
        }
        for thread in self.threads.take().drain(..) {
            // A worker that panicked has reported it.
            let _ = thread.join();
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.close();
    }
}

/// Builds what each thread is given, and the control plane's ends of the mailboxes.
fn seats(
    config: &Arc<EngineConfig>,
    certificate: &Certificate,
    certificates: &Arc<CertificateStore>,
    stop: &Arc<AtomicBool>,
) -> Result<(Vec<Seat>, Vec<mailbox::Sender>), StartError> {
    let workers = usize::from(config.workers);
    let mut beds = Vec::with_capacity(workers);
    for _ in 0..workers {
        let poll = mio::Poll::new()?;
        let (alarm, sleeper) = waker::pair(poll.registry(), WAKER)?;
        beds.push((poll, sleeper, alarm));
    }
    let alarms: Vec<_> = beds.iter().map(|(.., alarm)| alarm.clone()).collect();
    let ports = match config.udp {
        Some(UdpPorts::Range {
            port_range_start,
            port_range_end,
        }) => Some(PortBook::new(port_range_start, port_range_end)),
        Some(UdpPorts::Mux { .. }) | None => None,
    };
    let cores = affinity::plan(workers, &affinity::allowed_cores(), config.pin_workers);
    let shared = shared_sockets(config)?.into_iter().zip(listeners(config)?);
    let mut relays = Relays::bind(config, certificates)?;
    let places = beds.into_iter().zip(mesh(&alarms)).zip(shared).zip(cores);
    let mut mailboxes = Vec::with_capacity(workers);
    let mut seats = Vec::with_capacity(workers);
    for (id, ((((poll, sleeper, alarm), ends), (shared, listeners)), core)) in
        (0..).map(WorkerId).zip(places)
    {
        let (sender, commands) = mailbox(alarm);
        mailboxes.push(sender);
        let mut sockets = Sockets::new(
            poll.registry().try_clone()?,
            config.addresses.clone(),
            config.receive_buffer_bytes,
        );
        for socket in shared {
            sockets.add_shared(socket)?;
        }
        let mut tcp = IceTcp::new(poll.registry().try_clone()?);
        for listener in listeners {
            tcp.listen(listener, &config.addresses)?;
        }
        let relay = relays.next(config, id, ports.clone(), poll.registry())?;
        seats.push(Seat {
            worker: config.worker(id, certificate.clone(), rand::random()),
            engine: Arc::clone(config),
            poll,
            sleeper,
            commands,
            ends,
            sockets,
            tcp,
            relay,
            ports: ports.clone(),
            handoff: Handoff::new(id, sharing(config, id)),
            stop: Arc::clone(stop),
            core,
        });
    }
    Ok((seats, mailboxes))
}

fn describe(config: &EngineConfig, certificate: &Certificate) -> Result<String, io::Error> {
    let info = Info {
        workers: config.workers,
        fingerprint: Fingerprint {
            algorithm: "sha-256".to_owned(),
            value: certificate.fingerprint_sha256(),
        },
        warnings: kernel::warnings(config.receive_buffer_bytes),
    };
    serde_json::to_string(&info).map_err(io::Error::from)
}

/// The other workers on a worker's shared ports: with fewer ports than workers they take turns.
fn sharing(config: &EngineConfig, id: WorkerId) -> Vec<WorkerId> {
    let mux_ports = config.mux_ports();
    if mux_ports.is_empty() {
        return Vec::new();
    }
    let port = |worker: u16| usize::from(worker) % mux_ports.len().max(1);
    let everybody = !config.common_ports().is_empty();
    (0..config.workers)
        .filter(|&other| other != id.0 && (everybody || port(other) == port(id.0)))
        .map(WorkerId)
        .collect()
}

/// Each worker's sockets that all its peers share; none with a port range.
fn shared_sockets(config: &EngineConfig) -> Result<Vec<Vec<Socket>>, StartError> {
    let mux_ports = config.mux_ports();
    if mux_ports.is_empty() {
        return Ok((0..config.workers).map(|_| Vec::new()).collect());
    }
    let bind = |port: u16, shared: bool| -> Result<Vec<Socket>, StartError> {
        let bound = config.addresses.iter().map(|address| {
            let address = SocketAddr::new(address.bind, port);
            Socket::bind(address, shared, config.receive_buffer_bytes)
                .map_err(|error| bind_error("", "UDP", address, error))
        });
        bound.collect()
    };
    // SO_REUSEPORT would also let us steal from another server of the same user: see that the ports are free.
    let own_ports = mux_ports.iter().take(usize::from(config.workers));
    for &port in own_ports.chain(config.common_ports()) {
        drop(bind(port, false)?);
    }
    (0..config.workers)
        .zip(mux_ports.iter().cycle())
        .map(|(worker, port)| {
            let shared = !sharing(config, WorkerId(worker)).is_empty();
            let mut sockets = Vec::new();
            for &port in std::iter::once(port).chain(config.common_ports()) {
                sockets.extend(bind(port, shared)?);
            }
            Ok(sockets)
        })
        .collect()
}

/// Each worker's listeners for ICE-TCP, one per local address; none without it.
fn listeners(config: &EngineConfig) -> Result<Vec<Vec<Listener>>, StartError> {
    let Some(TcpPort { port }) = config.tcp else {
        return Ok((0..config.workers).map(|_| Vec::new()).collect());
    };
    let bind = |shared: bool| -> Result<Vec<Listener>, StartError> {
        let bound = config.addresses.iter().map(|address| {
            let address = SocketAddr::new(address.bind, port);
            Listener::bind(address, shared)
                .map_err(|error| bind_error("rtc.tcp_port: ", "TCP", address, error))
        });
        bound.collect()
    };
    // As with UDP: see that nobody else has the port before we share it among ourselves.
    drop(bind(false)?);
    (0..config.workers)
        .map(|_| bind(config.workers > 1))
        .collect()
}

pub(crate) fn bind_error(
    key: &'static str,
    protocol: &'static str,
    address: SocketAddr,
    error: io::Error,
) -> StartError {
    StartError::Bind {
        key,
        protocol,
        address,
        error,
    }
}
