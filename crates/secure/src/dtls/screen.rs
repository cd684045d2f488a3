//! What is dropped before the library sees it, and why.

use std::time::Instant;

use super::{DtlsRole, DtlsVersions};

/// Why a datagram did not reach the DTLS library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DtlsNoise {
    /// Not a sequence of whole DTLS records.
    Malformed,
    /// More handshake datagrams than a handshake has; the rest of the second is dropped.
    OverBudget,
    /// A hello on an established association: a second handshake needs a new transport.
    SecondHandshake,
    /// Application data in the clear (CVE-2019-20786).
    PlaintextData,
    /// Shorter than the nonce and tag every protected record has (CVE-2026-75806).
    ShortRecord,
    /// The association is closed or failed.
    AfterEnd,
    /// Outgoing: nobody polled for too long.
    SendQueueFull,
}

/// How many datagrams were dropped for each reason of [`DtlsNoise`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DtlsCounters([u64; DtlsNoise::ALL.len()]);

impl DtlsNoise {
    /// Every reason, for metrics.
    pub const ALL: [Self; 7] = [
        Self::Malformed,
        Self::OverBudget,
        Self::SecondHandshake,
        Self::PlaintextData,
        Self::ShortRecord,
        Self::AfterEnd,
        Self::SendQueueFull,
    ];

    const fn index(self) -> usize {
        self as usize
    }
}

impl DtlsCounters {
    /// Datagrams dropped for one reason.
    pub fn get(&self, noise: DtlsNoise) -> u64 {
        self.0[noise.index()]
    }

    /// Datagrams dropped for any reason.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    pub(super) fn count(&mut self, noise: DtlsNoise) {
        self.0[noise.index()] += 1;
    }
}

/// A token bucket for handshake datagrams, which cost signatures and key agreements; refilled once a second.
pub(super) struct Budget {
    left: u32,
    refilled: Instant,
}

impl Budget {
    pub fn new(now: Instant) -> Self {
        Self {
            left: DATAGRAMS_PER_SECOND,
            refilled: now,
        }
    }

    /// Whether one more datagram may be handled.
    pub fn take(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.refilled).as_secs() >= 1 {
            *self = Self::new(now);
        }
        let has_left = self.left > 0;
        self.left = self.left.saturating_sub(1);
        has_left
    }
}

/// Checks the frame of every record in a datagram: cheap, and enough to name the noise a live association meets.
///
/// DTLS 1.3 records with their short header (RFC 9147 section 4) are left to the library.
pub(super) fn check(
    datagram: &[u8],
    versions: DtlsVersions,
    role: DtlsRole,
    established: bool,
) -> Result<(), DtlsNoise> {
    if datagram.is_empty() || datagram.len() > MAX_DATAGRAM_LEN {
        return Err(DtlsNoise::Malformed);
    }
    let mut rest = datagram;
    let mut records = 0;
    while let Some(first) = rest.first() {
        if versions == DtlsVersions::V13OrV12 && first & SHORT_HEADER_MASK == SHORT_HEADER {
            return Ok(());
        }
        let record = Record::split(rest).ok_or(DtlsNoise::Malformed)?;
        records += 1;
        if records > MAX_RECORDS {
            return Err(DtlsNoise::Malformed);
        }
        record.check(role, established)?;
        rest = record.behind;
    }
    Ok(())
}

struct Record<'a> {
    content: u8,
    epoch: u16,
    body: &'a [u8],
    behind: &'a [u8],
}

impl<'a> Record<'a> {
    /// The first record of `bytes`: type, version, epoch, sequence number, length (RFC 6347 section 4.1).
    fn split(bytes: &'a [u8]) -> Option<Self> {
        let ([content, major, _, e0, e1, _, _, _, _, _, _, l0, l1], rest) =
            bytes.split_first_chunk::<RECORD_HEADER_LEN>()?;
        let (body, behind) = rest.split_at_checked(usize::from(u16::from_be_bytes([*l0, *l1])))?;
        let known =
            (CHANGE_CIPHER_SPEC..=LAST_CONTENT).contains(content) && *major == VERSION_MAJOR;
        known.then_some(Self {
            content: *content,
            epoch: u16::from_be_bytes([*e0, *e1]),
            body,
            behind,
        })
    }

    fn check(&self, role: DtlsRole, established: bool) -> Result<(), DtlsNoise> {
        match (self.epoch, self.content) {
            (0, APPLICATION_DATA) => Err(DtlsNoise::PlaintextData),
            (0, HANDSHAKE) => match handshake_message(self.body) {
                Some(CLIENT_HELLO) if established && role == DtlsRole::Server => {
                    Err(DtlsNoise::SecondHandshake)
                }
                Some(_) => Ok(()),
                None => Err(DtlsNoise::Malformed),
            },
            (1.., _) if established && self.body.len() < MIN_PROTECTED_LEN => {
                Err(DtlsNoise::ShortRecord)
            }
            _ => Ok(()),
        }
    }
}

