//! Keys and packets the tests share.
#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use sluice_secure::{MasterKey, SrtpProfile};

pub const PROFILES: [SrtpProfile; 3] = [
    SrtpProfile::AeadAes128Gcm,
    SrtpProfile::AeadAes256Gcm,
    SrtpProfile::Aes128CmSha1_80,
];

pub fn key_bytes(profile: SrtpProfile, seed: u8) -> (Vec<u8>, Vec<u8>) {
    let bytes = |len: usize, at: u8| {
        (0..len as u8)
            .map(|i| i.wrapping_mul(73).wrapping_add(at))
            .collect()
    };
    (
        bytes(profile.key_len(), seed),
        bytes(profile.salt_len(), seed.wrapping_add(101)),
    )
}

pub fn master(profile: SrtpProfile, seed: u8) -> MasterKey {
    let (key, salt) = key_bytes(profile, seed);
    MasterKey::new(profile, &key, &salt).unwrap()
}

/// A plain RTP packet of payload type 96.
pub fn rtp(ssrc: u32, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend(sequence.to_be_bytes());
    packet.extend(1_000_u32.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

/// A plain receiver report with `blocks` report blocks.
pub fn rtcp(ssrc: u32, blocks: u8) -> Vec<u8> {
    let mut packet = vec![0x80 | blocks, 201];
    packet.extend((1 + 6 * u16::from(blocks)).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend((0..24 * usize::from(blocks)).map(|i| i as u8));
    packet
}
