//! Replays the fuzz corpus, and seeded mutations of it, through the bodies of the fuzz targets.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::time::Instant;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sluice_secure::{Certificate, fuzz};

#[test]
fn srtp_corpus_and_its_mutations_are_survived() {
    replay("srtp", 4_000, fuzz::srtp);
}

#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "where virtual time starts, and a bound on real time"
)]
fn dtls_corpus_and_its_mutations_are_survived_in_bounded_time() {
    let certificate = Certificate::generate().unwrap().seeded(1).unwrap();
    let start = Instant::now();
    let mut slowest = std::time::Duration::ZERO;
    replay("dtls", 400, |data| {
        let began = Instant::now();
        fuzz::dtls(&certificate, start, data);
        slowest = slowest.max(began.elapsed());
    });
    assert!(slowest.as_millis() < 1_000, "one input took {slowest:?}");
}

fn replay(target: &str, mutations: u64, mut body: impl FnMut(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut inputs: Vec<Vec<u8>> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| fs::read(entry.unwrap().path()).unwrap())
        .collect();
    assert!(!inputs.is_empty(), "no corpus for {target}");
    inputs.sort();
    for input in &inputs {
        body(input);
    }
    for seed in 0..mutations {
        let mut rng = SmallRng::seed_from_u64(seed);
        let input = mutate(&inputs, &mut rng);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| body(&input)));
        assert!(
            panicked.is_ok(),
            "{target}: seed {seed} panics, input {input:02x?}"
        );
    }
}

fn mutate(inputs: &[Vec<u8>], rng: &mut SmallRng) -> Vec<u8> {
    let mut input = inputs[rng.random_range(0..inputs.len())].clone();
    for _ in 0..rng.random_range(1..6) {
        if input.is_empty() {
            break;
        }
        let at = rng.random_range(0..input.len());
        match rng.random_range(0..5) {
            0 => input[at] = rng.random(),
            1 => input[at] ^= 1 << rng.random_range(0..8),
            2 => input.truncate(at),
            3 => input.insert(at, rng.random()),
            _ => {
                let tail = inputs[rng.random_range(0..inputs.len())].clone();
                input.truncate(at);
                input.extend(tail);
            }
        }
    }
    input
}
