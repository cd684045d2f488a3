//! One WebRTC transport: datagrams in, RTP, RTCP and data out; and back.
