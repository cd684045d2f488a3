//! What happened to the connections of one kind.

use super::connection::CloseReason;

/// Counters of one kind of connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamCounters {
    /// Connections accepted.
    pub accepted: u64,
    /// Connections closed at once because too many had proved nothing.
    pub refused: u64,
    /// Closed because they, or a message of theirs, took too long.
    pub closed_slow: u64,
    /// Closed because they took nothing for too long.
    pub closed_stalled: u64,
    /// Closed because they sent no messages of the kind.
    pub closed_junk: u64,
    /// Closed by the other side.
    pub closed_remote: u64,
    /// Closed because their peer ended or left them.
    pub closed_unused: u64,
    /// Handed over to another worker.
    pub handed_over: u64,
    /// Messages dropped because the connection was slow.
    pub dropped_full: u64,
    /// Messages to a connection that is gone.
    pub dropped_gone: u64,
}

impl StreamCounters {
    /// Names and values, the names behind `prefix`.
    pub fn named(self, prefix: &str) -> impl Iterator<Item = (String, u64)> + use<> {
        [
            ("accepted", self.accepted),
            ("refused", self.refused),
            ("closed_slow", self.closed_slow),
            ("closed_stalled", self.closed_stalled),
            ("closed_junk", self.closed_junk),
            ("closed_remote", self.closed_remote),
            ("closed_unused", self.closed_unused),
            ("handed_over", self.handed_over),
            ("dropped_full", self.dropped_full),
            ("dropped_gone", self.dropped_gone),
        ]
        .map(|(name, value)| (format!("{prefix}_{name}"), value))
        .into_iter()
    }

    /// Counts a connection that closed.
    pub(super) fn close(&mut self, reason: CloseReason) {
        let counter = match reason {
            CloseReason::Unproven | CloseReason::Partial => &mut self.closed_slow,
            CloseReason::Stalled => &mut self.closed_stalled,
            CloseReason::Junk => &mut self.closed_junk,
            CloseReason::Remote => &mut self.closed_remote,
            CloseReason::Unused => &mut self.closed_unused,
            CloseReason::HandedOver => &mut self.handed_over,
        };
        *counter += 1;
    }
}
