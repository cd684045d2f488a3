//! Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1).

use rtc_rtcp::transport_feedbacks::transport_layer_cc::{
    PacketStatusChunk, RecvDelta, RunLengthChunk, StatusChunkTypeTcc, StatusVectorChunk,
    SymbolSizeTypeTcc, SymbolTypeTcc, TYPE_TCC_DELTA_SCALE_FACTOR, TransportLayerCc,
};

use crate::id::Ssrc;

/// Which packets of a transport came in, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransportCcFeedback {
    /// Who received them.
    pub sender: Ssrc,
    /// Any stream of the transport.
    pub media: Ssrc,
    /// Transport-wide sequence number of the first status.
    pub base_sequence: u16,
    /// Arbitrary epoch of the receiver, 24 bits, units of 64 ms.
    pub reference_time: u32,
    /// Counts feedback packets, so that lost ones show.
    pub feedback_count: u8,
    /// One status per sequence number, at most [`Self::MAX_STATUSES`]: for a received packet the time since the
    /// one received before it (the first: since the reference time), units of 250 µs; `None` where it is missing
    /// or came without a time.
    pub arrivals: Vec<Option<i16>>,
}

impl TransportCcFeedback {
    /// Most statuses read or written in one packet.
    pub const MAX_STATUSES: usize = 4_096;
    /// Unit of [`Self::reference_time`], microseconds.
    pub const REFERENCE_UNIT_US: u64 = 64_000;
    /// Unit of [`Self::arrivals`], microseconds.
    pub const DELTA_UNIT_US: u64 = 250;
}

/// True where the status count is one that we read: checked before anything is allocated for it.
pub(super) fn acceptable(body: &[u8]) -> bool {
    let count = body.get(10..).and_then(<[u8]>::first_chunk::<2>);
    count.is_some_and(|&count| {
        usize::from(u16::from_be_bytes(count)) <= TransportCcFeedback::MAX_STATUSES
    })
}

pub(super) fn read(packet: &TransportLayerCc) -> Option<TransportCcFeedback> {
    let count = usize::from(packet.packet_status_count);
    let mut deltas = packet.recv_deltas.iter();
    let mut arrivals = Vec::with_capacity(count);
    let mut status = |symbol: SymbolTypeTcc| {
        if arrivals.len() == count {
            return Some(());
        }
        arrivals.push(match symbol {
            SymbolTypeTcc::PacketReceivedSmallDelta | SymbolTypeTcc::PacketReceivedLargeDelta => {
                let delta = deltas.next()?.delta / TYPE_TCC_DELTA_SCALE_FACTOR;
                Some(i16::try_from(delta).ok()?)
            }
            SymbolTypeTcc::PacketNotReceived | SymbolTypeTcc::PacketReceivedWithoutDelta => None,
        });
        Some(())
    };
    for chunk in &packet.packet_chunks {
        match chunk {
            PacketStatusChunk::RunLengthChunk(run) => {
                for _ in 0..usize::from(run.run_length).min(count) {
                    status(run.packet_status_symbol)?;
                }
            }
            PacketStatusChunk::StatusVectorChunk(vector) => {
                vector
                    .symbol_list
                    .iter()
                    .try_for_each(|&symbol| status(symbol))?;
            }
        }
    }
    Some(TransportCcFeedback {
        sender: Ssrc(packet.sender_ssrc),
        media: Ssrc(packet.media_ssrc),
        base_sequence: packet.base_sequence_number,
        reference_time: packet.reference_time,
        feedback_count: packet.fb_pkt_count,
        arrivals,
    })
}

pub(super) fn to_packet(feedback: &TransportCcFeedback) -> TransportLayerCc {
    let arrivals = feedback
        .arrivals
        .get(..TransportCcFeedback::MAX_STATUSES)
        .unwrap_or(&feedback.arrivals);
    let symbols: Vec<SymbolTypeTcc> = arrivals.iter().copied().map(symbol).collect();
    let recv_deltas = arrivals.iter().flatten().map(|&delta| RecvDelta {
        type_tcc_packet: symbol(Some(delta)),
        delta: i64::from(delta) * TYPE_TCC_DELTA_SCALE_FACTOR,
    });
    TransportLayerCc {
        sender_ssrc: feedback.sender.0,
        media_ssrc: feedback.media.0,
        base_sequence_number: feedback.base_sequence,
        packet_status_count: symbols.len() as u16, // at most MAX_STATUSES
        reference_time: feedback.reference_time & 0x00ff_ffff,
        fb_pkt_count: feedback.feedback_count,
        recv_deltas: recv_deltas.collect(),
        packet_chunks: chunks(&symbols),
    }
}

fn symbol(arrival: Option<i16>) -> SymbolTypeTcc {
    match arrival {
        None => SymbolTypeTcc::PacketNotReceived,
        Some(0..=255) => SymbolTypeTcc::PacketReceivedSmallDelta,
        Some(_) => SymbolTypeTcc::PacketReceivedLargeDelta,
    }
}

/// Covers the symbols greedily: a run where it says more than a vector would, else the denser vector that fits.
fn chunks(symbols: &[SymbolTypeTcc]) -> Vec<PacketStatusChunk> {
    let mut chunks = Vec::new();
    let mut rest = symbols;
    while let Some(&first) = rest.first() {
        let run = rest
            .iter()
            .take_while(|&&symbol| symbol == first)
            .count()
            .min(MAX_RUN);
        let narrow = rest
            .iter()
            .take(ONE_BIT)
            .take_while(|&&symbol| is_one_bit(symbol))
            .count();
        let narrow_fits = narrow == rest.len().min(ONE_BIT);
        let vector = if narrow_fits { ONE_BIT } else { TWO_BIT };
        let covered = if run >= vector.min(rest.len()) {
            chunks.push(PacketStatusChunk::RunLengthChunk(RunLengthChunk {
                type_tcc: StatusChunkTypeTcc::RunLengthChunk,
                packet_status_symbol: first,
                run_length: run as u16, // at most MAX_RUN
            }));
            run
        } else {
            let covered = vector.min(rest.len());
            let symbol_list = rest.iter().take(covered).copied();
            chunks.push(PacketStatusChunk::StatusVectorChunk(StatusVectorChunk {
                type_tcc: StatusChunkTypeTcc::StatusVectorChunk,
                symbol_size: if narrow_fits {
                    SymbolSizeTypeTcc::OneBit
                } else {
                    SymbolSizeTypeTcc::TwoBit
                },
                symbol_list: symbol_list.collect(),
            }));
            covered
        };
        rest = rest.get(covered..).unwrap_or_default();
    }
    chunks
}

fn is_one_bit(symbol: SymbolTypeTcc) -> bool {
    matches!(
        symbol,
        SymbolTypeTcc::PacketNotReceived | SymbolTypeTcc::PacketReceivedSmallDelta
    )
}

/// Longest run of a run-length chunk: 13 bits.
const MAX_RUN: usize = 8_191;
/// Symbols of a one-bit vector.
const ONE_BIT: usize = 14;
/// Symbols of a two-bit vector.
const TWO_BIT: usize = 7;
