//! SRTP and SRTCP as a peer uses them, under every profile.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sluice_secure::{MAX_INBOUND_SSRCS, Reject, SealError, SrtpProfile, SrtpReceiver, SrtpSender};
use support::{PROFILES, master, rtcp, rtp};

fn pair(profile: SrtpProfile) -> (SrtpSender, SrtpReceiver) {
    let master = master(profile, 1);
    (
        SrtpSender::new(profile, &master),
        SrtpReceiver::new(profile, &master),
    )
}

/// A packet sealed out of place.
fn seal(sender: &mut SrtpSender, ssrc: u32, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let stream = sender.stream(ssrc);
    let header = rtp(ssrc, sequence, &[]);
    let mut out = vec![0; header.len() + payload.len() + sender.rtp_overhead()];
    out[..header.len()].copy_from_slice(&header);
    let len = sender
        .seal_rtp(stream, &mut out, header.len(), &[], payload)
        .unwrap();
    assert_eq!(len, out.len());
    out
}

#[test]
fn in_place_and_out_of_place_make_the_same_packet_and_it_opens() {
    for profile in PROFILES {
        let (mut whole, mut receiver) = pair(profile);
        let (mut split, _) = pair(profile);
        let payload: Vec<u8> = (0..255).cycle().take(1_100).collect();
        for (sequence, prefix_len) in [(1, 0), (2, 1), (3, 6), (4, 16), (5, 1_100)] {
            let packet = rtp(7, sequence, &payload);
            let stream = whole.stream(7);
            let mut protected = packet.clone();
            protected.resize(packet.len() + profile.tag_len(), 0);
            assert_eq!(
                whole.protect_rtp(stream, &mut protected, packet.len()),
                Ok(protected.len())
            );

            let header_len = packet.len() - payload.len();
            let mut slot = vec![0xee; 1_500];
            slot[..header_len].copy_from_slice(&packet[..header_len]);
            let stream = split.stream(7);
            let (prefix, rest) = payload.split_at(prefix_len);
            let len = split
                .seal_rtp(stream, &mut slot, header_len, prefix, rest)
                .unwrap();
            assert_eq!(
                &slot[..len],
                &protected[..],
                "{profile:?}, prefix of {prefix_len}"
            );

            let opened = receiver.unprotect_rtp(&mut protected).unwrap();
            assert_eq!(&protected[..opened], &packet[..]);
        }
    }
}

#[test]
fn rollover_counter_rises_at_the_wrap_and_late_packets_of_before_it_open() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        let sealed: Vec<_> = (65_530..65_545_u32)
            .map(|i| seal(&mut sender, 7, i as u16, b"media"))
            .collect();
        let stream = sender.stream(7);
        assert_eq!(sender.rollover(stream), Some(1));
        // 65,533 and 65,535 arrive after the wrap.
        for at in [0, 1, 2, 4, 6, 7, 3, 5, 8, 9, 10, 14] {
            let mut packet = sealed[at].clone();
            assert!(
                receiver.unprotect_rtp(&mut packet).is_ok(),
                "{profile:?}, packet {at}"
            );
        }
    }
}

#[test]
fn stream_survives_many_rollovers() {
    let (mut sender, mut receiver) = pair(SrtpProfile::AeadAes128Gcm);
    for index in (60_000..300_000_u64).step_by(997) {
        let mut packet = seal(&mut sender, 7, index as u16, b"media");
        assert!(receiver.unprotect_rtp(&mut packet).is_ok(), "index {index}");
    }
    let stream = sender.stream(7);
    assert_eq!(sender.rollover(stream), Some(4));
}

#[test]
fn replayed_packets_are_dropped_whatever_their_rollover_counter() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        let first = seal(&mut sender, 7, 100, b"media");
        assert!(receiver.unprotect_rtp(&mut first.clone()).is_ok());
        assert_eq!(
            receiver.unprotect_rtp(&mut first.clone()),
            Err(Reject::Replayed)
        );
        for index in (0..70_000_u32).step_by(500) {
            receiver
                .unprotect_rtp(&mut seal(&mut sender, 7, (200 + index) as u16, b"media"))
                .unwrap();
        }
        // The same sequence number now lies near the highest one, a rollover later: another nonce, another tag.
        for index in (70_000..65_536 + 65_636_u32).step_by(500) {
            receiver
                .unprotect_rtp(&mut seal(&mut sender, 7, (200 + index) as u16, b"media"))
                .unwrap();
        }
        let replay = receiver.unprotect_rtp(&mut first.clone());
        assert!(
            matches!(replay, Err(Reject::Unauthentic | Reject::TooOld)),
            "{profile:?}: {replay:?}"
        );
    }
}

