//! Both ends of what is measured: our sockets, and those of the clients at the far end.

use std::fs::File;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{setsockopt, sockopt};
use socket2::SockRef;

use super::FloorError;
use super::options::Options;

/// Sockets of a server and of its clients, one each for each receiver, connected.
pub struct Wire {
    /// Ours, each connected to a receiver.
    pub near: Vec<UdpSocket>,
    /// Where the receivers are.
    pub receivers: Vec<SocketAddr>,
    /// Ours for everybody.
    pub shared: UdpSocket,
    /// Ours from the publisher, which sends to it.
    pub inlet: UdpSocket,
    /// The publisher's, connected to the inlet.
    pub publisher: UdpSocket,
    _drain: Drain,
}

/// Takes away what the receivers get, in a thread whose time does not count.
struct Drain {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Wire {
    /// Binds everything.
    pub fn open(options: &Options) -> Result<Self, FloorError> {
        let system = |what| move |error| FloorError::System { what, error };
        let count = options.video.receivers.max(options.audio.receivers);
        let far = far_sockets(options, count + 1).map_err(system("sockets at the far end"))?;
        let bind = || near_socket(options.bind).map_err(system("a socket"));
        let (shared, inlet) = (bind()?, bind()?);
        let mut near = Vec::with_capacity(count);
        let mut receivers = Vec::with_capacity(count);
        let mut far = far.into_iter();
        let publisher = far.next().ok_or_else(|| {
            let error = io::ErrorKind::NotFound.into();
            system("a publisher")(error)
        })?;
        let far: Vec<UdpSocket> = far.collect();
        for receiver in &far {
            let address = receiver.local_addr().map_err(system("a receiver"))?;
            let socket = bind()?;
            socket.connect(address).map_err(system("a connection"))?;
            near.push(socket);
            receivers.push(address);
        }
        let to = inlet.local_addr().map_err(system("a socket"))?;
        publisher.connect(to).map_err(system("a connection"))?;
        inlet.set_nonblocking(true).map_err(system("a socket"))?;
        Ok(Self {
            near,
            receivers,
            shared,
            inlet,
            publisher,
            _drain: Drain::start(far, options.coalesce),
        })
    }
}

impl Drain {
    fn start(sockets: Vec<UdpSocket>, coalesce: bool) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            for socket in &sockets {
                // Where the kernel has no such thing, trains arrive in parts.
                let _ = setsockopt(socket, sockopt::UdpGroSegment, &coalesce);
                let _ = socket.set_nonblocking(true);
            }
            let mut buffer = vec![0; 1 << 16];
            while !stopped.load(Ordering::Relaxed) {
                for socket in &sockets {
                    while socket.recv(&mut buffer).is_ok() {}
                }
                // Nobody is woken by an arrival: that cost is the client's machine's.
                thread::sleep(DRAIN_INTERVAL);
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It cannot have panicked in a way that matters here.
            let _ = thread.join();
        }
    }
}

/// The far end's sockets, made by a thread that enters its namespace: a socket stays where it was made.
fn far_sockets(options: &Options, count: usize) -> io::Result<Vec<UdpSocket>> {
    let (to, namespace) = (options.to, options.namespace.clone());
    let made = thread::spawn(move || {
        if let Some(name) = namespace {
            let file = File::open(format!("/run/netns/{name}"))?;
            setns(file, CloneFlags::CLONE_NEWNET)?;
        }
        (0..count).map(|_| near_socket(to)).collect()
    });
    made.join()
        .unwrap_or_else(|_| Err(io::Error::other("the thread ended")))
}

fn near_socket(ip: IpAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((ip, 0))?;
    let asked = SockRef::from(&socket);
    // The system's limit may be lower.
    let _ = asked.set_recv_buffer_size(BUFFER_BYTES);
    let _ = asked.set_send_buffer_size(BUFFER_BYTES);
    Ok(socket)
}

const BUFFER_BYTES: usize = 4 << 20;
const DRAIN_INTERVAL: Duration = Duration::from_micros(500);
