//! Our SRTP against webrtc-rs's, both ways.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use rtc_srtp::context::Context;
use rtc_srtp::protection_profile::ProtectionProfile;
use sluice_secure::{SrtpProfile, SrtpReceiver, SrtpSender};
use support::{PROFILES, key_bytes, master, rtcp, rtp};

fn theirs(profile: SrtpProfile) -> Context {
    let (key, salt) = key_bytes(profile, 1);
    let name = match profile {
        SrtpProfile::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
        SrtpProfile::AeadAes256Gcm => ProtectionProfile::AeadAes256Gcm,
        SrtpProfile::Aes128CmSha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
    };
    let provider = rtc_srtp::crypto::default_provider().unwrap();
    Context::new(&key, &salt, name, None, None, provider.crypto()).unwrap()
}

/// A packet with two CSRCs and a header extension.
fn decorated(ssrc: u32, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = rtp(ssrc, sequence, &[]);
    packet[0] |= 0x12;
    packet.extend([1, 1, 1, 1, 2, 2, 2, 2]);
    packet.extend([0xbe, 0xde, 0, 2, 0x10, 0x7f, 0x22, 1, 2, 3, 0, 0]);
    packet.extend(payload);
    packet
}

#[test]
fn they_open_what_we_seal_across_a_wrap() {
    for profile in PROFILES {
        let mut ours = SrtpSender::new(profile, &master(profile, 1));
        let mut them = theirs(profile);
        let stream = ours.stream(0xdead_beef);
        for i in 0..200_u32 {
            let sequence = 65_436_u16.wrapping_add(i as u16);
            let payload = vec![i as u8; 7 * i as usize];
            let plain = decorated(0xdead_beef, sequence, &payload);
            let mut packet = plain.clone();
            packet.resize(plain.len() + ours.rtp_overhead(), 0);
            ours.protect_rtp(stream, &mut packet, plain.len()).unwrap();
            assert_eq!(
                &them.decrypt_rtp(&packet).unwrap()[..],
                &plain[..],
                "{profile:?}, packet {i}"
            );
        }
    }
}

#[test]
fn we_open_what_they_seal_across_a_wrap() {
    for profile in PROFILES {
        let mut ours = SrtpReceiver::new(profile, &master(profile, 1));
        let mut them = theirs(profile);
        for i in 0..200_u32 {
            let sequence = 65_436_u16.wrapping_add(i as u16);
            let plain = decorated(0xdead_beef, sequence, &vec![i as u8; 7 * i as usize]);
            let mut packet = them.encrypt_rtp(&plain).unwrap().to_vec();
            let len = ours.unprotect_rtp(&mut packet).unwrap();
            assert_eq!(&packet[..len], &plain[..], "{profile:?}, packet {i}");
        }
    }
}

#[test]
fn rtcp_opens_both_ways() {
    for profile in PROFILES {
        let mut sender = SrtpSender::new(profile, &master(profile, 1));
        let mut receiver = SrtpReceiver::new(profile, &master(profile, 1));
        let (mut them_in, mut them_out) = (theirs(profile), theirs(profile));
        for blocks in 0..31 {
            let plain = rtcp(0x1234_5678, blocks);
            let mut packet = plain.clone();
            sender.protect_rtcp(&mut packet).unwrap();
            assert_eq!(
                &them_in.decrypt_rtcp(&packet).unwrap()[..],
                &plain[..],
                "{profile:?}"
            );

            let mut packet = them_out.encrypt_rtcp(&plain).unwrap().to_vec();
            let len = receiver.unprotect_rtcp(&mut packet).unwrap();
            assert_eq!(&packet[..len], &plain[..], "{profile:?}");
        }
    }
}
