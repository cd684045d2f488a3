//! HMAC-SHA1 for MESSAGE-INTEGRITY, and the CRC of FINGERPRINT (RFC 8489 sections 14.5 and 14.7).

use aws_lc_rs::hmac;

/// The hash that `is` asks for, by the crypto library the process has anyway.
#[derive(Debug)]
pub(crate) struct AwsLcHmac;

impl is::Sha1HmacProvider for AwsLcHmac {
    fn sha1_hmac(&self, key: &[u8], payloads: &[&[u8]]) -> [u8; 20] {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
        let mut context = hmac::Context::with_key(&key);
        for payload in payloads {
            context.update(payload);
        }
        let mut digest = [0; 20];
        digest.copy_from_slice(context.sign().as_ref());
        digest
    }
}

/// False where the message ends in a FINGERPRINT that is not its own. A message without one passes: ICE
/// requires it (RFC 8445 section 7.1.1), but integrity is what we trust.
pub(crate) fn fingerprint_holds(message: &[u8]) -> bool {
    let Some((head, tail)) = message.split_last_chunk::<8>() else {
        return true;
    };
    let [0x80, 0x28, 0x00, 0x04, value @ ..] = tail else {
        return true;
    };
    stun_fingerprint(head) == u32::from_be_bytes(*value)
}

/// The value of a FINGERPRINT behind `head`.
pub(crate) fn stun_fingerprint(head: &[u8]) -> u32 {
    crc32(head) ^ FINGERPRINT_XOR
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ CRC32_POLYNOMIAL
            } else {
                crc >> 1
            };
        }
    }
    !crc
}

/// "STUN", so that the CRC of another protocol doesn't pass.
const FINGERPRINT_XOR: u32 = 0x5354_554e;
/// ITU V.42, reflected.
const CRC32_POLYNOMIAL: u32 = 0xedb8_8320;
