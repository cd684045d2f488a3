//! What a probe found, step by step.

use std::fmt::Display;
use std::time::{Duration, Instant};

use serde::Serialize;

/// All steps tried, in order; the last one failed, or it is the last of all.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    steps: Vec<Step>,
}

/// One step.
#[derive(Debug, Serialize)]
struct Step {
    #[serde(rename = "step")]
    name: &'static str,
    ok: bool,
    /// Milliseconds that it took.
    ms: f64,
    /// Why it failed, or what is worth knowing.
    detail: String,
}

impl Report {
    /// Does a step and writes down what came of it. Done again under the same name it counts as the same step.
    pub(super) fn step<T, E: Display>(
        &mut self,
        step: &'static str,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Option<T> {
        let begun = Instant::now();
        match work() {
            Ok(value) => {
                self.passed(step, begun.elapsed());
                Some(value)
            }
            Err(error) => {
                self.failed(step, begun.elapsed(), error.to_string());
                None
            }
        }
    }

    /// A step that went well.
    pub(super) fn passed(&mut self, step: &'static str, took: Duration) {
        self.push(step, true, took, String::new());
    }

    /// The step that went wrong.
    pub(super) fn failed(&mut self, step: &'static str, took: Duration, detail: String) {
        self.push(step, false, took, detail);
    }

    /// What is worth knowing of the last step.
    pub(super) fn note(&mut self, detail: String) {
        if let Some(last) = self.steps.last_mut() {
            last.detail = detail;
        }
    }

    fn push(&mut self, name: &'static str, ok: bool, took: Duration, detail: String) {
        let ms = (took.as_secs_f64() * 10_000.0).round() / 10.0;
        match self.steps.last_mut() {
            Some(last) if last.name == name => {
                last.ok = ok;
                last.ms += ms;
                last.detail = detail;
            }
            _ => self.steps.push(Step {
                name,
                ok,
                ms,
                detail,
            }),
        }
    }
}
