//! Certificate fingerprints (RFC 8122): what binds a DTLS peer to the signalling channel.

use aws_lc_rs::digest;

/// A hash of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    algorithm: HashAlgorithm,
    digest: Vec<u8>,
}

/// Hashes that `a=fingerprint` may name and we check. MD5 and MD2 are not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HashAlgorithm {
    /// `sha-1`
    Sha1,
    /// `sha-224`
    Sha224,
    /// `sha-256`
    Sha256,
    /// `sha-384`
    Sha384,
    /// `sha-512`
    Sha512,
}

impl Fingerprint {
    /// Reads the two words of an `a=fingerprint` line. `None` for an unknown hash or a value that is not its length in
    /// hexadecimal pairs joined by colons.
    pub fn parse(algorithm: &str, value: &str) -> Option<Self> {
        let algorithm = HashAlgorithm::parse(algorithm)?;
        let digest = value
            .split(':')
            .map(hex_pair)
            .collect::<Option<Vec<u8>>>()?;
        (digest.len() == algorithm.digest().output_len()).then_some(Self { algorithm, digest })
    }

    /// The fingerprint of a DER certificate.
    pub fn of(algorithm: HashAlgorithm, certificate: &[u8]) -> Self {
        Self {
            algorithm,
            digest: digest::digest(algorithm.digest(), certificate)
                .as_ref()
                .to_vec(),
        }
    }

    /// Whether `certificate` (DER) is the one meant.
    pub fn matches(&self, certificate: &[u8]) -> bool {
        digest::digest(self.algorithm.digest(), certificate).as_ref() == self.digest.as_slice()
    }

    /// The hash used.
    pub fn algorithm(&self) -> HashAlgorithm {
        self.algorithm
    }

    /// The value as SDP writes it: upper-case pairs joined by colons.
    pub fn value_text(&self) -> String {
        let mut text = String::with_capacity(3 * self.digest.len());
        for byte in &self.digest {
            if !text.is_empty() {
                text.push(':');
            }
            text.extend(
                [byte >> 4, byte & 0x0f]
                    .map(|digit| char::from(b"0123456789ABCDEF"[usize::from(digit)])),
            );
        }
        text
    }
}

impl HashAlgorithm {
    /// Reads the name SDP uses, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        [
            Self::Sha1,
            Self::Sha224,
            Self::Sha256,
            Self::Sha384,
            Self::Sha512,
        ]
        .into_iter()
        .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// The name SDP uses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha-1",
            Self::Sha224 => "sha-224",
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha224 => &digest::SHA224,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }
}

fn hex_pair(pair: &str) -> Option<u8> {
    let both_digits = pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
    both_digits
        .then(|| u8::from_str_radix(pair, 16).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [HashAlgorithm; 5] = [
        HashAlgorithm::Sha1,
        HashAlgorithm::Sha224,
        HashAlgorithm::Sha256,
        HashAlgorithm::Sha384,
        HashAlgorithm::Sha512,
    ];

    #[test]
    fn every_hash_reads_what_it_writes_in_either_case() {
        for algorithm in ALL {
            let fingerprint = Fingerprint::of(algorithm, b"certificate");
            let text = fingerprint.value_text();
            assert_eq!(
                Fingerprint::parse(algorithm.name(), &text).as_ref(),
                Some(&fingerprint)
            );
            let shouted = algorithm.name().to_uppercase();
            assert_eq!(
                Fingerprint::parse(&shouted, &text.to_lowercase()).as_ref(),
                Some(&fingerprint)
            );
            assert!(fingerprint.matches(b"certificate"));
            assert!(!fingerprint.matches(b"certificat"));
        }
    }

    #[test]
    fn malformed_fingerprints_are_none() {
        let good = Fingerprint::of(HashAlgorithm::Sha256, b"x").value_text();
        assert!(
            Fingerprint::parse("sha-256", &good[3..]).is_none(),
            "too short"
        );
        assert!(
            Fingerprint::parse("sha-1", &good).is_none(),
            "length of another hash"
        );
        assert!(
            Fingerprint::parse("md5", "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF").is_none()
        );
        assert!(Fingerprint::parse("sha-256", &good.replace(':', "")).is_none());
        assert!(Fingerprint::parse("sha-256", &good.replacen(&good[..2], "+1", 1)).is_none());
        assert!(Fingerprint::parse("sha-256", "").is_none());
    }
}
