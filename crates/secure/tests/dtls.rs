//! Two associations over a lossy link in virtual time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sluice_secure::{
    Certificate, Dtls, DtlsError, DtlsEvent, DtlsNoise, DtlsRole, DtlsVersions, Fingerprint,
    HashAlgorithm, SrtpKeys, SrtpProfile,
};
use support::rtp;

/// What the link does to each datagram.
#[derive(Clone, Copy)]
struct Weather {
    loss: f64,
    duplicates: f64,
    jitter: Duration,
}

const FAIR: Weather = Weather {
    loss: 0.0,
    duplicates: 0.0,
    jitter: Duration::ZERO,
};
const DELAY: Duration = Duration::from_millis(20);

/// A server and a client with one clock between them.
struct Pair {
    now: Instant,
    rng: SmallRng,
    weather: Weather,
    ends: [End; 2],
    /// Arrival, receiver, datagram.
    flying: Vec<(Instant, usize, Vec<u8>)>,
    /// Every datagram that arrived, by receiver.
    seen: Vec<(usize, Vec<u8>)>,
}

struct End {
    dtls: Dtls,
    keys: Option<SrtpKeys>,
    data: Vec<Vec<u8>>,
    closed: bool,
    error: Option<DtlsError>,
}

const SERVER: usize = 0;
const CLIENT: usize = 1;

impl Pair {
    fn new(seed: u64, weather: Weather, versions: DtlsVersions) -> Self {
        let (a, b) = (certificate(seed), certificate(seed + 1));
        let (of_a, of_b) = (
            a.fingerprint(HashAlgorithm::Sha256),
            b.fingerprint(HashAlgorithm::Sha256),
        );
        Self::with(seed, weather, versions, (&a, vec![of_b]), (&b, vec![of_a]))
    }

    fn with(
        seed: u64,
        weather: Weather,
        versions: DtlsVersions,
        server: (&Certificate, Vec<Fingerprint>),
        client: (&Certificate, Vec<Fingerprint>),
    ) -> Self {
        let now = start();
        let end = |(certificate, expected): (&Certificate, Vec<Fingerprint>), role| End {
            dtls: Dtls::new(certificate, role, versions, expected, now).unwrap(),
            keys: None,
            data: Vec::new(),
            closed: false,
            error: None,
        };
        Self {
            now,
            rng: SmallRng::seed_from_u64(seed),
            weather,
            ends: [end(server, DtlsRole::Server), end(client, DtlsRole::Client)],
            flying: Vec::new(),
            seen: Vec::new(),
        }
    }

    fn collect(&mut self) {
        for from in [SERVER, CLIENT] {
            while let Some(datagram) = self.ends[from].dtls.poll_transmit() {
                let copies = 1 + u32::from(self.rng.random_bool(self.weather.duplicates));
                for _ in 0..copies {
                    if !self.rng.random_bool(self.weather.loss) {
                        let jitter = self.weather.jitter.mul_f64(self.rng.random());
                        self.flying
                            .push((self.now + DELAY + jitter, 1 - from, datagram.clone()));
                    }
                }
            }
            let end = &mut self.ends[from];
            while let Some(event) = end.dtls.poll_event() {
                match event {
                    DtlsEvent::Connected(keys) => {
                        assert!(end.keys.replace(keys).is_none(), "connected twice");
                    }
                    DtlsEvent::Data(data) => end.data.push(data),
                    DtlsEvent::Closed => end.closed = true,
                }
            }
        }
    }

    /// Runs until `done` or for `limit` of virtual time.
    fn run(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + limit;
        loop {
            self.collect();
            if done(self) {
                return true;
            }
            let timers = self.ends.iter().filter_map(|end| end.dtls.poll_timeout());
            let next = timers
                .chain(self.flying.iter().map(|flying| flying.0))
                .min();
            match next {
                Some(next) if next <= end => self.now = self.now.max(next),
                _ => {
                    self.now = end;
                    return false;
                }
            }
            for at in 0..2 {
                if self.ends[at]
                    .dtls
                    .poll_timeout()
                    .is_some_and(|timeout| timeout <= self.now)
                {
                    let now = self.now;
                    let result = self.ends[at].dtls.handle_timeout(now);
                    self.ends[at].error = self.ends[at].error.take().or(result.err());
                }
            }
            self.flying.sort_by_key(|flying| flying.0);
            while self
                .flying
                .first()
                .is_some_and(|flying| flying.0 <= self.now)
            {
                let (_, to, datagram) = self.flying.remove(0);
                self.deliver(to, datagram);
            }
        }
    }

    fn deliver(&mut self, to: usize, datagram: Vec<u8>) {
        let result = self.ends[to].dtls.handle_datagram(self.now, &datagram);
        self.ends[to].error = self.ends[to].error.take().or(result.err());
        self.seen.push((to, datagram));
    }

