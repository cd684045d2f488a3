//! What a worker asks of the scheduler: a core of its own, so that its caches stay warm and its sockets' softirq work
//! close; sleeps that end on time; and to come before whatever else runs there.

/// The cores that this process may use; empty where the system doesn't tell.
#[cfg(target_os = "linux")]
pub fn allowed_cores() -> Vec<usize> {
    use nix::sched::{CpuSet, sched_getaffinity};
    use nix::unistd::Pid;

    let Ok(set) = sched_getaffinity(Pid::from_raw(0)) else {
        return Vec::new();
    };
    (0..CpuSet::count())
        .filter(|&core| set.is_set(core).unwrap_or(false))
        .collect()
}

/// Binds the calling thread to one core. False where the system refuses; nothing depends on it.
#[cfg(target_os = "linux")]
pub fn pin(core: usize) -> bool {
    use nix::sched::{CpuSet, sched_setaffinity};
    use nix::unistd::Pid;

    let mut set = CpuSet::new();
    set.set(core).is_ok() && sched_setaffinity(Pid::from_raw(0), &set).is_ok()
}

/// Lets sleeps of the calling thread end on time: by default the kernel may add 50 µs to each. Nothing depends on it.
#[cfg(target_os = "linux")]
pub fn sleep_exactly() {
    let _ = nix::sys::prctl::set_timerslack(TIMER_SLACK_NS);
}

/// Lets the calling thread run before those of usual priority where they compete: a packet that waits for a core is late
/// for everybody. Takes `CAP_SYS_NICE` or a limit on niceness (`ulimit -e`); false where the system refuses, and nothing
/// depends on it.
#[cfg(target_os = "linux")]
pub fn come_first() -> bool {
    // On Linux niceness is each thread's own (sched(7)).
    rustix::process::setpriority_process(Some(rustix::thread::gettid()), MEDIA_NICENESS).is_ok()
}

/// Lets the calling thread run before others: not possible here.
#[cfg(not(target_os = "linux"))]
pub fn come_first() -> bool {
    false
}

/// Lets sleeps of the calling thread end on time: as well as this system can by itself.
#[cfg(not(target_os = "linux"))]
pub fn sleep_exactly() {}

/// The cores that this process may use: not known here.
#[cfg(not(target_os = "linux"))]
pub fn allowed_cores() -> Vec<usize> {
    Vec::new()
}

/// Binds the calling thread to one core: not possible here.
#[cfg(not(target_os = "linux"))]
pub fn pin(_core: usize) -> bool {
    false
}

/// The core for each worker; none where they are better left to the scheduler.
///
/// Unless asked for, workers are pinned only where every one gets a core and enough cores remain for the control
/// plane and whatever else runs: two servers pinned to the same core of a small machine would halve each other.
pub fn plan(workers: usize, cores: &[usize], wish: Option<bool>) -> Vec<Option<usize>> {
    let pin = wish.unwrap_or(cores.len() >= MIN_CORES && workers < cores.len());
    (0..workers)
        .map(|worker| {
            cores
                .get(worker % cores.len().max(1))
                .copied()
                .filter(|_| pin)
        })
        .collect()
}

/// What a sleep may be late for the sake of others that end soon after: the gathering of a busy worker is 250 µs long.
#[cfg(target_os = "linux")]
const TIMER_SLACK_NS: u64 = 5_000;

/// Nine times the share of a thread of usual priority, while both want the core.
#[cfg(target_os = "linux")]
const MEDIA_NICENESS: i32 = -10;

/// Below this a machine has no core to set aside.
const MIN_CORES: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_machine_is_left_to_the_scheduler() {
        assert_eq!(plan(2, &[0, 1], None), [None, None]);
    }

    #[test]
    fn a_large_machine_gives_each_worker_a_core() {
        assert_eq!(plan(3, &[0, 2, 4, 6], None), [Some(0), Some(2), Some(4)]);
    }

    #[test]
    fn the_operator_has_the_last_word() {
        assert_eq!(plan(3, &[0, 1], Some(true)), [Some(0), Some(1), Some(0)]);
        assert_eq!(plan(1, &[0, 1, 2, 3], Some(false)), [None]);
        assert_eq!(plan(1, &[], Some(true)), [None]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_thread_that_may_comes_before_others_and_others_stay_where_they_are() {
        use rustix::process::getpriority_process;
        use rustix::thread::gettid;

        let niceness = || getpriority_process(Some(gettid())).expect("threads have one");
        let before = niceness();
        let thread = std::thread::spawn(move || (come_first(), niceness())).join();
        let wanted = |allowed| if allowed { MEDIA_NICENESS } else { before };
        let (allowed, after) = thread.expect("the thread ends");
        assert_eq!(after, wanted(allowed));
        assert_eq!(niceness(), before);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_thread_can_be_pinned_to_an_allowed_core() {
        let cores = allowed_cores();
        let last = *cores.last().expect("a core runs this");
        let pinned = std::thread::spawn(move || (pin(last), allowed_cores())).join();
        assert_eq!(pinned.expect("the thread ends"), (true, vec![last]));
    }
}
