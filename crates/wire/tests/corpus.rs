//! Replays the fuzz corpus, as it is and with seeded mutations.

use std::fs;
use std::path::Path;

use sluice_wire::fuzz;

/// Of each input.
const MUTATIONS: u32 = 20_000;

#[test]
fn datagrams_of_any_shape_are_classified() {
    replay("datagram", fuzz::datagram);
}

#[test]
fn streams_of_any_shape_are_cut_into_packets_or_refused() {
    replay("framing", fuzz::framing);
}

#[test]
fn rtp_of_any_shape_is_read_within_its_bounds() {
    replay("rtp", fuzz::rtp);
}

#[test]
fn rtcp_of_any_shape_is_clamped() {
    replay("rtcp", fuzz::rtcp);
}

#[test]
fn payloads_of_any_shape_are_read_within_their_bounds() {
    replay("payload", fuzz::payload);
}

#[test]
fn dependency_descriptors_of_any_shape_are_read_or_refused() {
    replay("dependency_descriptor", fuzz::dependency_descriptor);
}

fn replay(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut inputs: Vec<_> = fs::read_dir(folder)
        .expect("the corpus is committed")
        .map(|entry| fs::read(entry.expect("readable").path()).expect("readable"))
        .collect();
    inputs.sort();
    assert!(!inputs.is_empty());
    let mut dice = Dice(0x5eed);
    for input in &inputs {
        body(input);
        for len in 0..input.len() {
            body(&input[..len]);
        }
        for _ in 0..MUTATIONS {
            body(&mutated(input, &inputs, &mut dice));
        }
    }
}

/// A few bits, bytes, lengths and splices changed.
fn mutated(input: &[u8], others: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=dice.below(5) {
        let at = dice.below(bytes.len() + 1);
        match dice.below(6) {
            0 => bytes.insert(at, dice.below(256) as u8),
            1 if at < bytes.len() => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][dice.below(5)],
            2 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            3 if at < bytes.len() => bytes[at] = dice.below(256) as u8,
            4 => {
                let other = &others[dice.below(others.len())];
                bytes.truncate(at);
                bytes.extend(&other[dice.below(other.len() + 1)..]);
            }
            _ => bytes.truncate(at),
        }
    }
    bytes
}

/// xorshift64*.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }
}
