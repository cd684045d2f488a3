//! Who on other workers wants a track, at home; and what this worker told home it wants, on the far side.

use sluice_wire::id::WorkerId;

/// Other workers with subscribers of a track, at its home. Independent of whether the track is open.
#[derive(Debug, Default)]
pub struct Watchers {
    list: Vec<Watcher>,
}

#[derive(Debug, Clone, Copy)]
struct Watcher {
    worker: WorkerId,
    max_layer: Option<u8>,
}

impl Watchers {
    /// Notes what a worker wants; true where it is new.
    pub fn want(&mut self, worker: WorkerId, max_layer: Option<u8>) -> bool {
        let known = self
            .list
            .iter_mut()
            .find(|watcher| watcher.worker == worker);
        let new = known.is_none();
        if let Some(watcher) = known {
            watcher.max_layer = max_layer;
        } else {
            self.list.push(Watcher { worker, max_layer });
        }
        new
    }

    /// Forgets a worker.
    pub fn unwant(&mut self, worker: WorkerId) {
        self.list.retain(|watcher| watcher.worker != worker);
    }

    /// True where some worker wants packets of `layer`.
    pub fn want_layer(&self, layer: u8) -> bool {
        self.of_layer(layer).next().is_some()
    }

    /// Workers that want packets of `layer`.
    pub fn of_layer(&self, layer: u8) -> impl Iterator<Item = WorkerId> {
        self.list
            .iter()
            .filter(move |watcher| watcher.max_layer.is_some_and(|max| layer <= max))
            .map(|watcher| watcher.worker)
    }

    /// All workers.
    pub fn workers(&self) -> impl Iterator<Item = WorkerId> {
        self.list.iter().map(|watcher| watcher.worker)
    }

    /// True where nobody is interested.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

/// What this worker told a track's home.
#[derive(Debug)]
pub struct Wish {
    home: WorkerId,
    told: Told,
}

/// What home believes.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    /// It knows nothing of us.
    Nothing,
    /// Our subscribers want layers up to this one, or none while all are paused.
    Wanted(Option<u8>),
}

impl Wish {
    /// Nothing told yet.
    pub fn new(home: WorkerId) -> Self {
        Self {
            home,
            told: Told::Nothing,
        }
    }

    /// Where the track is published.
    pub fn home(&self) -> WorkerId {
        self.home
    }

    /// True where home must be told that `max_layer` is wanted now; it counts as told.
    pub fn change(&mut self, max_layer: Option<u8>) -> bool {
        let wanted = Told::Wanted(max_layer);
        let changed = self.told != wanted;
        self.told = wanted;
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_go_to_the_workers_that_want_their_layer() {
        let mut watchers = Watchers::default();
        assert!(watchers.want(WorkerId(1), Some(0)));
        assert!(watchers.want(WorkerId(2), Some(2)));
        assert!(watchers.want(WorkerId(3), None));
        assert!(!watchers.want(WorkerId(1), Some(1)));
        let of = |layer| watchers.of_layer(layer).map(|w| w.0).collect::<Vec<_>>();
        assert_eq!((of(0), of(1), of(2)), (vec![1, 2], vec![1, 2], vec![2]));
    }

    #[test]
    fn home_is_told_of_changes_only() {
        let mut wish = Wish::new(WorkerId(1));
        let told: Vec<_> = [Some(2), Some(2), None, None, Some(0)]
            .into_iter()
            .map(|layer| wish.change(layer))
            .collect();
        assert_eq!(told, [true, false, true, false, true]);
    }
}
