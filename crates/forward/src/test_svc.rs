//! A synthetic K-SVC stream for tests: three spatial and three temporal layers, spatial layers predicted from each
//! other in key pictures only (L3T3_KEY).

use sluice_wire::codec::Codec;
use sluice_wire::codec::bits::BitWriter;
use sluice_wire::dependency_descriptor::Reader;
use sluice_wire::id::PayloadType;

use crate::packet::PacketMeta;
use crate::test_packets::{at, meta};

/// One packet of the stream; each layer frame is one packet.
pub struct SvcPacket {
    pub meta: PacketMeta,
    pub descriptor: Vec<u8>,
}

/// The publisher. Each picture is 33 ms after the last.
pub struct L3T3Key {
    frame: u16,
    sequence: u64,
    picture: u64,
    /// Position in the temporal pattern.
    position: usize,
    /// Frame numbers of the last frame of each chain.
    chains: [u16; 3],
    reader: Reader,
}

impl L3T3Key {
    pub fn new(first_frame: u16, first_sequence: u64) -> Self {
        Self {
            frame: first_frame,
            sequence: first_sequence,
            picture: 0,
            position: 0,
            chains: [0; 3],
            reader: Reader::default(),
        }
    }

    /// The packets of the next picture, lowest spatial layer first.
    pub fn picture(&mut self, key: bool) -> Vec<SvcPacket> {
        if key {
            self.position = 0;
        }
        let temporal = [0, 2, 1, 2][self.position % 4];
        self.position += 1;
        let packets = (0..3)
            .map(|spatial| self.packet(spatial, temporal, key))
            .collect();
        self.picture += 1;
        packets
    }

    fn packet(&mut self, spatial: u8, temporal: u8, key: bool) -> SvcPacket {
        let descriptor = self.descriptor(spatial, temporal, key);
        let dd = self
            .reader
            .read(&descriptor)
            .expect("a descriptor of our own");
        assert_eq!((dd.spatial, dd.temporal), (spatial, temporal));
        let meta = PacketMeta {
            timestamp: (self.picture * 3_000) as u32,
            arrival: at(self.picture * 33),
            marker: spatial == 2,
            codec: Codec::Vp9,
            pt: PayloadType(98),
            key_frame: key && spatial == 0,
            frame_start: true,
            frame_end: true,
            spatial,
            temporal,
            dd: Some(dd),
            ..meta(self.sequence)
        };
        self.sequence += 1;
        self.frame = self.frame.wrapping_add(1);
        SvcPacket { meta, descriptor }
    }

    fn descriptor(&mut self, spatial: u8, temporal: u8, key: bool) -> Vec<u8> {
        let mut bytes = vec![0; 200];
        let mut w = BitWriter::new(&mut bytes);
        let mut put = |value: u32, count: u32| w.bits(value, count).expect("room");
        put(0b11, 2);
        put(u32::from(spatial * 3 + temporal), 6);
        put(u32::from(self.frame), 16);
        let structure = key && spatial == 0;
        put(u32::from(structure), 1);
        put(0, 1);
        put(0b111, 3);
        if structure {
            put_structure(&mut put);
        }
        for target in 0..9 {
            put(
                indication((spatial, temporal), (target / 3, target % 3), key),
                2,
            );
        }
        // Frame differences: one of eight bits, except for the first frame of all.
        if structure {
            put(0, 2);
        } else {
            put(2, 2);
            put(if key { 0 } else { 2 }, 8);
            put(0, 2);
        }
        for chain in 0..3u8 {
            let diff = self.frame.wrapping_sub(self.chains[usize::from(chain)]);
            put(if structure { 0 } else { u32::from(diff) }, 8);
            if (key && spatial <= chain) || (spatial == chain && temporal == 0) {
                self.chains[usize::from(chain)] = self.frame;
            }
        }
        w.align().expect("room");
        let len = w.bytes_written();
        bytes.truncate(len);
        bytes
    }
}

fn put_structure(put: &mut impl FnMut(u32, u32)) {
    put(0, 6);
    put(8, 5);
    for template in 0..9 {
        put(
            if template == 8 {
                3
            } else if template % 3 == 2 {
                2
            } else {
                1
            },
            2,
        );
    }
    for template in 0..9 {
        for target in 0..9 {
            let layer = (template / 3, template % 3);
            put(indication(layer, (target / 3, target % 3), false), 2);
        }
    }
    for _ in 0..9 {
        put(0, 1);
    }
    // Three chains of ns(10): values below 6 take three bits. Then ns(3) for the chain of each target: 0 is one bit.
    put(3, 3);
    for target in 0..9 {
        match target / 3 {
            0 => put(0, 1),
            1 => put(0b10, 2),
            _ => put(0b11, 2),
        }
    }
    for _ in 0..27 {
        put(0, 4);
    }
    put(1, 1);
    for size in [319, 179, 639, 359, 1279, 719] {
        put(size, 16);
    }
}

/// How target `(S, T)` needs a frame of layer `(s, t)`: 0 not present, 1 discardable, 2 switch.
fn indication(frame: (u8, u8), target: (u8, u8), key: bool) -> u32 {
    let present = (if key {
        frame.0 <= target.0
    } else {
        frame.0 == target.0
    }) && frame.1 <= target.1;
    match (present, frame.1) {
        (false, _) => 0,
        (true, 2) => 1,
        (true, _) => 2,
    }
}
