//! Renumbering: inputs that are left out close up, inputs that are missing keep their place.

/// Maps growing input numbers to output numbers.
///
/// Numbers that were left out on purpose leave no gap behind them. Numbers that never came keep one, so that they
/// fit in when they come late.
///
/// What comes in order touches three numbers only. The spans behind them are on the heap, few of them where little is
/// left out, and are read for what is late.
#[derive(Debug)]
pub struct OffsetMap {
    /// One above the highest input seen.
    next: u64,
    /// Output minus input for what comes next.
    delta: i64,
    /// The newest input was left out.
    in_gap: bool,
    /// Index of the newest span.
    newest: usize,
    /// A ring once there are [`SPANS`] of them.
    spans: Vec<Span>,
}

/// From `from` up to the next span.
#[derive(Debug, Clone, Copy)]
struct Span {
    from: u64,
    /// None where these inputs were left out.
    delta: Option<i64>,
}

impl OffsetMap {
    /// A map that gives `output` for `input` and knows nothing below it.
    pub fn new(input: u64, output: u64) -> Self {
        let mut map = Self {
            next: input,
            delta: 0,
            in_gap: false,
            newest: 0,
            spans: Vec::new(),
        };
        map.restart(input, output);
        map
    }

    /// As a new map, in the memory of this one.
    pub fn restart(&mut self, input: u64, output: u64) {
        self.spans.clear();
        self.next = input;
        self.delta = output.wrapping_sub(input).cast_signed();
        self.push(input, Some(self.delta));
    }

    /// Highest input seen, or one below the first.
    pub const fn highest(&self) -> u64 {
        self.next.wrapping_sub(1)
    }

    /// The output of an input that is kept. None where it was left out before, or is too old to tell.
    #[inline]
    pub fn keep(&mut self, input: u64) -> Option<u64> {
        if input >= self.next {
            if self.in_gap {
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
        let len = self.spans.len();
        (0..len)
            .filter_map(|back| self.spans.get((self.newest + len - back) % len))
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
        if self.in_gap && !follows {
            self.push(self.next, Some(self.delta));
        }
        if !self.in_gap {
            self.push(input, None);
        }
        self.delta -= 1;
        self.next = input.wrapping_add(1);
    }

    fn push(&mut self, from: u64, delta: Option<i64>) {
        self.in_gap = delta.is_none();
        let span = Span { from, delta };
        if self.spans.len() < SPANS {
            self.newest = self.spans.len();
            self.spans.push(span);
            return;
        }
        self.newest = (self.newest + 1) % SPANS;
        if let Some(oldest) = self.spans.get_mut(self.newest) {
            *oldest = span;
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
