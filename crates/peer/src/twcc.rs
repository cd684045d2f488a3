//! Transport-wide sequence marks of what comes in, and the reports that go back.

use std::time::Instant;

use sluice_congestion::TransportReportBuilder;
use sluice_wire::rtcp::{Rtcp, write_compound};
use sluice_wire::rtp::{RtpView, parse_transport_cc};

/// Marks arrivals; idle until the extension is negotiated.
#[derive(Default)]
pub(crate) struct Twcc {
    extension: Option<u8>,
    builder: Option<Box<TransportReportBuilder>>,
}

impl Twcc {
    pub fn set_extension(&mut self, extension: Option<u8>) {
        self.extension = extension;
    }

    /// An RTP packet that authenticated.
    pub fn mark(&mut self, now: Instant, packet: &[u8]) {
        let Some(extension) = self.extension else {
            return;
        };
        let Ok(view) = RtpView::parse(packet) else {
            return;
        };
        let Some(sequence) = view.extension(extension).and_then(parse_transport_cc) else {
            return;
        };
        let header = view.header();
        let builder = self
            .builder
            .get_or_insert_with(|| Box::new(TransportReportBuilder::new(now)));
        builder.handle_packet(now, sequence, header.ssrc, header.marker);
    }

    /// A report that is due, in the clear.
    pub fn poll_report(&mut self) -> Option<Vec<u8>> {
        let report = self.builder.as_mut()?.poll_report()?;
        let mut bytes = Vec::new();
        write_compound(&[Rtcp::TransportCc(report)], &mut bytes);
        Some(bytes)
    }
}
