//! The sockets of one worker: by token for what comes in, by address for what goes out, by peer for its end.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use mio::{Registry, Token};
use sluice_sfu::{LocalAddress, Protocol, Transmit};
use sluice_wire::id::PeerId;

use crate::config::AddressConfig;
use crate::polled::{Polled, Watched};
use crate::ports::PortLease;
use crate::socket::{ReceiveSlots, SendCounters, Socket};
use crate::steady::Steady;

/// The table.
pub struct Sockets {
    advertise: Vec<AddressConfig>,
    buffer_bytes: usize,
    slots: Polled<Slot>,
    by_local: HashMap<SocketAddr, usize, rustc_hash::FxBuildHasher>,
    peers: HashMap<PeerId, Held>,
    /// Sockets of all peers.
    shared: Vec<LocalAddress>,
    /// What became of sends.
    pub counters: SendCounters,
}

struct Slot {
    socket: Socket,
    /// For sockets of one peer: where its sends go.
    steady: Option<Steady>,
    /// The slot of its connected twin, and what that is connected to.
    twin: Option<(SocketAddr, usize)>,
}

impl Watched for Slot {
    type Source = mio::net::UdpSocket;

    fn source(&mut self) -> &mut Self::Source {
        self.socket.source()
    }
}

/// What a peer has of its own. The sockets are closed before the port returns.
struct Held {
    sockets: Vec<usize>,
    _lease: PortLease,
}

/// The token of the worker's waker; sockets count from the next.
pub const WAKER: Token = Token(0);

impl Sockets {
    /// An empty table whose sockets wake the poll behind `registry`.
    pub fn new(registry: Registry, advertise: Vec<AddressConfig>, buffer_bytes: usize) -> Self {
        Self {
            advertise,
            buffer_bytes,
            slots: Polled::new(registry, WAKER.0 + 1),
            by_local: HashMap::default(),
            peers: HashMap::new(),
            shared: Vec::new(),
            counters: SendCounters::default(),
        }
    }

    /// Adds a socket that all peers share.
    ///
    /// # Errors
    /// Where it can't be polled.
    pub fn add_shared(&mut self, socket: Socket) -> io::Result<()> {
        let (_, address) = self.add(socket)?;
        self.shared.push(address);
        Ok(())
    }

    /// The addresses of the shared sockets.
    pub fn shared(&self) -> &[LocalAddress] {
        &self.shared
    }

    /// Adds the sockets of one peer; returns their addresses.
    ///
    /// # Errors
    /// Where they can't be polled; then all are closed.
    pub fn add_peer(
        &mut self,
        now: Instant,
        peer: PeerId,
        lease: PortLease,
        sockets: Vec<Socket>,
    ) -> io::Result<Vec<LocalAddress>> {
        let mut held = Vec::with_capacity(sockets.len());
        let mut locals = Vec::with_capacity(sockets.len());
        let mut failure = None;
        for socket in sockets {
            match self.add(socket) {
                Ok((at, local)) => {
                    if let Some(slot) = self.slots.get_mut(at) {
                        slot.steady = Some(Steady::new(now, local.socket));
                    }
                    held.push(at);
                    locals.push(local);
                }
                Err(error) => failure = Some(error),
            }
        }
        self.close_peer(peer);
        self.peers.insert(
            peer,
            Held {
                sockets: held,
                _lease: lease,
            },
        );
        match failure {
            Some(error) => {
                self.close_peer(peer);
                Err(error)
            }
            None => Ok(locals),
        }
    }

    /// Closes what a peer had of its own.
    pub fn close_peer(&mut self, peer: PeerId) {
        let Some(held) = self.peers.remove(&peer) else {
            return;
        };
        for slot in held.sockets {
            self.close(slot);
        }
    }

    /// Notes that a socket has something to read.
    pub fn handle_ready(&mut self, token: Token) {
        self.slots.handle_ready(token);
    }

    /// True where something may still be waiting to be read.
    pub fn has_ready(&self) -> bool {
        self.slots.has_ready()
    }

    /// Receives one batch from the socket that has waited longest; its address, or none where all are read.
    pub fn receive(&mut self, slots: &mut ReceiveSlots) -> Option<SocketAddr> {
        let at = self.slots.poll_ready()?;
        let Slot { socket, .. } = self.slots.get_mut(at)?;
        let (more, local) = (socket.receive(slots), socket.local());
        if more {
            self.slots.mark_ready(at);
        }
        Some(local)
    }

