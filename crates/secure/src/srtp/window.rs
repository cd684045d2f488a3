//! Packet indices: the 48-bit extension of a sequence number, and which indices were already used.

/// Remembers the last `64 * WORDS` indices below the highest one, for replay lists (RFC 3711 section 3.3.2) and for
/// the rule that an index is sealed once.
#[derive(Debug, Clone)]
pub(crate) struct IndexWindow<const WORDS: usize> {
    highest: Option<u64>,
    /// Bit `i % SIZE` tells whether index `i` was used, for the `SIZE` indices up to `highest`.
    used: [u64; WORDS],
}

/// Why an index may not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stale {
    /// Used before.
    Used,
    /// Below the window: unknown, so refused.
    TooOld,
}

impl<const WORDS: usize> IndexWindow<WORDS> {
    const SIZE: u64 = 64 * WORDS as u64;

    pub const fn new() -> Self {
        Self {
            highest: None,
            used: [0; WORDS],
        }
    }

    /// A window whose indices up to `highest` all count as used.
    pub const fn resumed(highest: u64) -> Self {
        Self {
            highest: Some(highest),
            used: [u64::MAX; WORDS],
        }
    }

    /// The highest index used; 0 where none was.
    pub fn highest(&self) -> u64 {
        self.highest.unwrap_or(0)
    }

    /// The rollover counter of the highest index: its upper 32 bits.
    pub fn rollover(&self) -> u32 {
        self.highest.map_or(0, |highest| (highest >> 16) as u32)
    }

    /// The index of a packet by its 16-bit sequence number, the nearest to the highest one (RFC 3711 section 3.3.1).
    /// A first packet has rollover counter 0. `None` below index 0 and above 2^48 - 1.
    pub fn estimate(&self, sequence: u16) -> Option<u64> {
        let Some(highest) = self.highest else {
            return Some(u64::from(sequence));
        };
        let distance = sequence.wrapping_sub(highest as u16).cast_signed();
        highest
            .checked_add_signed(i64::from(distance))
            .filter(|index| *index <= MAX_INDEX)
    }

    /// Whether `index` may still be used.
    pub fn check(&self, index: u64) -> Result<(), Stale> {
        match self.highest {
            Some(highest) if index <= highest => {
                if highest - index >= Self::SIZE {
                    return Err(Stale::TooOld);
                }
                let (word, bit) = Self::place(index);
                if self.used[word] & bit == 0 {
                    Ok(())
                } else {
                    Err(Stale::Used)
                }
            }
            _ => Ok(()),
        }
    }

    /// Marks `index` used. Call only after `check` and, inbound, only after authentication.
    pub fn mark(&mut self, index: u64) {
        match self.highest {
            Some(highest) if index <= highest => {}
            Some(highest) if index - highest < Self::SIZE => {
                for skipped in highest + 1..index {
                    let (word, bit) = Self::place(skipped);
                    self.used[word] &= !bit;
                }
                self.highest = Some(index);
            }
            _ => {
                self.used = [0; WORDS];
                self.highest = Some(index);
            }
        }
        let (word, bit) = Self::place(index);
        self.used[word] |= bit;
    }

    fn place(index: u64) -> (usize, u64) {
        let at = index % Self::SIZE;
        ((at / 64) as usize, 1 << (at % 64))
    }
}

/// 32 bits of rollover counter and 16 of sequence number.
const MAX_INDEX: u64 = (1 << 48) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_wrap_raises_the_rollover_counter() {
        let mut window = IndexWindow::<2>::new();
        window.mark(65_534);
        assert_eq!(window.estimate(65_535), Some(65_535));
        assert_eq!(window.estimate(3), Some(65_539));
        window.mark(65_539);
        assert_eq!(window.rollover(), 1);
        assert_eq!(
            window.estimate(65_535),
            Some(65_535),
            "a late packet of before the wrap"
        );
    }

    #[test]
    fn sequence_before_the_very_first_rollover_has_no_index() {
        let mut window = IndexWindow::<2>::new();
        window.mark(2);
        assert_eq!(window.estimate(65_000), None);
    }

    #[test]
    fn index_is_used_once_and_forgotten_below_the_window() {
        let mut window = IndexWindow::<2>::new();
        window.mark(1_000);
        assert_eq!(window.check(1_000), Err(Stale::Used));
        assert_eq!(window.check(999), Ok(()));
        window.mark(999);
        assert_eq!(window.check(999), Err(Stale::Used));
        assert_eq!(window.check(1_000 - 127), Ok(()));
        assert_eq!(window.check(1_000 - 128), Err(Stale::TooOld));
        window.mark(1_100);
        assert_eq!(window.check(999), Err(Stale::Used), "still in the window");
        assert_eq!(window.check(1_050), Ok(()), "skipped, not used");
        window.mark(9_999);
        assert_eq!(window.check(9_990), Ok(()));
        assert_eq!(window.check(1_100), Err(Stale::TooOld));
    }

    /// The window against a plain set, over seeded walks.
    #[test]
    fn window_agrees_with_a_set_of_all_indices() {
        use rand::{Rng, SeedableRng, rngs::SmallRng};
        for seed in 0..50 {
            let mut rng = SmallRng::seed_from_u64(seed);
            let (mut window, mut seen) =
                (IndexWindow::<2>::new(), std::collections::HashSet::new());
            let mut highest: Option<u64> = None;
            for _ in 0..2_000 {
                let index = match highest {
                    None => rng.random_range(0..70_000u64),
                    Some(top) => (top + rng.random_range(0..160u64))
                        .saturating_sub(rng.random_range(0..158u64)),
                };
                let expected = match highest {
                    Some(top) if index + 128 <= top => Err(Stale::TooOld),
                    _ if seen.contains(&index) => Err(Stale::Used),
                    _ => Ok(()),
                };
                assert_eq!(window.check(index), expected, "seed {seed}, index {index}");
                if expected.is_ok() {
                    window.mark(index);
                    seen.insert(index);
                    highest = highest.max(Some(index));
                }
            }
        }
    }
}
