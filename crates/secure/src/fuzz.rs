//! Bodies of the fuzz targets, shared by `cargo fuzz` and the corpus replay under `cargo test`.
#![doc(hidden)]

use std::time::Instant;

use crate::{
    Certificate, Dtls, DtlsRole, DtlsVersions, MasterKey, SealError, SrtpProfile, SrtpReceiver,
    SrtpSender,
};

/// Any bytes as SRTP and SRTCP under every profile, alone and after honest packets: nothing panics, nothing passes.
pub fn srtp(data: &[u8]) {
    for profile in [
        SrtpProfile::AeadAes128Gcm,
        SrtpProfile::AeadAes256Gcm,
        SrtpProfile::Aes128CmSha1_80,
    ] {
        let key = vec![7; profile.key_len()];
        let salt = vec![9; profile.salt_len()];
        let Some(master) = MasterKey::new(profile, &key, &salt) else {
            return;
        };
        let mut receiver = SrtpReceiver::new(profile, &master);
        assert!(
            receiver.unprotect_rtp(&mut data.to_vec()).is_err(),
            "forged SRTP passed"
        );
        assert!(
            receiver.unprotect_rtcp(&mut data.to_vec()).is_err(),
            "forged SRTCP passed"
        );
        assert!(
            receiver.ssrcs().is_empty(),
            "state for an unauthenticated SSRC"
        );

        // What is sealed opens to the same bytes, whatever the bytes are.
        let mut sender = SrtpSender::new(profile, &master);
        let ssrc = data
            .get(8..12)
            .and_then(|bytes| bytes.try_into().ok())
            .map_or(0, u32::from_be_bytes);
        let stream = sender.stream(ssrc);
        let mut packet = data.to_vec();
        packet.resize(data.len() + sender.rtp_overhead(), 0);
        match sender.protect_rtp(stream, &mut packet, data.len()) {
            Ok(len) => {
                let opened = receiver.unprotect_rtp(&mut packet[..len]);
                assert_eq!(opened, Ok(data.len()));
                assert_eq!(&packet[..data.len()], data);
            }
            Err(error) => assert_eq!(error, SealError::Malformed),
        }
    }
}

/// Any bytes, cut into datagrams by a length prefix of two bytes, at a fresh server and a fresh client.
///
/// `now` is where virtual time starts; `certificate` is made once, outside the loop.
pub fn dtls(certificate: &Certificate, now: Instant, data: &[u8]) {
    for role in [DtlsRole::Server, DtlsRole::Client] {
        for versions in [DtlsVersions::V12, DtlsVersions::V13OrV12] {
            let Ok(mut dtls) = Dtls::new(certificate, role, versions, Vec::new(), now) else {
                return;
            };
            let mut rest = data;
            while let Some(([high, low], behind)) = rest.split_first_chunk::<2>() {
                let len = usize::from(u16::from_be_bytes([*high, *low])).min(behind.len());
                let (datagram, behind) = behind.split_at(len);
                rest = behind;
                let failed = dtls.handle_datagram(now, datagram).is_err();
                while dtls.poll_transmit().is_some() {}
                assert!(dtls.poll_event().is_none(), "an event without any key");
                if failed {
                    break;
                }
            }
        }
    }
}
