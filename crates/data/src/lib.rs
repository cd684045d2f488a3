//! SCTP association, DCEP and data channels with bounded send buffers; an adapter over `sctp-proto`.
