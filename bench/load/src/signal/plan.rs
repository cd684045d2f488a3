//! What a client means to send and to receive, as the session needs to know it.

/// One client of a room, before it has joined.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionConfig {
    /// As the token says.
    pub identity: String,
    /// One peer connection in which the client always offers, as client-sdk-js does by default; else two.
    pub single_pc: bool,
    /// What it publishes, in this order.
    pub publish: Vec<PublishPlan>,
    /// Sends data packets, so that it needs a publisher's transport even without tracks.
    pub data: bool,
    /// What it asks to receive.
    pub subscribe: SubscribePlan,
    /// SSRCs come of it.
    pub seed: u64,
}

/// One track to publish.
#[derive(Debug, Clone, PartialEq)]
pub enum PublishPlan {
    /// A microphone.
    Audio(AudioPlan),
    /// A camera.
    Video(VideoPlan),
}

impl PublishPlan {
    /// Audio or video.
    pub fn kind(&self) -> Kind {
        self.codec().kind()
    }

    /// The codec; redundant audio is around it.
    pub fn codec(&self) -> Codec {
        match self {
            Self::Audio(_) => Codec::Opus,
            Self::Video(plan) => plan.codec,
        }
    }
}

/// How audio is published; the codec is Opus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioPlan {
    /// Packets in RED (RFC 2198) where the server takes it.
    pub red: bool,
    /// Silence is not sent.
    pub dtx: bool,
}

/// How video is published.
#[derive(Debug, Clone, PartialEq)]
pub struct VideoPlan {
    /// In which codec.
    pub codec: Codec,
    /// Of the highest layer, in pixels.
    pub width: u32,
    /// Of the highest layer, in pixels.
    pub height: u32,
    /// Bits per second of each layer, lowest first; as many as there are layers, one to three.
    pub layers: Vec<u32>,
    /// All layers in one stream rather than one stream each.
    pub svc: bool,
}

/// Codecs that a section may name; others are not spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// RFC 7587.
    Opus,
    /// Redundant audio, RFC 2198.
    Red,
    /// RFC 7741.
    Vp8,
    /// RFC 9628.
    Vp9,
    /// RFC 6184.
    H264,
    /// The AV1 RTP specification.
    Av1,
}

/// Audio or video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Audio.
    Audio,
    /// Video.
    Video,
}

/// What a client asks to receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubscribePlan {
    /// Whose video.
    pub video: VideoWish,
    /// Everybody's audio, or none.
    pub audio: bool,
    /// The layer asked for; none leaves it to the server, which gives the highest.
    pub layer: Option<Quality>,
}

impl SubscribePlan {
    /// Everything, at the server's choice of layer.
    pub const ALL: Self = Self {
        video: VideoWish::All,
        audio: true,
        layer: None,
    };
    /// Nothing.
    pub const NONE: Self = Self {
        video: VideoWish::None,
        audio: false,
        layer: None,
    };

    /// True where everything is received, so that the server subscribes by itself.
    pub fn is_all(&self) -> bool {
        self.audio && self.video == VideoWish::All
    }

    /// True where nothing is received.
    pub fn is_none(&self) -> bool {
        !self.audio && matches!(self.video, VideoWish::None | VideoWish::Speakers(0))
    }
}

/// Whose video a client receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VideoWish {
    /// Everybody's.
    All,
    /// So many at most: those who spoke last, and others while there are not so many speakers.
    Speakers(usize),
    /// Nobody's.
    None,
}

/// A layer to ask for; the numbers are livekit's `VideoQuality`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quality {
    /// The lowest.
    Low = 0,
    /// Between.
    Medium = 1,
    /// The highest.
    High = 2,
}

impl Codec {
    /// As livekit's messages call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::Red => "red",
            Self::Vp8 => "vp8",
            Self::Vp9 => "vp9",
            Self::H264 => "h264",
            Self::Av1 => "av1",
        }
    }

    /// Audio or video.
    pub fn kind(self) -> Kind {
        match self {
            Self::Opus | Self::Red => Kind::Audio,
            Self::Vp8 | Self::Vp9 | Self::H264 | Self::Av1 => Kind::Video,
        }
    }
}
