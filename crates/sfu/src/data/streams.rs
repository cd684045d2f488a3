//! What data streams are begun with: how many each is addressed to, and how long it says it will be (livekit-server's
//! `pkg/telemetry/prometheus/datapacket.go`).

use std::collections::BTreeMap;

use crate::histogram::Histogram;

/// What a `DataStream.Header` says of its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamHeader<'a> {
    /// Text, bytes, or what neither is.
    pub kind: StreamKind,
    /// As the client wrote it.
    pub mime_type: &'a str,
    /// Bytes in all; none where that is not known yet.
    pub total_length: Option<u64>,
}

/// Kinds of streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StreamKind {
    /// Text.
    Text,
    /// Bytes.
    Bytes,
    /// Of a later version.
    Unknown,
}

/// Streams that participants of this worker began, by kind and the first half of their MIME type.
#[derive(Debug, Default)]
pub struct StreamSizes {
    series: BTreeMap<(StreamKind, &'static str), Series>,
}

#[derive(Debug)]
struct Series {
    destinations: Histogram<9>,
    bytes: Histogram<10>,
}

impl StreamSizes {
    /// A stream was begun, to so many identities; none of them for everybody.
    pub fn add(&mut self, header: &StreamHeader, destinations: usize) {
        let series = self
            .series
            .entry((header.kind, family(header.mime_type)))
            .or_insert_with(|| Series {
                destinations: Histogram::new(DESTINATIONS),
                bytes: Histogram::new(BYTES),
            });
        series.destinations.add(destinations as u64, 1);
        if let Some(bytes) = header.total_length {
            series.bytes.add(bytes, 1);
        }
    }

    /// Every counter with its name: `stream_dest_count_text_image_le_5`, `stream_bytes_text_image_sum`.
    pub fn counters(&self) -> impl Iterator<Item = (String, u64)> + use<> {
        let counters: Vec<_> = self
            .series
            .iter()
            .flat_map(|((kind, family), series)| {
                let labels = format!("{}_{family}", kind.name());
                let destinations = series
                    .destinations
                    .counters(&format!("stream_dest_count_{labels}"));
                let bytes = series.bytes.counters(&format!("stream_bytes_{labels}"));
                destinations.into_iter().chain(bytes)
            })
            .collect();
        counters.into_iter()
    }
}

impl StreamKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Bytes => "bytes",
            Self::Unknown => "unknown",
        }
    }
}

/// One of a few words, whatever clients write.
fn family(mime_type: &str) -> &'static str {
    let first = mime_type.split('/').next().unwrap_or_default();
    FAMILIES
        .into_iter()
        .find(|family| first.eq_ignore_ascii_case(family))
        .unwrap_or("unknown")
}

const FAMILIES: [&str; 5] = ["text", "image", "application", "audio", "video"];

const DESTINATIONS: [u64; 9] = [1, 2, 3, 4, 5, 10, 15, 25, 50];

const BYTES: [u64; 10] = [
    128, 512, 2_048, 8_192, 32_768, 131_072, 524_288, 2_097_152, 8_388_608, 33_554_432,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_told_apart_by_kind_and_family() {
        let mut sizes = StreamSizes::default();
        let header = |kind, mime_type, total_length| StreamHeader {
            kind,
            mime_type,
            total_length,
        };
        sizes.add(&header(StreamKind::Text, "text/plain", None), 0);
        sizes.add(&header(StreamKind::Bytes, "IMAGE/png", Some(3_000)), 2);
        sizes.add(&header(StreamKind::Bytes, "image/gif", Some(100)), 1);
        sizes.add(&header(StreamKind::Unknown, "<script>", None), 1);
        let told: BTreeMap<_, _> = sizes.counters().collect();
        let of = |name: &str| told.get(name).copied();
        assert_eq!(of("stream_dest_count_text_text_le_1"), Some(1));
        assert_eq!(of("stream_bytes_text_text_count"), Some(0));
        assert_eq!(of("stream_dest_count_bytes_image_sum"), Some(3));
        assert_eq!(of("stream_bytes_bytes_image_le_128"), Some(1));
        assert_eq!(of("stream_bytes_bytes_image_sum"), Some(3_100));
        assert_eq!(of("stream_dest_count_unknown_unknown_count"), Some(1));
        assert_eq!(told.len(), 3 * (9 + 2 + 10 + 2));
    }
}
