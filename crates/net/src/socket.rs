//! One UDP socket: batched receiving with GRO, trains sent with GSO, and what to do where a path can't.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr};

use quinn_udp::{RecvMeta, UdpSocketState};
use sluice_sfu::Transmit;
use socket2::{Domain, MsgHdr, SockAddr, SockRef, Type};

/// A bound, non-blocking socket.
pub struct Socket {
    io: mio::net::UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
    /// The only remote side of a twin.
    connected: Option<SocketAddr>,
    /// False once a train failed whose datagrams went out one by one.
    trains: bool,
}

/// What became of sends, in datagrams, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SendCounters {
    /// Handed to the kernel.
    pub sent: u64,
    /// The calls that this took: fewer, as trains take one each.
    pub calls: u64,
    /// Lost because the socket's buffer was full.
    pub full: u64,
    /// Larger than the path's MTU.
    pub too_large: u64,
    /// Refused otherwise: no route, filtered.
    pub refused: u64,
    /// Sockets that gave up sending trains.
    pub train_fallbacks: u64,
}

/// Room for one receive call: used by all sockets of a worker, one after the other.
pub struct ReceiveSlots {
    memory: Vec<u8>,
    metas: [RecvMeta; BATCH],
    filled: usize,
}

impl Socket {
    /// Binds to `local`. With `shared`, other sockets of this user may bind to the same address, and the kernel
    /// spreads senders over them.
    ///
    /// # Errors
    /// As `bind(2)`: `AddrInUse`, `AddrNotAvailable`, or no file descriptor left.
    pub fn bind(local: SocketAddr, shared: bool, buffer_bytes: usize) -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::for_address(local), Type::DGRAM, None)?;
        if local.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        share(&SockRef::from(&socket), shared)?;
        // The system's limit may be lower: `kernel::warnings` says so once.
        let _ = socket.set_recv_buffer_size(buffer_bytes);
        let _ = socket.set_send_buffer_size(buffer_bytes);
        socket.set_nonblocking(true)?;
        socket.bind(&local.into())?;
        let io = mio::net::UdpSocket::from_std(socket.into());
        let state = UdpSocketState::new((&io).into())?;
        disable_timestamps(&io);
        let local = io.local_addr()?;
        Ok(Self {
            trains: state.max_gso_segments() > 1,
            io,
            state,
            local,
            connected: None,
        })
    }

    /// A second socket on the same port that is connected to `remote`: cheaper to send on, and the kernel gives it
    /// whatever comes from there. The first one keeps everything else.
    ///
    /// # Errors
    /// As [`Socket::bind`], and where this system has no such thing.
    pub fn twin(&self, remote: SocketAddr, buffer_bytes: usize) -> io::Result<Self> {
        let first = SockRef::from(&self.io);
        // Only for this moment: nobody else is to share the port.
        share(&first, true)?;
        let twin = Self::bind(self.io.local_addr()?, true, buffer_bytes);
        share(&first, false)?;
        let mut twin = twin?;
        share(&SockRef::from(&twin.io), false)?;
        twin.io.connect(remote)?;
        twin.connected = Some(remote);
        twin.local = self.local;
        twin.trains &= self.trains;
        Ok(twin)
    }

    /// Where it is bound, or what it was named.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Gives a socket that is bound to all addresses one by which it is known: the wildcard is nobody's address.
    pub fn name(&mut self, ip: IpAddr) {
        self.local.set_ip(ip);
    }

    /// For registration with a poll.
    pub fn source(&mut self) -> &mut mio::net::UdpSocket {
        &mut self.io
    }

    /// Receives what one system call yields. True where more may be waiting.
    pub fn receive(&self, slots: &mut ReceiveSlots) -> bool {
        slots.filled = 0;
        let mut free = slots.memory.chunks_exact_mut(SLOT_BYTES);
        let mut buffers: [IoSliceMut<'_>; BATCH] =
            std::array::from_fn(|_| IoSliceMut::new(free.next().unwrap_or_default()));
        match self
            .state
            .recv((&self.io).into(), &mut buffers, &mut slots.metas)
        {
            Ok(filled) => {
                slots.filled = filled;
                // A short batch means that the queue was empty: a later arrival raises a new event.
                filled == BATCH
            }
            // An ICMP error of an earlier send takes the place of a datagram; what is queued is still there.
            Err(error) => matches!(
                error.kind(),
                io::ErrorKind::ConnectionRefused
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::HostUnreachable
                    | io::ErrorKind::NetworkUnreachable
            ),
        }
    }

    /// Sends a datagram or a train. Nothing is kept: what the kernel refuses is lost and counted.
    pub fn send(&mut self, transmit: &Transmit<'_>, counters: &mut SendCounters) {
        self.send_any(None, transmit, counters);
    }

    /// As [`Socket::send`], from this address of ours: for a socket that is bound to all of them.
    pub fn send_as(
        &mut self,
        source: IpAddr,
        transmit: &Transmit<'_>,
        counters: &mut SendCounters,
    ) {
        self.send_any(Some(source), transmit, counters);
    }

    fn send_any(
        &mut self,
        source: Option<IpAddr>,
        transmit: &Transmit<'_>,
        counters: &mut SendCounters,
    ) {
        match transmit.segment_size {
            Some(segment) if self.trains => self.send_train(source, transmit, segment, counters),
            Some(segment) => self.send_each(source, transmit, segment, counters),
            None => self.send_one(source, transmit.path.remote, transmit.bytes, counters),
        }
    }

    #[cfg(test)]
    fn is_shared(&self) -> bool {
        SockRef::from(&self.io).reuse_port().unwrap_or(false)
    }

    fn send_train(
        &mut self,
        source: Option<IpAddr>,
        transmit: &Transmit<'_>,
        segment: usize,
        counters: &mut SendCounters,
    ) {
        let count = transmit.bytes.len().div_ceil(segment.max(1)) as u64;
        let sent = match self.try_train(source, transmit, segment) {
            // An ICMP error of an earlier send takes the place of this one, once.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                self.try_train(source, transmit, segment)
            }
            sent => sent,
        };
        match sent {
            Ok(()) => {
                counters.sent += count;
                counters.calls += 1;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => counters.full += count,
            Err(error) if train_trouble(&error) => {
                let before = counters.sent;
                self.send_each(source, transmit, segment, counters);
                // The train alone was the trouble where its datagrams go; a datagram too large is no reason.
                if counters.sent - before == count {
                    self.trains = false;
                    counters.train_fallbacks += 1;
                }
            }
            Err(_) => counters.refused += count,
        }
    }

    /// One system call. It carries nothing but what is needed: any other control message, or an address on a
    /// connected socket, makes the kernel look the route up again.
    fn try_train(
        &self,
        source: Option<IpAddr>,
        transmit: &Transmit<'_>,
        segment: usize,
    ) -> io::Result<()> {
        let remote = transmit.path.remote;
        let size = u16::try_from(segment);
        let (None, Ok(size), true) = (source, size, cfg!(target_os = "linux")) else {
            let message = quinn_udp::Transmit {
                destination: remote,
                ecn: None,
                contents: transmit.bytes,
                segment_size: Some(segment),
                src_ip: source,
            };
            return self.state.try_send((&self.io).into(), &message);
        };
        let control = segment_control(size);
        let (address, buffers) = (SockAddr::from(remote), [IoSlice::new(transmit.bytes)]);
        let mut message = MsgHdr::new()
            .with_buffers(&buffers)
            .with_control(control.as_ref());
        if self.connected != Some(remote) {
            message = message.with_addr(&address);
        }
        SockRef::from(&self.io).sendmsg(&message, 0).map(|_| ())
    }

    fn send_each(
        &self,
        source: Option<IpAddr>,
        transmit: &Transmit<'_>,
        segment: usize,
        counters: &mut SendCounters,
    ) {
        for datagram in transmit.bytes.chunks(segment.max(1)) {
            self.send_one(source, transmit.path.remote, datagram, counters);
        }
    }

    fn send_one(
        &self,
        source: Option<IpAddr>,
        remote: SocketAddr,
        datagram: &[u8],
        counters: &mut SendCounters,
    ) {
        let sent = if source.is_some() {
            let message = quinn_udp::Transmit {
                destination: remote,
                ecn: None,
                contents: datagram,
                segment_size: None,
                src_ip: source,
            };
            let sent = self.state.try_send((&self.io).into(), &message);
            sent.map(|()| datagram.len())
        } else if self.connected == Some(remote) {
            // An ICMP error of an earlier send takes the place of this one, once.
            match self.io.send(datagram) {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    self.io.send(datagram)
                }
                sent => sent,
            }
        } else {
            self.io.send_to(datagram, remote)
        };
        match sent {
            Ok(_) => {
                counters.sent += 1;
                counters.calls += 1;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => counters.full += 1,
            Err(error) if quinn_udp::is_msg_size_err(&error) => counters.too_large += 1,
            Err(_) => counters.refused += 1,
        }
    }
}

