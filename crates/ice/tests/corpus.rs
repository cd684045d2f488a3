//! Replays the fuzz corpus, as it is and with seeded mutations.

use sluice_corpus::replay;
use sluice_ice::fuzz;

#[test]
fn stun_of_any_shape_is_taken_without_harm() {
    replay(env!("CARGO_MANIFEST_DIR"), "datagram", fuzz::datagram);
}
