//! The tracks that a client publishes, from the plan to what was negotiated.

use std::collections::VecDeque;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sluice_wire::id::Ssrc;

use super::event::{Encoding, Extensions, Format, Pc, Publication, SessionEvent};
use super::plan::{AudioPlan, Kind, PublishPlan, VideoPlan};
use super::proto::{
    AddTrack, AudioFeature, LayerMode, SimulcastCodec, TrackSource, TrackType, VideoLayer,
};
use super::sdp::{Description, OfferedSection, Role, extension_ids, formats};

/// All of them; the mid of each is its place.
#[derive(Debug)]
pub struct Publications {
    list: Vec<Pending>,
}

/// One that is told once the server has named it and agreed to a format, in whichever order.
#[derive(Debug)]
struct Pending {
    plan: PublishPlan,
    cid: String,
    encodings: Vec<Encoding>,
    sid: Option<String>,
    agreed: Option<(Format, Extensions)>,
    told: bool,
}

/// The server doesn't take a track, or not in its codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;

impl Publications {
    /// As planned; SSRCs come of the seed.
    pub fn new(plans: Vec<PublishPlan>, seed: u64) -> Self {
        let mut random = SmallRng::seed_from_u64(seed);
        let pending = |(place, plan): (usize, PublishPlan)| Pending {
            cid: format!(
                "{}-{place}",
                if plan.kind() == Kind::Audio {
                    "mic"
                } else {
                    "cam"
                }
            ),
            encodings: encodings(&plan, &mut random),
            plan,
            sid: None,
            agreed: None,
            told: false,
        };
        Self {
            list: plans.into_iter().enumerate().map(pending).collect(),
        }
    }

    /// Their sections in an offer.
    pub fn sections(&self) -> Vec<OfferedSection> {
        let section = |pending: &Pending| OfferedSection::Media {
            kind: pending.plan.kind(),
            role: Role::Send {
                cid: pending.cid.clone(),
                codec: pending.plan.codec(),
                encodings: pending.encodings.clone(),
            },
        };
        self.list.iter().map(section).collect()
    }

    /// What announces them.
    pub fn requests(&self) -> impl Iterator<Item = AddTrack> {
        self.list.iter().map(|pending| match &pending.plan {
            PublishPlan::Audio(plan) => add_audio(&pending.cid, *plan),
            PublishPlan::Video(plan) => add_video(&pending.cid, plan, &pending.encodings),
        })
    }

    /// The server named a track.
    pub fn handle_published(&mut self, cid: &str, sid: &str, events: &mut VecDeque<SessionEvent>) {
        if let Some(pending) = self.list.iter_mut().find(|pending| pending.cid == cid) {
            pending.sid = Some(sid.to_owned());
        }
        self.tell(events);
    }

    /// The server answered an offer.
    ///
    /// # Errors
    /// It refused a section, or the codec planned for it.
    pub fn handle_answer(
        &mut self,
        answer: &Description,
        events: &mut VecDeque<SessionEvent>,
    ) -> Result<(), Refused> {
        for (section, pending) in answer.sections.iter().zip(&mut self.list) {
            if pending.agreed.is_some() {
                continue;
            }
            let spoken = if section.rejected {
                Vec::new()
            } else {
                formats(section)
            };
            let codec = pending.plan.codec();
            let mut format = spoken
                .into_iter()
                .find(|format| format.codec == codec)
                .ok_or(Refused)?;
            if !matches!(
                pending.plan,
                PublishPlan::Audio(AudioPlan { red: true, .. })
            ) {
                format.red = None;
            }
            pending.agreed = Some((format, extension_ids(&section.extensions)));
        }
        self.tell(events);
        Ok(())
    }

    fn tell(&mut self, events: &mut VecDeque<SessionEvent>) {
        for (place, pending) in self.list.iter_mut().enumerate() {
            if let (Some(sid), Some((format, extensions)), false) =
                (&pending.sid, pending.agreed, pending.told)
            {
                pending.told = true;
                events.push_back(SessionEvent::Publish(Publication {
                    plan: place,
                    track: sid.clone(),
                    pc: Pc::Publisher,
                    kind: pending.plan.kind(),
                    mid: place.to_string(),
                    format,
                    encodings: pending.encodings.clone(),
                    extensions,
                }));
            }
        }
    }
}

fn encodings(plan: &PublishPlan, random: &mut SmallRng) -> Vec<Encoding> {
    let video = plan.kind() == Kind::Video;
    let mut encoding = |rid: Option<&str>| Encoding {
        rid: rid.map(str::to_owned),
        ssrc: Ssrc(random.random_range(1..u32::MAX)),
        rtx: video.then(|| Ssrc(random.random_range(1..u32::MAX))),
    };
    match plan {
        PublishPlan::Video(VideoPlan {
            layers, svc: false, ..
        }) if layers.len() > 1 => {
            let rids = RIDS.iter().take(layers.len());
            rids.map(|rid| encoding(Some(rid))).collect()
        }
        _ => vec![encoding(None)],
    }
}

fn add_audio(cid: &str, plan: AudioPlan) -> AddTrack {
    let no_dtx = if plan.dtx {
        None
    } else {
        Some(AudioFeature::NoDtx.into())
    };
    AddTrack {
        cid: cid.to_owned(),
        name: cid.to_owned(),
        kind: TrackType::Audio.into(),
        source: TrackSource::Microphone.into(),
        disable_dtx: !plan.dtx,
        disable_red: !plan.red,
        audio_features: no_dtx.into_iter().collect(),
        ..AddTrack::default()
    }
}

fn add_video(cid: &str, plan: &VideoPlan, encodings: &[Encoding]) -> AddTrack {
    let layers = video_layers(plan, encodings);
    let layer_mode = if plan.svc {
        LayerMode::AllInOneStream
    } else {
        LayerMode::OnePerStream
    };
    AddTrack {
        cid: cid.to_owned(),
        name: cid.to_owned(),
        kind: TrackType::Video.into(),
        width: plan.width,
        height: plan.height,
        source: TrackSource::Camera.into(),
        simulcast_codecs: vec![SimulcastCodec {
            codec: plan.codec.name().to_owned(),
            cid: cid.to_owned(),
            layers: layers.clone(),
            layer_mode: layer_mode.into(),
        }],
        layers,
        ..AddTrack::default()
    }
}

/// Each layer has half the width and height of the one above; a single one is of high quality.
fn video_layers(plan: &VideoPlan, encodings: &[Encoding]) -> Vec<VideoLayer> {
    let count = plan.layers.len();
    let layer = |(place, &bitrate): (usize, &u32)| {
        let halvings = count - 1 - place;
        let rid = encodings
            .get(place)
            .and_then(|encoding| encoding.rid.clone());
        VideoLayer {
            // Of three layers the highest is high; two that are streams of their own are low and medium as their rids say.
            quality: match (count, plan.svc) {
                (1, _) => 2,
                (_, true) => 2 - halvings as i32,
                (_, false) => place as i32,
            },
            width: plan.width >> halvings,
            height: plan.height >> halvings,
            bitrate,
            spatial_layer: place as i32,
            rid: rid.unwrap_or_default(),
        }
    };
    plan.layers.iter().enumerate().map(layer).collect()
}

/// Lowest layer first.
const RIDS: [&str; 3] = ["q", "h", "f"];
