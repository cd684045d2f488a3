//! The port range: which ports our peers have, kept in one book for all workers, so that a full range is known
//! without asking the kernel ten thousand times.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use rand::Rng;
use sluice_wire::id::WorkerId;

use crate::socket::Socket;

/// Which ports of the range this process uses.
pub struct PortBook {
    first: u16,
    count: u32,
    /// One bit per port.
    used: Vec<AtomicU64>,
    /// By port: the worker that has it, or [`NOBODY`].
    owners: Vec<AtomicU8>,
}

/// A port of the range; it returns to the book when dropped, so drop its sockets first.
pub struct PortLease {
    book: Arc<PortBook>,
    port: u16,
}

/// No sockets for a peer.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// Every port of the range is taken, by us or by others.
    #[error("no free UDP port from {first} to {last}")]
    Exhausted {
        /// First of the range.
        first: u16,
        /// Last of the range.
        last: u32,
    },
    /// None of the addresses is there any more.
    #[error("none of the local addresses can be bound: {0}")]
    NoAddress(io::Error),
    /// Out of file descriptors or memory.
    #[error("no socket to be had: {0}; raise `ulimit -n`")]
    NoSocket(io::Error),
}

impl PortBook {
    /// An empty book for the ports `first` to `last`, both included.
    pub fn new(first: u16, last: u16) -> Arc<Self> {
        let count = u32::from(last.saturating_sub(first)) + 1;
        let words = count.div_ceil(u64::BITS);
        Arc::new(Self {
            first,
            count,
            used: (0..words).map(|_| AtomicU64::new(0)).collect(),
            owners: (0..count).map(|_| AtomicU8::new(NOBODY)).collect(),
        })
    }

    /// Binds one socket per address, all on one port, chosen from a random start.
    ///
    /// # Errors
    /// See [`PortError`].
    pub fn bind(
        self: &Arc<Self>,
        rng: &mut impl Rng,
        addresses: &[IpAddr],
        buffer_bytes: usize,
    ) -> Result<(PortLease, Vec<Socket>), PortError> {
        let start = rng.random_range(0..self.count);
        let mut refusals = 0;
        for step in 0..self.count {
            let Some(lease) = self.lease((start + step) % self.count) else {
                continue;
            };
            match bind_all(lease.port, addresses, buffer_bytes)? {
                Some(sockets) => return Ok((lease, sockets)),
                None => refusals += 1,
            }
            if refusals == MAX_REFUSALS {
                break;
            }
        }
        let last = u32::from(self.first) + self.count - 1;
        Err(PortError::Exhausted {
            first: self.first,
            last,
        })
    }

    /// The worker that has a port; none where nobody has it, or nobody said so.
    pub fn owner(&self, port: u16) -> Option<WorkerId> {
        let offset = port.checked_sub(self.first)?;
        let owner = self.owners.get(usize::from(offset))?;
        match owner.load(Ordering::Relaxed) {
            NOBODY => None,
            worker => Some(WorkerId(u16::from(worker))),
        }
    }

    fn lease(self: &Arc<Self>, offset: u32) -> Option<PortLease> {
        let (word, bit) = self.place(offset)?;
        if word.load(Ordering::Relaxed) & bit != 0
            || word.fetch_or(bit, Ordering::AcqRel) & bit != 0
        {
            return None;
        }
        let port = u16::try_from(u32::from(self.first) + offset).ok()?;
        Some(PortLease {
            book: Arc::clone(self),
            port,
        })
    }

    fn place(&self, offset: u32) -> Option<(&AtomicU64, u64)> {
        let word = self.used.get((offset / u64::BITS) as usize)?;
        Some((word, 1 << (offset % u64::BITS)))
    }
}

impl PortLease {
    /// Notes in the book whose port it is.
    pub fn assign(&self, worker: WorkerId) {
        self.write_owner(u8::try_from(worker.0).unwrap_or(NOBODY));
    }

    fn write_owner(&self, owner: u8) {
        let offset = usize::from(self.port.saturating_sub(self.book.first));
        if let Some(place) = self.book.owners.get(offset) {
            place.store(owner, Ordering::Relaxed);
        }
    }
}

impl Drop for PortLease {
    fn drop(&mut self) {
        // Before the port is free: its next owner writes its own name.
        self.write_owner(NOBODY);
        let offset = u32::from(self.port.saturating_sub(self.book.first));
        if let Some((word, bit)) = self.book.place(offset) {
            word.fetch_and(!bit, Ordering::AcqRel);
        }
    }
}

