//! Unprotecting what arrives.

use thiserror::Error;

use super::cipher::{Context, SessionCipher};
use super::header::{RTCP_CLEAR_LEN, RtpFields, rtcp_sender};
use super::keys::{MasterKey, SRTCP_INDEX_LEN, SrtpProfile};
use super::sender::{ENCRYPTED_FLAG, rtcp_associated, rtp_context};
use super::window::{IndexWindow, Stale};

/// Checks and decrypts RTP and RTCP of one transport.
///
/// A rejected packet changes nothing: no rollover counter moves, no SSRC is remembered. There is no number of rejected
/// packets that ends a session.
pub struct SrtpReceiver {
    profile: SrtpProfile,
    rtp: SessionCipher,
    rtcp: SessionCipher,
    rtp_streams: Streams<RTP_WINDOW_WORDS>,
    rtcp_streams: Streams<RTCP_WINDOW_WORDS>,
}

/// Why a packet was dropped; for counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum Reject {
    /// Shorter than its header and a tag, or the header is not one of RTP or RTCP.
    #[error("malformed packet")]
    Malformed,
    /// The tag does not match: forged, damaged, plain RTP, or of another key or rollover counter.
    #[error("authentication failed")]
    Unauthentic,
    /// Authenticated before.
    #[error("replayed packet")]
    Replayed,
    /// Behind the replay window.
    #[error("packet too old")]
    TooOld,
    /// A new SSRC beyond [`MAX_INBOUND_SSRCS`].
    #[error("too many SSRCs")]
    TooManySsrcs,
    /// SRTCP without the E flag, which no profile of ours sends.
    #[error("unencrypted SRTCP")]
    Unencrypted,
}

/// SSRCs one peer may send on, RTP and RTCP counted apart: more than any client uses (tracks × 3 layers × RTX), few
/// enough that a flood of authenticated SSRCs costs nothing.
pub const MAX_INBOUND_SSRCS: usize = 64;

/// Replay state per authenticated SSRC; the SSRCs beside it so that the search reads four cache lines at most.
struct Streams<const WORDS: usize> {
    ssrcs: Vec<u32>,
    windows: Vec<IndexWindow<WORDS>>,
}

impl SrtpReceiver {
    /// Expands the session keys of `master`.
    pub fn new(profile: SrtpProfile, master: &MasterKey) -> Self {
        Self {
            profile,
            rtp: SessionCipher::for_rtp(profile, master),
            rtcp: SessionCipher::for_rtcp(profile, master),
            rtp_streams: Streams::new(),
            rtcp_streams: Streams::new(),
        }
    }

    /// The negotiated profile.
    pub fn profile(&self) -> SrtpProfile {
        self.profile
    }

    /// Authenticated SSRCs seen so far.
    pub fn ssrcs(&self) -> &[u32] {
        &self.rtp_streams.ssrcs
    }

    /// Decrypts an RTP packet in place and returns its length without the tag. After an error `packet` is garbage.
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, Reject> {
        let end = packet
            .len()
            .checked_sub(self.profile.tag_len())
            .ok_or(Reject::Malformed)?;
        let header = packet
            .get(..end)
            .and_then(RtpFields::parse)
            .ok_or(Reject::Malformed)?;
        let slot = self.rtp_streams.find(header.ssrc)?;
        let window = self.rtp_streams.window(slot);
        let index = window.map_or(Some(u64::from(header.sequence)), |window| {
            window.estimate(header.sequence)
        });
        let index = index.ok_or(Reject::TooOld)?;
        window.map_or(Ok(()), |window| window.check(index))?;

        let (clear, rest) = packet.split_at_mut(header.header_len);
        let (body, tag) = rest.split_at_mut(end - header.header_len);
        self.rtp
            .open(rtp_context(header.ssrc, index, clear), body, tag)
            .map_err(|_| Reject::Unauthentic)?;
        self.rtp_streams.accept(slot, header.ssrc, index);
        Ok(end)
    }

    /// Decrypts a compound RTCP packet in place and returns its length. After an error `packet` is garbage.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Reject> {
        let end = packet
            .len()
            .checked_sub(self.profile.rtcp_overhead())
            .ok_or(Reject::Malformed)?;
        let ssrc = packet
            .get(..end)
            .and_then(rtcp_sender)
            .ok_or(Reject::Malformed)?;
        let (clear, rest) = packet.split_at_mut(RTCP_CLEAR_LEN);
        let (body, behind) = rest.split_at_mut(end - RTCP_CLEAR_LEN);
        let (tag, trailer) = split_rtcp_trailer(self.profile, behind).ok_or(Reject::Malformed)?;
        let word = u32::from_be_bytes(trailer);
        if word & ENCRYPTED_FLAG == 0 {
            return Err(Reject::Unencrypted);
        }
        let index = u64::from(word & !ENCRYPTED_FLAG);
        let slot = self.rtcp_streams.find(ssrc)?;
        self.rtcp_streams
            .window(slot)
            .map_or(Ok(()), |window| window.check(index))?;

        let associated = rtcp_associated(clear, trailer);
        let context = Context {
            ssrc,
            index,
            clear,
            trailer,
            associated: &associated,
        };
        self.rtcp
            .open(context, body, tag)
            .map_err(|_| Reject::Unauthentic)?;
        self.rtcp_streams.accept(slot, ssrc, index);
        Ok(end)
    }
}

impl<const WORDS: usize> Streams<WORDS> {
    fn new() -> Self {
        Self {
            ssrcs: Vec::new(),
            windows: Vec::new(),
        }
    }

    /// Where `ssrc` is kept, or where it would be: one past the last.
    fn find(&self, ssrc: u32) -> Result<usize, Reject> {
        match self.ssrcs.iter().position(|known| *known == ssrc) {
            Some(slot) => Ok(slot),
            None if self.ssrcs.len() < MAX_INBOUND_SSRCS => Ok(self.ssrcs.len()),
            None => Err(Reject::TooManySsrcs),
        }
    }

    fn window(&self, slot: usize) -> Option<&IndexWindow<WORDS>> {
        self.windows.get(slot)
    }

    /// Remembers an authenticated packet.
    fn accept(&mut self, slot: usize, ssrc: u32, index: u64) {
        if slot == self.windows.len() {
            self.ssrcs.push(ssrc);
            self.windows.push(IndexWindow::new());
        }
        if let Some(window) = self.windows.get_mut(slot) {
            window.mark(index);
        }
    }
}

impl From<Stale> for Reject {
    fn from(stale: Stale) -> Self {
        match stale {
            Stale::Used => Self::Replayed,
            Stale::TooOld => Self::TooOld,
        }
    }
}

/// Tag and index behind the body; see the sender's namesake for their order.
fn split_rtcp_trailer(
    profile: SrtpProfile,
    behind: &[u8],
) -> Option<(&[u8], [u8; SRTCP_INDEX_LEN])> {
    match profile {
        SrtpProfile::AeadAes128Gcm | SrtpProfile::AeadAes256Gcm => {
            behind.split_last_chunk().map(|(tag, index)| (tag, *index))
        }
        SrtpProfile::Aes128CmSha1_80 => {
            behind.split_first_chunk().map(|(index, tag)| (tag, *index))
        }
    }
}

/// 1,024 packets. RFC 3711 asks for at least 64; a client without RTX sends a lost packet again under its own index,
/// a round trip late, which at the rate of good video is some hundred packets.
const RTP_WINDOW_WORDS: usize = 16;

/// 128 compound packets.
const RTCP_WINDOW_WORDS: usize = 2;
