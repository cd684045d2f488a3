//! Nonces without state, and how often strangers are answered.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use aws_lc_rs::{constant_time, hmac};

use crate::client::{Client, Transport};

/// Makes and checks nonces: a time, and a hash over it and the client that only we can make (RFC 8489 section 9.2).
pub(crate) struct Nonces {
    key: hmac::Key,
    started: Instant,
}

/// What a nonce is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NonceState {
    /// Ours, for this client, not too old.
    Fresh,
    /// Anything else: the client gets a new one.
    Stale,
}

impl Nonces {
    pub fn new(now: Instant, secret: [u8; 32]) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &secret),
            started: now,
        }
    }

    /// Sixteen characters: short, because it goes to whoever claims an address.
    pub fn issue(&self, now: Instant, client: &Client) -> String {
        let minute = self.minute(now);
        format!("{minute:04x}{}", self.proof(minute, client))
    }

    pub fn check(&self, now: Instant, client: &Client, nonce: &str) -> NonceState {
        let minute = nonce
            .get(..4)
            .and_then(|text| u16::from_str_radix(text, 16).ok());
        let (Some(minute), Some(proof)) = (minute, nonce.get(4..)) else {
            return NonceState::Stale;
        };
        let age = self.minute(now).wrapping_sub(minute);
        let expected = self.proof(minute, client);
        let ours =
            constant_time::verify_slices_are_equal(expected.as_bytes(), proof.as_bytes()).is_ok();
        if ours && age <= MAX_AGE_MINUTES {
            NonceState::Fresh
        } else {
            NonceState::Stale
        }
    }

    /// Minutes since the start, around again after 45 days.
    fn minute(&self, now: Instant) -> u16 {
        (now.saturating_duration_since(self.started).as_secs() / 60) as u16
    }

    /// 48 bits in hexadecimal.
    fn proof(&self, minute: u16, client: &Client) -> String {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&minute.to_be_bytes());
        context.update(&[client.transport as u8]);
        context.update(&client.remote.port().to_be_bytes());
        match client.remote.ip() {
            IpAddr::V4(ip) => context.update(&ip.octets()),
            IpAddr::V6(ip) => context.update(&ip.octets()),
        }
        let tag = context.sign();
        let mut text = String::with_capacity(12);
        for byte in tag.as_ref().iter().take(6) {
            use std::fmt::Write;
            // Writing to a string can't fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

/// Counts what unproven addresses were sent: an answer is longer than the question that anybody may forge. The
/// counters are as many as they are, and which one an address has nobody can tell: forged addresses neither fill a table
/// nor aim at somebody's counter.
pub(crate) struct Strangers {
    key: hmac::Key,
    since: Instant,
    answers: Vec<u32>,
}

impl Strangers {
    pub fn new(now: Instant, secret: [u8; 32]) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &secret),
            since: now,
            answers: vec![0; COUNTERS],
        }
    }

    /// True where this client may have another answer. Streams have proved their address.
    pub fn admit(&mut self, now: Instant, client: &Client) -> bool {
        if client.transport != Transport::Udp {
            return true;
        }
        if now.saturating_duration_since(self.since) >= WINDOW {
            self.since = now;
            self.answers.fill(0);
        }
        let at = self.counter_of(client.remote.ip());
        let Some(count) = self.answers.get_mut(at) else {
            return false;
        };
        *count = count.saturating_add(1);
        *count <= ANSWERS_PER_WINDOW
    }

    /// A host has a whole /64 of IPv6 addresses.
    fn counter_of(&self, ip: IpAddr) -> usize {
        let tag = match ip {
            IpAddr::V4(ip) => hmac::sign(&self.key, &ip.octets()),
            IpAddr::V6(ip) => {
                let network = ip.octets();
                hmac::sign(&self.key, network.get(..8).unwrap_or(&network))
            }
        };
        let first = tag.as_ref().first_chunk().copied().unwrap_or_default();
        usize::from(u16::from_be_bytes(first)) % COUNTERS
    }
}

/// Longer than clients take between requests (a refresh of a permission: 5 minutes).
const MAX_AGE_MINUTES: u16 = 10;

/// How long answers are counted together.
const WINDOW: Duration = Duration::from_secs(1);

/// Answers to one address per window: an office behind one address that comes back all at once, and no flood.
const ANSWERS_PER_WINDOW: u32 = 200;

/// 64 KiB of them: enough that a handful of noisy addresses meet no other.
const COUNTERS: usize = 16 * 1024;

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use super::*;

    fn client(port: u16) -> Client {
        Client {
            transport: Transport::Udp,
            local: ([192, 0, 2, 1], 3478).into(),
            remote: ([198, 51, 100, 7], port).into(),
        }
    }

    #[test]
    fn a_nonce_is_good_for_its_client_for_ten_minutes() {
        let now = Instant::now();
        let nonces = Nonces::new(now, [7; 32]);
        let nonce = nonces.issue(now, &client(1));
        assert_eq!(nonce.len(), 16);
        let check = |after: u64, client: &Client, nonce: &str| {
            nonces.check(now + Duration::from_secs(after), client, nonce)
        };
        assert_eq!(check(0, &client(1), &nonce), NonceState::Fresh);
        assert_eq!(check(600, &client(1), &nonce), NonceState::Fresh);
        assert_eq!(check(660, &client(1), &nonce), NonceState::Stale);
        assert_eq!(check(0, &client(2), &nonce), NonceState::Stale);
        for forged in ["", "0000", "zzzz000000000000", "0000000000000000", "ü000"] {
            assert_eq!(check(0, &client(1), forged), NonceState::Stale);
        }
    }

    #[test]
    fn a_flood_from_one_address_is_answered_two_hundred_times_a_second() {
        let now = Instant::now();
        let mut strangers = Strangers::new(now, [3; 32]);
        let answered = (0..1000)
            .filter(|port| strangers.admit(now, &client(*port)))
            .count();
        assert_eq!(answered, 200);
        assert!(strangers.admit(now + WINDOW, &client(1)));
    }

    #[test]
    fn forged_addresses_by_the_thousand_shut_nobody_out() {
        let now = Instant::now();
        let mut strangers = Strangers::new(now, [3; 32]);
        let from = |ip: IpAddr| Client {
            remote: (ip, 9).into(),
            ..client(9)
        };
        for forged in 0..100_000_u32 {
            strangers.admit(now, &from(IpAddr::from(forged.to_be_bytes())));
        }
        assert!(strangers.admit(now, &client(1)));
        // One host with a network of its own is one.
        let host = |at: u128| from(IpAddr::from((0x2001_0db8 << 96 | at).to_be_bytes()));
        let answered = (0..1000)
            .filter(|at| strangers.admit(now, &host(*at)))
            .count();
        assert!(answered <= 200);
    }
}
