//! How many allocations each user has, over all workers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The counts. The one thing that the servers of a node share: locked when an allocation comes or goes, never on
/// the way of a packet.
#[derive(Debug)]
pub struct Quotas {
    limit: u32,
    users: Mutex<HashMap<String, u32>>,
}

/// One allocation of a user; given back when dropped.
#[derive(Debug)]
pub(crate) struct Ticket {
    quotas: Arc<Quotas>,
    user: String,
}

impl Quotas {
    /// At most `limit` allocations a user; 0 for any number.
    pub fn new(limit: u32) -> Arc<Self> {
        Arc::new(Self {
            limit,
            users: Mutex::default(),
        })
    }

    /// One more for this user. None where it has as many as it may.
    pub(crate) fn take(self: &Arc<Self>, user: &str) -> Option<Ticket> {
        let mut users = self.users();
        let count = users.entry(user.to_owned()).or_default();
        if self.limit != 0 && *count >= self.limit {
            return None;
        }
        *count += 1;
        Some(Ticket {
            quotas: Arc::clone(self),
            user: user.to_owned(),
        })
    }

    fn users(&self) -> MutexGuard<'_, HashMap<String, u32>> {
        // Counts are whole between any two statements.
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut users = self.quotas.users();
        if let Some(count) = users.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                users.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_at_the_limit_gets_no_more_until_one_is_given_back() {
        let quotas = Quotas::new(2);
        let first = quotas.take("PA_1");
        let second = quotas.take("PA_1");
        assert!(first.is_some() && second.is_some());
        assert!(quotas.take("PA_1").is_none());
        let other = quotas.take("PA_2");
        assert!(other.is_some(), "others are not concerned");
        drop(first);
        assert!(quotas.take("PA_1").is_some());
        drop((second, other));
        assert!(quotas.users().is_empty(), "nothing is remembered");
    }
}
