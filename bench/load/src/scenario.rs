//! What the load is asked to do: one JSON object on standard input.

use serde::Deserialize;

use crate::signal::{AudioPlan, Codec, PublishPlan, Quality, SubscribePlan, VideoPlan, VideoWish};

/// The whole request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Request {
    /// Where to join.
    pub target: Server,
    /// All randomness comes of it.
    #[serde(default)]
    pub seed: u64,
    /// Threads of the load.
    #[serde(default = "one")]
    pub threads: usize,
    /// Length of the measurement.
    pub seconds: f64,
    /// After everybody settled, before it.
    #[serde(default)]
    pub warmup_seconds: f64,
    /// One peer connection per client instead of two.
    #[serde(default)]
    pub single_peer_connection: bool,
    /// The SRTP protection that has to be agreed on; without, whatever is.
    #[serde(default)]
    pub srtp: Option<Srtp>,
    /// Who joins and what they do.
    pub scenario: Scenario,
}

/// A server under load.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Server {
    /// It speaks livekit's signalling.
    #[serde(rename_all = "camelCase")]
    Livekit {
        /// `ws://host:port`.
        url: String,
        /// A key pair of its.
        api_key: String,
        /// Its secret.
        api_secret: String,
    },
}

/// SRTP protections by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Srtp {
    /// AEAD_AES_128_GCM.
    Gcm,
    /// AEAD_AES_256_GCM.
    Gcm256,
    /// AES128_CM_HMAC_SHA1_80.
    Cm,
}

/// Rooms alike, and what happens in them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scenario {
    /// Part of the rooms' names.
    pub name: String,
    /// How many.
    #[serde(default = "one")]
    pub rooms: usize,
    /// The people of each.
    pub groups: Vec<Group>,
    /// How fast they come.
    pub join: Pace,
    /// Who leaves and joins while measuring.
    #[serde(default)]
    pub churn: Option<Churn>,
    /// Subscribers that wish for another layer while measuring.
    #[serde(default)]
    pub layer_switch: Option<Rate>,
    /// People who raise a hand, or take it down, while measuring.
    #[serde(default)]
    pub hands: Option<Rate>,
    /// Some behind a line that is too thin.
    #[serde(default)]
    pub slow: Option<Slow>,
}

/// People alike.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Group {
    /// Part of their identities.
    pub name: String,
    /// In each room.
    pub count: usize,
    /// What each sends.
    #[serde(default)]
    pub publish: Publish,
    /// What each receives.
    #[serde(default)]
    pub subscribe: Subscribe,
    /// What happens to what they receive.
    #[serde(default)]
    pub impair: Option<Impair>,
}

/// What one client sends.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Publish {
    /// A camera.
    #[serde(default)]
    pub video: Option<Video>,
    /// A microphone.
    #[serde(default)]
    pub audio: Option<Audio>,
    /// Data packets to everybody.
    #[serde(default)]
    pub data: Option<Data>,
}

/// A camera.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Video {
    /// `vp8` or `vp9`.
    pub codec: VideoCodec,
    /// Streams of different sizes, or spatial layers with `svc`.
    #[serde(default = "one")]
    pub layers: usize,
    /// All layers in one stream.
    #[serde(default)]
    pub svc: bool,
    /// Pixels of the highest layer.
    pub width: u32,
    /// Pixels of the highest layer.
    pub height: u32,
    /// Frames per second.
    pub fps: f64,
    /// Of each layer, lowest first.
    pub kbps: Vec<f64>,
    /// Most bytes of a packet's payload.
    pub packet_bytes: usize,
}

/// Codecs that cameras of the load speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VideoCodec {
    /// RFC 7741.
    Vp8,
    /// RFC 9628.
    Vp9,
    /// Known, and refused with a message.
    Av1,
}

/// A microphone.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Audio {
    /// While speaking.
    pub kbps: f64,
    /// Silence is not sent; each speaks a fifth of the time.
    #[serde(default)]
    pub dtx: bool,
    /// Known, and refused with a message.
    #[serde(default)]
    pub red: bool,
    /// Milliseconds of sound in a packet.
    pub packet_ms: u32,
}

/// Data packets.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Data {
    /// How many.
    pub per_second: f64,
    /// Of payload.
    pub bytes: usize,
    /// On the reliable channel.
    #[serde(default)]
    pub reliable: bool,
}

/// What is received: everything or nothing, or in detail.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Subscribe {
    /// Everything or nothing.
    Whole(bool),
    /// In detail.
    Parts(Wishes),
}

/// What is received, in detail.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Wishes {
    /// Whose video.
    #[serde(default)]
    video: VideoOf,
    /// Everybody's audio.
    #[serde(default = "yes")]
    audio: bool,
    /// Which layer is asked for.
    #[serde(default)]
    layer: Option<Layer>,
    /// How many with `speakers`.
    #[serde(default = "five")]
    speakers: usize,
}

