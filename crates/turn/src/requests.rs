//! Requests: who asks, whether they may, and the answer (RFC 8656 sections 7 to 12, RFC 8489 section 9.2).

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::allocation::{Allocation, BindError};
use crate::challenge::NonceState;
use crate::client::{Client, Transport};
use crate::credential;
use crate::message::{Incoming, Key, Malformed, Method, Reply};
use crate::server::{FromClient, Pending, Server};
use crate::stats::{Drop, Refusal};

/// Who signed a request.
struct Signer {
    username: String,
    key: Key,
    participant: String,
    expiry: u64,
}

/// A refusal that is answered with a signed error.
struct Refused(u16, Refusal);

impl Server {
    pub(crate) fn handle_message(
        &mut self,
        now: Instant,
        wall: u64,
        client: Client,
        bytes: &[u8],
    ) -> FromClient {
        let Some(mut request) = Incoming::parse(bytes) else {
            return self.dropped(Drop::Malformed);
        };
        match request.method {
            // An indication that can't be understood is not acted on, and nobody is told.
            Method::Send if !request.unknown().is_empty() => return self.dropped(Drop::Malformed),
            Method::Send => return self.relay_indication(now, &client, &request, bytes),
            Method::Binding => return self.bind_address(now, client, &request),
            _ => {}
        }
        let signer = match self.authenticate(now, client, &mut request) {
            Ok(signer) => signer,
            Err(done) => return done,
        };
        let key = signer.key.clone();
        let fingerprint = request.has_fingerprint();
        let answer = match self.dispatch(now, wall, client, &mut Some(request), signer) {
            Ok(Some(reply)) => reply,
            // Its answer comes with its port, or came before.
            Ok(None) => return FromClient::Handled,
            Err((reply, why)) => {
                self.stats.refuse(why);
                reply
            }
        };
        let bytes = answer.finish(Some((&self.crypto, &key)), fingerprint);
        self.transmit(client, bytes);
        FromClient::Handled
    }

    /// STUN's own request: a TURN address serves as a STUN server too.
    fn bind_address(&mut self, now: Instant, client: Client, request: &Incoming) -> FromClient {
        if !self.strangers.admit(now, &client) {
            return self.dropped(Drop::Flood);
        }
        let unknown = request.unknown();
        let reply = if unknown.is_empty() {
            Reply::success(request).mapped(client.remote)
        } else {
            Reply::error(request, 420).unknown(&unknown)
        };
        let bytes = reply.finish(None, request.has_fingerprint());
        self.transmit(client, bytes);
        FromClient::Handled
    }

    /// Checks long-term credentials. The error is what the caller returns: the request is answered by then.
    fn authenticate(
        &mut self,
        now: Instant,
        client: Client,
        request: &mut Incoming,
    ) -> Result<Signer, FromClient> {
        if !request.is_signed() {
            self.stats.challenged += 1;
            return Err(self.challenge(now, client, request, 401));
        }
        let (Some(username), Some(realm), Some(nonce)) =
            (request.username(), request.realm(), request.nonce())
        else {
            self.stats.refuse(Refusal::BadRequest);
            return Err(self.answer_stranger(now, client, Reply::error(request, 400)));
        };
        if self.nonces.check(now, &client, nonce) == NonceState::Stale {
            self.stats.refuse(Refusal::StaleNonce);
            return Err(self.challenge(now, client, request, 438));
        }
        let signer = (realm == self.config.realm)
            .then(|| self.signer(username))
            .flatten();
        match signer {
            Some(signer) if request.verify(&self.crypto, &signer.key) => Ok(signer),
            _ => {
                self.stats.refuse(Refusal::Unauthorized);
                Err(self.challenge(now, client, request, 401))
            }
        }
    }

    fn signer(&self, username: &str) -> Option<Signer> {
        let claim = credential::parse(username)?;
        let mut credentials = self.config.credentials.iter();
        let (_, secret) = credentials.find(|(key, _)| *key == claim.api_key)?;
        let password = credential::password(secret, &claim);
        Some(Signer {
            username: username.to_owned(),
            key: self.crypto.key(username, &self.config.realm, &password)?,
            participant: claim.participant,
            expiry: claim.expiry,
        })
    }

    /// Tells how to sign.
    fn challenge(
        &mut self,
        now: Instant,
        client: Client,
        request: &Incoming,
        code: u16,
    ) -> FromClient {
        let nonce = self.nonces.issue(now, &client);
        let reply = Reply::error(request, code)
            .realm(&self.config.realm)
            .nonce(&nonce);
        self.answer_stranger(now, client, reply)
    }

    /// An answer to somebody who proved nothing.
    fn answer_stranger(&mut self, now: Instant, client: Client, reply: Reply) -> FromClient {
        if !self.strangers.admit(now, &client) {
            return self.dropped(Drop::Flood);
        }
        let bytes = reply.finish(None, false);
        self.transmit(client, bytes);
        FromClient::Handled
    }

