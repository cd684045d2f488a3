//! Deadlines of many subjects in one heap: a subject that moves its deadline back (the usual case, with every
//! packet) costs nothing until the old one comes due.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// Deadlines by subject, a small dense index.
#[derive(Default)]
pub struct Timers {
    subjects: Vec<Timer>,
    heap: BinaryHeap<Reverse<(Instant, usize)>>,
}

#[derive(Clone, Copy, Default)]
struct Timer {
    /// When to fire.
    deadline: Option<Instant>,
    /// The earliest entry of this subject in the heap; not later than `deadline`.
    armed: Option<Instant>,
}

impl Timers {
    /// Sets, moves or clears a deadline.
    pub fn set(&mut self, subject: usize, deadline: Option<Instant>) {
        if self.subjects.len() <= subject {
            if deadline.is_none() {
                return;
            }
            self.subjects.resize(subject + 1, Timer::default());
        }
        let Some(timer) = self.subjects.get_mut(subject) else {
            return;
        };
        timer.deadline = deadline;
        if let Some(at) = deadline
            && timer.armed.is_none_or(|armed| at < armed)
        {
            timer.armed = Some(at);
            self.heap.push(Reverse((at, subject)));
        }
    }

    /// The next subject that is due; its deadline is cleared.
    pub fn pop(&mut self, now: Instant) -> Option<usize> {
        while let Some(&Reverse((at, subject))) = self.heap.peek() {
            if at > now {
                return None;
            }
            self.heap.pop();
            if let Some(due) = self.expire(at, subject, now) {
                return Some(due);
            }
        }
        None
    }

    /// No subject is due before this; it may be early, never late.
    pub fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    fn expire(&mut self, at: Instant, subject: usize, now: Instant) -> Option<usize> {
        let timer = self.subjects.get_mut(subject)?;
        if timer.armed != Some(at) {
            return None;
        }
        timer.armed = None;
        let deadline = timer.deadline?;
        if deadline <= now {
            timer.deadline = None;
            return Some(subject);
        }
        timer.armed = Some(deadline);
        self.heap.push(Reverse((deadline, subject)));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn clock() -> impl Fn(u64) -> Instant {
        #[allow(clippy::disallowed_methods)]
        let start = Instant::now();
        move |ms| start + Duration::from_millis(ms)
    }

    fn due(timers: &mut Timers, now: Instant) -> Vec<usize> {
        std::iter::from_fn(|| timers.pop(now)).collect()
    }

    #[test]
    fn subjects_fire_in_the_order_of_their_deadlines() {
        let at = clock();
        let mut timers = Timers::default();
        timers.set(3, Some(at(20)));
        timers.set(1, Some(at(10)));
        timers.set(2, Some(at(30)));
        assert_eq!(due(&mut timers, at(20)), [1, 3]);
        assert_eq!(due(&mut timers, at(40)), [2]);
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn a_deadline_moved_back_fires_once_and_late() {
        let at = clock();
        let mut timers = Timers::default();
        for ms in 10..1000 {
            timers.set(0, Some(at(ms)));
        }
        assert!(timers.heap.len() <= 2);
        assert!(due(&mut timers, at(500)).is_empty());
        assert_eq!(due(&mut timers, at(999)), [0]);
        assert!(due(&mut timers, at(5000)).is_empty());
    }

    #[test]
    fn a_deadline_moved_forward_fires_once_and_early() {
        let at = clock();
        let mut timers = Timers::default();
        timers.set(0, Some(at(100)));
        timers.set(0, Some(at(10)));
        assert_eq!(timers.next(), Some(at(10)));
        assert_eq!(due(&mut timers, at(10)), [0]);
        assert!(due(&mut timers, at(200)).is_empty());
    }

    #[test]
    fn a_cleared_deadline_never_fires() {
        let at = clock();
        let mut timers = Timers::default();
        timers.set(0, Some(at(10)));
        timers.set(0, None);
        assert!(due(&mut timers, at(20)).is_empty());
    }
}
