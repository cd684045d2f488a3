//! Session descriptions (RFC 8829): what servers write, read as far as a client needs it, and what a client writes.

mod answer;
mod attributes;
mod candidate;
mod format;
mod offer;
mod parse;

pub use answer::write_answer;
pub use attributes::extension_ids;
pub use candidate::{candidate_init, read_candidate, read_candidate_init};
pub use format::formats;
pub use offer::{OfferedSection, Role, write_offer};
pub use parse::{Description, Media, Section};

#[cfg(test)]
mod tests;
