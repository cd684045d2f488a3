//! Counters of a worker: what moved, and why anything was dropped.

/// Declares the counters once: the field, and the name under which `workerStats` reports it.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counters since the worker started.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct Counters { $($(#[$doc])* pub $name: u64,)* }

        impl Counters {
            /// Every counter with its name.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }
        }
    };
}

counters! {
    /// Datagrams that came in.
    packets_in,
    /// Their bytes.
    bytes_in,
    /// Media packets that came in, after decryption.
    rtp_in,
    /// Datagrams that went out.
    packets_out,
    /// Their bytes.
    bytes_out,
    /// Media packets that went out.
    rtp_out,
    /// Packets sent again upon NACK.
    rtx_out,
    /// Their bytes.
    rtx_bytes_out,
    /// Packets that subscribers missed, by their NACKs.
    nack_in,
    /// Packets asked of publishers again.
    nack_out,
    /// Key frames that subscribers asked for by PLI.
    pli_in,
    /// Key frames that subscribers asked for by FIR.
    fir_in,
    /// Key frames asked of publishers.
    key_frame_requests,
    /// Messages handed to other workers.
    link_out,
    /// Messages that came from other workers.
    link_in,
    /// Data messages that came in from participants.
    data_in,
    /// Data messages handed to receivers' transports.
    data_out,
    /// Commands that named something unknown.
    drop_command,
    /// Datagrams from an address that belongs to no peer and that are no check for one of ours.
    drop_no_route,
    /// Datagrams of no known protocol (RFC 7983).
    drop_junk,
    /// Datagrams that the transport refused: unvalidated source, bad tag, replay, malformed.
    drop_transport,
    /// Decrypted packets whose RTP header doesn't parse.
    drop_malformed_rtp,
    /// Decrypted RTCP that doesn't parse.
    drop_malformed_rtcp,
    /// Media of an SSRC that no section announces.
    drop_unknown_ssrc,
    /// Media of SSRCs beyond what one transport may have.
    drop_ssrc_cap,
    /// Media of a layer that its section doesn't have.
    drop_unknown_layer,
    /// Media of a payload type that its section doesn't have.
    drop_unknown_payload_type,
    /// Bandwidth probes before any stream.
    drop_probe,
    /// Media of an SSRC that another one replaced.
    drop_retired_ssrc,
    /// Repairs of a stream of which nothing came in yet.
    drop_repair_not_started,
    /// Media far from its stream's sequence numbers.
    drop_jump,
    /// Media that came in before.
    drop_duplicate,
    /// Media too late for any subscriber.
    drop_too_old,
    /// Packets of nothing but padding.
    drop_padding,
    /// Repairs too short for a sequence number.
    drop_malformed_repair,
    /// Packets that left a ring before they were fanned out.
    drop_overrun,
    /// Packets whose subscriber has no path yet.
    drop_no_path,
    /// Packets that didn't fit a send slot or could not be sealed.
    drop_seal,
    /// Packets for another worker that found no free buffer.
    drop_link_pool,
    /// Link messages for a track this worker knows nothing of.
    drop_link_stray,
    /// Data messages that are no `DataPacket`.
    drop_data_malformed,
    /// Data messages above the size limit.
    drop_data_oversize,
    /// Data messages of senders without the permission, or of a kind they may not send.
    drop_data_forbidden,
    /// Reliable data messages at or below the highest sequence already handled.
    drop_data_sequence,
    /// Data messages to a receiver whose queue is full.
    drop_data_slow,
    /// Data messages to a receiver without an open channel.
    drop_data_no_channel,
    /// Packets of data tracks that are not published, or have nobody here any more.
    drop_data_track_unknown,
    /// Transports that a bug of ours ended.
    peer_panics,
}
