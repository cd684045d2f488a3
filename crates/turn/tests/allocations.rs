//! Nothing is allocated for a packet on a channel, either way.
#![allow(clippy::disallowed_methods)]

mod support;

use std::alloc::System;

use sluice_turn::FromClient;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use support::{Bench, MEDIA, WALL, user};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn packets_on_a_channel_cost_no_allocation() {
    let mut bench = Bench::new();
    let mut user = user(1, "PA_1");
    let relayed = bench.allocate(&mut user);
    assert_eq!(bench.bind(&mut user, 0x4001, MEDIA), 0);
    let peer = MEDIA.parse().expect("an address");
    let message = [&[0x40, 0x01, 0x04, 0x00][..], &[7; 1024]].concat();
    let mut out = Vec::with_capacity(2048);
    let region = Region::new(ALLOCATOR);
    for _ in 0..1000 {
        let sent = bench
            .server
            .handle_client(bench.now, WALL, user.client, &message);
        assert!(matches!(sent, FromClient::Relay { .. }));
        out.clear();
        let to = bench
            .server
            .handle_peer(bench.now, relayed, peer, &message, &mut out);
        assert_eq!(to, Some(user.client));
    }
    let change = region.change();
    assert_eq!((change.allocations, change.reallocations), (0, 0));
}