    /// An authenticated request. No reply: an Allocate that waits for its port, or was answered before.
    fn dispatch(
        &mut self,
        now: Instant,
        wall: u64,
        client: Client,
        request: &mut Option<Incoming>,
        signer: Signer,
    ) -> Result<Option<Reply>, (Reply, Refusal)> {
        let Some(incoming) = request.take() else {
            return Ok(None);
        };
        let unknown = incoming.unknown();
        if !unknown.is_empty() {
            let reply = Reply::error(&incoming, 420).unknown(&unknown);
            return Err((reply, Refusal::UnknownAttribute));
        }
        let done = match incoming.method {
            Method::Allocate => {
                return self
                    .request_allocation(now, wall, client, incoming, signer)
                    .map(|()| None);
            }
            Method::Refresh => self.refresh(now, client, &incoming, &signer),
            Method::CreatePermission => self.create_permission(now, client, &incoming, &signer),
            Method::ChannelBind => self.bind_channel(now, client, &incoming, &signer),
            // TCP relays (RFC 6062) are not offered to anybody.
            Method::TcpRelay | Method::Binding | Method::Send => {
                Err(Refused(403, Refusal::Forbidden))
            }
        };
        match done {
            Ok(reply) => Ok(Some(reply)),
            Err(Refused(code, why)) => Err((Reply::error(&incoming, code), why)),
        }
    }

    fn request_allocation(
        &mut self,
        now: Instant,
        wall: u64,
        client: Client,
        request: Incoming,
        signer: Signer,
    ) -> Result<(), (Reply, Refusal)> {
        if let Some(allocation) = self.allocations.get(&client) {
            let (transaction, answer) = &allocation.request;
            let again = *transaction == request.transaction() && !answer.is_empty();
            if again && allocation.username == signer.username {
                let answer = answer.clone();
                self.transmit(client, answer);
                return Ok(());
            }
            return Err((Reply::error(&request, 437), Refusal::Mismatch));
        }
        if self
            .pending
            .values()
            .any(|pending| pending.client == client)
        {
            return Ok(());
        }
        match self.prepare_allocation(wall, &request, &signer) {
            Ok((candidates, lifetime, ticket)) => {
                let pending = Pending {
                    client,
                    request,
                    username: signer.username,
                    key: signer.key,
                    lifetime,
                    ticket,
                    since: now,
                };
                self.open_relay(pending, candidates);
                Ok(())
            }
            Err(Refused(code, why)) => {
                let reply = Reply::error(&request, code);
                // A 401 tells how to sign, whatever came before it (RFC 8489 section 9.2.4).
                let reply = match why {
                    Refusal::Expired => reply
                        .realm(&self.config.realm)
                        .nonce(&self.nonces.issue(now, &client)),
                    _ => reply,
                };
                Err((reply, why))
            }
        }
    }

    /// The checks of RFC 8656 section 7.2, in its order.
    fn prepare_allocation(
        &mut self,
        wall: u64,
        request: &Incoming,
        signer: &Signer,
    ) -> Result<(Vec<SocketAddr>, Duration, crate::quota::Ticket), Refused> {
        if signer.expiry < wall {
            return Err(Refused(401, Refusal::Expired));
        }
        match request.requests_udp() {
            Ok(Some(true)) => {}
            Ok(Some(false)) => return Err(Refused(442, Refusal::TransportNotSupported)),
            Ok(None) | Err(Malformed) => return Err(BAD_REQUEST),
        }
        let even = request.even_port().map_err(|_| BAD_REQUEST)?;
        let family = request.requested_v6();
        if request.has_reservation() && (even.is_some() || family != Ok(None)) {
            return Err(BAD_REQUEST);
        }
        let is_v6 = family.map_err(|_| FAMILY_NOT_SUPPORTED)?.unwrap_or(false);
        let ip = self
            .config
            .ports
            .address(is_v6)
            .ok_or(FAMILY_NOT_SUPPORTED)?;
        if request.has_reservation() || even == Some(true) {
            // Pairs of ports are for RTCP on a port of its own, which nobody has used for years.
            return Err(Refused(508, Refusal::NoPort));
        }
        let lifetime = lifetime(request.lifetime().map_err(|_| BAD_REQUEST)?);
        let quota = self.config.quotas.take(&signer.participant);
        let ticket = quota.ok_or(Refused(486, Refusal::Quota))?;
        let is_free = |address: &SocketAddr| !self.by_relayed.contains_key(address);
        let candidates = self
            .config
            .ports
            .candidates(ip, even.is_some(), &mut self.rng, is_free);
        if candidates.is_empty() {
            return Err(Refused(508, Refusal::NoPort));
        }
        Ok((candidates, lifetime, ticket))
    }

    pub(crate) fn allocate(&mut self, now: Instant, pending: Pending, relayed: SocketAddr) {
        let client = pending.client;
        let reply = Reply::success(&pending.request)
            .relayed(relayed)
            .lifetime(pending.lifetime)
            .mapped(client.remote);
        let answer = reply.finish(
            Some((&self.crypto, &pending.key)),
            pending.request.has_fingerprint(),
        );
        // A stream delivers once; only datagrams are asked for again.
        let kept = if client.transport == Transport::Udp {
            answer.clone()
        } else {
            Vec::new()
        };
        tracing::debug!(%relayed, remote = %client.remote, transport = ?client.transport, "TURN allocation");
        self.insert(Allocation::new(
            client,
            relayed,
            pending.username,
            now + pending.lifetime,
            (pending.request.transaction(), kept),
            pending.ticket,
        ));
        self.transmit(client, answer);
    }

