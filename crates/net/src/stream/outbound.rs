//! What waits to be written to one connection: bounded in bytes and in time, so that a slow connection makes gaps
//! rather than delay.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use super::bytes::{ByteStream, is_passing};
use super::framer::Framer;

/// What becomes of a message when the connection is slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// Worthless when late: dropped beyond [`MEDIA_BYTES`] or [`MEDIA_DELAY`].
    Media,
    /// What keeps the connection and its peer going: dropped beyond [`ALL_BYTES`].
    Control,
}

/// The buffer.
#[derive(Debug, Default)]
pub struct Outbound {
    buffer: Vec<u8>,
    /// Bytes of `buffer` that are written.
    written: usize,
    /// When what lies from a place in `buffer` on was put there, in steps of [`MARK_STEP`].
    marks: VecDeque<(usize, Instant)>,
    /// Since when nothing was taken though something waited.
    stalled: Option<Instant>,
}

impl Outbound {
    /// Takes a message. False where it was dropped.
    pub fn push(
        &mut self,
        now: Instant,
        framer: &impl Framer,
        message: &[u8],
        urgency: Urgency,
    ) -> bool {
        let full = match urgency {
            Urgency::Media => self.len() + message.len() > MEDIA_BYTES || self.is_late(now),
            Urgency::Control => self.len() + message.len() > ALL_BYTES,
        };
        if full {
            return false;
        }
        self.make_room();
        let start = self.buffer.len();
        if !framer.append(message, &mut self.buffer) {
            return false;
        }
        let marked = self
            .marks
            .back()
            .is_some_and(|(_, at)| now.saturating_duration_since(*at) < MARK_STEP);
        if !marked {
            self.marks.push_back((start, now));
        }
        true
    }

    /// Writes what the stream takes.
    ///
    /// # Errors
    /// Those of the stream, but for `WouldBlock`.
    pub fn flush(&mut self, now: Instant, stream: &mut impl ByteStream) -> io::Result<()> {
        let before = self.written;
        while let Some(rest) = self.buffer.get(self.written..)
            && !rest.is_empty()
        {
            match stream.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_passing(&error) => break,
                Err(error) => return Err(error),
            }
        }
        if let Err(error) = stream.flush()
            && !is_passing(&error)
        {
            return Err(error);
        }
        let moved = self.written > before;
        self.forget_written();
        self.stalled = match self.stalled {
            _ if self.is_empty() => None,
            Some(since) if !moved => Some(since),
            _ => Some(now),
        };
        Ok(())
    }

    /// Bytes that wait.
    pub fn len(&self) -> usize {
        self.buffer.len() - self.written
    }

    /// True where nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Since when nothing was taken though something waits.
    pub fn stalled_since(&self) -> Option<Instant> {
        self.stalled
    }

    fn is_late(&self, now: Instant) -> bool {
        self.marks
            .front()
            .is_some_and(|(_, at)| now.saturating_duration_since(*at) > MEDIA_DELAY)
    }

    fn forget_written(&mut self) {
        if self.is_empty() {
            self.buffer.clear();
            self.buffer.shrink_to(KEPT_BYTES);
            self.written = 0;
            self.marks.clear();
        }
        while self
            .marks
            .get(1)
            .is_some_and(|(start, _)| *start <= self.written)
        {
            self.marks.pop_front();
        }
    }

    /// Moves what waits to the front once as much was written: each byte is moved at most once on average.
    fn make_room(&mut self) {
        if self.written > 0 && self.written >= self.len() {
            self.buffer.drain(..self.written);
            for (start, _) in &mut self.marks {
                *start = start.saturating_sub(self.written);
            }
            self.written = 0;
        }
    }
}

