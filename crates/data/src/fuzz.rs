//! Bodies of the fuzz targets, shared with the corpus replay under `cargo test`.
#![allow(clippy::missing_panics_doc, clippy::disallowed_methods)]

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::dcep::Dcep;
use crate::{ChannelSettings, DataConfig, DataRole, DataTransport, MAX_CHANNELS};

/// A DCEP message: what reads, writes back to what reads the same.
pub fn dcep(input: &[u8]) {
    if let Some(message) = Dcep::parse(input) {
        assert_eq!(Dcep::parse(&message.to_bytes()), Some(message));
    }
}

/// Chunks that a hostile client sends on an association that stands. With an odd first byte the rest is the
/// payload of DATA chunks with fitting sequence numbers, on the stream and with the PPID of the next bytes.
pub fn packet(input: &[u8]) {
    let mut victim = Victim::new();
    match input.split_first() {
        Some((mode, rest)) if mode & 1 == 1 => {
            for message in rest.chunks(MESSAGE) {
                victim.receive_data(message);
            }
        }
        Some((_, rest)) => victim.receive(rest),
        None => {}
    }
    victim.settle();
}

/// A server's transport and what is needed to speak to it as its client.
struct Victim {
    now: Instant,
    server: DataTransport,
    /// Ports and verification tag of the client's packets.
    header: [u8; 8],
    next_tsn: u32,
}

impl Victim {
    fn new() -> Self {
        let now = Instant::now();
        let mut server = DataTransport::new(
            now,
            DataConfig {
                role: DataRole::Passive,
                dtls_client: false,
            },
        );
        let mut client = DataTransport::new(
            now,
            DataConfig {
                role: DataRole::Active,
                dtls_client: true,
            },
        );
        server.open_channel(now, ChannelSettings::reliable("_reliable"));
        let (mut header, mut next_tsn) = ([0; 8], 0);
        for _ in 0..4 {
            while let Some(packet) = client.poll_transmit() {
                if let [1, ..] = packet[12..] {
                    next_tsn = u32::from_be_bytes([packet[28], packet[29], packet[30], packet[31]]);
                }
                header.copy_from_slice(&packet[..8]);
                let _ = server.handle_packet(now, &packet);
            }
            while let Some(packet) = server.poll_transmit() {
                let _ = client.handle_packet(now, &packet);
            }
        }
        assert!(server.is_connected());
        Self {
            now,
            server,
            header,
            next_tsn,
        }
    }

    fn receive(&mut self, chunks: &[u8]) {
        let mut packet = self.header.to_vec();
        packet.extend_from_slice(&[0; 4]);
        packet.extend_from_slice(chunks);
        let checksum = crc32c(&packet).to_le_bytes();
        packet[8..12].copy_from_slice(&checksum);
        let _ = self.server.handle_packet(self.now, &packet);
        while self.server.poll_event().is_some() {}
        while self.server.poll_transmit().is_some() {}
    }

    fn receive_data(&mut self, message: &[u8]) {
        let [stream, kind, payload @ ..] = message else {
            return;
        };
        let mut chunk = vec![0, 3];
        chunk.extend_from_slice(&((16 + payload.len()) as u16).to_be_bytes());
        chunk.extend_from_slice(&self.next_tsn.to_be_bytes());
        chunk.extend_from_slice(&u16::from(*stream).to_be_bytes());
        chunk.extend_from_slice(&[0, 0]);
        chunk.extend_from_slice(&(50 + u32::from(kind % 9)).to_be_bytes());
        chunk.extend_from_slice(payload);
        chunk.resize(chunk.len().next_multiple_of(4), 0);
        self.next_tsn = self.next_tsn.wrapping_add(1);
        self.receive(&chunk);
    }

    fn settle(&mut self) {
        for _ in 0..5 {
            self.now = self
                .server
                .poll_timeout()
                .unwrap_or(self.now)
                .max(self.now + Duration::from_millis(1));
            self.server.handle_timeout(self.now);
            while self.server.poll_event().is_some() {}
            while self.server.poll_transmit().is_some() {}
        }
        if let Some(id) = self.server.channel("_reliable") {
            self.server
                .send(self.now, id, &Bytes::from_static(b"on"), true, 1_000);
        }
        assert!(self.server.channels() <= MAX_CHANNELS);
    }
}

/// The checksum of SCTP (RFC 9260 appendix A).
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0x82f6_3b78
            } else {
                crc >> 1
            };
        }
    }
    !crc
}

const MESSAGE: usize = 64;
