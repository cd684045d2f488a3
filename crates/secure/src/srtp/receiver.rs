//! Unprotecting what arrives.

use std::collections::VecDeque;

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
    /// SRTCP without the E flag, which no profile of ours sends.
    #[error("unencrypted SRTCP")]
    Unencrypted,
}

/// SSRCs of one peer with a replay window, RTP and RTCP counted apart: more than any client uses at a time (tracks × 3
/// layers × RTX), few enough that a flood of authenticated SSRCs costs nothing. A client that publishes again and
/// again uses more in a day: the one that was silent longest makes room.
pub const MAX_INBOUND_SSRCS: usize = 64;

/// Replay state per authenticated SSRC; the SSRCs beside it so that the search reads four cache lines at most.
struct Streams<const WORDS: usize> {
    ssrcs: Vec<u32>,
    windows: Vec<IndexWindow<WORDS>>,
    /// By slot: which packet was its last, counted over all slots.
    heard: Vec<u64>,
    packets: u64,
    /// SSRCs that made room and their highest index, latest last: when they come back, nothing that was heard passes
    /// again and their rollover counter stands.
    former: VecDeque<(u32, u64)>,
}

/// Where the state of an SSRC is.
#[derive(Debug, Clone, Copy)]
enum Place {
    Slot(usize),
    /// It made room: its highest index.
    Former(u64),
    New,
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

    /// Authenticated SSRCs with a window.
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
        let place = self.rtp_streams.find(header.ssrc);
        let index = self.rtp_streams.estimate(place, header.sequence);
        let index = index.ok_or(Reject::TooOld)?;
        self.rtp_streams.check(place, index)?;

        let (clear, rest) = packet.split_at_mut(header.header_len);
        let (body, tag) = rest.split_at_mut(end - header.header_len);
        self.rtp
            .open(rtp_context(header.ssrc, index, clear), body, tag)
            .map_err(|_| Reject::Unauthentic)?;
        self.rtp_streams.accept(place, header.ssrc, index);
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
        let place = self.rtcp_streams.find(ssrc);
        self.rtcp_streams.check(place, index)?;

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
        self.rtcp_streams.accept(place, ssrc, index);
        Ok(end)
    }
}

impl<const WORDS: usize> Streams<WORDS> {
    fn new() -> Self {
        Self {
            ssrcs: Vec::new(),
            windows: Vec::new(),
            heard: Vec::new(),
            packets: 0,
            former: VecDeque::new(),
        }
    }

    #[inline]
    fn find(&self, ssrc: u32) -> Place {
        if let Some(slot) = self.ssrcs.iter().position(|known| *known == ssrc) {
            return Place::Slot(slot);
        }
        let former = self.former.iter().find(|(known, _)| *known == ssrc);
        former.map_or(Place::New, |(_, highest)| Place::Former(*highest))
    }

    #[inline]
    fn estimate(&self, place: Place, sequence: u16) -> Option<u64> {
        match place {
            Place::Slot(slot) => self.windows.get(slot)?.estimate(sequence),
            Place::Former(highest) => IndexWindow::<WORDS>::resumed(highest).estimate(sequence),
            Place::New => Some(u64::from(sequence)),
        }
    }

    #[inline]
    fn check(&self, place: Place, index: u64) -> Result<(), Stale> {
        match place {
            Place::Slot(slot) => self
                .windows
                .get(slot)
                .map_or(Ok(()), |window| window.check(index)),
            Place::Former(highest) if index <= highest => Err(Stale::TooOld),
            Place::Former(_) | Place::New => Ok(()),
        }
    }

    /// Remembers an authenticated packet.
    #[inline]
    fn accept(&mut self, place: Place, ssrc: u32, index: u64) {
        let slot = match place {
            Place::Slot(slot) => slot,
            Place::Former(highest) => {
                self.former.retain(|(known, _)| *known != ssrc);
                self.settle(ssrc, IndexWindow::resumed(highest))
            }
            Place::New => self.settle(ssrc, IndexWindow::new()),
        };
        self.packets += 1;
        if let (Some(window), Some(heard)) = (self.windows.get_mut(slot), self.heard.get_mut(slot))
        {
            window.mark(index);
            *heard = self.packets;
        }
    }

    /// Gives an SSRC a slot, if need be that of the one which was silent longest.
    fn settle(&mut self, ssrc: u32, window: IndexWindow<WORDS>) -> usize {
        if self.ssrcs.len() < MAX_INBOUND_SSRCS {
            self.ssrcs.push(ssrc);
            self.windows.push(window);
            self.heard.push(0);
            return self.ssrcs.len() - 1;
        }
        let silent = self.heard.iter().enumerate().min_by_key(|(_, at)| **at);
        let slot = silent.map_or(0, |(slot, _)| slot);
        if let (Some(known), Some(held)) = (self.ssrcs.get_mut(slot), self.windows.get_mut(slot)) {
            if self.former.len() == MAX_FORMER_SSRCS {
                self.former.pop_front();
            }
            self.former.push_back((*known, held.highest()));
            (*known, *held) = (ssrc, window);
        }
        slot
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

/// SSRCs without a window of which the highest index is still known: days of publishing again and again.
const MAX_FORMER_SSRCS: usize = 1_024;