/// Media that may wait, bytes: half a second at 4 Mbit/s. More would be late anyway, and each connection may take it.
const MEDIA_BYTES: usize = 256 * 1024;
/// How long the oldest byte may have waited before media is dropped: about what a jitter buffer forgives.
const MEDIA_DELAY: Duration = Duration::from_millis(500);
/// What may wait in all: room for checks, handshakes and a data channel's window beyond media.
const ALL_BYTES: usize = 320 * 1024;
/// Memory that a connection keeps when nothing waits: enough for a key frame, so that calls allocate nothing.
const KEPT_BYTES: usize = 64 * 1024;
/// Marks are this far apart, so that few are kept.
const MARK_STEP: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::super::framer::Rfc4571;
    use super::*;

    /// Takes as many bytes as it is told to.
    struct Valve {
        open: usize,
        taken: Vec<u8>,
    }

    impl Read for Valve {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Ok(0)
        }
    }

    impl Write for Valve {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.open);
            if count == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.open -= count;
            self.taken.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl ByteStream for Valve {
        fn source(&mut self) -> &mut mio::net::TcpStream {
            unreachable!("never polled")
        }
    }

    fn valve(open: usize) -> Valve {
        Valve {
            open,
            taken: Vec::new(),
        }
    }

    fn media(outbound: &mut Outbound, now: Instant, len: usize) -> bool {
        outbound.push(now, &Rfc4571, &vec![7; len], Urgency::Media)
    }

    #[test]
    fn what_the_socket_does_not_take_leaves_in_order_later() {
        let (mut outbound, now) = (Outbound::default(), Instant::now());
        let mut valve = valve(5);
        for message in [b"one", b"two", b"six"] {
            assert!(outbound.push(now, &Rfc4571, message, Urgency::Media));
        }
        outbound.flush(now, &mut valve).expect("it goes on");
        assert_eq!(outbound.len(), 10);
        assert!(outbound.push(now, &Rfc4571, b"ten", Urgency::Media));
        valve.open = 100;
        outbound.flush(now, &mut valve).expect("it goes on");
        assert_eq!(valve.taken, b"\0\x03one\0\x03two\0\x03six\0\x03ten");
        assert!(outbound.is_empty() && outbound.stalled_since().is_none());
    }

    #[test]
    fn a_full_buffer_drops_media_and_still_takes_checks() {
        let (mut outbound, now) = (Outbound::default(), Instant::now());
        while media(&mut outbound, now, 1_000) {}
        assert!(outbound.len() <= MEDIA_BYTES + 2_000);
        assert!(outbound.push(now, &Rfc4571, &[0; 100], Urgency::Control));
        while outbound.push(now, &Rfc4571, &[0; 1_000], Urgency::Control) {}
        assert!(outbound.len() <= ALL_BYTES + 2_000);
    }

    #[test]
    fn media_is_dropped_behind_bytes_that_wait_for_half_a_second() {
        let (mut outbound, start) = (Outbound::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        for ms in 0..=500 {
            assert!(media(&mut outbound, at(ms), 100), "{ms} ms");
        }
        assert!(!media(&mut outbound, at(501), 100));
        // A quarter of a second of it leaves: the oldest byte is younger now.
        outbound
            .flush(at(501), &mut valve(102 * 250))
            .expect("it goes on");
        assert!(media(&mut outbound, at(502), 100));
        assert!(!media(&mut outbound, at(780), 100));
    }

    #[test]
    fn a_stall_is_told_from_its_first_moment_and_ends_with_the_first_byte() {
        let (mut outbound, start) = (Outbound::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        let mut valve = valve(0);
        media(&mut outbound, at(0), 10);
        for ms in [0, 100, 200] {
            outbound.flush(at(ms), &mut valve).expect("it goes on");
            assert_eq!(outbound.stalled_since(), Some(start));
        }
        valve.open = 1;
        outbound.flush(at(300), &mut valve).expect("it goes on");
        assert_eq!(outbound.stalled_since(), Some(at(300)));
    }

    #[test]
    fn a_connection_in_use_needs_no_more_memory_than_what_waits() {
        let (mut outbound, now) = (Outbound::default(), Instant::now());
        let mut valve = valve(0);
        media(&mut outbound, now, 1_000);
        for _ in 0..10_000 {
            media(&mut outbound, now, 1_000);
            valve.open = 1_002;
            outbound.flush(now, &mut valve).expect("it goes on");
            valve.taken.clear();
        }
        assert!(outbound.buffer.capacity() < 16 * 1024);
    }
}