    /// Sends from the socket that the transmit names; one that is gone loses it.
    pub fn send(&mut self, now: Instant, transmit: &Transmit<'_>) {
        let Some(&at) = self.by_local.get(&transmit.path.local) else {
            self.counters.refused += 1;
            return;
        };
        let remote = transmit.path.remote;
        let Some(slot) = self.slots.get_mut(at) else {
            return;
        };
        let lasts = slot
            .steady
            .as_mut()
            .is_some_and(|steady| steady.handle_send(now, remote));
        let twin = slot
            .twin
            .filter(|(connected, _)| *connected == remote)
            .map(|(_, twin)| twin);
        if let Some(sender) = self.slots.get_mut(twin.unwrap_or(at)) {
            sender.socket.send(transmit, &mut self.counters);
        }
        if lasts {
            self.connect(at, remote);
        }
    }

    /// Gives a socket a twin for `remote` in place of any former one. Where it can't be had nothing changes.
    fn connect(&mut self, at: usize, remote: SocketAddr) {
        let Some(slot) = self.slots.get_mut(at) else {
            return;
        };
        let former = slot.twin.take();
        let twin = slot.socket.twin(remote, self.buffer_bytes);
        if let Some((_, former)) = former {
            self.close(former);
        }
        if let Some(twin) = twin.ok().and_then(|twin| self.insert(twin).ok())
            && let Some(slot) = self.slots.get_mut(at)
        {
            slot.twin = Some((remote, twin));
        }
    }

    fn add(&mut self, mut socket: Socket) -> io::Result<(usize, LocalAddress)> {
        let address = self.name(&mut socket);
        let at = self.insert(socket)?;
        self.by_local.insert(address.socket, at);
        Ok((at, address))
    }

    fn insert(&mut self, socket: Socket) -> io::Result<usize> {
        self.slots.insert(Slot {
            socket,
            steady: None,
            twin: None,
        })
    }

    fn close(&mut self, at: usize) {
        let Some(slot) = self.slots.remove(at) else {
            return;
        };
        let local = slot.socket.local();
        if self.by_local.get(&local) == Some(&at) {
            self.by_local.remove(&local);
        }
        if let Some((_, twin)) = slot.twin {
            self.close(twin);
        }
    }