    pub(crate) fn refuse_port(&mut self, pending: &Pending) {
        self.stats.refuse(Refusal::NoPort);
        let reply = Reply::error(&pending.request, 508);
        let bytes = reply.finish(
            Some((&self.crypto, &pending.key)),
            pending.request.has_fingerprint(),
        );
        self.transmit(pending.client, bytes);
    }

    fn refresh(
        &mut self,
        now: Instant,
        client: Client,
        request: &Incoming,
        signer: &Signer,
    ) -> Result<Reply, Refused> {
        let lifetime = match request.lifetime().map_err(|_| BAD_REQUEST)? {
            Some(Duration::ZERO) => Duration::ZERO,
            asked => lifetime(asked),
        };
        let family = request.requested_v6().map_err(|_| FAMILY_MISMATCH)?;
        let allocation = self.owned(client, signer)?;
        if family.is_some_and(|is_v6| is_v6 != allocation.relayed.is_ipv6()) {
            return Err(FAMILY_MISMATCH);
        }
        allocation.expires = now + lifetime;
        self.expect(now + lifetime);
        if lifetime.is_zero() {
            self.end(client);
        }
        Ok(Reply::success(request).lifetime(lifetime))
    }

    fn create_permission(
        &mut self,
        now: Instant,
        client: Client,
        request: &Incoming,
        signer: &Signer,
    ) -> Result<Reply, Refused> {
        let peers = request.peers().map_err(|_| BAD_REQUEST)?;
        let is_v4 = self.owned(client, signer)?.relayed.is_ipv4();
        if peers.is_empty() {
            return Err(BAD_REQUEST);
        }
        if peers.iter().any(|peer| peer.is_ipv4() != is_v4) {
            return Err(FAMILY_MISMATCH);
        }
        // All or none (RFC 8656 section 10.2).
        if !peers
            .iter()
            .all(|peer| self.config.rules.permits_ip(peer.ip()))
        {
            return Err(Refused(403, Refusal::Forbidden));
        }
        let ips: Vec<IpAddr> = peers.iter().map(SocketAddr::ip).collect();
        if !self.owned(client, signer)?.permit(now, &ips) {
            return Err(Refused(508, Refusal::NoPort));
        }
        Ok(Reply::success(request))
    }

    fn bind_channel(
        &mut self,
        now: Instant,
        client: Client,
        request: &Incoming,
        signer: &Signer,
    ) -> Result<Reply, Refused> {
        let channel = request.channel().filter(|number| CHANNELS.contains(number));
        let peers = request.peers().map_err(|_| BAD_REQUEST)?;
        let is_v4 = self.owned(client, signer)?.relayed.is_ipv4();
        let (Some(channel), [peer]) = (channel, &*peers) else {
            return Err(BAD_REQUEST);
        };
        if peer.is_ipv4() != is_v4 {
            return Err(FAMILY_MISMATCH);
        }
        if !self.config.rules.permits(*peer) {
            return Err(Refused(403, Refusal::Forbidden));
        }
        match self.owned(client, signer)?.bind(now, channel, *peer) {
            Ok(()) => Ok(Reply::success(request)),
            Err(BindError::Conflict) => Err(BAD_REQUEST),
            Err(BindError::Full) => Err(Refused(508, Refusal::NoPort)),
        }
    }

    /// The allocation of a client, if the one who asks made it.
    fn owned(&mut self, client: Client, signer: &Signer) -> Result<&mut Allocation, Refused> {
        match self.allocations.get_mut(&client) {
            None => Err(Refused(437, Refusal::Mismatch)),
            Some(allocation) if allocation.username != signer.username => {
                Err(Refused(441, Refusal::WrongCredentials))
            }
            Some(allocation) => Ok(allocation),
        }
    }
}

/// What is granted of what was asked for.
fn lifetime(asked: Option<Duration>) -> Duration {
    asked.map_or(DEFAULT_LIFETIME, |asked| {
        asked.clamp(DEFAULT_LIFETIME, MAX_LIFETIME)
    })
}

const BAD_REQUEST: Refused = Refused(400, Refusal::BadRequest);
const FAMILY_NOT_SUPPORTED: Refused = Refused(440, Refusal::FamilyNotSupported);
const FAMILY_MISMATCH: Refused = Refused(443, Refusal::FamilyMismatch);

/// RFC 8656 section 3.2: also the least that is granted.
const DEFAULT_LIFETIME: Duration = Duration::from_mins(10);
/// RFC 8656 section 7.2.
const MAX_LIFETIME: Duration = Duration::from_hours(1);
/// RFC 5766's range: RFC 8656 narrowed it for ports that carry other protocols too, which ours don't, and clients in
/// use still take numbers from all of it.
const CHANNELS: std::ops::RangeInclusive<u16> = 0x4000..=0x7fff;