impl ReceiveSlots {
    /// Memory that the kernel backs only as far as it is used.
    pub fn new() -> Self {
        Self {
            memory: vec![0; BATCH * SLOT_BYTES],
            metas: [RecvMeta::default(); BATCH],
            filled: 0,
        }
    }

    /// The datagrams of the last receive call and their senders.
    pub fn datagrams(&mut self) -> impl Iterator<Item = (SocketAddr, &mut [u8])> {
        self.datagrams_to()
            .map(|(from, _, datagram)| (from, datagram))
    }

    /// As [`ReceiveSlots::datagrams`], with the address of ours that each was sent to, where the system tells.
    pub fn datagrams_to(
        &mut self,
    ) -> impl Iterator<Item = (SocketAddr, Option<IpAddr>, &mut [u8])> {
        let slots = self.memory.chunks_exact_mut(SLOT_BYTES).take(self.filled);
        slots.zip(&self.metas).flat_map(|(slot, meta)| {
            let train = slot.get_mut(..meta.len).unwrap_or_default();
            train
                .chunks_mut(meta.stride.max(1))
                .map(|datagram| (meta.addr, meta.dst_ip, datagram))
        })
    }
}

/// Lets other sockets of this user bind to the same address, or no longer.
fn share(socket: &SockRef<'_>, shared: bool) -> io::Result<()> {
    #[cfg(unix)]
    return socket.set_reuse_port(shared);
    #[cfg(not(unix))]
    return if shared {
        Err(io::ErrorKind::Unsupported.into())
    } else {
        Ok(())
    };
}

