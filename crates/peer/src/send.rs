//! Packets out: sealed for the selected path, written by the caller.

use std::time::Instant;

use bytes::Bytes;
use sluice_data::{ChannelId, ChannelSettings, SendOutcome};
use sluice_secure::{SealError, SendStream};
use sluice_wire::id::Ssrc;
use thiserror::Error;

use crate::peer::Peer;

/// Why nothing was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SendError {
    /// No keys: before the handshake, or after the end.
    #[error("transport not connected")]
    NotConnected,
    /// Sealing failed.
    #[error(transparent)]
    Sealing(#[from] SealError),
}

impl Peer {
    /// The sealing context of an outgoing SSRC; none before the handshake. One per SSRC for the life of the
    /// transport: asking again gives the same.
    pub fn send_stream(&mut self, ssrc: Ssrc) -> Option<SendStream> {
        self.srtp.as_mut().map(|srtp| srtp.sender.stream(ssrc.0))
    }

    /// Bytes that sealing adds to an RTP packet; 0 before the handshake.
    pub fn rtp_overhead(&self) -> usize {
        self.srtp
            .as_ref()
            .map_or(0, |srtp| srtp.sender.rtp_overhead())
    }

    /// Seals an RTP packet out of place: its header is in `out[..header_len]`, its payload is `prefix`
    /// followed by `payload`. Returns the length of the whole.
    #[inline]
    pub fn seal_rtp(
        &mut self,
        stream: SendStream,
        out: &mut [u8],
        header_len: usize,
        prefix: &[u8],
        payload: &[u8],
    ) -> Result<usize, SendError> {
        let Some(srtp) = &mut self.srtp else {
            return Err(SendError::NotConnected);
        };
        let sealed = srtp
            .sender
            .seal_rtp(stream, out, header_len, prefix, payload);
        self.count_rtp(sealed)
    }

    /// Seals the RTP packet in `buf[..len]` in place. Returns the length of the whole.
    pub fn protect_rtp(
        &mut self,
        stream: SendStream,
        buf: &mut [u8],
        len: usize,
    ) -> Result<usize, SendError> {
        let Some(srtp) = &mut self.srtp else {
            return Err(SendError::NotConnected);
        };
        let sealed = srtp.sender.protect_rtp(stream, buf, len);
        self.count_rtp(sealed)
    }

    #[inline]
    fn count_rtp(&mut self, sealed: Result<usize, SealError>) -> Result<usize, SendError> {
        match sealed {
            Ok(len) => {
                self.stats.rtp_out += 1;
                self.stats.rtp_bytes_out += len as u64;
                Ok(len)
            }
            Err(error) => {
                self.stats.seal_errors += 1;
                Err(error.into())
            }
        }
    }

    /// Seals a compound RTCP packet in place.
    pub fn seal_rtcp(&mut self, packet: &mut Vec<u8>) -> Result<(), SendError> {
        let Some(srtp) = &mut self.srtp else {
            return Err(SendError::NotConnected);
        };
        match srtp.sender.protect_rtcp(packet) {
            Ok(()) => {
                self.stats.rtcp_out += 1;
                Ok(())
            }
            Err(error) => {
                self.stats.seal_errors += 1;
                Err(error.into())
            }
        }
    }

    /// The number for the transport-cc extension of the next RTP packet out.
    pub fn next_transport_sequence(&mut self) -> u16 {
        let sequence = self.transport_sequence;
        self.transport_sequence = sequence.wrapping_add(1);
        sequence
    }

    /// Opens a data channel as soon as SCTP stands; `ChannelOpened` tells its id. False where there are too
    /// many, or after the end.
    pub fn open_data_channel(&mut self, now: Instant, settings: ChannelSettings) -> bool {
        self.guarded(|peer| peer.open_channel(now, settings))
            .unwrap_or(false)
    }

    /// Closes a data channel.
    pub fn close_data_channel(&mut self, now: Instant, id: ChannelId) {
        self.guarded(|peer| {
            if let Some(data) = &mut peer.data {
                data.close_channel(now, id);
            }
        });
    }

    /// Sends a message unless more than `limit` bytes wait on the channel already.
    pub fn send_data(
        &mut self,
        now: Instant,
        id: ChannelId,
        bytes: &Bytes,
        binary: bool,
        limit: usize,
    ) -> SendOutcome {
        self.now = self.now.max(now);
        self.guarded(|peer| match &mut peer.data {
            Some(data) => data.send(now, id, bytes, binary, limit),
            None => SendOutcome::NotOpen,
        })
        .unwrap_or(SendOutcome::NotOpen)
    }

    /// The first open channel with this label.
    pub fn data_channel(&self, label: &str) -> Option<ChannelId> {
        self.data.as_ref().and_then(|data| data.channel(label))
    }

    /// Bytes that wait on a channel or are not acknowledged yet.
    pub fn buffered_amount(&mut self, id: ChannelId) -> usize {
        self.shielded(|peer| {
            peer.data
                .as_mut()
                .map_or(0, |data| data.buffered_amount(id))
        })
        .unwrap_or(0)
    }
}