/// The type of the first handshake message in a plaintext record (RFC 6347 section 4.2.2), if its fragment lies within
/// both the message and the record. The library would keep anything else in its queue, where thirty end a handshake.
fn handshake_message(body: &[u8]) -> Option<u8> {
    let ([kind, l0, l1, l2, s0, s1, o0, o1, o2, f0, f1, f2], fragment) =
        body.split_first_chunk::<HANDSHAKE_HEADER_LEN>()?;
    let number = |high: &u8, middle: &u8, low: &u8| u32::from_be_bytes([0, *high, *middle, *low]);
    let (len, offset, fragment_len) = (number(l0, l1, l2), number(o0, o1, o2), number(f0, f1, f2));
    let sound = HANDSHAKE_MESSAGES.contains(kind)
        && len <= MAX_MESSAGE_LEN
        && offset + fragment_len <= len
        && fragment_len as usize <= fragment.len()
        && u16::from_be_bytes([*s0, *s1]) <= MAX_MESSAGE_SEQUENCE;
    sound.then_some(*kind)
}

/// Two flights of six datagrams, fragmented and repeated, are some thirty; the second ClientHello fragment of a
/// post-quantum key share is one more.
const DATAGRAMS_PER_SECOND: u32 = 64;

/// One datagram of 16 KiB is more than any handshake message; jumbo frames beyond it are not DTLS of ours.
const MAX_DATAGRAM_LEN: usize = 16 * 1_024;

/// As many as the library takes from one datagram.
const MAX_RECORDS: usize = 8;

/// The shortest protected record of any cipher suite we speak: ChaCha20-Poly1305 has no explicit nonce, so its tag.
const MIN_PROTECTED_LEN: usize = 16;

const RECORD_HEADER_LEN: usize = 13;
/// DTLS 1.0 is 254.255, DTLS 1.2 is 254.253.
const VERSION_MAJOR: u8 = 254;
const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
/// DTLS 1.3 acknowledgements.
const LAST_CONTENT: u8 = 26;
const CLIENT_HELLO: u8 = 1;
const HANDSHAKE_HEADER_LEN: usize = 12;

/// Hello request to finished, as IANA lists them for handshakes in the clear.
const HANDSHAKE_MESSAGES: [u8; 14] = [0, 1, 2, 3, 4, 8, 11, 12, 13, 14, 15, 16, 20, 22];

/// A certificate chain of several kilobytes is the longest message there is.
const MAX_MESSAGE_LEN: u32 = 1 << 16;

/// A handshake has some ten messages each way.
const MAX_MESSAGE_SEQUENCE: u16 = 32;

const SHORT_HEADER_MASK: u8 = 0b1110_0000;
const SHORT_HEADER: u8 = 0b0010_0000;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn record(content: u8, epoch: u16, body: &[u8]) -> Vec<u8> {
        let [e0, e1] = epoch.to_be_bytes();
        let [l0, l1] = (body.len() as u16).to_be_bytes();
        let mut bytes = vec![content, 254, 253, e0, e1, 0, 0, 0, 0, 0, 1, l0, l1];
        bytes.extend_from_slice(body);
        bytes
    }

    fn established(datagram: &[u8]) -> Result<(), DtlsNoise> {
        check(datagram, DtlsVersions::V12, DtlsRole::Server, true)
    }

    #[test]
    fn noise_on_a_live_association_is_named() {
        assert_eq!(
            established(&record(23, 0, b"clear")),
            Err(DtlsNoise::PlaintextData)
        );
        let message = |kind| [kind, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 2, 9, 9];
        assert_eq!(
            established(&record(22, 0, &message(1))),
            Err(DtlsNoise::SecondHandshake)
        );
        assert_eq!(
            established(&record(22, 0, &message(99))),
            Err(DtlsNoise::Malformed)
        );
        assert_eq!(
            established(&record(23, 1, &[0; 15])),
            Err(DtlsNoise::ShortRecord)
        );
        assert_eq!(established(&record(23, 1, &[0; 40])), Ok(()));
        assert_eq!(
            established(&record(22, 0, &message(11))),
            Ok(()),
            "a repeated last flight must be answered"
        );
        assert_eq!(established(&[0x80; 40]), Err(DtlsNoise::Malformed));
        assert_eq!(
            established(&record(23, 1, &[0; 40])[..30]),
            Err(DtlsNoise::Malformed)
        );
        assert_eq!(
            established(&record(21, 1, &[0; 40]).repeat(9)),
            Err(DtlsNoise::Malformed)
        );
        assert_eq!(established(&[]), Err(DtlsNoise::Malformed));
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "where virtual time starts")]
    fn budget_refills_each_second() {
        let now = Instant::now();
        let mut budget = Budget::new(now);
        let taken = (0..1_000).filter(|_| budget.take(now)).count();
        assert_eq!(taken, DATAGRAMS_PER_SECOND as usize);
        assert!(budget.take(now + Duration::from_secs(1)));
    }
}
