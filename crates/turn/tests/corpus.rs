//! Replays the fuzz corpus, as it is and with seeded mutations.

use std::fs;
use std::path::Path;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sluice_turn::fuzz;

const MUTATIONS: u32 = 1_000;

#[test]
fn messages_of_any_shape_are_taken_without_harm() {
    replay("client", fuzz::client);
}

#[test]
fn streams_of_any_shape_are_cut_into_messages_or_ended() {
    replay("stream", fuzz::stream);
}

#[test]
fn answers_of_any_shape_are_read_without_harm() {
    replay("answer", fuzz::answer);
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
    let mut rng = SmallRng::seed_from_u64(1);
    for input in &inputs {
        body(input);
        for _ in 0..MUTATIONS {
            body(&mutated(input, &mut rng));
        }
    }
}

fn mutated(input: &[u8], rng: &mut SmallRng) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..rng.random_range(1..6) {
        let at = rng.random_range(0..=bytes.len());
        match rng.random_range(0..4) {
            0 => bytes.insert(at, rng.random()),
            1 if at < bytes.len() => bytes[at] = rng.random(),
            2 if at < bytes.len() => bytes[at] ^= 1 << rng.random_range(0..8),
            _ => bytes.truncate(at.max(1)),
        }
    }
    bytes
}
