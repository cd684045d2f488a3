//! Replays the fuzz corpus, as it is and with seeded mutations.

use sluice_corpus::replay;
use sluice_data::fuzz;

#[test]
fn dcep_of_any_shape_is_taken_without_harm() {
    replay(env!("CARGO_MANIFEST_DIR"), "dcep", fuzz::dcep);
}

#[test]
fn sctp_of_any_shape_is_taken_without_harm() {
    replay(env!("CARGO_MANIFEST_DIR"), "packet", fuzz::packet);
}
