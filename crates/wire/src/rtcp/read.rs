//! Datagram to packets.

use bytes::Buf;
use rtc_rtcp::Packet;
use rtc_rtcp::extended_report::{
    DLRRReportBlock, ExtendedReport, ReceiverReferenceTimeReportBlock,
};
use rtc_rtcp::goodbye::Goodbye;
use rtc_rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc_rtcp::payload_feedbacks::receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate;
use rtc_rtcp::receiver_report::ReceiverReport;
use rtc_rtcp::reception_report::ReceptionReport;
use rtc_rtcp::sender_report::SenderReport;
use rtc_rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack;

use super::{
    MAX_NACK, MAX_REMB, MIN_REMB, ReferenceDelay, ReportBlock, Rtcp, source_description,
    transport_cc,
};
use crate::id::Ssrc;

/// Appends the packets of a decrypted compound to `out`, at most [`MAX_PACKETS`].
///
/// A packet with malformed content becomes [`Rtcp::Unknown`]. An error means that framing broke; packets before
/// that place have been appended. A first packet other than a report (RFC 5506) is fine.
pub fn parse_compound(datagram: &[u8], out: &mut Vec<Rtcp>) -> Result<(), RtcpError> {
    let mut rest = datagram;
    for _ in 0..MAX_PACKETS {
        if rest.is_empty() {
            return Ok(());
        }
        let frame;
        (frame, rest) = Frame::split(rest)?;
        out.push(frame.read().unwrap_or(Rtcp::Unknown {
            packet_type: frame.packet_type,
            format: frame.format,
        }));
    }
    if rest.is_empty() {
        Ok(())
    } else {
        Err(RtcpError::TooMany)
    }
}

/// One packet as framed by its header.
struct Frame<'a> {
    packet_type: u8,
    format: u8,
    /// With the padding bit cleared and the length as it is without padding.
    header: [u8; 4],
    /// Without header and padding.
    body: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Cuts the first packet off a compound.
    fn split(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), RtcpError> {
        let (&[flags, packet_type, l0, l1], rest) =
            bytes.split_first_chunk::<4>().ok_or(RtcpError::TooShort)?;
        if flags >> 6 != 2 {
            return Err(RtcpError::Version);
        }
        let len = usize::from(u16::from_be_bytes([l0, l1])) * 4;
        let (body, rest) = rest.split_at_checked(len).ok_or(RtcpError::Length)?;
        let body = if flags & 0x20 == 0 {
            body
        } else {
            let padding = body.last().map_or(0, |&byte| usize::from(byte));
            // Transport feedback is padded by single bytes in practice; what is no whole word stays.
            let kept = body.len().checked_sub(padding & !3).filter(|_| padding > 0);
            kept.and_then(|kept| body.get(..kept))
                .ok_or(RtcpError::Padding)?
        };
        let [l0, l1] = u16::try_from(body.len() / 4)
            .map_err(|_| RtcpError::Length)?
            .to_be_bytes();
        let frame = Self {
            packet_type,
            format: flags & 0x1f,
            header: [flags & !0x20, packet_type, l0, l1],
            body,
        };
        Ok((frame, rest))
    }

    /// The content; `None` where it is malformed or of a type that we don't know.
    fn read(&self) -> Option<Rtcp> {
        match (self.packet_type, self.format) {
            (200, _) => self.decode().map(|report| sender_report(&report)),
            (201, _) => self.decode().map(|report| receiver_report(&report)),
            (202, count) => source_description::read(self.body, count),
            (203, _) => self.decode().map(bye),
            (205, 1) => self.decode().map(nack),
            (205, 15) => transport_cc::acceptable(self.body).then(|| {
                self.decode()
                    .and_then(|feedback| transport_cc::read(&feedback))
                    .map(Rtcp::TransportCc)
            })?,
            (206, 1) => self.decode().map(|request| pli(&request)),
            (206, 4) => self.decode().map(|request| fir(&request)),
            (206, 15) => remb(&self.decode()?, self.body),
            (207, _) => self.decode().map(|report| extended_report(&report)),
            _ => None,
        }
    }

    fn decode<P: Packet>(&self) -> Option<P> {
        P::unmarshal(&mut self.header.as_slice().chain(self.body)).ok()
    }
}

fn sender_report(packet: &SenderReport) -> Rtcp {
    Rtcp::SenderReport {
        ssrc: Ssrc(packet.ssrc),
        ntp: packet.ntp_time,
        rtp: packet.rtp_time,
        packets: packet.packet_count,
        octets: packet.octet_count,
        reports: packet.reports.iter().map(report_block).collect(),
    }
}

