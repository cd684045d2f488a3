//! Packets to bytes.

use rtc_rtcp::Packet;
use rtc_rtcp::extended_report::{
    DLRRReport, DLRRReportBlock, ExtendedReport, ReceiverReferenceTimeReportBlock,
};
use rtc_rtcp::goodbye::Goodbye;
use rtc_rtcp::payload_feedbacks::full_intra_request::{FirEntry, FullIntraRequest};
use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc_rtcp::payload_feedbacks::receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate;
use rtc_rtcp::receiver_report::ReceiverReport;
use rtc_rtcp::reception_report::ReceptionReport;
use rtc_rtcp::sender_report::SenderReport;
use rtc_rtcp::transport_feedbacks::transport_layer_nack::{NackPair, TransportLayerNack};

use super::{MAX_REMB, ReportBlock, Rtcp, source_description, transport_cc};
use crate::id::Ssrc;

/// Appends the packets to `out` as one compound, in order. Lists longer than one packet of their type can hold
/// (31 report blocks, chunks or sources, 253 NACK pairs) are cut; [`Rtcp::Unknown`] is left out.
pub fn write_compound(packets: &[Rtcp], out: &mut Vec<u8>) {
    for packet in packets {
        write(packet, out);
    }
}

fn write(packet: &Rtcp, out: &mut Vec<u8>) {
    match packet {
        Rtcp::SenderReport {
            ssrc,
            ntp,
            rtp,
            packets,
            octets,
            reports,
        } => {
            let packet = SenderReport {
                ssrc: ssrc.0,
                ntp_time: *ntp,
                rtp_time: *rtp,
                packet_count: *packets,
                octet_count: *octets,
                reports: report_blocks(reports),
                ..SenderReport::default()
            };
            encode(&packet, out);
        }
        Rtcp::ReceiverReport { ssrc, reports } => {
            let reports = report_blocks(reports);
            encode(
                &ReceiverReport {
                    ssrc: ssrc.0,
                    reports,
                    ..ReceiverReport::default()
                },
                out,
            );
        }
        Rtcp::SourceDescription { chunks } => source_description::write(chunks, out),
        Rtcp::Bye { ssrcs } => {
            let sources = ssrcs.iter().take(MAX_COUNT).map(|ssrc| ssrc.0).collect();
            encode(
                &Goodbye {
                    sources,
                    ..Goodbye::default()
                },
                out,
            );
        }
        Rtcp::Nack {
            sender,
            media,
            lost,
        } => {
            let nacks = nack_pairs(lost);
            encode(
                &TransportLayerNack {
                    sender_ssrc: sender.0,
                    media_ssrc: media.0,
                    nacks,
                },
                out,
            );
        }
        Rtcp::Pli { sender, media } => {
            encode(
                &PictureLossIndication {
                    sender_ssrc: sender.0,
                    media_ssrc: media.0,
                },
                out,
            );
        }
        Rtcp::Fir { sender, requests } => {
            let entry = |&(ssrc, sequence_number): &(Ssrc, u8)| FirEntry {
                ssrc: ssrc.0,
                sequence_number,
            };
            let fir = requests.iter().map(entry).collect();
            // RFC 5104 section 4.3.1.2: the media source of the header is 0.
            encode(
                &FullIntraRequest {
                    sender_ssrc: sender.0,
                    media_ssrc: 0,
                    fir,
                },
                out,
            );
        }
        Rtcp::TransportCc(feedback) => encode(&transport_cc::to_packet(feedback), out),
        Rtcp::Remb {
            sender,
            bitrate,
            ssrcs,
        } => {
            let packet = ReceiverEstimatedMaximumBitrate {
                sender_ssrc: sender.0,
                bitrate: (*bitrate).min(MAX_REMB) as f32,
                ssrcs: ssrcs
                    .iter()
                    .take(usize::from(u8::MAX))
                    .map(|ssrc| ssrc.0)
                    .collect(),
            };
            encode(&packet, out);
        }
        Rtcp::ExtendedReport {
            sender,
            reference_time,
            delays,
        } => {
            let mut reports: Vec<Box<dyn Packet>> = Vec::new();
            if let Some(ntp_timestamp) = *reference_time {
                reports.push(Box::new(ReceiverReferenceTimeReportBlock { ntp_timestamp }));
            }
            if !delays.is_empty() {
                let report = |delay: &super::ReferenceDelay| DLRRReport {
                    ssrc: delay.ssrc.0,
                    last_rr: delay.last_reference,
                    dlrr: delay.delay,
                };
                reports.push(Box::new(DLRRReportBlock {
                    reports: delays.iter().map(report).collect(),
                }));
            }
            encode(
                &ExtendedReport {
                    sender_ssrc: sender.0,
                    reports,
                },
                out,
            );
        }
        Rtcp::Unknown { .. } => {}
    }
}

/// Appends one packet; what the library refuses is our bug and left out.
fn encode(packet: &impl Packet, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + packet.marshal_size(), 0);
    let slot = out.get_mut(start..).unwrap_or_default();
    if packet.marshal_to(slot).is_err() {
        debug_assert!(false, "RTCP packet could not be written");
        out.truncate(start);
    }
}

fn report_blocks(blocks: &[ReportBlock]) -> Vec<ReceptionReport> {
    let report = |block: &ReportBlock| ReceptionReport {
        ssrc: block.ssrc,
        fraction_lost: block.fraction_lost,
        total_lost: block
            .total_lost
            .clamp(MIN_TOTAL_LOST, MAX_TOTAL_LOST)
            .cast_unsigned()
            & 0x00ff_ffff,
        last_sequence_number: block.highest_sequence,
        jitter: block.jitter,
        last_sender_report: block.last_sender_report,
        delay: block.delay,
    };
    blocks.iter().take(MAX_COUNT).map(report).collect()
}

/// Joins each number with those up to 16 behind it, across the wrap too.
fn nack_pairs(lost: &[u16]) -> Vec<NackPair> {
    let mut pairs: Vec<NackPair> = Vec::new();
    for &sequence in lost {
        if let Some(pair) = pairs.last_mut() {
            match sequence.wrapping_sub(pair.packet_id) {
                0 => continue,
                behind @ 1..=16 => {
                    pair.lost_packets |= 1 << (behind - 1);
                    continue;
                }
                _ => {}
            }
        }
        if pairs.len() == MAX_NACK_PAIRS {
            break;
        }
        pairs.push(NackPair::new(sequence));
    }
    pairs
}

/// The count has five bits.
const MAX_COUNT: usize = 31;
/// What `rtc-rtcp` writes in one packet.
const MAX_NACK_PAIRS: usize = 253;
// RFC 3550 section 6.4.1: 24 bits signed.
const MIN_TOTAL_LOST: i32 = -(1 << 23);
const MAX_TOTAL_LOST: i32 = (1 << 23) - 1;
