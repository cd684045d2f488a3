//! ICE candidates (RFC 8839 section 5.1), alone and in the JSON of a trickle.

use std::net::{IpAddr, SocketAddr};

use serde::Deserialize;
use serde_json::json;
use sluice_peer::{CandidateKind, LocalCandidate, Protocol, RemoteCandidate};

/// Reads a candidate from behind `candidate:`. None for what our transports can't use: another component, TCP, a name
/// instead of an address.
pub fn read_candidate(text: &str) -> Option<RemoteCandidate> {
    let mut words = text.split(' ');
    let foundation = words.next()?.to_owned();
    let component = words.next()?;
    let protocol = words.next()?;
    let priority = words.next()?.parse().ok()?;
    let ip: IpAddr = words.next()?.parse().ok()?;
    let port = words.next()?.parse().ok()?;
    let kind = match (words.next()?, words.next()?) {
        ("typ", "host") => CandidateKind::Host,
        ("typ", "srflx") => CandidateKind::ServerReflexive,
        ("typ", "prflx") => CandidateKind::PeerReflexive,
        ("typ", "relay") => CandidateKind::Relayed,
        _ => return None,
    };
    if component != "1" || !protocol.eq_ignore_ascii_case("udp") {
        return None;
    }
    Some(RemoteCandidate {
        foundation,
        priority,
        addr: SocketAddr::new(ip, port),
        kind,
        protocol: Protocol::Udp,
    })
}

/// Reads an `RTCIceCandidateInit`; none as with [`read_candidate`], and for the mark that there are no more.
pub fn read_candidate_init(text: &str) -> Option<RemoteCandidate> {
    #[derive(Deserialize)]
    struct Init<'a> {
        #[serde(borrow)]
        candidate: std::borrow::Cow<'a, str>,
    }
    let init: Init = serde_json::from_str(text).ok()?;
    let candidate = init.candidate.as_ref();
    read_candidate(candidate.strip_prefix("candidate:").unwrap_or(candidate))
}

/// The `RTCIceCandidateInit` of one of ours.
pub fn candidate_init(candidate: &LocalCandidate, mid: &str, ufrag: &str) -> String {
    let LocalCandidate {
        foundation,
        priority,
        addr,
        ..
    } = candidate;
    let (ip, port) = (addr.ip(), addr.port());
    json!({
        "candidate": format!("candidate:{foundation} 1 udp {priority} {ip} {port} typ host"),
        "sdpMid": mid,
        "sdpMLineIndex": 0,
        "usernameFragment": ufrag,
    })
    .to_string()
}
