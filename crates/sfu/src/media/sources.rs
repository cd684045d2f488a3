//! Which track a received SSRC belongs to: announced in SDP, or told by the packet's own mid and rid.

use sluice_wire::id::{PayloadType, Ssrc};
use sluice_wire::rtp::{RtpView, parse_identifier};

use crate::command::{ExtensionIds, UpTrackConfig};

/// Where a packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// Slab index of the track.
    pub track: usize,
    /// Its layer.
    pub layer: u8,
    /// A retransmission stream (RFC 4588).
    pub rtx: bool,
}

/// Why a packet goes nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unrouted {
    /// Nothing says what its SSRC is.
    Unknown,
    /// The transport has all the SSRCs it may have.
    Cap,
}

/// SSRCs and sections of one publishing transport.
#[derive(Debug, Default)]
pub struct Sources {
    known: Vec<(Ssrc, Source)>,
    sections: Vec<Section>,
    last: usize,
}

#[derive(Debug)]
struct Section {
    track: usize,
    mid: String,
    rids: Vec<String>,
    primary: Vec<PayloadType>,
    rtx: Vec<PayloadType>,
    announced: bool,
}

impl Sources {
    /// Adds a section, or replaces it: SSRCs that the new description does not name are forgotten.
    pub fn set_section(&mut self, track: usize, config: &UpTrackConfig) {
        self.remove_section(track);
        for (layer, announced) in config.ssrcs.iter().take(MAX_LAYERS).enumerate() {
            let source = |rtx| Source {
                track,
                layer: layer as u8,
                rtx,
            };
            self.note(announced.ssrc, source(false));
            if let Some(rtx) = announced.rtx {
                self.note(rtx, source(true));
            }
        }
        self.sections.push(Section {
            track,
            mid: config.mid.clone(),
            rids: config.rids.iter().take(MAX_LAYERS).cloned().collect(),
            primary: config.codecs.iter().map(|codec| codec.pt).collect(),
            rtx: config
                .codecs
                .iter()
                .filter_map(|codec| codec.rtx_pt)
                .collect(),
            announced: !config.ssrcs.is_empty(),
        });
    }

    /// Forgets a section.
    pub fn remove_section(&mut self, track: usize) {
        self.sections.retain(|section| section.track != track);
        self.known.retain(|(_, source)| source.track != track);
        self.last = 0;
    }

    /// Where a packet goes. What its extensions say of an SSRC that is not known yet is remembered.
    #[inline]
    pub fn find(&mut self, view: &RtpView, ids: [&ExtensionIds; 2]) -> Result<Source, Unrouted> {
        let ssrc = view.header().ssrc;
        if let Some((known, source)) = self.known.get(self.last)
            && *known == ssrc
        {
            return Ok(*source);
        }
        if let Some(at) = self.known.iter().position(|(known, _)| *known == ssrc) {
            self.last = at;
            return Ok(self.known[at].1);
        }
        if ssrc.0 == 0 {
            // Bandwidth probes of libwebrtc before any stream is configured.
            return Err(Unrouted::Unknown);
        }
        let source = self.resolve(view, ids).ok_or(Unrouted::Unknown)?;
        if self.note(ssrc, source) {
            Ok(source)
        } else {
            Err(Unrouted::Cap)
        }
    }

    /// The source of an SSRC that is already known, as RTCP names it.
    pub fn known(&self, ssrc: Ssrc) -> Option<Source> {
        self.known
            .iter()
            .find(|(known, _)| *known == ssrc)
            .map(|(_, source)| *source)
    }

    fn note(&mut self, ssrc: Ssrc, source: Source) -> bool {
        if let Some(entry) = self.known.iter_mut().find(|(known, _)| *known == ssrc) {
            entry.1 = source;
            return true;
        }
        let room = self.known.len() < MAX_SSRCS;
        if room {
            self.known.push((ssrc, source));
        }
        room
    }

    fn resolve(&self, view: &RtpView, ids: [&ExtensionIds; 2]) -> Option<Source> {
        let text = |pick: fn(&ExtensionIds) -> Option<u8>| {
            ids.iter()
                .filter_map(|ids| pick(ids))
                .find_map(|id| parse_identifier(view.extension(id)?))
        };
        let pt = view.header().payload_type;
        let repaired = text(|ids| ids.repaired_rid);
        let rid = repaired.or_else(|| text(|ids| ids.rid));
        let section = match text(|ids| ids.mid) {
            Some(mid) => self.sections.iter().find(|section| section.mid == mid)?,
            None => self.only(|section| match rid {
                Some(rid) => section.rids.iter().any(|own| own == rid) && section.carries(pt),
                None => !section.announced && section.rids.is_empty() && section.carries(pt),
            })?,
        };
        let rtx = section.rtx.contains(&pt);
        if !rtx && !section.primary.contains(&pt) {
            return None;
        }
        let layer = match rid {
            Some(rid) if !section.rids.is_empty() => {
                section.rids.iter().position(|own| own == rid)?
            }
            _ if section.rids.len() > 1 => return None,
            _ => 0,
        };
        Some(Source {
            track: section.track,
            layer: layer as u8,
            rtx: rtx || repaired.is_some(),
        })
    }

    /// The only section for which `fits` holds.
    fn only(&self, fits: impl Fn(&Section) -> bool) -> Option<&Section> {
        let mut found = self.sections.iter().filter(|section| fits(section));
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }
}

impl Section {
    fn carries(&self, pt: PayloadType) -> bool {
        self.primary.contains(&pt) || self.rtx.contains(&pt)
    }
}

/// SSRCs one transport may send (acceptance case 9).
pub const MAX_SSRCS: usize = 64;

/// Spatial layers of one track.
const MAX_LAYERS: usize = 3;

#[cfg(test)]
#[path = "sources_tests.rs"]
mod tests;