    fn connected(&self) -> bool {
        self.ends.iter().all(|end| end.keys.is_some())
    }

    fn failed(&self) -> bool {
        self.ends.iter().any(|end| end.error.is_some())
    }

    fn connect(&mut self) {
        assert!(
            self.run(Duration::from_secs(30), Self::connected),
            "no connection on a fair link"
        );
        assert!(!self.failed());
    }

    fn send(&mut self, from: usize, data: &[u8]) {
        self.ends[from].dtls.send(self.now, data).unwrap();
    }

    /// Proves that both directions still carry data.
    fn assert_alive(&mut self) {
        for (from, to) in [(SERVER, CLIENT), (CLIENT, SERVER)] {
            let before = self.ends[to].data.len();
            self.send(from, b"still here");
            assert!(
                self.run(Duration::from_secs(1), |pair| pair.ends[to].data.len()
                    > before),
                "from {from}"
            );
        }
        assert!(!self.failed());
    }
}

/// Where virtual time starts: the only clock these tests read.
#[allow(
    clippy::disallowed_methods,
    reason = "an Instant comes from nowhere else"
)]
fn start() -> Instant {
    Instant::now()
}

fn certificate(seed: u64) -> Certificate {
    Certificate::generate().unwrap().seeded(seed).unwrap()
}

#[test]
fn handshake_yields_one_key_per_direction_and_data_flows() {
    for versions in [DtlsVersions::V12, DtlsVersions::V13OrV12] {
        let mut pair = Pair::new(1, FAIR, versions);
        pair.connect();
        let server = pair.ends[SERVER].keys.take().unwrap();
        let client = pair.ends[CLIENT].keys.take().unwrap();
        assert_eq!(server.profile, client.profile);
        let (mut sender, _) = server.into_streams();
        let (_, mut receiver) = client.into_streams();
        let stream = sender.stream(7);
        let mut packet = rtp(7, 1, b"media");
        let len = packet.len();
        packet.resize(len + sender.rtp_overhead(), 0);
        sender.protect_rtp(stream, &mut packet, len).unwrap();
        assert_eq!(receiver.unprotect_rtp(&mut packet), Ok(len));
        pair.assert_alive();
    }
}

#[test]
fn profile_is_an_aead_where_both_sides_know_it() {
    let mut pair = Pair::new(1, FAIR, DtlsVersions::V12);
    pair.connect();
    let profile = pair.ends[SERVER].keys.as_ref().unwrap().profile;
    assert!(matches!(
        profile,
        SrtpProfile::AeadAes128Gcm | SrtpProfile::AeadAes256Gcm
    ));
}

#[test]
fn server_and_client_of_other_versions_meet_at_1_2() {
    let (a, b) = (certificate(1), certificate(2));
    for (server, client) in [
        (DtlsVersions::V13OrV12, DtlsVersions::V12),
        (DtlsVersions::V12, DtlsVersions::V13OrV12),
    ] {
        let mut pair = Pair::new(1, FAIR, DtlsVersions::V12);
        let now = pair.now;
        let of = |certificate: &Certificate| vec![certificate.fingerprint(HashAlgorithm::Sha256)];
        pair.ends[SERVER].dtls = Dtls::new(&a, DtlsRole::Server, server, of(&b), now).unwrap();
        pair.ends[CLIENT].dtls = Dtls::new(&b, DtlsRole::Client, client, of(&a), now).unwrap();
        pair.connect();
        pair.assert_alive();
    }
}

#[test]
fn handshake_on_a_clean_link_takes_two_round_trips() {
    let mut pair = Pair::new(1, FAIR, DtlsVersions::V12);
    let began = pair.now;
    pair.connect();
    assert!(pair.now - began <= 4 * DELAY, "{:?}", pair.now - began);
}

#[test]
fn handshake_survives_loss_reordering_and_duplication() {
    for percent in [0, 5, 10, 20, 30] {
        let mut slowest = Duration::ZERO;
        for seed in 0..30 {
            let weather = Weather {
                loss: f64::from(percent) / 100.0,
                duplicates: 0.1,
                jitter: Duration::from_millis(60),
            };
            let mut pair = Pair::new(seed, weather, DtlsVersions::V12);
            let began = pair.now;
            let connected = pair.run(Duration::from_secs(30), Pair::connected);
            assert!(
                connected && !pair.failed(),
                "loss {percent} %, seed {seed}: {:?}",
                pair.ends[SERVER].error
            );
            slowest = slowest.max(pair.now - began);
        }
        assert!(
            slowest < Duration::from_secs(10),
            "loss {percent} %: {slowest:?}"
        );
    }
}

