//! Where packets become sends: one arena per turn of the loop, reused; packets that leave for one destination in
//! a row and are equally long become one train (UDP segmentation offload).

use std::ops::Range;

use sluice_wire::path::Path;

/// Longest datagram that we send, bytes, with room for what sealing adds.
pub const SLOT_BYTES: usize = 1600;

/// Segments in one train: more would outrun shallow queues on the last mile.
const MAX_TRAIN: usize = 10;

/// Bytes in one train: what one UDP send may carry with room for headers.
const MAX_TRAIN_BYTES: usize = 60_000;

/// What is written before it is sent: it stays in a core's own cache, and one client's share of a turn fits many
/// times.
const FULL_BYTES: usize = 64 * 1024;

/// One send: a datagram, or several of equal length to one destination of which the last may be shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transmit<'a> {
    /// Its way.
    pub path: Path,
    /// Length of each segment but the last, where there is more than one.
    pub segment_size: Option<usize>,
    /// The segments, one behind the other.
    pub bytes: &'a [u8],
}

/// The sends of one turn.
#[derive(Default)]
pub struct Egress {
    arena: Vec<u8>,
    used: usize,
    trains: Vec<Train>,
    next: usize,
}

struct Train {
    path: Path,
    segment: usize,
    count: usize,
    range: Range<usize>,
}

impl Egress {
    /// Lets `write` build one datagram in the next free slot; None from it takes nothing.
    /// Returns the datagram's length.
    pub fn write(
        &mut self,
        path: Path,
        write: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> Option<usize> {
        self.recycle();
        let end = self.used + SLOT_BYTES;
        if self.arena.len() < end {
            self.arena.resize(end, 0);
        }
        let len = write(self.arena.get_mut(self.used..end)?)?.min(SLOT_BYTES);
        self.couple(path, len);
        Some(len)
    }

    /// Copies a finished datagram.
    pub fn push(&mut self, path: Path, bytes: &[u8]) {
        self.recycle();
        let end = self.used + bytes.len();
        if self.arena.len() < end {
            self.arena.resize(end, 0);
        }
        if let Some(slot) = self.arena.get_mut(self.used..end) {
            slot.copy_from_slice(bytes);
            self.couple(path, bytes.len());
        }
    }

    /// The datagram written last, `len` bytes long.
    pub fn last(&self, len: usize) -> Option<&[u8]> {
        self.arena.get(self.used.checked_sub(len)?..self.used)
    }

    /// The next send, in the order of writing.
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        let train = self.trains.get(self.next)?;
        self.next += 1;
        Some(Transmit {
            path: train.path,
            segment_size: (train.count > 1).then_some(train.segment),
            bytes: self.arena.get(train.range.clone())?,
        })
    }

    /// True where all sends were polled.
    pub fn is_empty(&self) -> bool {
        self.next >= self.trains.len()
    }

    /// True where so much waits that sending it comes before writing more: sealing fills the caches that the kernel
    /// then reads, and whoever is served first need not wait for the last.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.used >= FULL_BYTES
    }

    fn recycle(&mut self) {
        if self.next > 0 && self.is_empty() {
            self.trains.clear();
            self.next = 0;
            self.used = 0;
        }
    }

    /// Appends to the last train where that may grow, else begins one.
    fn couple(&mut self, path: Path, len: usize) {
        let start = self.used;
        self.used += len;
        let open = self.trains.len() > self.next;
        if let Some(last) = self.trains.last_mut().filter(|_| open) {
            let whole = last.range.len() == last.segment * last.count;
            let fits = last.count < MAX_TRAIN && last.range.len() + len <= MAX_TRAIN_BYTES;
            if last.path == path && whole && fits && len <= last.segment {
                last.count += 1;
                last.range.end = self.used;
                return;
            }
        }
        self.trains.push(Train {
            path,
            segment: len,
            count: 1,
            range: start..self.used,
        });
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn path(port: u16) -> Path {
        let address = |port| SocketAddr::from(([192, 0, 2, 1], port));
        Path::udp(address(1), address(port))
    }

    fn sent(egress: &mut Egress) -> Vec<(u16, Option<usize>, usize)> {
        std::iter::from_fn(|| {
            egress
                .poll_transmit()
                .map(|t| (t.path.remote.port(), t.segment_size, t.bytes.len()))
        })
        .collect()
    }

    fn send(egress: &mut Egress, port: u16, lens: &[usize]) {
        for &len in lens {
            egress.write(path(port), |slot| {
                slot[..len].fill(len as u8);
                Some(len)
            });
        }
    }

    #[test]
    fn equal_packets_to_one_destination_travel_as_one_train() {
        let mut egress = Egress::default();
        send(&mut egress, 5, &[100, 100, 40]);
        assert_eq!(sent(&mut egress), [(5, Some(100), 240)]);
    }

    #[test]
    fn a_train_ends_behind_its_shorter_packet() {
        let mut egress = Egress::default();
        send(&mut egress, 5, &[100, 40, 40, 100]);
        assert_eq!(
            sent(&mut egress),
            [(5, Some(100), 140), (5, None, 40), (5, None, 100)]
        );
    }

    #[test]
    fn destinations_are_never_mixed() {
        let mut egress = Egress::default();
        send(&mut egress, 5, &[100]);
        send(&mut egress, 6, &[100]);
        assert_eq!(sent(&mut egress), [(5, None, 100), (6, None, 100)]);
    }

    #[test]
    fn trains_hold_ten_segments() {
        let mut egress = Egress::default();
        send(&mut egress, 5, &[100; 12]);
        assert_eq!(
            sent(&mut egress),
            [(5, Some(100), 1000), (5, Some(100), 200)]
        );
    }

    #[test]
    fn a_packet_that_was_not_written_takes_no_room() {
        let mut egress = Egress::default();
        send(&mut egress, 5, &[100]);
        egress.write(path(5), |_| None);
        send(&mut egress, 5, &[100]);
        assert_eq!(sent(&mut egress), [(5, Some(100), 200)]);
    }

    #[test]
    fn the_arena_is_used_again_once_all_is_sent() {
        let mut egress = Egress::default();
        for _ in 0..50 {
            send(&mut egress, 5, &[100; 3]);
            assert_eq!(sent(&mut egress).len(), 1);
        }
        assert!(egress.arena.len() <= 3 * SLOT_BYTES);
    }

    #[test]
    fn a_train_that_was_polled_no_longer_grows() {
        let mut egress = Egress::default();
        send(&mut egress, 5, &[100]);
        send(&mut egress, 6, &[100]);
        egress.poll_transmit();
        egress.poll_transmit();
        send(&mut egress, 6, &[100]);
        assert_eq!(sent(&mut egress), [(6, None, 100)]);
    }
}