/// Whose video is received.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum VideoOf {
    #[default]
    All,
    Speakers,
    None,
}

/// A layer by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Layer {
    Low,
    Medium,
    High,
}

/// What happens to datagrams that a client receives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Impair {
    /// Lost at random.
    #[serde(default)]
    pub loss_percent: f64,
    /// Later by so much.
    #[serde(default)]
    pub delay_ms: f64,
    /// And by up to so much more, at random.
    #[serde(default)]
    pub jitter_ms: f64,
    /// A line no faster than this; 0 for any speed.
    #[serde(default)]
    pub rate_kbps: f64,
}

/// How fast clients come.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Pace {
    /// So many begin per second.
    PerSecond(f64),
    /// So many are joining at any time.
    AtOnce(usize),
}

/// Who leaves and joins while measuring.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Churn {
    /// How many, or how many rooms.
    pub per_second: f64,
    /// Whole rooms.
    #[serde(default)]
    pub rooms: bool,
}

/// How often.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rate {
    /// All clients together.
    pub per_second: f64,
}

/// Some clients behind a thin line.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Slow {
    /// Of this group.
    pub group: String,
    /// How many, all rooms together.
    pub count: usize,
    /// As fast as that.
    pub rate_kbps: f64,
}

impl Request {
    /// What of it can't be done, naming the key.
    pub fn refusal(&self) -> Option<String> {
        if !(1..=64).contains(&self.threads) {
            return Some("threads: expected 1 to 64".to_owned());
        }
        if self.srtp.is_some() {
            return Some("srtp: DTLS agrees on it; the report tells on what".to_owned());
        }
        let groups = &self.scenario.groups;
        groups.iter().find_map(|group| {
            let at = |key: &str, what: &str| {
                Some(format!("groups.{}.publish.{key}: {what}", group.name))
            };
            match (&group.publish.video, &group.publish.audio) {
                (Some(video), _) if video.codec == VideoCodec::Av1 => {
                    at("video.codec", "the load has cameras for vp8 and vp9 only")
                }
                (Some(video), _) if video.kbps.len() != video.layers => {
                    at("video.kbps", "expected as many rates as there are layers")
                }
                (Some(video), _)
                    if video.codec == VideoCodec::Vp9 && video.layers > 1 && !video.svc =>
                {
                    at("video.svc", "vp9 in several layers is sent in one stream")
                }
                (Some(video), _) if video.codec == VideoCodec::Vp8 && video.svc => {
                    at("video.svc", "vp8 has no spatial layers within a stream")
                }
                (_, Some(audio)) if audio.red => at("audio.red", "the load sends plain Opus only"),
                _ => None,
            }
        })
    }
}

impl Publish {
    /// As signalling wants to know it.
    pub fn plans(&self) -> Vec<PublishPlan> {
        let audio = self.audio.iter().map(|audio| {
            PublishPlan::Audio(AudioPlan {
                red: audio.red,
                dtx: audio.dtx,
            })
        });
        let video = self.video.iter().map(|video| {
            PublishPlan::Video(VideoPlan {
                codec: match video.codec {
                    VideoCodec::Vp8 => Codec::Vp8,
                    VideoCodec::Vp9 => Codec::Vp9,
                    VideoCodec::Av1 => Codec::Av1,
                },
                width: video.width,
                height: video.height,
                layers: video
                    .kbps
                    .iter()
                    .map(|kbps| (kbps * 1_000.0) as u32)
                    .collect(),
                svc: video.svc,
            })
        });
        audio.chain(video).collect()
    }
}

impl Subscribe {
    /// As signalling wants to know it.
    pub fn plan(&self) -> SubscribePlan {
        match self {
            Self::Whole(true) => SubscribePlan::ALL,
            Self::Whole(false) => SubscribePlan::NONE,
            Self::Parts(wishes) => SubscribePlan {
                video: match wishes.video {
                    VideoOf::All => VideoWish::All,
                    VideoOf::Speakers => VideoWish::Speakers(wishes.speakers),
                    VideoOf::None => VideoWish::None,
                },
                audio: wishes.audio,
                layer: wishes.layer.map(|layer| match layer {
                    Layer::Low => Quality::Low,
                    Layer::Medium => Quality::Medium,
                    Layer::High => Quality::High,
                }),
            },
        }
    }
}

impl Default for Subscribe {
    fn default() -> Self {
        Self::Whole(true)
    }
}

const fn one() -> usize {
    1
}

const fn five() -> usize {
    5
}

const fn yes() -> bool {
    true
}