fn receiver_report(packet: &ReceiverReport) -> Rtcp {
    Rtcp::ReceiverReport {
        ssrc: Ssrc(packet.ssrc),
        reports: packet.reports.iter().map(report_block).collect(),
    }
}

fn report_block(block: &ReceptionReport) -> ReportBlock {
    ReportBlock {
        ssrc: block.ssrc,
        fraction_lost: block.fraction_lost,
        // 24 bits two's complement on the wire.
        total_lost: (block.total_lost << 8).cast_signed() >> 8,
        highest_sequence: block.last_sequence_number,
        jitter: block.jitter,
        last_sender_report: block.last_sender_report,
        delay: block.delay,
    }
}

fn bye(packet: Goodbye) -> Rtcp {
    Rtcp::Bye {
        ssrcs: packet.sources.into_iter().map(Ssrc).collect(),
    }
}

fn nack(packet: TransportLayerNack) -> Rtcp {
    Rtcp::Nack {
        sender: Ssrc(packet.sender_ssrc),
        media: Ssrc(packet.media_ssrc),
        lost: packet.nacks.into_iter().flatten().take(MAX_NACK).collect(),
    }
}

fn pli(packet: &PictureLossIndication) -> Rtcp {
    Rtcp::Pli {
        sender: Ssrc(packet.sender_ssrc),
        media: Ssrc(packet.media_ssrc),
    }
}

fn fir(packet: &FullIntraRequest) -> Rtcp {
    Rtcp::Fir {
        sender: Ssrc(packet.sender_ssrc),
        requests: packet
            .fir
            .iter()
            .take(MAX_FIR)
            .map(|entry| (Ssrc(entry.ssrc), entry.sequence_number))
            .collect(),
    }
}

/// The bitrate is read here: `rtc-rtcp` takes a mantissa of 0 for 2^23.
fn remb(packet: &ReceiverEstimatedMaximumBitrate, body: &[u8]) -> Option<Rtcp> {
    let &[a, b, c] = body.get(13..)?.first_chunk::<3>()?;
    let mantissa = u128::from(u32::from_be_bytes([0, a & 3, b, c]));
    let bitrate = u64::try_from(mantissa << (a >> 2))
        .unwrap_or(u64::MAX)
        .clamp(MIN_REMB, MAX_REMB);
    Some(Rtcp::Remb {
        sender: Ssrc(packet.sender_ssrc),
        bitrate,
        ssrcs: packet.ssrcs.iter().copied().map(Ssrc).collect(),
    })
}

fn extended_report(packet: &ExtendedReport) -> Rtcp {
    let mut reference_time = None;
    let mut delays = Vec::new();
    for block in &packet.reports {
        if let Some(block) = block
            .as_any()
            .downcast_ref::<ReceiverReferenceTimeReportBlock>()
        {
            reference_time = Some(block.ntp_timestamp);
        } else if let Some(block) = block.as_any().downcast_ref::<DLRRReportBlock>() {
            let room = MAX_DELAYS.saturating_sub(delays.len());
            delays.extend(
                block
                    .reports
                    .iter()
                    .take(room)
                    .map(|report| ReferenceDelay {
                        ssrc: Ssrc(report.ssrc),
                        last_reference: report.last_rr,
                        delay: report.dlrr,
                    }),
            );
        }
    }
    Rtcp::ExtendedReport {
        sender: Ssrc(packet.sender_ssrc),
        reference_time,
        delays,
    }
}

/// Why a datagram is no RTCP compound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RtcpError {
    /// Shorter than a header.
    #[error("shorter than an RTCP header")]
    TooShort,
    /// Not version 2.
    #[error("not RTCP version 2")]
    Version,
    /// A packet is longer than what is left.
    #[error("packet exceeds the datagram")]
    Length,
    /// More padding than content, or none at all.
    #[error("padding exceeds the packet")]
    Padding,
    /// More packets than any sender has reason to join.
    #[error("too many packets in one compound")]
    TooMany,
}

/// Most packets read of one compound: reports, SDES and feedback of 64 streams fit in far fewer.
const MAX_PACKETS: usize = 64;
/// Most streams asked by one FIR.
const MAX_FIR: usize = 64;
/// Most DLRR entries of one extended report.
const MAX_DELAYS: usize = 64;