    /// What the world is told of a socket.
    fn name(&self, socket: &mut Socket) -> LocalAddress {
        let bound = socket.local();
        let known = self.advertise.iter().find(|a| a.bind == bound.ip());
        let advertise = known.map_or(bound.ip(), |address| address.advertise);
        if bound.ip().is_unspecified() {
            socket.name(advertise);
        }
        LocalAddress {
            protocol: Protocol::Udp,
            socket: socket.local(),
            advertised: SocketAddr::new(advertise, bound.port()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::PortBook;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;
    use sluice_wire::path::Path;
    use std::net::{IpAddr, Ipv4Addr, UdpSocket};
    use std::sync::Arc;
    use std::time::Duration;

    struct Table {
        poll: mio::Poll,
        sockets: Sockets,
        book: Arc<PortBook>,
        rng: SmallRng,
        ip: IpAddr,
    }

    fn table(test: u8) -> Table {
        let poll = mio::Poll::new().expect("epoll works");
        let ip = IpAddr::V4(Ipv4Addr::new(127, 78, 0, test));
        let advertise = AddressConfig {
            bind: ip,
            advertise: IpAddr::from([192, 0, 2, 9]),
        };
        let registry = poll
            .registry()
            .try_clone()
            .expect("a registry can be cloned");
        let sockets = Sockets::new(registry, vec![advertise], 1 << 16);
        Table {
            poll,
            sockets,
            book: PortBook::new(41_000, 41_009),
            rng: SmallRng::seed_from_u64(1),
            ip,
        }
    }

    impl Table {
        fn open(&mut self, peer: u32) -> LocalAddress {
            let (lease, sockets) = self
                .book
                .bind(&mut self.rng, &[self.ip], 1 << 16)
                .expect("a port is free");
            let locals = self
                .sockets
                .add_peer(Instant::now(), PeerId(peer), lease, sockets);
            locals.expect("it can be polled")[0]
        }

        fn wait(&mut self) {
            let mut events = mio::Events::with_capacity(8);
            self.poll
                .poll(&mut events, Some(Duration::from_secs(5)))
                .expect("epoll works");
            for event in &events {
                self.sockets.handle_ready(event.token());
            }
        }
    }

    #[test]
    fn datagrams_come_and_go_by_the_peers_socket() {
        let mut table = table(1);
        let local = table.open(1);
        assert_eq!(
            local.advertised,
            SocketAddr::from(([192, 0, 2, 9], local.socket.port()))
        );
        let client = UdpSocket::bind((table.ip, 0)).expect("loopback is there");
        client.send_to(b"in", local.socket).expect("it is sent");
        table.wait();
        let mut slots = ReceiveSlots::new();
        assert_eq!(table.sockets.receive(&mut slots), Some(local.socket));
        let got: Vec<Vec<u8>> = slots.datagrams().map(|(_, d)| d.to_vec()).collect();
        assert_eq!(got, [b"in"]);
        assert_eq!(table.sockets.receive(&mut slots), None);
        let remote = client.local_addr().expect("it is bound");
        table.sockets.send(
            Instant::now(),
            &Transmit {
                path: Path::udp(local.socket, remote),
                segment_size: None,
                bytes: b"out",
            },
        );
        let mut buffer = [0; 8];
        assert_eq!(
            client.recv_from(&mut buffer).expect("it comes"),
            (3, local.socket)
        );
    }

    #[test]
    fn a_closed_peer_leaves_nothing_behind() {
        let mut table = table(2);
        for peer in 0..100 {
            let local = table.open(peer);
            table.sockets.close_peer(PeerId(peer));
            let transmit = Transmit {
                path: Path::udp(local.socket, local.socket),
                segment_size: None,
                bytes: b"x",
            };
            table.sockets.send(Instant::now(), &transmit);
        }
        assert_eq!(table.sockets.slots.places(), 1);
        assert!(table.sockets.by_local.is_empty());
        assert_eq!(table.sockets.counters.refused, 100);
    }

    #[test]
    fn a_busy_socket_does_not_starve_the_others() {
        let mut table = table(3);
        let (busy, quiet) = (table.open(1), table.open(2));
        let client = UdpSocket::bind((table.ip, 0)).expect("loopback is there");
        for _ in 0..80 {
            client.send_to(b"x", busy.socket).expect("it is sent");
        }
        client.send_to(b"y", quiet.socket).expect("it is sent");
        table.wait();
        let mut slots = ReceiveSlots::new();
        let order: Vec<SocketAddr> = std::iter::from_fn(|| table.sockets.receive(&mut slots))
            .take(2)
            .collect();
        assert!(order.contains(&quiet.socket), "{order:?}");
    }

    /// Sends to `client` for three seconds of the table's time.
    fn settle(table: &mut Table, local: SocketAddr, client: &UdpSocket) {
        let remote = client.local_addr().expect("it is bound");
        let start = Instant::now();
        for turn in 0..300 {
            let now = start + Duration::from_millis(turn * 10);
            let transmit = Transmit {
                path: Path::udp(local, remote),
                segment_size: None,
                bytes: b"media",
            };
            table.sockets.send(now, &transmit);
            let mut buffer = [0; 8];
            assert_eq!(client.recv_from(&mut buffer).expect("it comes"), (5, local));
        }
    }

    fn receive(table: &mut Table) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut slots = ReceiveSlots::new();
        let mut got = Vec::new();
        table.wait();
        while table.sockets.receive(&mut slots).is_some() {
            got.extend(
                slots
                    .datagrams()
                    .map(|(from, bytes)| (from, bytes.to_vec())),
            );
        }
        got
    }

    #[test]
    fn a_lasting_path_gets_a_connected_twin_and_strangers_still_get_through() {
        let mut table = table(4);
        let local = table.open(1).socket;
        let [client, roaming] =
            [(); 2].map(|()| UdpSocket::bind((table.ip, 0)).expect("loopback is there"));
        settle(&mut table, local, &client);
        assert_eq!(table.sockets.slots.len(), 2);
        for sender in [&client, &roaming] {
            sender.send_to(b"hello", local).expect("it is sent");
            let from = sender.local_addr().expect("it is bound");
            assert_eq!(receive(&mut table), [(from, b"hello".to_vec())]);
        }
        settle(&mut table, local, &roaming);
        assert_eq!(table.sockets.slots.len(), 2);
        client.send_to(b"still", local).expect("it is sent");
        assert_eq!(receive(&mut table).len(), 1);
        let taken = Socket::bind(local, true, 1 << 16).map(|_| ());
        assert!(taken.is_err(), "nobody else may share the port");
        table.sockets.close_peer(PeerId(1));
        assert_eq!(table.sockets.slots.len(), 0);
        Socket::bind(local, false, 1 << 16).expect("the port is free again");
    }

    #[test]
    fn a_client_that_is_gone_does_not_stop_the_twin() {
        let mut table = table(5);
        let local = table.open(1).socket;
        let client = UdpSocket::bind((table.ip, 0)).expect("loopback is there");
        let remote = client.local_addr().expect("it is bound");
        settle(&mut table, local, &client);
        drop(client);
        let transmit = Transmit {
            path: Path::udp(local, remote),
            segment_size: None,
            bytes: b"media",
        };
        for _ in 0..10 {
            table.sockets.send(Instant::now(), &transmit);
        }
        let back = UdpSocket::bind(remote).expect("the port is free");
        for _ in 0..2 {
            table.sockets.send(Instant::now(), &transmit);
        }
        let mut buffer = [0; 8];
        assert_eq!(back.recv_from(&mut buffer).expect("it comes"), (5, local));
        back.send_to(b"back", local).expect("it is sent");
        assert_eq!(receive(&mut table), [(remote, b"back".to_vec())]);
    }
}
