//! The two transforms under one roof: AES-GCM (RFC 7714) and AES counter mode with HMAC-SHA1-80 (RFC 3711).
//!
//! RTP and RTCP differ only in what is authenticated beside the packet; the caller says so in [`Context`].

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{EncryptingKey, EncryptionContext};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::{constant_time, hmac};
use zeroize::Zeroizing;

use super::keys::{Label, MasterKey, SrtpProfile, aes_ctr, derive};

/// Session keys of one direction, for either RTP or RTCP, with their schedules expanded once.
pub(crate) enum SessionCipher {
    /// Boxed: schedules and hash states are large, and a peer holds four.
    Gcm(Box<Gcm>),
    Counter(Box<Counter>),
}

pub(crate) struct Gcm {
    key: LessSafeKey,
    salt: [u8; 12],
}

pub(crate) struct Counter {
    key: EncryptingKey,
    auth: hmac::Key,
    salt: [u8; 14],
}

/// Names one packet and what is authenticated with it beside its encrypted body.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub ssrc: u32,
    /// 48-bit RTP index or 31-bit SRTCP index.
    pub index: u64,
    /// The part of the packet that stays in the clear.
    pub clear: &'a [u8],
    /// Rollover counter (RTP) or E flag and index (RTCP): hashed behind the packet in counter mode.
    pub trailer: [u8; 4],
    /// Associated data in GCM: `clear` for RTP, `clear` and `trailer` for RTCP (RFC 7714 sections 8.2 and 9.2).
    pub associated: &'a [u8],
}

impl SessionCipher {
    pub fn for_rtp(profile: SrtpProfile, master: &MasterKey) -> Self {
        Self::new(
            profile,
            master,
            [Label::RtpKey, Label::RtpAuth, Label::RtpSalt],
        )
    }

    pub fn for_rtcp(profile: SrtpProfile, master: &MasterKey) -> Self {
        Self::new(
            profile,
            master,
            [Label::RtcpKey, Label::RtcpAuth, Label::RtcpSalt],
        )
    }

    fn new(profile: SrtpProfile, master: &MasterKey, [key, auth, salt]: [Label; 3]) -> Self {
        let mut session_key = Zeroizing::new([0u8; 32]);
        let session_key = &mut session_key[..profile.key_len()];
        derive(profile, master, key, session_key);
        match profile {
            SrtpProfile::AeadAes128Gcm | SrtpProfile::AeadAes256Gcm => {
                let algorithm = if profile == SrtpProfile::AeadAes128Gcm {
                    &AES_128_GCM
                } else {
                    &AES_256_GCM
                };
                let mut session_salt = [0; 12];
                derive(profile, master, salt, &mut session_salt);
                let key = UnboundKey::new(algorithm, session_key)
                    .expect("the key has the length of its algorithm");
                Self::Gcm(Box::new(Gcm {
                    key: LessSafeKey::new(key),
                    salt: session_salt,
                }))
            }
            SrtpProfile::Aes128CmSha1_80 => {
                let mut session_salt = [0; 14];
                derive(profile, master, salt, &mut session_salt);
                let mut auth_key = Zeroizing::new([0u8; 20]);
                derive(profile, master, auth, &mut auth_key[..]);
                Self::Counter(Box::new(Counter {
                    key: aes_ctr(session_key),
                    auth: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &auth_key[..]),
                    salt: session_salt,
                }))
            }
        }
    }

    /// Encrypts `body` in place and writes the authentication tag over `tag`, which has the length of the profile's.
    pub fn seal(
        &self,
        context: Context<'_>,
        body: &mut [u8],
        tag: &mut [u8],
    ) -> Result<(), Unspecified> {
        match self {
            Self::Gcm(gcm) => {
                let sealed = gcm.key.seal_in_place_separate_tag(
                    gcm.nonce(context),
                    Aad::from(context.associated),
                    body,
                )?;
                write_tag(sealed.as_ref(), tag)
            }
            Self::Counter(counter) => {
                counter.apply_key_stream(context, body)?;
                write_tag(counter.mac(context, body).as_ref(), tag)
            }
        }
    }

    /// As [`SessionCipher::seal`], with the plaintext in `plain` and the ciphertext written to `body`, of equal length.
    pub fn seal_from(
        &self,
        context: Context<'_>,
        plain: &[u8],
        body: &mut [u8],
        tag: &mut [u8],
    ) -> Result<(), Unspecified> {
        match self {
            Self::Gcm(gcm) => gcm.key.seal_out_of_place_scatter(
                gcm.nonce(context),
                Aad::from(context.associated),
                plain,
                body,
                &[],
                tag,
            ),
            Self::Counter(_) => {
                if plain.len() != body.len() {
                    return Err(Unspecified);
                }
                body.copy_from_slice(plain);
                self.seal(context, body, tag)
            }
        }
    }

    /// Checks `tag` and decrypts `body` in place. On an error the body may be overwritten: the packet is lost.
    pub fn open(
        &self,
        context: Context<'_>,
        body: &mut [u8],
        tag: &[u8],
    ) -> Result<(), Unspecified> {
        match self {
            Self::Gcm(gcm) => gcm
                .key
                .open_in_place_separate_tag(
                    gcm.nonce(context),
                    Aad::from(context.associated),
                    tag,
                    body,
                )
                .map(|_| ()),
            Self::Counter(counter) => {
                let expected = counter.mac(context, body);
                let expected = expected.as_ref().get(..tag.len()).ok_or(Unspecified)?;
                constant_time::verify_slices_are_equal(expected, tag)?;
                counter.apply_key_stream(context, body)
            }
        }
    }
}

