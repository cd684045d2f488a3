//! Where packets become sends: one arena, reused as soon as it was sent; packets for one destination that are equally
//! long become one train (UDP segmentation offload), also where packets for others were written in between.

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

/// The sends of one turn, or of as much of it as is written before it is sent.
pub struct Egress {
    arena: Vec<u8>,
    used: usize,
    trains: Vec<Train>,
    next: usize,
    /// What trains consist of where packets for others lie between their own.
    pieces: Vec<Piece>,
    /// Where such a train is put together.
    whole: Vec<u8>,
    /// The last train of each destination, by a hash of it. Two destinations may contend for a place: then a train
    /// less is found.
    latest: [u32; PLACES],
}

struct Train {
    path: Path,
    segment: usize,
    count: usize,
    /// Of all segments together.
    len: usize,
    /// The first piece.
    range: Range<usize>,
    /// The other pieces: the first and the last of them in `pieces`.
    rest: Option<(usize, usize)>,
}

struct Piece {
    range: Range<usize>,
    next: Option<usize>,
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
        let mut bytes = self.arena.get(train.range.clone())?;
        let mut rest = train.rest.map(|(first, _)| first);
        if rest.is_some() {
            self.whole.clear();
            self.whole.extend_from_slice(bytes);
            while let Some(piece) = rest.and_then(|at| self.pieces.get(at)) {
                self.whole
                    .extend_from_slice(self.arena.get(piece.range.clone())?);
                rest = piece.next;
            }
            bytes = &self.whole;
        }
        Some(Transmit {
            path: train.path,
            segment_size: (train.count > 1).then_some(train.segment),
            bytes,
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

    #[inline]
    fn recycle(&mut self) {
        if self.next > 0 && self.is_empty() {
            self.trains.clear();
            self.pieces.clear();
            self.latest = [NONE; PLACES];
            self.next = 0;
            self.used = 0;
        }
    }

    /// Appends to the last train of the destination where that may grow, else begins one.
    #[inline]
    fn couple(&mut self, path: Path, len: usize) {
        let start = self.used;
        self.used += len;
        let place = place(path);
        let latest = self.latest.get(place).map_or(0, |at| *at as usize);
        if latest >= self.next
            && let Some(train) = self.trains.get_mut(latest)
            && train.path == path
            && train.takes(len)
        {
            train.append(&mut self.pieces, start..self.used);
            return;
        }
        if let (Some(latest), Ok(at)) =
            (self.latest.get_mut(place), u32::try_from(self.trains.len()))
        {
            *latest = at;
        }
        self.trains.push(Train {
            path,
            segment: len,
            count: 1,
            len,
            range: start..self.used,
            rest: None,
        });
    }
}

impl Default for Egress {
    fn default() -> Self {
        Self {
            arena: Vec::new(),
            used: 0,
            trains: Vec::new(),
            next: 0,
            pieces: Vec::new(),
            whole: Vec::new(),
            latest: [NONE; PLACES],
        }
    }
}

impl Train {
    /// True where a packet may follow: a shorter one may, but nothing behind it.
    #[inline]
    fn takes(&self, len: usize) -> bool {
        let whole = self.len == self.segment * self.count;
        let fits = self.count < MAX_TRAIN && self.len + len <= MAX_TRAIN_BYTES;
        whole && fits && len <= self.segment
    }

    #[inline]
    fn append(&mut self, pieces: &mut Vec<Piece>, range: Range<usize>) {
        self.count += 1;
        self.len += range.len();
        let last = self.rest.and_then(|(_, last)| pieces.get_mut(last));
        let end = last.map_or(&mut self.range.end, |piece| &mut piece.range.end);
        if *end == range.start {
            *end = range.end;
            return;
        }
        let at = pieces.len();
        pieces.push(Piece { range, next: None });
        if let Some((_, last)) = &mut self.rest {
            if let Some(piece) = pieces.get_mut(*last) {
                piece.next = Some(at);
            }
            *last = at;
        } else {
            self.rest = Some((at, at));
        }
    }
}

/// Where the last train of a destination is noted: ports tell destinations apart, on either side.
#[inline]
fn place(path: Path) -> usize {
    let ports = usize::from(path.local.port()) * 31 + usize::from(path.remote.port());
    ports % PLACES
}

/// Enough for the destinations that are written to before the arena is sent.
const PLACES: usize = 512;

/// No train.
const NONE: u32 = u32::MAX;

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
    fn packets_for_others_in_between_do_not_part_a_train() {
        let mut egress = Egress::default();
        for len in [100, 100, 40] {
            send(&mut egress, 5, &[len]);
            send(&mut egress, 6, &[len, len]);
        }
        let first = egress.poll_transmit().expect("a train");
        assert_eq!((first.path, first.segment_size), (path(5), Some(100)));
        assert_eq!(first.bytes, [vec![100; 200], vec![40; 40]].concat());
        assert_eq!(sent(&mut egress), [(6, Some(100), 440), (6, None, 40)]);
    }

    #[test]
    fn packets_to_one_destination_stay_in_order() {
        let mut egress = Egress::default();
        for len in [100, 200, 100, 100] {
            send(&mut egress, 5, &[len]);
            send(&mut egress, 6, &[50]);
        }
        let sizes: Vec<_> = sent(&mut egress)
            .into_iter()
            .filter(|(port, ..)| *port == 5)
            .collect();
        assert_eq!(sizes, [(5, None, 100), (5, Some(200), 300), (5, None, 100)]);
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
