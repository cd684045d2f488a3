//! Our candidates on their way to the server.

use std::collections::VecDeque;

use super::event::LocalTransport;
use super::proto::{Request, Target, Trickle};
use super::sdp::candidate_init;

/// One message for each.
pub fn trickle(local: &LocalTransport, target: Target, mid: &str, sends: &mut VecDeque<Request>) {
    for candidate in &local.candidates {
        sends.push_back(Request::Trickle(Trickle {
            candidate_init: candidate_init(candidate, mid, &local.ice.ufrag),
            target: target.into(),
            last: false,
        }));
    }
}
