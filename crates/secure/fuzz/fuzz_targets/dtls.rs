#![no_main]

use std::sync::LazyLock;
use std::time::Instant;

use libfuzzer_sys::fuzz_target;
use sluice_secure::Certificate;

static CERTIFICATE: LazyLock<Certificate> =
    LazyLock::new(|| Certificate::generate().expect("a key can be generated").seeded(1).expect("known settings"));
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

fuzz_target!(|data: &[u8]| sluice_secure::fuzz::dtls(&CERTIFICATE, *START, data));
