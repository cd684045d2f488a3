//! Replays the fuzz corpora of other crates under `cargo test`, as they are and with seeded mutations.

use std::fs;
use std::path::Path;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// Runs `body` over the inputs in `fuzz/corpus/<target>` of a crate (`env!("CARGO_MANIFEST_DIR")`), and over a
/// thousand mutations of each; the same ones every time.
pub fn replay(crate_folder: &str, target: &str, body: fn(&[u8])) {
    let folder = Path::new(crate_folder).join("fuzz/corpus").join(target);
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

/// Of each input.
const MUTATIONS: u32 = 1_000;
