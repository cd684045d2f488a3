//! What was measured, once a round, and the median of it.

use std::time::Duration;

use serde_json::{Value, json};

/// One step under one set of parameters, in all rounds.
#[derive(Debug)]
pub struct Figure {
    /// What was done.
    pub step: &'static str,
    /// In which way; may be empty.
    pub mode: &'static str,
    /// Of each datagram's UDP payload.
    pub bytes: usize,
    /// Datagrams handled by one system call.
    pub train: usize,
    /// Nanoseconds for each datagram, a round each.
    pub nanoseconds: Vec<f64>,
}

/// All figures.
#[derive(Debug, Default)]
pub struct Figures(Vec<Figure>);

impl Figure {
    /// What `count` datagrams took in one round.
    pub fn of(
        (step, mode): (&'static str, &'static str),
        (bytes, train): (usize, usize),
        time: Duration,
        count: usize,
    ) -> Self {
        Self {
            step,
            mode,
            bytes,
            train,
            nanoseconds: vec![time.as_nanos() as f64 / count.max(1) as f64],
        }
    }

    /// Median, least and most.
    pub fn to_json(&self) -> Value {
        let sorted = self.sorted();
        let at = |index: usize| sorted.get(index).map(|value| value.round());
        json!({
            "step": self.step,
            "mode": self.mode,
            "bytes": self.bytes,
            "train": self.train,
            "ns": at(sorted.len() / 2),
            "least": at(0),
            "most": at(sorted.len().saturating_sub(1)),
        })
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.nanoseconds.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

impl Figures {
    /// Adds a round's figure to those of the rounds before.
    pub fn add(&mut self, figure: Figure) {
        let same = |known: &&mut Figure| {
            (known.step, known.mode, known.bytes, known.train)
                == (figure.step, figure.mode, figure.bytes, figure.train)
        };
        match self.0.iter_mut().find(same) {
            Some(known) => known.nanoseconds.extend(figure.nanoseconds),
            None => self.0.push(figure),
        }
    }

    /// In the order of their first round.
    pub fn all(&self) -> &[Figure] {
        &self.0
    }

    /// Nanoseconds for each datagram; none where it was not measured.
    pub fn median(&self, step: &str, bytes: usize, train: usize, mode: &str) -> Option<f64> {
        let found = self.0.iter().find(|figure| {
            (figure.step, figure.bytes, figure.train, figure.mode) == (step, bytes, train, mode)
        })?;
        let sorted = found.sorted();
        sorted.get(sorted.len() / 2).map(|value| value.round())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_the_rounds_is_told() {
        let mut figures = Figures::default();
        for nanoseconds in [900, 100, 300] {
            let time = Duration::from_nanos(10 * nanoseconds);
            figures.add(Figure::of(("send", "connected"), (160, 1), time, 10));
        }
        assert_eq!(figures.all().len(), 1);
        assert_eq!(figures.median("send", 160, 1, "connected"), Some(300.0));
        assert_eq!(figures.median("send", 160, 2, "connected"), None);
        let told = figures.all()[0].to_json();
        assert_eq!(
            (&told["least"], &told["most"]),
            (&json!(100.0), &json!(900.0))
        );
    }
}