impl Gcm {
    /// Two zero octets, SSRC and index, against the salt (RFC 7714 sections 8.1 and 9.1).
    fn nonce(&self, context: Context<'_>) -> Nonce {
        let mut salt = [0; 16];
        salt[4..].copy_from_slice(&self.salt);
        let packet = u128::from(context.ssrc) << 48 | u128::from(context.index & INDEX_MASK);
        let mixed = u128::from_be_bytes(salt) ^ packet;
        let [_, _, _, _, nonce @ ..] = mixed.to_be_bytes();
        Nonce::assume_unique_for_key(nonce)
    }
}

impl Counter {
    /// SSRC and index against the salt, the last 16 bits counting blocks (RFC 3711 section 4.1.1).
    fn apply_key_stream(&self, context: Context<'_>, body: &mut [u8]) -> Result<(), Unspecified> {
        let mut iv = [0; 16];
        iv[..14].copy_from_slice(&self.salt);
        mix(&mut iv[4..], context);
        self.key
            .less_safe_encrypt(body, EncryptionContext::Iv128(FixedLength::from(iv)))
            .map(|_| ())
    }

    fn mac(&self, context: Context<'_>, body: &[u8]) -> hmac::Tag {
        let mut mac = hmac::Context::with_key(&self.auth);
        mac.update(context.clear);
        mac.update(body);
        mac.update(&context.trailer);
        mac.sign()
    }
}

/// Adds SSRC (32 bits) and index (48 bits) to the first ten bytes of `at`.
fn mix(at: &mut [u8], context: Context<'_>) {
    let [_, _, index @ ..] = context.index.to_be_bytes();
    let name = context.ssrc.to_be_bytes().into_iter().chain(index);
    for (byte, other) in at.iter_mut().zip(name) {
        *byte ^= other;
    }
}

/// 48 bits of an index.
const INDEX_MASK: u64 = (1 << 48) - 1;