/// One socket per address on `port`; none where somebody else has the port.
fn bind_all(
    port: u16,
    addresses: &[IpAddr],
    buffer_bytes: usize,
) -> Result<Option<Vec<Socket>>, PortError> {
    let mut sockets = Vec::with_capacity(addresses.len());
    let mut missing = None;
    for &address in addresses {
        match Socket::bind(SocketAddr::new(address, port), false, buffer_bytes) {
            Ok(socket) => sockets.push(socket),
            Err(error) => match error.kind() {
                io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied => return Ok(None),
                // An interface went away: the others still serve.
                io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported => {
                    missing = Some(error);
                }
                _ => return Err(PortError::NoSocket(error)),
            },
        }
    }
    match missing {
        Some(error) if sockets.is_empty() => Err(PortError::NoAddress(error)),
        _ => Ok(Some(sockets)),
    }
}

/// No worker: there are 62 at most.
const NOBODY: u8 = u8::MAX;

/// Ports of other processes that one peer is held up by: each costs a few microseconds of the worker's time.
const MAX_REFUSALS: u32 = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;
    use std::net::Ipv4Addr;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const BUFFER: usize = 64 << 10;

    /// A loopback address of its own for each test: nobody else binds there.
    fn address(test: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(127, 77, 0, test))
    }

    #[test]
    fn every_port_of_the_range_is_used_and_no_other() {
        let book = PortBook::new(40_000, 40_004);
        let mut rng = SmallRng::seed_from_u64(1);
        let peers: Vec<_> = (0..5)
            .map(|_| {
                book.bind(&mut rng, &[address(1)], BUFFER)
                    .expect("a port is free")
            })
            .collect();
        let mut ports: Vec<u16> = peers.iter().map(|(_, s)| s[0].local().port()).collect();
        ports.sort_unstable();
        assert_eq!(ports, [40_000, 40_001, 40_002, 40_003, 40_004]);
        let error = book.bind(&mut rng, &[address(1)], BUFFER).map(|_| ());
        assert_eq!(
            error.expect_err("the range is full").to_string(),
            "no free UDP port from 40000 to 40004"
        );
    }

    #[test]
    fn a_port_returns_with_its_peer() {
        let book = PortBook::new(40_010, 40_010);
        let mut rng = SmallRng::seed_from_u64(1);
        for _ in 0..3 {
            let (lease, sockets) = book
                .bind(&mut rng, &[address(2)], BUFFER)
                .expect("it is free");
            drop(sockets);
            drop(lease);
        }
    }

    #[test]
    fn the_book_tells_whose_a_port_is() {
        let book = PortBook::new(40_040, 40_041);
        let mut rng = SmallRng::seed_from_u64(1);
        let bound = book.bind(&mut rng, &[address(6)], BUFFER);
        let (lease, sockets) = bound.expect("it is free");
        let port = sockets[0].local().port();
        assert_eq!(book.owner(port), None);
        lease.assign(WorkerId(61));
        assert_eq!(book.owner(port), Some(WorkerId(61)));
        assert_eq!((book.owner(40_039), book.owner(40_042)), (None, None));
        drop((sockets, lease));
        assert_eq!(book.owner(port), None);
    }

    #[test]
    fn ports_that_others_have_are_passed_over_for_all_addresses() {
        let foreign = std::net::UdpSocket::bind(SocketAddr::new(address(3), 40_020));
        let book = PortBook::new(40_020, 40_021);
        for seed in 0..8 {
            let mut rng = SmallRng::seed_from_u64(seed);
            let both = [address(4), address(3)];
            let (_lease, sockets) = book
                .bind(&mut rng, &both, BUFFER)
                .expect("the other is free");
            let ports: Vec<u16> = sockets.iter().map(|s| s.local().port()).collect();
            assert_eq!(ports, [40_021, 40_021]);
        }
        drop(foreign);
    }

    #[test]
    fn an_address_that_is_gone_leaves_the_others() {
        let gone = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        let book = PortBook::new(40_030, 40_039);
        let mut rng = SmallRng::seed_from_u64(1);
        let (_lease, sockets) = book
            .bind(&mut rng, &[gone, LOOPBACK], BUFFER)
            .expect("one is there");
        assert_eq!(sockets.len(), 1);
        let none = book.bind(&mut rng, &[gone], BUFFER).map(|_| ());
        assert!(matches!(none, Err(PortError::NoAddress(_))));
    }

    #[test]
    fn the_highest_port_is_a_port() {
        let book = PortBook::new(65_535, 65_535);
        let mut rng = SmallRng::seed_from_u64(1);
        let (_lease, sockets) = book
            .bind(&mut rng, &[address(5)], BUFFER)
            .expect("it is free");
        assert_eq!(sockets[0].local().port(), 65_535);
    }
}
