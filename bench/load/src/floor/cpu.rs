//! What this thread costs.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// CPU time of this thread since some moment, user and system.
pub struct Stopwatch {
    start: Duration,
}

impl Stopwatch {
    /// From now on.
    pub fn start() -> Self {
        Self {
            start: thread_time(),
        }
    }

    /// Until now.
    pub fn spent(&self) -> Duration {
        thread_time().saturating_sub(self.start)
    }
}

/// CPU time of this thread for `act`.
pub fn spent(act: impl FnOnce()) -> Duration {
    let watch = Stopwatch::start();
    act();
    watch.spent()
}

/// CPU time of this thread.
pub fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID);
    time.map(Duration::from).unwrap_or_default()
}
