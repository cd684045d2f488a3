//! Protecting what we send.

use std::collections::HashMap;

use thiserror::Error;

use super::cipher::{Context, SessionCipher};
use super::header::{RTCP_CLEAR_LEN, RtpFields, rtcp_sender};
use super::keys::{MasterKey, SRTCP_INDEX_LEN, SrtpProfile};
use super::window::{IndexWindow, Stale};

/// Protects RTP and RTCP of one transport.
///
/// # The nonce rule
/// Under one key, SSRC and index name a nonce, and sealing two different packets under one nonce gives away the
/// authentication key (RFC 7714 section 11). So the sender keeps the indices of every stream it ever opened itself:
/// there is one [`SendStream`] per SSRC for the life of the keys, an index is sealed once, and a second attempt is
/// [`SealError::IndexUsed`]. A retransmission therefore goes out on its own RTX SSRC (RFC 4588), or is the stored
/// protected bytes sent again.
pub struct SrtpSender {
    profile: SrtpProfile,
    rtp: SessionCipher,
    rtcp: SessionCipher,
    streams: Vec<Stream>,
    /// Places in `streams`: there may be thousands after a long day in a large room.
    by_ssrc: HashMap<u32, u32>,
    /// Index of the next SRTCP packet, shared by all SSRCs: gaps in the index of one are allowed.
    rtcp_index: u32,
}

/// One outgoing SSRC of one [`SrtpSender`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SendStream(u32);

struct Stream {
    ssrc: u32,
    indices: IndexWindow<SEND_WINDOW_WORDS>,
}

/// Why a packet was not sealed. Each is our own bug or the end of a key, never the network's doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum SealError {
    /// The output has no room for the ciphertext and its tag.
    #[error("no room for the authentication tag")]
    NoRoom,
    /// Not an RTP or RTCP packet, or its header has another length than said.
    #[error("malformed packet")]
    Malformed,
    /// The header names another SSRC than the stream's, or the stream belongs to another sender.
    #[error("packet of another stream")]
    WrongStream,
    /// This index was sealed before.
    #[error("packet index already used")]
    IndexUsed,
    /// So far behind the highest index that nobody knows whether it was used.
    #[error("packet index too far back")]
    IndexTooOld,
    /// All SRTCP indices of this key are used: the transport needs new keys.
    #[error("key exhausted")]
    KeyExhausted,
    /// The cryptographic library refused.
    #[error("encryption failed")]
    Crypto,
}

impl SrtpSender {
    /// Expands the session keys of `master`, which must have no other sender.
    pub fn new(profile: SrtpProfile, master: &MasterKey) -> Self {
        Self {
            profile,
            rtp: SessionCipher::for_rtp(profile, master),
            rtcp: SessionCipher::for_rtcp(profile, master),
            streams: Vec::new(),
            by_ssrc: HashMap::new(),
            rtcp_index: FIRST_RTCP_INDEX,
        }
    }

    /// The negotiated profile.
    pub fn profile(&self) -> SrtpProfile {
        self.profile
    }

    /// Bytes that protection adds to an RTP packet.
    pub fn rtp_overhead(&self) -> usize {
        self.profile.tag_len()
    }

    /// The stream of an SSRC: a new one with rollover counter 0, or the one it already has, indices kept.
    pub fn stream(&mut self, ssrc: u32) -> SendStream {
        let next = self.streams.len() as u32;
        let streams = &mut self.streams;
        let at = *self.by_ssrc.entry(ssrc).or_insert_with(|| {
            let indices = IndexWindow::new();
            streams.push(Stream { ssrc, indices });
            next
        });
        SendStream(at)
    }

    /// The rollover counter a stream is at, the upper 32 bits of its index.
    pub fn rollover(&self, stream: SendStream) -> Option<u32> {
        self.streams
            .get(stream.0 as usize)
            .map(|stream| stream.indices.rollover())
    }

    /// Encrypts the packet in `buf[..len]` in place and appends its tag. Returns the protected length.
    pub fn protect_rtp(
        &mut self,
        stream: SendStream,
        buf: &mut [u8],
        len: usize,
    ) -> Result<usize, SealError> {
        let packet = buf.get(..len).ok_or(SealError::Malformed)?;
        let header = RtpFields::parse(packet).ok_or(SealError::Malformed)?;
        let end = len + self.profile.tag_len();
        let packet = buf.get_mut(..end).ok_or(SealError::NoRoom)?;
        let index = self.claim(stream, header)?;
        let (clear, rest) = packet.split_at_mut(header.header_len);
        let (body, tag) = rest.split_at_mut(len - header.header_len);
        self.rtp
            .seal(rtp_context(header.ssrc, index, clear), body, tag)
            .map_err(|_| SealError::Crypto)?;
        Ok(end)
    }

