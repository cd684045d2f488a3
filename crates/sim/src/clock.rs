//! Where virtual time starts.

use std::time::Instant;

/// The origin of a run. Only differences to it are ever looked at.
#[allow(
    clippy::disallowed_methods,
    reason = "an Instant comes from nowhere else; this is the only clock read"
)]
pub fn start() -> Instant {
    Instant::now()
}