#[test]
fn packets_behind_the_window_are_dropped() {
    let (mut sender, mut receiver) = pair(SrtpProfile::AeadAes128Gcm);
    let late = seal(&mut sender, 7, 1, b"media");
    let lost = seal(&mut sender, 7, 2, b"media");
    receiver
        .unprotect_rtp(&mut seal(&mut sender, 7, 1_025, b"media"))
        .unwrap();
    assert_eq!(
        receiver.unprotect_rtp(&mut late.clone()),
        Err(Reject::TooOld)
    );
    assert!(
        receiver.unprotect_rtp(&mut lost.clone()).is_ok(),
        "a client's retransmission under its own index"
    );
}

#[test]
fn change_of_any_byte_is_rejected_and_leaves_no_trace() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        let sealed = seal(&mut sender, 7, 65_535, b"a payload of some length");
        for at in 0..sealed.len() {
            for bit in [0x01, 0x80] {
                let mut packet = sealed.clone();
                packet[at] ^= bit;
                assert!(
                    receiver.unprotect_rtp(&mut packet).is_err(),
                    "{profile:?}, byte {at}"
                );
            }
        }
        for len in 0..sealed.len() {
            assert!(
                receiver.unprotect_rtp(&mut sealed[..len].to_vec()).is_err(),
                "{profile:?}, cut at {len}"
            );
        }
        assert!(receiver.ssrcs().is_empty());
        assert!(receiver.unprotect_rtp(&mut sealed.clone()).is_ok());

        let mut report = rtcp(7, 3);
        sender.protect_rtcp(&mut report).unwrap();
        for at in 0..report.len() {
            let mut packet = report.clone();
            packet[at] ^= 0x10;
            assert!(
                receiver.unprotect_rtcp(&mut packet).is_err(),
                "{profile:?}, RTCP byte {at}"
            );
        }
        for len in 0..report.len() {
            assert!(
                receiver
                    .unprotect_rtcp(&mut report[..len].to_vec())
                    .is_err(),
                "{profile:?}, RTCP cut at {len}"
            );
        }
        assert!(receiver.unprotect_rtcp(&mut report).is_ok());
    }
}

#[test]
fn plain_packets_are_rejected() {
    for profile in PROFILES {
        let (_, mut receiver) = pair(profile);
        assert_eq!(
            receiver.unprotect_rtp(&mut rtp(7, 1, &[5; 100])),
            Err(Reject::Unauthentic)
        );
        let mut report = rtcp(7, 20);
        assert!(matches!(
            receiver.unprotect_rtcp(&mut report),
            Err(Reject::Unauthentic | Reject::Unencrypted)
        ));
    }
}

#[test]
fn rtcp_opens_once() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        for report_blocks in 0..20 {
            let plain = rtcp(7, report_blocks);
            let mut packet = plain.clone();
            sender.protect_rtcp(&mut packet).unwrap();
            assert_eq!(packet.len(), plain.len() + profile.rtcp_overhead());
            let again = packet.clone();
            let len = receiver.unprotect_rtcp(&mut packet).unwrap();
            assert_eq!(&packet[..len], &plain[..]);
            assert_eq!(
                receiver.unprotect_rtcp(&mut again.clone()),
                Err(Reject::Replayed)
            );
        }
    }
}

#[test]
fn ssrcs_with_a_window_are_capped_and_the_busy_ones_stay() {
    let (mut sender, mut receiver) = pair(SrtpProfile::AeadAes128Gcm);
    for ssrc in 1..1_000_u32 {
        let mut media = seal(&mut sender, 0, ssrc as u16, b"media");
        assert!(receiver.unprotect_rtp(&mut media).is_ok());
        let mut flood = seal(&mut sender, ssrc, 1, b"flood");
        assert!(receiver.unprotect_rtp(&mut flood.clone()).is_ok());
        assert!(receiver.ssrcs().len() <= MAX_INBOUND_SSRCS);
        assert_eq!(receiver.unprotect_rtp(&mut flood), Err(Reject::Replayed));
    }
    assert!(receiver.ssrcs().contains(&0));
}

#[test]
fn stream_that_made_room_comes_back_under_its_rollover_counter_and_nothing_of_it_passes_twice() {
    let (mut sender, mut receiver) = pair(SrtpProfile::AeadAes128Gcm);
    // Across a wrap, so that the rollover counter counts.
    let mut heard = Vec::new();
    for sequence in [65_000, 65_500, 10, 30_000] {
        let packet = seal(&mut sender, 7, sequence, b"media");
        assert!(receiver.unprotect_rtp(&mut packet.clone()).is_ok());
        heard.push(packet);
    }
    let late = seal(&mut sender, 7, 29_999, b"late");
    for ssrc in 100..100 + MAX_INBOUND_SSRCS as u32 {
        let mut other = seal(&mut sender, ssrc, 1, b"other");
        assert!(receiver.unprotect_rtp(&mut other).is_ok());
    }
    assert!(!receiver.ssrcs().contains(&7), "it made room");
    for packet in &heard {
        assert!(receiver.unprotect_rtp(&mut packet.clone()).is_err());
    }
    assert_eq!(
        receiver.unprotect_rtp(&mut late.clone()),
        Err(Reject::TooOld)
    );
    let mut next = seal(&mut sender, 7, 30_001, b"media");
    assert!(receiver.unprotect_rtp(&mut next).is_ok());
    for packet in &heard {
        assert!(receiver.unprotect_rtp(&mut packet.clone()).is_err());
    }
}

