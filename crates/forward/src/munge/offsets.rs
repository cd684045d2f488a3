//! Renumbering: inputs that are left out close up, inputs that are missing keep their place.

/// Maps growing input numbers to output numbers.
///
/// Numbers that were left out on purpose leave no gap behind them. Numbers that never came keep one, so that they
/// fit in when they come late.
#[derive(Debug, Clone)]
pub struct OffsetMap {
    spans: [Span; SPANS],
    /// Index of the newest span.
    newest: usize,
    len: usize,
    /// One above the highest input seen.
    next: u64,
    /// Output minus input for what comes next.
    delta: i64,
}

/// From `from` up to the next span.
#[derive(Debug, Clone, Copy, Default)]
struct Span {
    from: u64,
    /// None where these inputs were left out.
    delta: Option<i64>,
}

impl OffsetMap {
    /// A map that gives `output` for `input` and knows nothing below it.
    pub fn new(input: u64, output: u64) -> Self {
        let delta = output.wrapping_sub(input).cast_signed();
        let mut map = Self {
            spans: [Span::default(); SPANS],
            newest: 0,
            len: 0,
            next: input,
            delta,
        };
        map.push(input, Some(delta));
        map
    }

    /// Highest input seen, or one below the first.
    pub const fn highest(&self) -> u64 {
        self.next.wrapping_sub(1)
    }

    /// The output of an input that is kept. None where it was left out before, or is too old to tell.
    pub fn keep(&mut self, input: u64) -> Option<u64> {
        if input >= self.next {
            if self.newest_is_gap() {
                self.push(self.next, Some(self.delta));
            }
            self.next = input.wrapping_add(1);
            return Some(input.wrapping_add_signed(self.delta));
        }
        self.peek(input)
    }

    /// The output of an input, without remembering it.
    pub fn peek(&self, input: u64) -> Option<u64> {
        if input >= self.next {
            return Some(input.wrapping_add_signed(self.delta));
        }
        (0..self.len)
            .filter_map(|back| self.spans.get((self.newest + SPANS - back) % SPANS))
            .find(|span| span.from <= input)
            .and_then(|span| span.delta)
            .map(|delta| input.wrapping_add_signed(delta))
    }

    /// Leaves an input out. What comes after it moves up, unless it is late: then its place stays empty.
    pub fn leave_out(&mut self, input: u64) {
        if input < self.next {
            return;
        }
        let follows = input == self.next;
        if self.newest_is_gap() && !follows {
            self.push(self.next, Some(self.delta));
        }
        if !self.newest_is_gap() {
            self.push(input, None);
        }
        self.delta -= 1;
        self.next = input.wrapping_add(1);
    }

    fn newest_is_gap(&self) -> bool {
        self.spans
            .get(self.newest)
            .is_some_and(|span| span.delta.is_none())
    }

    fn push(&mut self, from: u64, delta: Option<i64>) {
        self.newest = (self.newest + 1) % SPANS;
        self.len = (self.len + 1).min(SPANS);
        if let Some(span) = self.spans.get_mut(self.newest) {
            *span = Span { from, delta };
        }
    }
}

/// Spans kept: with every second frame of 30 a second left out, what is two seconds late still finds its place.
const SPANS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_closes_up() {
        let mut map = OffsetMap::new(100, 7);
        assert_eq!(map.keep(100), Some(7));
        map.leave_out(101);
        map.leave_out(102);
        assert_eq!(map.keep(103), Some(8));
        assert_eq!(map.keep(101), None);
        assert_eq!(map.keep(100), Some(7));
        assert_eq!(map.keep(99), None);
    }

    #[test]
    fn what_is_missing_keeps_its_place() {
        let mut map = OffsetMap::new(100, 1000);
        map.keep(100);
        assert_eq!(map.keep(103), Some(1003));
        map.leave_out(106);
        assert_eq!(map.keep(107), Some(1006));
        assert_eq!(map.keep(102), Some(1002));
        assert_eq!(map.keep(105), Some(1005));
        assert_eq!(map.keep(106), None);
    }

    #[test]
    fn a_late_input_left_out_leaves_its_place_empty() {
        let mut map = OffsetMap::new(0, 0);
        map.keep(0);
        map.keep(2);
        map.leave_out(1);
        assert_eq!(map.keep(3), Some(3));
    }

    #[test]
    fn gaps_inside_a_run_of_left_out_inputs_keep_their_place() {
        let mut map = OffsetMap::new(10, 10);
        map.keep(10);
        map.leave_out(11);
        map.leave_out(13);
        assert_eq!(map.keep(14), Some(12));
        assert_eq!(map.keep(12), Some(11));
    }

    #[test]
    fn the_oldest_spans_are_forgotten() {
        let mut map = OffsetMap::new(0, 0);
        for pair in 0..200 {
            map.keep(2 * pair);
            map.leave_out(2 * pair + 1);
        }
        assert_eq!(map.keep(0), None);
        assert_eq!(map.keep(398), Some(199));
    }
}