#[test]
fn handshake_in_1_3_survives_loss() {
    for seed in 0..20 {
        let weather = Weather {
            loss: 0.15,
            duplicates: 0.05,
            jitter: Duration::from_millis(30),
        };
        let mut pair = Pair::new(seed, weather, DtlsVersions::V13OrV12);
        assert!(
            pair.run(Duration::from_secs(30), Pair::connected),
            "seed {seed}"
        );
    }
}

#[test]
fn every_hash_of_a_fingerprint_is_checked() {
    use HashAlgorithm::{Sha1, Sha224, Sha256, Sha384, Sha512};
    let (a, b, other) = (certificate(1), certificate(2), certificate(3));
    for algorithm in [Sha1, Sha224, Sha256, Sha384, Sha512] {
        let right =
            |of: &Certificate| vec![other.fingerprint(algorithm), of.fingerprint(algorithm)];
        let mut pair = Pair::with(1, FAIR, DtlsVersions::V12, (&a, right(&b)), (&b, right(&a)));
        pair.connect();
    }
}

#[test]
fn wrong_certificate_releases_no_keys_in_either_role_and_version() {
    let (a, b, other) = (certificate(1), certificate(2), certificate(3));
    let right = |of: &Certificate| vec![of.fingerprint(HashAlgorithm::Sha256)];
    for versions in [DtlsVersions::V12, DtlsVersions::V13OrV12] {
        for wrong in [vec![], right(&other), right(&a)] {
            let mut pair = Pair::with(1, FAIR, versions, (&a, wrong.clone()), (&b, right(&a)));
            pair.run(Duration::from_secs(40), |_| false);
            assert_eq!(
                pair.ends[SERVER].error,
                Some(DtlsError::FingerprintMismatch),
                "{versions:?}"
            );
            assert!(pair.ends[SERVER].keys.is_none());
            assert!(pair.ends[SERVER].dtls.send(pair.now, b"x").is_err());
            assert!(pair.ends[SERVER].data.is_empty());
        }
        let mut pair = Pair::with(1, FAIR, versions, (&a, right(&b)), (&b, right(&other)));
        pair.run(Duration::from_secs(40), |_| false);
        assert_eq!(
            pair.ends[CLIENT].error,
            Some(DtlsError::FingerprintMismatch),
            "{versions:?}"
        );
        assert!(pair.ends[CLIENT].keys.is_none() && pair.ends[SERVER].keys.is_none());
    }
}

#[test]
fn silence_times_out() {
    let silent = Weather { loss: 1.0, ..FAIR };
    let mut pair = Pair::new(1, silent, DtlsVersions::V12);
    pair.run(Duration::from_mins(1), |_| false);
    assert_eq!(pair.ends[CLIENT].error, Some(DtlsError::Timeout));
    assert_eq!(
        pair.ends[SERVER].error, None,
        "nobody began: the transport's own timers decide"
    );
    assert!(pair.now - start() < Duration::from_secs(61));
}

#[test]
fn close_reaches_the_other_side() {
    let mut pair = Pair::new(1, FAIR, DtlsVersions::V12);
    pair.connect();
    let now = pair.now;
    pair.ends[SERVER].dtls.close(now);
    assert!(pair.run(Duration::from_secs(1), |pair| pair.ends[CLIENT].closed));
    assert_eq!(
        pair.ends[CLIENT].dtls.send(now, b"late"),
        Err(DtlsError::Closed)
    );
    assert_eq!(pair.ends[SERVER].dtls.poll_timeout(), None);
    assert!(!pair.failed());
}

#[test]
fn second_handshake_is_ignored_and_the_first_keeps_its_keys() {
    let (a, b) = (certificate(1), certificate(2));
    let of = |certificate: &Certificate| vec![certificate.fingerprint(HashAlgorithm::Sha256)];
    let mut pair = Pair::with(1, FAIR, DtlsVersions::V12, (&a, of(&b)), (&b, of(&a)));
    pair.connect();
    pair.assert_alive();
    // The same certificate, so that nothing but the established association stands in its way.
    let now = pair.now;
    let mut again = Dtls::new(&b, DtlsRole::Client, DtlsVersions::V12, of(&a), now).unwrap();
    while let Some(hello) = again.poll_transmit() {
        pair.deliver(SERVER, hello);
    }
    assert!(
        pair.ends[SERVER].dtls.poll_transmit().is_none(),
        "no answer"
    );
    assert!(pair.ends[SERVER].dtls.poll_event().is_none());
    assert_eq!(
        pair.ends[SERVER]
            .dtls
            .counters()
            .get(DtlsNoise::SecondHandshake),
        1
    );
    pair.assert_alive();
}

