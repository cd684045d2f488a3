//! What a transport that stands and says nothing holds on the heap.

mod support;

use std::alloc::System;
use std::time::Duration;

use sluice_peer::{ChannelSettings, Peer};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use support::Net;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn an_idle_transport_is_small() {
    let mut nets = Vec::new();
    for seed in 0..16 {
        let mut net = Net::new(seed);
        net.server
            .peer
            .open_data_channel(net.now, ChannelSettings::reliable("_reliable"));
        net.server
            .peer
            .open_data_channel(net.now, ChannelSettings::lossy("_lossy"));
        net.signal();
        assert!(net.run_until(Duration::from_secs(5), Net::both_connected));
        net.run_for(Duration::from_secs(10));
        net.server.events = Vec::new();
        nets.push(net);
    }
    let peers: Vec<_> = nets.into_iter().map(|net| net.server.peer).collect();
    let count = peers.len();
    let region = Region::new(ALLOCATOR);
    drop(peers);
    let change = region.change();
    let each = change.bytes_deallocated / count + size_of::<Peer>();
    assert!(each <= BUDGET, "{each} bytes a transport");
}

/// ICE with one pair, DTLS keys, SRTP both ways, SCTP with two channels: 29,500 bytes when this was written, of which the
/// libraries have all but 3,000. 34,400 where the whole workspace is tested, which turns on features of libraries that
/// the server is built without.
const BUDGET: usize = 36_000;
