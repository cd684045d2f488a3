//! What congestion control needs to know: so far the TWCC report builder for publishers.

mod transport_report;

pub use transport_report::TransportReportBuilder;
