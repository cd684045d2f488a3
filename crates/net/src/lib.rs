//! Sockets, threads and clocks: the only impure crate.
