//! Wakes a worker that sleeps in `epoll_wait`, and only then: a worker that is busy looks into its rings anyway.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};

/// The sender's end; any number of threads may hold it. Call [`Alarm::ring`] behind each push.
#[derive(Clone)]
pub struct Alarm {
    shared: Arc<Shared>,
}

/// The sleeper's end.
pub struct Sleeper {
    shared: Arc<Shared>,
}

struct Shared {
    asleep: AtomicBool,
    waker: mio::Waker,
}

/// Both ends for the worker that polls `registry`; wake-ups come as `token`.
///
/// # Errors
/// Where the system has no file descriptor left.
pub fn pair(registry: &mio::Registry, token: mio::Token) -> io::Result<(Alarm, Sleeper)> {
    let waker = mio::Waker::new(registry, token)?;
    let shared = Arc::new(Shared {
        asleep: AtomicBool::new(false),
        waker,
    });
    Ok((
        Alarm {
            shared: Arc::clone(&shared),
        },
        Sleeper { shared },
    ))
}

impl Alarm {
    /// Wakes the worker if it sleeps or is about to.
    pub fn ring(&self) {
        // Pairs with the fence in `Sleeper::lie_down`: either we see the flag, or the sleeper sees what we pushed.
        fence(Ordering::SeqCst);
        if self.shared.asleep.load(Ordering::Relaxed)
            && self.shared.asleep.swap(false, Ordering::Relaxed)
        {
            // Fails only where the eventfd is full, and then the worker is being woken already.
            let _ = self.shared.waker.wake();
        }
    }
}

impl Sleeper {
    /// Announces sleep. The caller looks into its rings once more behind this, and sleeps only if they are empty.
    pub fn lie_down(&self) {
        self.shared.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Awake again: no wake-ups wanted until the next [`Sleeper::lie_down`].
    pub fn get_up(&self) {
        self.shared.asleep.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn woken(poll: &mut mio::Poll) -> bool {
        let mut events = mio::Events::with_capacity(4);
        poll.poll(&mut events, Some(Duration::ZERO))
            .expect("epoll works");
        !events.is_empty()
    }

    #[test]
    fn only_a_sleeper_is_woken_and_only_once() {
        let mut poll = mio::Poll::new().expect("epoll works");
        let (alarm, sleeper) = pair(poll.registry(), mio::Token(0)).expect("eventfd works");
        alarm.ring();
        assert!(!woken(&mut poll));
        sleeper.lie_down();
        alarm.ring();
        alarm.ring();
        assert!(woken(&mut poll));
        sleeper.get_up();
        alarm.ring();
        assert!(!woken(&mut poll));
    }
}
