//! A relayed address on a TURN server, and datagrams through it by channel (RFC 8656).

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sluice_turn::caller::{self, Answer, Login, Request};

use super::link::Link;
use super::request::Turn;

/// A link to one peer through a TURN server.
pub(super) struct Relay {
    below: Box<dyn Link>,
    login: Login,
    peer: SocketAddr,
}

/// Why a TURN server did not do what was asked.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The server said no.
    Code(u16, String),
    /// The credentials do not hold.
    Unauthorized,
    Silence,
    Broken(io::Error),
    Unwritable(caller::Unwritable),
}

impl Relay {
    pub(super) fn new(below: Box<dyn Link>, turn: &Turn) -> Self {
        Self {
            below,
            login: Login {
                username: turn.username.clone(),
                password: turn.credential.clone(),
                challenge: None,
            },
            peer: turn.peer,
        }
    }

    /// The relayed address.
    pub(super) fn allocate(&mut self) -> Result<SocketAddr, Refusal> {
        let v6 = self.peer.is_ipv6();
        match self.ask(Request::Allocate { v6 })? {
            Answer::Allocated { relayed } => Ok(relayed),
            _ => Err(Refusal::Silence),
        }
    }

    /// Lets the peer's datagrams through.
    pub(super) fn permit(&mut self) -> Result<(), Refusal> {
        self.ask(Request::CreatePermission(self.peer.ip()))
            .map(|_| ())
    }

    /// Gives the peer a number.
    pub(super) fn bind_channel(&mut self) -> Result<(), Refusal> {
        let (number, peer) = (CHANNEL, self.peer);
        self.ask(Request::ChannelBind { number, peer }).map(|_| ())
    }

    /// Asks until it is granted or refused; a challenge is met, the second one at once is a refusal.
    fn ask(&mut self, request: Request) -> Result<Answer, Refusal> {
        for _ in 0..2 {
            match self.exchange(request)? {
                Answer::Challenged(challenge) => {
                    let stale = self.login.challenge.as_ref() == Some(&challenge);
                    self.login.challenge = Some(challenge);
                    if stale {
                        break;
                    }
                }
                Answer::Refused { code, reason } => return Err(Refusal::Code(code, reason)),
                granted => return Ok(granted),
            }
        }
        Err(Refusal::Unauthorized)
    }

    /// One transaction (RFC 8489 section 6.2): over UDP the request is sent again until it is answered.
    fn exchange(&mut self, request: Request) -> Result<Answer, Refusal> {
        let id: [u8; 12] = rand::random();
        let message = caller::encode(request, id, &self.login).map_err(Refusal::Unwritable)?;
        let mut complaint = None;
        for (attempt, wait) in WAITS.into_iter().enumerate() {
            if attempt == 0 || self.below.is_lossy() {
                note(self.below.send(&message), &mut complaint, &*self.below)?;
            }
            let deadline = Instant::now() + wait;
            while Instant::now() < deadline {
                match self.below.receive(deadline) {
                    Ok(Some(answer)) => {
                        if let Some(answer) = caller::decode(&answer, id) {
                            return Ok(answer);
                        }
                    }
                    Ok(None) => break,
                    Err(error) => {
                        note(Err(error), &mut complaint, &*self.below)?;
                        std::thread::sleep(PAUSE);
                    }
                }
            }
        }
        Err(complaint.map_or(Refusal::Silence, Refusal::Broken))
    }
}

/// On a lossy way an error is kept for later: an answer may come yet.
fn note(
    result: io::Result<()>,
    complaint: &mut Option<io::Error>,
    below: &dyn Link,
) -> Result<(), Refusal> {
    match result {
        Err(error) if below.is_lossy() => *complaint = Some(error),
        Err(error) => return Err(Refusal::Broken(error)),
        Ok(()) => {}
    }
    Ok(())
}

impl Link for Relay {
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let len = u16::try_from(message.len())
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        let mut framed = Vec::with_capacity(CHANNEL_HEADER + message.len());
        framed.extend(CHANNEL.to_be_bytes());
        framed.extend(len.to_be_bytes());
        framed.extend(message);
        self.below.send(&framed)
    }

    fn receive(&mut self, deadline: Instant) -> io::Result<Option<Vec<u8>>> {
        loop {
            let Some(message) = self.below.receive(deadline)? else {
                return Ok(None);
            };
            if let Some(payload) = channel_payload(&message) {
                return Ok(Some(payload.to_vec()));
            }
        }
    }

    fn is_lossy(&self) -> bool {
        self.below.is_lossy()
    }

    /// Gives the relayed address back; whether that is heard does not matter, it expires.
    fn finish(&mut self) {
        if let Ok(message) = caller::encode(Request::Release, rand::random(), &self.login) {
            let _ = self.below.send(&message);
        }
    }
}

/// What a ChannelData message of our channel holds.
fn channel_payload(message: &[u8]) -> Option<&[u8]> {
    let ([n0, n1, l0, l1], rest) = message.split_first_chunk::<CHANNEL_HEADER>()?;
    let ours = u16::from_be_bytes([*n0, *n1]) == CHANNEL;
    ours.then(|| rest.get(..usize::from(u16::from_be_bytes([*l0, *l1]))))
        .flatten()
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code, reason) => write!(f, "refused with {code} {reason}"),
            Self::Unauthorized => f.write_str("the server does not take the credentials (401)"),
            Self::Silence => f.write_str("no answer"),
            Self::Broken(error) => error.fmt(f),
            Self::Unwritable(error) => error.fmt(f),
        }
    }
}

/// The first of the range (RFC 8656 section 12).
const CHANNEL: u16 = 0x4000;
const CHANNEL_HEADER: usize = 4;
/// Between the sendings of a request, and after the last one.
const WAITS: [Duration; 4] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(1500),
    Duration::from_secs(2),
];
/// Where the system refuses at once what the network would lose.
const PAUSE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_of_other_channels_are_not_ours() {
        assert_eq!(
            channel_payload(&[0x40, 0, 0, 2, 1, 2, 0, 0]),
            Some(&[1, 2][..])
        );
        assert_eq!(channel_payload(&[0x40, 1, 0, 2, 1, 2, 0, 0]), None);
        assert_eq!(channel_payload(&[0x40, 0, 0, 3, 1, 2]), None);
        assert_eq!(channel_payload(&[0, 1]), None);
    }
}