#[test]
fn one_index_is_sealed_once_through_every_door() {
    for profile in PROFILES {
        let (mut sender, _) = pair(profile);
        seal(&mut sender, 7, 10, b"first bytes");
        let stream = sender.stream(7);
        let header = rtp(7, 10, &[]);
        let mut slot = [0; 200];
        slot[..header.len()].copy_from_slice(&header);
        let before = slot;
        let sealed = sender.seal_rtp(stream, &mut slot, header.len(), &[], b"other bytes");
        assert_eq!(sealed, Err(SealError::IndexUsed));
        assert_eq!(
            sender.protect_rtp(stream, &mut slot, header.len() + 20),
            Err(SealError::IndexUsed)
        );
        assert_eq!(slot, before, "nothing of the refused packet was written");

        assert_eq!(
            sender.stream(7),
            stream,
            "an SSRC has one stream, and its indices are never forgotten"
        );
        sender
            .seal_rtp(stream, &mut slot, header.len(), b"x", b"y")
            .unwrap_err();
    }
}

#[test]
fn late_packet_may_fill_a_gap_but_not_from_beyond_the_window() {
    let (mut sender, mut receiver) = pair(SrtpProfile::AeadAes128Gcm);
    seal(&mut sender, 7, 1, b"media");
    seal(&mut sender, 7, 1_000, b"media");
    assert!(
        receiver
            .unprotect_rtp(&mut seal(&mut sender, 7, 2, b"late"))
            .is_ok()
    );
    seal(&mut sender, 7, 3_000, b"media");
    let stream = sender.stream(7);
    let mut packet = rtp(7, 1_001, &[0; 40]);
    let len = packet.len() - 16;
    assert_eq!(
        sender.protect_rtp(stream, &mut packet, len),
        Err(SealError::IndexTooOld)
    );
}

#[test]
fn our_own_mistakes_are_named() {
    let (mut sender, _) = pair(SrtpProfile::AeadAes128Gcm);
    let stream = sender.stream(7);
    let header = rtp(7, 1, &[]);
    let mut slot = vec![0; 40];
    slot[..header.len()].copy_from_slice(&header);
    let seal = |sender: &mut SrtpSender, slot: &mut [u8], header_len, payload: &[u8]| {
        sender.seal_rtp(stream, slot, header_len, &[], payload)
    };
    assert_eq!(
        seal(&mut sender, &mut slot, 11, b""),
        Err(SealError::Malformed)
    );
    assert_eq!(
        seal(&mut sender, &mut slot, 16, b""),
        Err(SealError::Malformed)
    );
    assert_eq!(
        seal(&mut sender, &mut slot, 12, &[0; 13]),
        Err(SealError::NoRoom)
    );
    assert_eq!(
        seal(&mut sender, &mut slot, 12, &[0; 12]),
        Ok(40),
        "a refused packet uses no index"
    );
    slot[11] = 8;
    assert_eq!(
        seal(&mut sender, &mut slot, 12, &[0; 12]),
        Err(SealError::WrongStream)
    );
    assert_eq!(
        sender.protect_rtcp(&mut vec![0x80, 200, 0]),
        Err(SealError::Malformed)
    );
}

#[test]
fn noise_never_passes_nor_panics() {
    let mut rng = SmallRng::seed_from_u64(7);
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        let honest = seal(&mut sender, 7, 1, &[3; 200]);
        for _ in 0..20_000 {
            let mut packet = honest.clone();
            packet.truncate(rng.random_range(0..=packet.len()));
            for _ in 0..rng.random_range(1..8) {
                if let Some(at) = packet
                    .len()
                    .checked_sub(1)
                    .map(|last| rng.random_range(0..=last))
                {
                    packet[at] = rng.random();
                }
            }
            if packet != honest {
                let mut report = packet.clone();
                assert!(receiver.unprotect_rtp(&mut packet).is_err());
                assert!(receiver.unprotect_rtcp(&mut report).is_err());
            }
        }
        assert!(receiver.ssrcs().is_empty());
        assert!(receiver.unprotect_rtp(&mut honest.clone()).is_ok());
    }
}
