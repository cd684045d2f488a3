//! What the server sends, told from one description to the next.

use std::collections::{HashMap, VecDeque};

use rustc_hash::FxHashMap;
use sluice_wire::id::Ssrc;

use super::event::{Pc, SessionEvent, Subscription};
use super::plan::Kind;
use super::room::Room;
use super::sdp::{Description, Media, Section, extension_ids, formats};

/// The tracks of one peer connection by their section.
#[derive(Debug, Default)]
pub struct Received {
    tracks: FxHashMap<String, Track>,
    descriptions: u32,
}

#[derive(Debug)]
struct Track {
    sid: String,
    ssrc: u32,
    /// Count of the description that last had it.
    seen: u32,
}

impl Received {
    /// Compares with the server's latest description, and tells first what ended and then what is new.
    pub fn update(
        &mut self,
        pc: Pc,
        description: &Description,
        names: &HashMap<String, String>,
        room: &Room,
        events: &mut VecDeque<SessionEvent>,
    ) {
        self.descriptions += 1;
        let mut fresh = Vec::new();
        for section in &description.sections {
            let Some((sid, ssrc)) = sent_track(section, names) else {
                continue;
            };
            match self.tracks.get_mut(section.mid) {
                Some(track) if track.sid == sid && track.ssrc == ssrc => {
                    track.seen = self.descriptions;
                }
                _ => fresh.push((section, sid, ssrc)),
            }
        }
        self.tracks.retain(|_, track| {
            let stays = track.seen == self.descriptions;
            if !stays {
                let track = std::mem::take(&mut track.sid);
                events.push_back(SessionEvent::Unsubscribed { track });
            }
            stays
        });
        for (section, sid, ssrc) in fresh {
            let track = Track {
                sid: sid.to_owned(),
                ssrc,
                seen: self.descriptions,
            };
            self.tracks.insert(section.mid.to_owned(), track);
            events.push_back(SessionEvent::Subscribed(subscription(
                pc, section, sid, ssrc, room,
            )));
        }
    }
}

/// SID and SSRC of what the server sends on a section; none where it sends nothing.
fn sent_track<'a>(
    section: &Section<'a>,
    names: &'a HashMap<String, String>,
) -> Option<(&'a str, u32)> {
    let media = matches!(section.media, Media::Audio | Media::Video);
    if !media || section.rejected || !section.direction.sends() {
        return None;
    }
    let (stream, track) = section.msid.unwrap_or_default();
    let is_sid = |text: &&str| text.starts_with("TR");
    let sid = Some(track)
        .filter(is_sid)
        .or_else(|| stream.split_once('|').map(|(_, sid)| sid).filter(is_sid))
        .or_else(|| names.get(section.mid).map(String::as_str))?;
    Some((sid, *section.ssrcs.first()?))
}

fn subscription(pc: Pc, section: &Section, sid: &str, ssrc: u32, room: &Room) -> Subscription {
    let (stream, _) = section.msid.unwrap_or_default();
    let publisher = stream.split('|').next().unwrap_or_default();
    let repairs = |&&(media, _): &&(u32, u32)| media == ssrc;
    Subscription {
        track: sid.to_owned(),
        publisher: publisher.to_owned(),
        publisher_identity: room.identity(publisher).map(str::to_owned),
        pc,
        kind: match section.media {
            Media::Audio => Kind::Audio,
            _ => Kind::Video,
        },
        mid: section.mid.to_owned(),
        ssrc: Ssrc(ssrc),
        rtx: section
            .retransmissions
            .iter()
            .find(repairs)
            .map(|&(_, rtx)| Ssrc(rtx)),
        formats: formats(section),
        extensions: extension_ids(&section.extensions),
    }
}