#[test]
fn replay_of_the_whole_conversation_changes_nothing() {
    let mut pair = Pair::new(1, FAIR, DtlsVersions::V12);
    pair.connect();
    pair.assert_alive();
    let received = pair.ends.each_ref().map(|end| end.data.len());
    for (to, datagram) in pair.seen.clone() {
        pair.deliver(to, datagram);
    }
    pair.run(Duration::from_secs(5), |_| false);
    assert_eq!(pair.ends.each_ref().map(|end| end.data.len()), received);
    pair.assert_alive();
}

#[test]
fn noise_on_an_established_association_is_dropped_and_counted() {
    for versions in [DtlsVersions::V12, DtlsVersions::V13OrV12] {
        let mut pair = Pair::new(1, FAIR, versions);
        pair.connect();
        pair.assert_alive();
        let mut rng = SmallRng::seed_from_u64(5);
        let honest = pair.seen.clone();
        for round in 0..20_000 {
            let (to, mut datagram) = honest[rng.random_range(0..honest.len())].clone();
            match round % 4 {
                0 => datagram.truncate(rng.random_range(0..=datagram.len())),
                1 => {
                    let at = rng.random_range(0..datagram.len());
                    datagram[at] ^= 1 << rng.random_range(0..8);
                }
                2 => {
                    datagram = (0..rng.random_range(0..200))
                        .map(|_| rng.random())
                        .collect();
                }
                // A record of the current epoch, shorter and longer than nonce and tag.
                _ => {
                    let len = rng.random_range(0..40_u16);
                    datagram = vec![rng.random_range(20..27), 254, 253, 0, 1];
                    datagram.extend([rng.random(), 0, 0, rng.random(), rng.random(), rng.random()]);
                    datagram.extend(len.to_be_bytes());
                    datagram.extend((0..len).map(|_| rng.random::<u8>()));
                }
            }
            pair.deliver(to, datagram);
            assert!(
                !pair.failed(),
                "round {round}: {:?} {:?}",
                pair.ends[0].error,
                pair.ends[1].error
            );
        }
        pair.run(Duration::from_secs(5), |_| false);
        assert!(pair.ends[SERVER].dtls.counters().get(DtlsNoise::Malformed) > 0);
        pair.assert_alive();
    }
}

#[test]
fn application_data_in_the_clear_never_comes_out() {
    let mut pair = Pair::new(1, FAIR, DtlsVersions::V12);
    let mut clear = vec![23, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 5];
    clear.extend(b"clear");
    pair.deliver(SERVER, clear.clone());
    pair.connect();
    pair.deliver(SERVER, clear.clone());
    pair.deliver(CLIENT, clear);
    pair.run(Duration::from_secs(1), |_| false);
    assert!(pair.ends.iter().all(|end| end.data.is_empty()));
    assert_eq!(
        pair.ends[SERVER]
            .dtls
            .counters()
            .get(DtlsNoise::PlaintextData),
        2
    );
    pair.assert_alive();
}

#[test]
fn garbage_before_and_during_the_handshake_does_not_stop_it() {
    let mut pair = Pair::new(1, FAIR, DtlsVersions::V12);
    let mut rng = SmallRng::seed_from_u64(3);
    for _ in 0..10_000 {
        let mut datagram = vec![
            rng.random_range(20..24),
            254,
            253,
            0,
            rng.random_range(0..2),
            0,
            0,
        ];
        let len = rng.random_range(0..60_u16);
        datagram.extend(rng.random::<[u8; 4]>());
        datagram.extend(len.to_be_bytes());
        datagram.extend((0..len).map(|_| rng.random::<u8>()));
        // A fatal alert in the clear is believed during a handshake, as RFC 6347 section 4.1.2.7 allows.
        if datagram[0] != 21 {
            pair.deliver(SERVER, datagram);
        }
    }
    assert_eq!(pair.ends[SERVER].error, None);
    pair.connect();
    pair.assert_alive();
}

#[test]
fn flood_of_hellos_costs_a_bounded_number_of_them() {
    let mut pair = Pair::new(1, FAIR, DtlsVersions::V12);
    let hello = pair.ends[CLIENT].dtls.poll_transmit().unwrap();
    for _ in 0..10_000 {
        pair.deliver(SERVER, hello.clone());
    }
    assert!(pair.ends[SERVER].dtls.counters().get(DtlsNoise::OverBudget) > 9_000);
    let mut answered = 0;
    while let Some(datagram) = pair.ends[SERVER].dtls.poll_transmit() {
        answered += datagram.len();
    }
    assert!(answered < 4_000, "{answered} bytes for one client");
    assert!(
        pair.run(Duration::from_secs(30), Pair::connected),
        "the honest client gets through all the same"
    );
}
