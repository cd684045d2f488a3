//! How channels come to be: streams, OPEN and ACK.

use bytes::Bytes;
use sctp_proto::{Chunks, PayloadProtocolIdentifier as Ppid, ReliabilityType};

use crate::channel::{Channel, ChannelId, ChannelSettings, Phase};
use crate::dcep::Dcep;
use crate::screen::MAX_STREAMS;
use crate::transport::{DataEvent, DataTransport, MAX_CHANNELS, stream_of};

impl DataTransport {
    /// A stream that the other side began. It becomes a channel with its OPEN message.
    pub(crate) fn admit(&mut self, id: u16) {
        let Some((_, association)) = &mut self.association else {
            return;
        };
        while association.accept_stream().is_some() {}
        if association.stream_ids().len() > MAX_CHANNELS {
            self.stats.violations += 1;
            self.abandon(id);
        }
    }

    /// Opens the stream of a channel of ours and sends its OPEN. Until the ACK everything on it goes in
    /// order, so that nothing overtakes the OPEN (RFC 8832 section 6).
    pub(crate) fn announce(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.iter_mut().find(|channel| channel.id == id) else {
            return;
        };
        let Some((_, association)) = &mut self.association else {
            return;
        };
        let open = Bytes::from(Dcep::Open(channel.settings.clone()).to_bytes());
        let opened = association
            .open_stream(id.0, Ppid::Binary)
            .and_then(|mut stream| {
                let (kind, value) = reliability(&channel.settings);
                // OPEN itself is reliable; what is written later has the channel's own policy.
                stream.set_reliability_params(false, ReliabilityType::Reliable, 0)?;
                stream.write_sctp(&open, Ppid::Dcep)?;
                stream.set_reliability_params(false, kind, value)
            });
        match opened {
            Ok(()) => channel.phase = Phase::Opening,
            Err(error) => {
                tracing::debug!(%error, id = id.0, "data channel not opened");
                self.channels.retain(|channel| channel.id != id);
            }
        }
    }

    pub(crate) fn receive(&mut self, id: ChannelId, message: Chunks) {
        let kind = message.ppi;
        if kind == Ppid::Dcep {
            return self.receive_dcep(id, &joined(message));
        }
        let (binary, empty) = match kind {
            Ppid::Binary => (true, false),
            Ppid::String => (false, false),
            Ppid::BinaryEmpty => (true, true),
            Ppid::StringEmpty => (false, true),
            _ => {
                self.stats.violations += 1;
                return;
            }
        };
        if !self.channels.iter().any(|channel| channel.id == id) {
            self.stats.violations += 1;
            return;
        }
        let bytes = if empty { Bytes::new() } else { joined(message) };
        self.stats.messages_in += 1;
        // A message on a channel of ours is as good as the ACK that it overtook.
        self.settle(id);
        self.events
            .push_back(DataEvent::Message { id, binary, bytes });
    }

    pub(crate) fn receive_dcep(&mut self, id: ChannelId, bytes: &[u8]) {
        let known = self.channels.iter().any(|channel| channel.id == id);
        match Dcep::parse(bytes) {
            Some(Dcep::Ack) => self.settle(id),
            Some(Dcep::Open(settings)) if !known && self.channels.len() < MAX_CHANNELS => {
                let Some(mut stream) = stream_of(&mut self.association, id.0) else {
                    return;
                };
                let (kind, value) = reliability(&settings);
                let acked = stream
                    .write_sctp(&Bytes::from(Dcep::Ack.to_bytes()), Ppid::Dcep)
                    .and_then(|_| stream.set_reliability_params(!settings.ordered, kind, value));
                if acked.is_ok() {
                    self.channels.push(Channel {
                        id,
                        settings: settings.clone(),
                        phase: Phase::Open,
                    });
                    self.events
                        .push_back(DataEvent::ChannelOpened { id, settings });
                }
            }
            Some(Dcep::Open(_)) if known => {}
            Some(Dcep::Open(_)) | None => {
                self.stats.violations += 1;
                if !known {
                    self.abandon(id.0);
                }
            }
        }
    }

    /// A channel of ours was acknowledged.
    pub(crate) fn settle(&mut self, id: ChannelId) {
        let opening = |channel: &&mut Channel| channel.id == id && channel.phase == Phase::Opening;
        let Some(channel) = self.channels.iter_mut().find(opening) else {
            return;
        };
        channel.phase = Phase::Open;
        if let Some(mut stream) = stream_of(&mut self.association, id.0) {
            let (kind, value) = reliability(&channel.settings);
            let _ = stream.set_reliability_params(!channel.settings.ordered, kind, value);
        }
        self.events.push_back(DataEvent::ChannelOpened {
            id,
            settings: channel.settings.clone(),
        });
    }

    pub(crate) fn abandon(&mut self, id: u16) {
        if let Some(mut stream) = stream_of(&mut self.association, id) {
            let _ = stream.close();
        }
    }

    pub(crate) fn free_id(&mut self) -> Option<ChannelId> {
        let taken = self
            .association
            .as_ref()
            .map(|(_, association)| association.stream_ids())
            .unwrap_or_default();
        for _ in 0..MAX_STREAMS / 2 {
            let id = self.next_own_id;
            self.next_own_id = (id + 2) % MAX_STREAMS;
            if !taken.contains(&id) && !self.channels.iter().any(|channel| channel.id.0 == id) {
                return Some(ChannelId(id));
            }
        }
        None
    }
}

fn reliability(settings: &ChannelSettings) -> (ReliabilityType, u32) {
    match (settings.max_retransmits, settings.max_lifetime_ms) {
        (Some(count), _) => (ReliabilityType::Rexmit, u32::from(count)),
        (None, Some(ms)) => (ReliabilityType::Timed, u32::from(ms)),
        (None, None) => (ReliabilityType::Reliable, 0),
    }
}

/// The message in one piece.
fn joined(mut chunks: Chunks) -> Bytes {
    let len = chunks.len();
    chunks
        .next(len)
        .map_or_else(Bytes::new, |whole| whole.bytes)
}