/// The control message that cuts a send into segments (udp(7)): `struct cmsghdr`, and the size in 16 bits.
fn segment_control(size: u16) -> impl AsRef<[u8]> {
    const WORD: usize = size_of::<usize>();
    const SOL_UDP: u32 = 17;
    const UDP_SEGMENT: u32 = 103;
    let mut control = [0; (WORD + 8 + 2).next_multiple_of(WORD)];
    let fields: [&[u8]; 4] = [
        &(WORD + 8 + 2).to_ne_bytes(),
        &SOL_UDP.to_ne_bytes(),
        &UDP_SEGMENT.to_ne_bytes(),
        &size.to_ne_bytes(),
    ];
    let bytes = fields.into_iter().flatten();
    for (to, from) in control.iter_mut().zip(bytes) {
        *to = *from;
    }
    control
}

/// `quinn-udp` asks for the time of each datagram. Nobody here reads it, and the kernel takes it for every packet of
/// the machine as long as any socket asks.
fn disable_timestamps(socket: &mio::net::UdpSocket) {
    #[cfg(target_os = "linux")]
    {
        use nix::sys::socket::{setsockopt, sockopt::ReceiveTimestampns};
        // On failure they are on, as before.
        let _ = setsockopt(socket, ReceiveTimestampns, &false);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = socket;
}

/// Errors by which drivers and old kernels refuse segmentation.
fn train_trouble(error: &io::Error) -> bool {
    const EIO: i32 = 5;
    const EINVAL: i32 = 22;
    quinn_udp::is_msg_size_err(error) || matches!(error.raw_os_error(), Some(EIO | EINVAL))
}

/// Datagrams, or trains of them, per receive call.
const BATCH: usize = quinn_udp::BATCH_SIZE;

/// The longest train that the kernel coalesces (64 segments, 64 KiB).
const SLOT_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_wire::path::Path;
    use std::net::UdpSocket;
    use std::time::{Duration, Instant};

    const BUFFER: usize = 1 << 20;

    fn bound() -> Socket {
        Socket::bind(SocketAddr::from(([127, 0, 0, 1], 0)), false, BUFFER)
            .expect("loopback is there")
    }

    fn client() -> UdpSocket {
        let client = UdpSocket::bind("127.0.0.1:0").expect("loopback is there");
        client
            .set_read_timeout(Some(Duration::from_secs(5)))
            .expect("a timeout can be set");
        client
    }

    fn receive(socket: &Socket, slots: &mut ReceiveSlots, wanted: usize) -> Vec<Vec<u8>> {
        let deadline = Instant::now() + Duration::from_secs(5);
        let mut got = Vec::new();
        while got.len() < wanted && Instant::now() < deadline {
            socket.receive(slots);
            got.extend(slots.datagrams().map(|(_, datagram)| datagram.to_vec()));
        }
        got
    }

    #[test]
    fn a_train_arrives_as_its_datagrams() {
        for trains in [true, false] {
            let (mut socket, client) = (bound(), client());
            socket.trains &= trains;
            let mut counters = SendCounters::default();
            let transmit = Transmit {
                path: Path::udp(socket.local(), client.local_addr().expect("it is bound")),
                segment_size: Some(100),
                bytes: &[7; 250],
            };
            socket.send(&transmit, &mut counters);
            let mut buffer = [0; 2000];
            let lens = [(); 3].map(|()| client.recv(&mut buffer).expect("a datagram comes"));
            assert_eq!(lens, [100, 100, 50]);
            assert_eq!(
                counters,
                SendCounters {
                    sent: 3,
                    calls: if trains { 1 } else { 3 },
                    ..SendCounters::default()
                }
            );
        }
    }

    #[test]
    fn a_train_that_comes_in_is_cut_into_its_datagrams() {
        let (socket, mut sender) = (bound(), bound());
        let mut counters = SendCounters::default();
        let transmit = Transmit {
            path: Path::udp(sender.local(), socket.local()),
            segment_size: Some(1000),
            bytes: &(0..=255).cycle().take(4500).collect::<Vec<u8>>(),
        };
        sender.send(&transmit, &mut counters);
        let mut slots = ReceiveSlots::new();
        let got = receive(&socket, &mut slots, 5);
        let lens: Vec<usize> = got.iter().map(Vec::len).collect();
        assert_eq!(lens, [1000, 1000, 1000, 1000, 500]);
        assert_eq!(got.concat(), transmit.bytes);
    }

    #[test]
    fn a_datagram_too_large_is_counted_and_trains_go_on() {
        let (mut socket, client) = (bound(), client());
        let trains = socket.trains;
        let mut counters = SendCounters::default();
        let remote = client.local_addr().expect("it is bound");
        let huge = vec![0; 70_000];
        for segment_size in [None, Some(66_000)] {
            socket.send(
                &Transmit {
                    path: Path::udp(socket.local(), remote),
                    segment_size,
                    bytes: &huge,
                },
                &mut counters,
            );
        }
        assert_eq!(counters.too_large, 2);
        assert_eq!(socket.trains, trains);
    }

    #[test]
    fn a_port_is_shared_only_where_asked() {
        let owner = bound();
        let taken = Socket::bind(owner.local(), false, BUFFER).map(|_| ());
        assert_eq!(
            taken.expect_err("it is taken").kind(),
            io::ErrorKind::AddrInUse
        );
        let first = Socket::bind(SocketAddr::from(([127, 0, 0, 1], 0)), true, BUFFER)
            .expect("loopback is there");
        let second = Socket::bind(first.local(), true, BUFFER).expect("the port is shared");
        assert!(first.is_shared() && second.is_shared() && !owner.is_shared());
    }

    #[test]
    fn a_socket_of_all_addresses_answers_from_the_one_that_was_asked() {
        let wildcard = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut socket = Socket::bind(wildcard, false, BUFFER).expect("it is there");
        let (asked, port) = (IpAddr::from([127, 0, 0, 9]), socket.local().port());
        let client = client();
        client
            .connect((asked, port))
            .expect("only that address is heard from now on");
        client.send(b"question").expect("it is sent");
        let deadline = Instant::now() + Duration::from_secs(5);
        let (mut slots, mut to) = (ReceiveSlots::new(), None);
        while to.is_none() && Instant::now() < deadline {
            socket.receive(&mut slots);
            to = slots.datagrams_to().find_map(|(_, to, _)| to);
        }
        assert_eq!(to, Some(asked));
        let remote = client.local_addr().expect("it is bound");
        for segment_size in [None, Some(3)] {
            let transmit = Transmit {
                path: Path::udp(SocketAddr::new(asked, port), remote),
                segment_size,
                bytes: b"answer",
            };
            socket.send_as(asked, &transmit, &mut SendCounters::default());
        }
        let mut buffer = [0; 16];
        let lens = [(); 3].map(|()| client.recv(&mut buffer).expect("it comes"));
        assert_eq!(lens, [6, 3, 3]);
    }

    #[test]
    fn both_families_work() {
        let Ok(mut socket) = Socket::bind("[::1]:0".parse().expect("an address"), false, BUFFER)
        else {
            return; // This machine has no IPv6.
        };
        let client = UdpSocket::bind("[::1]:0").expect("loopback is there");
        let remote = client.local_addr().expect("it is bound");
        let mut counters = SendCounters::default();
        let transmit = Transmit {
            path: Path::udp(socket.local(), remote),
            segment_size: None,
            bytes: b"six",
        };
        socket.send(&transmit, &mut counters);
        client.send_to(b"back", socket.local()).expect("it is sent");
        assert_eq!(receive(&socket, &mut ReceiveSlots::new(), 1), [b"back"]);
        assert_eq!(counters.sent, 1);
    }
}
