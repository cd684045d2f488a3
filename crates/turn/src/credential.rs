//! Credentials that nobody stores: the name says who may relay until when, and the password proves that a holder of
//! the API secret said so (livekit-facts 12.1).

use aws_lc_rs::digest;

/// What a username says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Whose secret the password was made with.
    pub api_key: String,
    /// The participant's id: what quotas count by.
    pub participant: String,
    /// Seconds since the epoch; never 0.
    pub expiry: u64,
}

/// Reads a username. None where it is not ours, or has no expiry.
pub fn parse(username: &str) -> Option<Claim> {
    let text = String::from_utf8(decode(username)?).ok()?;
    let mut parts = text.split('|');
    let (api_key, participant, expiry) = (parts.next()?, parts.next()?, parts.next()?);
    let expiry = expiry.parse().ok().filter(|expiry| *expiry != 0)?;
    if parts.next().is_some() || api_key.is_empty() || participant.is_empty() {
        return None;
    }
    Some(Claim {
        api_key: api_key.to_owned(),
        participant: participant.to_owned(),
        expiry,
    })
}

/// The username of a claim.
pub fn username(claim: &Claim) -> String {
    let text = format!("{}|{}|{}", claim.api_key, claim.participant, claim.expiry);
    encode(text.as_bytes())
}

/// The password that belongs to it.
pub fn password(api_secret: &str, claim: &Claim) -> String {
    let text = format!("{api_secret}|{}|{}", claim.participant, claim.expiry);
    encode(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}

/// Six bits a character from the end of the bytes on; values whose middle four bits are set share two characters that
/// stand for five bits. Not the base 62 of numbers.
fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 8 / 5 + 1);
    let mut end = bytes.len() * 8;
    while end > 0 {
        let start = end.saturating_sub(6);
        let value = (start..end).fold(0_u8, |value, at| (value << 1) | bit(bytes, at));
        if value & SHARED == SHARED {
            text.push(digit(value & 0x1f));
            // The sixth bit goes with the next character; before the first bit of all there is none.
            end = if start > 0 || value > 0x1f {
                start + 1
            } else {
                start
            };
        } else {
            text.push(digit(value));
            end = start;
        }
    }
    text
}

/// As [`encode`] makes it. None for other characters, and for more than a username may hold.
fn decode(text: &str) -> Option<Vec<u8>> {
    if text.len() > MAX_TEXT {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len());
    let (mut held, mut bits) = (0_u32, 0_u32);
    for character in text.bytes() {
        let value = u32::try_from(DIGITS.iter().position(|digit| *digit == character)?).ok()?;
        held |= value << bits;
        bits += if value & u32::from(SHARED) == u32::from(SHARED) {
            5
        } else {
            6
        };
        if bits >= 8 {
            bytes.push((held & 0xff) as u8);
            held >>= 8;
            bits -= 8;
        }
    }
    // The last character may have stood for six bits of which the highest is no digit's business.
    if bits == 7 {
        bytes.push((held & 0xff) as u8);
    }
    bytes.reverse();
    Some(bytes)
}

/// Counted from the highest of the first byte.
fn bit(bytes: &[u8], at: usize) -> u8 {
    bytes
        .get(at / 8)
        .map_or(0, |byte| (byte >> (7 - at % 8)) & 1)
}

fn digit(value: u8) -> char {
    DIGITS
        .get(usize::from(value))
        .map_or('A', |digit| char::from(*digit))
}

const SHARED: u8 = 0b01_1110;
const DIGITS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Bytes in a username (RFC 8489 section 14.3).
const MAX_TEXT: usize = 508;

#[cfg(test)]
mod tests {
    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    fn claim() -> Claim {
        Claim {
            api_key: "devkey".into(),
            participant: "PA_abcDEF123456".into(),
            expiry: 1_800_000_000,
        }
    }

    #[test]
    fn a_username_tells_the_claim_again() {
        assert_eq!(parse(&username(&claim())), Some(claim()));
    }

    /// What livekit-server 1.13.5 gave a participant; `ts/auth/turn-credentials.test.ts` has more of them.
    #[test]
    fn credentials_are_those_of_livekit_server() {
        let claim = Claim {
            api_key: "APIvector".into(),
            participant: "PA_EGn2wCfGufYC".into(),
            expiry: 1_795_380_776,
        };
        assert_eq!(
            username(&claim),
            "2czNwgzM1kzNxw3QZZWdHZ2Q3JjbHV0XBBFfk7N6GrM7SCqgA"
        );
        assert_eq!(
            password("secretsecretsecretsecretsecretsecret", &claim),
            "DBFfqUjmucS5mfbQEcPPdi3uCRNukpIdoiG37qUI4hG"
        );
    }

    #[test]
    fn any_bytes_come_back() {
        let mut rng = SmallRng::seed_from_u64(1);
        for len in 0..200 {
            let bytes: Vec<u8> = (0..len).map(|_| rng.random()).collect();
            assert_eq!(decode(&encode(&bytes)), Some(bytes));
            assert_eq!(decode(&encode(&vec![0xff; len])), Some(vec![0xff; len]));
        }
    }

    #[test]
    fn other_names_are_refused() {
        for text in [
            "", "user", "a|b", "a|b|0", "a|b|c", "a|b|1|d", "|b|1", "a||1",
        ] {
            assert_eq!(parse(&encode(text.as_bytes())), None, "{text}");
        }
        assert_eq!(parse("not base62: !"), None);
        assert_eq!(parse(&"A".repeat(600)), None);
    }
}
