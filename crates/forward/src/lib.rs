//! Forwarding of one track: reception, selection, munging and retransmission, without sockets or clocks.

pub mod packet;
