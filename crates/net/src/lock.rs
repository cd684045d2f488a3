//! The only kind of lock there is in this crate, counted: nothing that is done for a packet may take one.

use std::cell::Cell;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A value that threads share.
#[derive(Debug, Default)]
pub struct Lock<T>(Mutex<T>);

impl<T> Lock<T> {
    /// Holds `value`.
    pub fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// Waits for the value. A thread that panicked with it left it whole: nothing here is changed in two steps.
    pub fn take(&self) -> MutexGuard<'_, T> {
        TAKEN.set(TAKEN.get() + 1);
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many locks this thread has taken since it started.
pub fn taken() -> u64 {
    TAKEN.get()
}

thread_local! {
    static TAKEN: Cell<u64> = const { Cell::new(0) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn locks_are_counted_by_the_thread_that_takes_them() {
        let lock = Lock::new(1);
        *lock.take() += 1;
        let elsewhere = std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                let value = *lock.take();
                (value, taken())
            });
            other.join().expect("it ends")
        });
        assert_eq!(elsewhere, (2, 1));
        assert_eq!(taken(), 1);
    }

    #[test]
    fn there_are_no_locks_but_these() {
        let mut others = Vec::new();
        look(
            Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")),
            &mut others,
        );
        assert_eq!(others, Vec::<String>::new());
    }

    /// Files that name another kind.
    fn look(folder: &Path, others: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).expect("the sources are there") {
            let path = entry.expect("it can be read").path();
            if path.is_dir() {
                look(&path, others);
            } else if !path.ends_with("lock.rs") {
                let text = std::fs::read_to_string(&path).expect("it is text");
                if ["Mutex", "RwLock", "Condvar"]
                    .iter()
                    .any(|kind| text.contains(kind))
                {
                    others.push(path.display().to_string());
                }
            }
        }
    }
}
