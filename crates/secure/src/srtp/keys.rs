//! Protection profiles, the keys a handshake yields, and how session keys derive from them.

use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use zeroize::Zeroizing;

use super::receiver::SrtpReceiver;
use super::sender::SrtpSender;

/// A DTLS-SRTP protection profile (RFC 5764 section 4.1.2, RFC 7714 section 14.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SrtpProfile {
    /// `SRTP_AEAD_AES_128_GCM`: the cheapest by far, wanted first.
    AeadAes128Gcm,
    /// `SRTP_AEAD_AES_256_GCM`.
    AeadAes256Gcm,
    /// `SRTP_AES128_CM_HMAC_SHA1_80`: mandatory in WebRTC, about six times the cost of GCM.
    Aes128CmSha1_80,
}

impl SrtpProfile {
    /// Length of the master key in bytes.
    pub const fn key_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::Aes128CmSha1_80 => 16,
            Self::AeadAes256Gcm => 32,
        }
    }

    /// Length of the master salt in bytes.
    pub const fn salt_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 12,
            Self::Aes128CmSha1_80 => 14,
        }
    }

    /// Length in bytes of the authentication tag, which is all that protection adds to an RTP packet.
    pub const fn tag_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
            Self::Aes128CmSha1_80 => 10,
        }
    }

    /// Bytes that protection adds to a compound RTCP packet: tag, E flag and index.
    pub const fn rtcp_overhead(self) -> usize {
        self.tag_len() + SRTCP_INDEX_LEN
    }
}

/// Master key and salt of one direction. Wiped when dropped.
#[derive(Clone)]
pub struct MasterKey {
    pub(crate) key: Zeroizing<[u8; MAX_KEY_LEN]>,
    pub(crate) salt: Zeroizing<[u8; MAX_SALT_LEN]>,
}

