//! Replays the fuzz corpus, as it is and with seeded mutations.

use sluice_corpus::replay;
use sluice_turn::fuzz;

#[test]
fn messages_of_any_shape_are_taken_without_harm() {
    replay(env!("CARGO_MANIFEST_DIR"), "client", fuzz::client);
}

#[test]
fn streams_of_any_shape_are_cut_into_messages_or_ended() {
    replay(env!("CARGO_MANIFEST_DIR"), "stream", fuzz::stream);
}

#[test]
fn answers_of_any_shape_are_read_without_harm() {
    replay(env!("CARGO_MANIFEST_DIR"), "answer", fuzz::answer);
}