    /// Writes the protected packet behind a header that is already in `out[..header_len]`.
    ///
    /// The payload is `prefix` (a rewritten payload descriptor, often empty) followed by `payload`; neither is changed,
    /// so one plaintext serves every subscriber. Returns the protected length.
    pub fn seal_rtp(
        &mut self,
        stream: SendStream,
        out: &mut [u8],
        header_len: usize,
        prefix: &[u8],
        payload: &[u8],
    ) -> Result<usize, SealError> {
        let clear = out.get(..header_len).ok_or(SealError::Malformed)?;
        let header = RtpFields::parse(clear).ok_or(SealError::Malformed)?;
        if header.header_len != header_len {
            return Err(SealError::Malformed);
        }
        let end = header_len + prefix.len() + payload.len() + self.profile.tag_len();
        let packet = out.get_mut(..end).ok_or(SealError::NoRoom)?;
        let index = self.claim(stream, header)?;
        let (clear, rest) = packet.split_at_mut(header_len);
        let (body, tag) = rest.split_at_mut(prefix.len() + payload.len());
        let context = rtp_context(header.ssrc, index, clear);
        let sealed = if prefix.is_empty() {
            self.rtp.seal_from(context, payload, body, tag)
        } else {
            let (front, back) = body.split_at_mut(prefix.len());
            front.copy_from_slice(prefix);
            back.copy_from_slice(payload);
            self.rtp.seal(context, body, tag)
        };
        sealed.map_err(|_| SealError::Crypto)?;
        Ok(end)
    }

    /// Encrypts a compound RTCP packet in place and appends tag and index.
    pub fn protect_rtcp(&mut self, buf: &mut Vec<u8>) -> Result<(), SealError> {
        let ssrc = rtcp_sender(buf).ok_or(SealError::Malformed)?;
        if self.rtcp_index > LAST_RTCP_INDEX {
            return Err(SealError::KeyExhausted);
        }
        let index = self.rtcp_index;
        self.rtcp_index += 1;

        let trailer = (ENCRYPTED_FLAG | index).to_be_bytes();
        let tag_len = self.profile.tag_len();
        let len = buf.len();
        buf.resize(len + tag_len + SRTCP_INDEX_LEN, 0);
        let (clear, rest) = buf.split_at_mut(RTCP_CLEAR_LEN);
        let (body, behind) = rest.split_at_mut(len - RTCP_CLEAR_LEN);
        let (tag, trailer_at) = split_rtcp_trailer(self.profile, behind);
        trailer_at.copy_from_slice(&trailer);
        let associated = rtcp_associated(clear, trailer);
        let context = Context {
            ssrc,
            index: u64::from(index),
            clear,
            trailer,
            associated: &associated,
        };
        self.rtcp
            .seal(context, body, tag)
            .map_err(|_| SealError::Crypto)
    }

    /// The index of a packet to seal, marked used before anything is encrypted with it.
    fn claim(&mut self, stream: SendStream, header: RtpFields) -> Result<u64, SealError> {
        let stream = self
            .streams
            .get_mut(stream.0 as usize)
            .ok_or(SealError::WrongStream)?;
        if stream.ssrc != header.ssrc {
            return Err(SealError::WrongStream);
        }
        let index = stream
            .indices
            .estimate(header.sequence)
            .ok_or(SealError::IndexTooOld)?;
        stream.indices.check(index).map_err(|stale| match stale {
            Stale::Used => SealError::IndexUsed,
            Stale::TooOld => SealError::IndexTooOld,
        })?;
        stream.indices.mark(index);
        Ok(index)
    }
}

/// Context of an RTP packet: its header is associated data, its rollover counter hashed behind it.
pub(crate) fn rtp_context(ssrc: u32, index: u64, clear: &[u8]) -> Context<'_> {
    Context {
        ssrc,
        index,
        clear,
        trailer: ((index >> 16) as u32).to_be_bytes(),
        associated: clear,
    }
}

/// Associated data of an SRTCP packet in GCM: clear header, E flag and index (RFC 7714 section 9.2).
pub(crate) fn rtcp_associated(
    clear: &[u8],
    trailer: [u8; 4],
) -> [u8; RTCP_CLEAR_LEN + SRTCP_INDEX_LEN] {
    let mut associated = [0; RTCP_CLEAR_LEN + SRTCP_INDEX_LEN];
    for (to, from) in associated.iter_mut().zip(clear.iter().chain(&trailer)) {
        *to = *from;
    }
    associated
}

/// Tag and index behind an SRTCP packet: the index is last in GCM (RFC 7714 section 9.2) and first in RFC 3711.
fn split_rtcp_trailer(profile: SrtpProfile, behind: &mut [u8]) -> (&mut [u8], &mut [u8]) {
    match profile {
        SrtpProfile::AeadAes128Gcm | SrtpProfile::AeadAes256Gcm => {
            behind.split_at_mut(profile.tag_len())
        }
        SrtpProfile::Aes128CmSha1_80 => {
            let (index, tag) = behind.split_at_mut(SRTCP_INDEX_LEN);
            (tag, index)
        }
    }
}

/// A packet that a publisher's retransmission fills in late keeps its place in a subscriber's sequence: 1,024 packets
/// are a second of the fastest video, for 128 bytes a stream.
const SEND_WINDOW_WORDS: usize = 16;

/// RFC 3711 starts at 0; some receivers take index 0 for a replay, and nothing is lost by leaving it out.
const FIRST_RTCP_INDEX: u32 = 1;
const LAST_RTCP_INDEX: u32 = (1 << 31) - 1;
pub(crate) const ENCRYPTED_FLAG: u32 = 1 << 31;
