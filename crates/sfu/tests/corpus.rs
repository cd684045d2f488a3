//! Replays the fuzz corpus, as it is and with seeded mutations.

use sluice_corpus::replay;
use sluice_sfu::fuzz;

#[test]
fn data_packets_of_any_shape_are_read_and_rewritten_without_harm() {
    replay(env!("CARGO_MANIFEST_DIR"), "data_packet", fuzz::data_packet);
}

#[test]
fn data_track_packets_of_any_shape_change_in_their_handle_alone() {
    replay(
        env!("CARGO_MANIFEST_DIR"),
        "data_track_packet",
        fuzz::data_track_packet,
    );
}

#[test]
fn datagrams_from_anywhere_leave_nothing_behind() {
    replay(
        env!("CARGO_MANIFEST_DIR"),
        "worker_datagram",
        fuzz::worker_datagram,
    );
}

#[test]
fn decrypted_packets_of_any_shape_end_no_transport() {
    replay(
        env!("CARGO_MANIFEST_DIR"),
        "worker_media",
        fuzz::worker_media,
    );
}