/// The leading bytes of `from`: HMAC-SHA1-80 is a truncated tag.
fn write_tag(from: &[u8], tag: &mut [u8]) -> Result<(), Unspecified> {
    tag.copy_from_slice(from.get(..tag.len()).ok_or(Unspecified)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: String = text.split_whitespace().collect();
        (0..digits.len())
            .step_by(2)
            .map(|i| u8::from_str_radix(&digits[i..i + 2], 16).unwrap())
            .collect()
    }

    /// Session key and salt of RFC 7714 sections 16 and 17.
    fn rfc_7714(algorithm: &'static aws_lc_rs::aead::Algorithm) -> SessionCipher {
        let key: Vec<u8> = (0..algorithm.key_len() as u8).collect();
        SessionCipher::Gcm(Box::new(Gcm {
            key: LessSafeKey::new(UnboundKey::new(algorithm, &key).unwrap()),
            salt: *b"Quid pro quo",
        }))
    }

    fn check_rtp(cipher: &SessionCipher, ssrc: u32, index: u64, packet: &str, sealed: &str) {
        let (packet, sealed) = (hex(packet), hex(sealed));
        let (clear, plain) = packet.split_at(12);
        let context = Context {
            ssrc,
            index,
            clear,
            trailer: ((index >> 16) as u32).to_be_bytes(),
            associated: clear,
        };
        let mut body = plain.to_vec();
        let mut tag = vec![0; sealed.len() - packet.len()];
        cipher.seal(context, &mut body, &mut tag).unwrap();
        assert_eq!([clear, &body, &tag].concat(), sealed);

        let mut apart = vec![0; plain.len()];
        tag.fill(0);
        cipher
            .seal_from(context, plain, &mut apart, &mut tag)
            .unwrap();
        assert_eq!([clear, &apart, &tag].concat(), sealed, "out of place");

        cipher.open(context, &mut body, &tag).unwrap();
        assert_eq!(body, plain);
    }

    const RTP: &str = "8040f17b8041f8d35501a0b2 47616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573";

    /// RFC 7714 section 16.1.1.
    #[test]
    fn gcm_128_seals_rtp_as_rfc_7714_says() {
        let sealed = "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf
            8833899d7f27beb16a9152cf765ee4390cce";
        check_rtp(&rfc_7714(&AES_128_GCM), 0x5501_a0b2, 0xf17b, RTP, sealed);
    }

    /// RFC 7714 section 16.2.1.
    #[test]
    fn gcm_256_seals_rtp_as_rfc_7714_says() {
        let sealed = "8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799
            b87b7aa3db36dfffd6b0f9bb7878d7a76c13";
        check_rtp(&rfc_7714(&AES_256_GCM), 0x5501_a0b2, 0xf17b, RTP, sealed);
    }

    /// RFC 7714 section 17.1.
    #[test]
    fn gcm_128_seals_rtcp_as_rfc_7714_says() {
        let packet = hex("81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeef
            deadbeef");
        let sealed = hex("81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded
            0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4");
        let trailer = 0x8000_05d4_u32.to_be_bytes();
        let (clear, plain) = packet.split_at(8);
        let associated = [clear, &trailer].concat();
        let context = Context {
            ssrc: 0x4d61_7273,
            index: 0x5d4,
            clear,
            trailer,
            associated: &associated,
        };
        let (mut body, mut tag) = (plain.to_vec(), [0; 16]);
        rfc_7714(&AES_128_GCM)
            .seal(context, &mut body, &mut tag)
            .unwrap();
        assert_eq!([clear, &body, &tag, &trailer].concat(), sealed);
    }

    /// RFC 3711 appendix B.2.
    #[test]
    fn counter_mode_makes_the_key_stream_of_rfc_3711() {
        let counter = Counter {
            key: aes_ctr(&hex("2B7E151628AED2A6ABF7158809CF4F3C")),
            auth: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &[0; 20]),
            salt: hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD").try_into().unwrap(),
        };
        let context = Context {
            ssrc: 0,
            index: 0,
            clear: &[],
            trailer: [0; 4],
            associated: &[],
        };
        let mut body = [0; 48];
        counter.apply_key_stream(context, &mut body).unwrap();
        let expected = "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0";
        assert_eq!(body.to_vec(), hex(expected));
    }
}
