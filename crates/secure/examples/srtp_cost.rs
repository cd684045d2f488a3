//! Nanoseconds of one core per packet for each profile: `cargo run -p sluice-secure --example srtp_cost`.
//!
//! Only ratios within one run hold; see `docs/` for what they were compared with.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measurement reads the clock and reports"
)]

use std::hint::black_box;
use std::time::Instant;

use sluice_secure::{MasterKey, SrtpProfile, SrtpReceiver, SrtpSender};

const PACKETS: u32 = 200_000;
const HEADER_LEN: usize = 20;

fn main() {
    for profile in [
        SrtpProfile::AeadAes128Gcm,
        SrtpProfile::AeadAes256Gcm,
        SrtpProfile::Aes128CmSha1_80,
    ] {
        for payload_len in [100, 1_100] {
            let [in_place, out_of_place, prefixed, open] = measure(profile, payload_len);
            println!(
                "{profile:?} {payload_len:>5} B: in place {in_place:>5} ns, out of place {out_of_place:>5} ns, \
                 with prefix {prefixed:>5} ns, open {open:>5} ns"
            );
        }
    }
}

fn measure(profile: SrtpProfile, payload_len: usize) -> [u128; 4] {
    let master = MasterKey::new(
        profile,
        &vec![1; profile.key_len()],
        &vec![2; profile.salt_len()],
    )
    .expect("lengths are the profile's");
    let payload = vec![5; payload_len];
    let mut slot = vec![0; 1_500];
    let cost = |step: &mut dyn FnMut(u16)| {
        let began = Instant::now();
        for sequence in 0..PACKETS {
            step(sequence as u16);
        }
        began.elapsed().as_nanos() / u128::from(PACKETS)
    };

    let mut sender = SrtpSender::new(profile, &master);
    let stream = sender.stream(7);
    let in_place = cost(&mut |sequence| {
        write_header(&mut slot, sequence);
        let sealed = sender.protect_rtp(stream, &mut slot, HEADER_LEN + payload_len);
        black_box(sealed).expect("each index once");
    });

    let mut sender = SrtpSender::new(profile, &master);
    let stream = sender.stream(7);
    let out_of_place = cost(&mut |sequence| {
        write_header(&mut slot, sequence);
        black_box(sender.seal_rtp(stream, &mut slot, HEADER_LEN, &[], &payload))
            .expect("each index once");
    });

    let mut sender = SrtpSender::new(profile, &master);
    let stream = sender.stream(7);
    let prefixed = cost(&mut |sequence| {
        write_header(&mut slot, sequence);
        black_box(sender.seal_rtp(stream, &mut slot, HEADER_LEN, &[1; 6], &payload))
            .expect("each index once");
    });

    let mut sender = SrtpSender::new(profile, &master);
    let mut receiver = SrtpReceiver::new(profile, &master);
    let stream = sender.stream(7);
    let mut sealed = Vec::new();
    let pairs = cost(&mut |sequence| {
        write_header(&mut slot, sequence);
        let len = sender
            .seal_rtp(stream, &mut slot, HEADER_LEN, &[], &payload)
            .expect("each index once");
        sealed.clear();
        sealed.extend_from_slice(&slot[..len]);
        black_box(receiver.unprotect_rtp(&mut sealed)).expect("sealed by its own key");
    });
    [
        in_place,
        out_of_place,
        prefixed,
        pairs.saturating_sub(out_of_place),
    ]
}

fn write_header(slot: &mut [u8], sequence: u16) {
    slot[..HEADER_LEN].copy_from_slice(&[
        0x90, 96, 0, 0, 0, 0, 0, 9, 0, 0, 0, 7, 0xbe, 0xde, 0, 1, 0x10, 1, 0, 0,
    ]);
    slot[2..4].copy_from_slice(&sequence.to_be_bytes());
}