impl MasterKey {
    /// Takes a key and a salt of exactly the lengths of `profile`; anything else is `None`.
    pub fn new(profile: SrtpProfile, key: &[u8], salt: &[u8]) -> Option<Self> {
        if key.len() != profile.key_len() || salt.len() != profile.salt_len() {
            return None;
        }
        let mut master = Self {
            key: Zeroizing::new([0; MAX_KEY_LEN]),
            salt: Zeroizing::new([0; MAX_SALT_LEN]),
        };
        master.key.get_mut(..key.len())?.copy_from_slice(key);
        master.salt.get_mut(..salt.len())?.copy_from_slice(salt);
        Some(master)
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

/// What one DTLS handshake yields: our key and theirs.
///
/// Deliberately not `Clone`: one handshake makes one sender, because two senders under one key would repeat nonces.
#[derive(Debug)]
pub struct SrtpKeys {
    /// The negotiated profile.
    pub profile: SrtpProfile,
    /// Protects what we send.
    pub local: MasterKey,
    /// Protects what we receive.
    pub remote: MasterKey,
}

impl SrtpKeys {
    /// Splits exported keying material: client key, server key, client salt, server salt (RFC 5764 section 4.2).
    /// `None` when the length is not that of the profile.
    pub fn from_exported(
        profile: SrtpProfile,
        material: &[u8],
        we_are_client: bool,
    ) -> Option<Self> {
        let (key_len, salt_len) = (profile.key_len(), profile.salt_len());
        if material.len() != 2 * (key_len + salt_len) {
            return None;
        }
        let (keys, salts) = material.split_at_checked(2 * key_len)?;
        let (client_key, server_key) = keys.split_at_checked(key_len)?;
        let (client_salt, server_salt) = salts.split_at_checked(salt_len)?;
        let client = MasterKey::new(profile, client_key, client_salt)?;
        let server = MasterKey::new(profile, server_key, server_salt)?;
        let (local, remote) = if we_are_client {
            (client, server)
        } else {
            (server, client)
        };
        Some(Self {
            profile,
            local,
            remote,
        })
    }

    /// Expands the key schedules of both directions.
    pub fn into_streams(self) -> (SrtpSender, SrtpReceiver) {
        (
            SrtpSender::new(self.profile, &self.local),
            SrtpReceiver::new(self.profile, &self.remote),
        )
    }
}

/// Which session key to derive: `label` of RFC 3711 section 4.3.1.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Label {
    RtpKey = 0,
    RtpAuth = 1,
    RtpSalt = 2,
    RtcpKey = 3,
    RtcpAuth = 4,
    RtcpSalt = 5,
}

/// Derives `out.len()` bytes of session key: the AES-CM pseudorandom function at key derivation rate 0
/// (RFC 3711 sections 4.3.1 and 4.3.3, with a 96-bit salt padded on the right for RFC 7714 section 11).
pub(crate) fn derive(profile: SrtpProfile, master: &MasterKey, label: Label, out: &mut [u8]) {
    let mut iv = [0u8; 16];
    iv[..MAX_SALT_LEN].copy_from_slice(&master.salt[..]);
    iv[7] ^= label as u8;
    out.fill(0);
    aes_ctr(&master.key[..profile.key_len()])
        .less_safe_encrypt(out, EncryptionContext::Iv128(FixedLength::from(iv)))
        .expect("counter mode takes any length up to 2^36 bytes");
}

/// A prepared AES counter-mode key. `key` is 16 or 32 bytes.
pub(crate) fn aes_ctr(key: &[u8]) -> EncryptingKey {
    let algorithm = if key.len() == 32 { &AES_256 } else { &AES_128 };
    UnboundCipherKey::new(algorithm, key)
        .and_then(EncryptingKey::ctr)
        .expect("the key has the length of its algorithm")
}

const MAX_KEY_LEN: usize = 32;
const MAX_SALT_LEN: usize = 14;

/// E flag and 31-bit index that close an SRTCP packet (RFC 3711 section 3.4).
pub(crate) const SRTCP_INDEX_LEN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap())
            .collect()
    }

    /// RFC 3711 appendix B.3.
    #[test]
    fn session_keys_follow_the_rfc_3711_vectors() {
        let profile = SrtpProfile::Aes128CmSha1_80;
        let master = MasterKey::new(
            profile,
            &hex("E1F97A0D3E018BE0D64FA32C06DE4139"),
            &hex("0EC675AD498AFEEBB6960B3AABE6"),
        )
        .unwrap();
        let derived = |label, len| {
            let mut out = vec![0; len];
            derive(profile, &master, label, &mut out);
            out
        };
        assert_eq!(
            derived(Label::RtpKey, 16),
            hex("C61E7A93744F39EE10734AFE3FF7A087")
        );
        assert_eq!(
            derived(Label::RtpSalt, 14),
            hex("30CBBC08863D8C85D49DB34A9AE1")
        );
        assert_eq!(
            derived(Label::RtpAuth, 94),
            hex(concat!(
                "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCE",
                "E049646C43D9327AD175578EF72270986371C10C9A369AC2F94A8C5FBCDDDC25",
                "6D6E919A48B610EF17C2041E474035766B68642C59BBFC2F34DB60DBDFB2"
            ))
        );
    }

    #[test]
    fn exported_material_of_another_length_makes_no_keys() {
        assert!(SrtpKeys::from_exported(SrtpProfile::AeadAes128Gcm, &[0; 55], true).is_none());
        assert!(SrtpKeys::from_exported(SrtpProfile::AeadAes128Gcm, &[0; 56], true).is_some());
        assert!(SrtpKeys::from_exported(SrtpProfile::Aes128CmSha1_80, &[0; 56], true).is_none());
    }

    #[test]
    fn each_side_sends_with_the_key_the_other_receives_with() {
        let material: Vec<u8> = (0..56).collect();
        let client = SrtpKeys::from_exported(SrtpProfile::AeadAes128Gcm, &material, true).unwrap();
        let server = SrtpKeys::from_exported(SrtpProfile::AeadAes128Gcm, &material, false).unwrap();
        assert_eq!(client.local.key, server.remote.key);
        assert_eq!(server.local.salt, client.remote.salt);
        assert_ne!(client.local.key, client.remote.key);
    }
}
