#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sluice_sfu::fuzz::data_track_packet(bytes));
