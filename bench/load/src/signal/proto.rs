//! The messages and fields of livekit's protocol that a client of ours reads or writes; others pass unread, as protobuf
//! has it. Tags are those of `livekit_rtc.proto` and `livekit_models.proto`.

use std::collections::HashMap;

use prost::{Message, Oneof};

/// Client to server.
#[derive(Clone, PartialEq, Message)]
pub struct SignalRequest {
    #[prost(oneof = "Request", tags = "1, 2, 3, 4, 6, 7, 8, 14, 15, 16")]
    pub message: Option<Request>,
}

#[derive(Clone, PartialEq, Oneof)]
pub enum Request {
    #[prost(message, tag = "1")]
    Offer(SessionDescription),
    #[prost(message, tag = "2")]
    Answer(SessionDescription),
    #[prost(message, tag = "3")]
    Trickle(Trickle),
    #[prost(message, tag = "4")]
    AddTrack(AddTrack),
    #[prost(message, tag = "6")]
    Subscription(UpdateSubscription),
    #[prost(message, tag = "7")]
    TrackSetting(TrackSettings),
    #[prost(message, tag = "8")]
    Leave(Leave),
    #[prost(int64, tag = "14")]
    Ping(i64),
    #[prost(message, tag = "15")]
    UpdateMetadata(UpdateMetadata),
    #[prost(message, tag = "16")]
    PingReq(Ping),
}

/// Server to client.
#[derive(Clone, PartialEq, Message)]
pub struct SignalResponse {
    #[prost(oneof = "Response", tags = "1, 2, 3, 4, 5, 6, 8, 10, 14, 20, 22, 25")]
    pub message: Option<Response>,
}

#[derive(Clone, PartialEq, Oneof)]
pub enum Response {
    #[prost(message, tag = "1")]
    Join(Join),
    #[prost(message, tag = "2")]
    Answer(SessionDescription),
    #[prost(message, tag = "3")]
    Offer(SessionDescription),
    #[prost(message, tag = "4")]
    Trickle(Trickle),
    #[prost(message, tag = "5")]
    Update(ParticipantUpdate),
    #[prost(message, tag = "6")]
    TrackPublished(TrackPublished),
    #[prost(message, tag = "8")]
    Leave(Leave),
    #[prost(message, tag = "10")]
    SpeakersChanged(SpeakersChanged),
    #[prost(message, tag = "14")]
    SubscribedQuality(SubscribedQualityUpdate),
    #[prost(message, tag = "20")]
    Pong(Pong),
    #[prost(message, tag = "22")]
    RequestResponse(RequestResponse),
    #[prost(message, tag = "25")]
    SectionsRequirement(SectionsRequirement),
}

#[derive(Clone, PartialEq, Message)]
pub struct SessionDescription {
    /// `offer` or `answer`.
    #[prost(string, tag = "1")]
    pub kind: String,
    #[prost(string, tag = "2")]
    pub sdp: String,
    #[prost(uint32, tag = "3")]
    pub id: u32,
    #[prost(map = "string, string", tag = "4")]
    pub mid_to_track_id: HashMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Trickle {
    /// JSON of an `RTCIceCandidateInit`.
    #[prost(string, tag = "1")]
    pub candidate_init: String,
    #[prost(enumeration = "Target", tag = "2")]
    pub target: i32,
    #[prost(bool, tag = "3")]
    pub last: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum Target {
    Publisher = 0,
    Subscriber = 1,
}

#[derive(Clone, PartialEq, Message)]
pub struct AddTrack {
    #[prost(string, tag = "1")]
    pub cid: String,
    #[prost(string, tag = "2")]
    pub name: String,
    #[prost(enumeration = "TrackType", tag = "3")]
    pub kind: i32,
    #[prost(uint32, tag = "4")]
    pub width: u32,
    #[prost(uint32, tag = "5")]
    pub height: u32,
    #[prost(bool, tag = "7")]
    pub disable_dtx: bool,
    #[prost(enumeration = "TrackSource", tag = "8")]
    pub source: i32,
    #[prost(message, repeated, tag = "9")]
    pub layers: Vec<VideoLayer>,
    #[prost(message, repeated, tag = "10")]
    pub simulcast_codecs: Vec<SimulcastCodec>,
    #[prost(bool, tag = "13")]
    pub disable_red: bool,
    #[prost(string, tag = "15")]
    pub stream: String,
    #[prost(enumeration = "AudioFeature", repeated, tag = "17")]
    pub audio_features: Vec<i32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum TrackType {
    Audio = 0,
    Video = 1,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum TrackSource {
    Unknown = 0,
    Camera = 1,
    Microphone = 2,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum AudioFeature {
    Stereo = 0,
    NoDtx = 1,
}

#[derive(Clone, PartialEq, Message)]
pub struct SimulcastCodec {
    /// `vp8` and the like.
    #[prost(string, tag = "1")]
    pub codec: String,
    #[prost(string, tag = "2")]
    pub cid: String,
    #[prost(message, repeated, tag = "4")]
    pub layers: Vec<VideoLayer>,
    #[prost(enumeration = "LayerMode", tag = "5")]
    pub layer_mode: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum LayerMode {
    Unused = 0,
    OnePerStream = 1,
    AllInOneStream = 2,
}

#[derive(Clone, PartialEq, Message)]
pub struct VideoLayer {
    /// 0 low, 1 medium, 2 high.
    #[prost(int32, tag = "1")]
    pub quality: i32,
    #[prost(uint32, tag = "2")]
    pub width: u32,
    #[prost(uint32, tag = "3")]
    pub height: u32,
    /// Bits per second.
    #[prost(uint32, tag = "4")]
    pub bitrate: u32,
    #[prost(int32, tag = "6")]
    pub spatial_layer: i32,
    #[prost(string, tag = "7")]
    pub rid: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct UpdateSubscription {
    #[prost(string, repeated, tag = "1")]
    pub track_sids: Vec<String>,
    #[prost(bool, tag = "2")]
    pub subscribe: bool,
}

#[derive(Clone, PartialEq, Message)]
pub struct TrackSettings {
    #[prost(string, repeated, tag = "1")]
    pub track_sids: Vec<String>,
    #[prost(bool, tag = "3")]
    pub disabled: bool,
    #[prost(int32, tag = "4")]
    pub quality: i32,
}

/// Livekit's `UpdateParticipantMetadata`: what is empty stays as it is.
#[derive(Clone, PartialEq, Message)]
pub struct UpdateMetadata {
    #[prost(map = "string, string", tag = "3")]
    pub attributes: HashMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Leave {
    #[prost(enumeration = "DisconnectReason", tag = "2")]
    pub reason: i32,
    /// 0 disconnect, 1 resume, 2 reconnect.
    #[prost(int32, tag = "3")]
    pub action: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum DisconnectReason {
    UnknownReason = 0,
    ClientInitiated = 1,
    DuplicateIdentity = 2,
    ServerShutdown = 3,
    ParticipantRemoved = 4,
    RoomDeleted = 5,
    StateMismatch = 6,
    JoinFailure = 7,
    Migration = 8,
    SignalClose = 9,
    RoomClosed = 10,
    UserUnavailable = 11,
    UserRejected = 12,
    SipTrunkFailure = 13,
    ConnectionTimeout = 14,
    MediaFailure = 15,
    AgentError = 16,
}

#[derive(Clone, PartialEq, Message)]
pub struct Ping {
    /// Unix milliseconds, or any count that comes back.
    #[prost(int64, tag = "1")]
    pub timestamp: i64,
    /// Milliseconds.
    #[prost(int64, tag = "2")]
    pub rtt: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct Pong {
    #[prost(int64, tag = "1")]
    pub last_ping_timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct Join {
    #[prost(message, optional, tag = "2")]
    pub participant: Option<ParticipantInfo>,
    #[prost(message, repeated, tag = "3")]
    pub other_participants: Vec<ParticipantInfo>,
    #[prost(bool, tag = "6")]
    pub subscriber_primary: bool,
    /// Seconds.
    #[prost(int32, tag = "10")]
    pub ping_timeout: i32,
    /// Seconds.
    #[prost(int32, tag = "11")]
    pub ping_interval: i32,
}

#[derive(Clone, PartialEq, Message)]
pub struct ParticipantUpdate {
    #[prost(message, repeated, tag = "1")]
    pub participants: Vec<ParticipantInfo>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ParticipantInfo {
    #[prost(string, tag = "1")]
    pub sid: String,
    #[prost(string, tag = "2")]
    pub identity: String,
    /// 3 is disconnected.
    #[prost(int32, tag = "3")]
    pub state: i32,
    #[prost(message, repeated, tag = "4")]
    pub tracks: Vec<TrackInfo>,
}

/// [`ParticipantInfo::state`] of one who left.
pub const DISCONNECTED: i32 = 3;

#[derive(Clone, PartialEq, Message)]
pub struct TrackInfo {
    #[prost(string, tag = "1")]
    pub sid: String,
    #[prost(enumeration = "TrackType", tag = "2")]
    pub kind: i32,
}

#[derive(Clone, PartialEq, Message)]
pub struct TrackPublished {
    #[prost(string, tag = "1")]
    pub cid: String,
    #[prost(message, optional, tag = "2")]
    pub track: Option<TrackInfo>,
}

#[derive(Clone, PartialEq, Message)]
pub struct SpeakersChanged {
    #[prost(message, repeated, tag = "1")]
    pub speakers: Vec<SpeakerInfo>,
}

#[derive(Clone, PartialEq, Message)]
pub struct SpeakerInfo {
    /// Of the participant.
    #[prost(string, tag = "1")]
    pub sid: String,
    #[prost(float, tag = "2")]
    pub level: f32,
    #[prost(bool, tag = "3")]
    pub active: bool,
}

#[derive(Clone, PartialEq, Message)]
pub struct SubscribedQualityUpdate {
    #[prost(string, tag = "1")]
    pub track_sid: String,
    /// Of servers that name no codecs.
    #[prost(message, repeated, tag = "2")]
    pub qualities: Vec<SubscribedQuality>,
    #[prost(message, repeated, tag = "3")]
    pub codecs: Vec<SubscribedCodec>,
}

#[derive(Clone, PartialEq, Message)]
pub struct SubscribedCodec {
    #[prost(string, tag = "1")]
    pub codec: String,
    #[prost(message, repeated, tag = "2")]
    pub qualities: Vec<SubscribedQuality>,
}

#[derive(Clone, PartialEq, Message)]
pub struct SubscribedQuality {
    #[prost(int32, tag = "1")]
    pub quality: i32,
    #[prost(bool, tag = "2")]
    pub enabled: bool,
}

#[derive(Clone, PartialEq, Message)]
pub struct RequestResponse {
    /// 0 is success, 4 queued.
    #[prost(int32, tag = "2")]
    pub reason: i32,
    #[prost(string, tag = "3")]
    pub message: String,
    #[prost(message, optional, tag = "5")]
    pub add_track: Option<AddTrack>,
}

#[derive(Clone, PartialEq, Message)]
pub struct SectionsRequirement {
    #[prost(uint32, tag = "1")]
    pub audios: u32,
    #[prost(uint32, tag = "2")]
    pub videos: u32,
}

/// In the address of a join with a single peer connection.
#[derive(Clone, PartialEq, Message)]
pub struct WrappedJoinRequest {
    /// 0 is none.
    #[prost(int32, tag = "1")]
    pub compression: i32,
    /// A [`JoinRequest`].
    #[prost(bytes = "vec", tag = "2")]
    pub join_request: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub struct JoinRequest {
    #[prost(message, optional, tag = "1")]
    pub client_info: Option<ClientInfo>,
    #[prost(message, optional, tag = "2")]
    pub connection_settings: Option<ConnectionSettings>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ClientInfo {
    /// 1 is JS.
    #[prost(int32, tag = "1")]
    pub sdk: i32,
    #[prost(string, tag = "2")]
    pub version: String,
    #[prost(int32, tag = "3")]
    pub protocol: i32,
    #[prost(string, tag = "4")]
    pub os: String,
    #[prost(string, tag = "6")]
    pub browser: String,
    #[prost(string, tag = "7")]
    pub browser_version: String,
    #[prost(int32, tag = "12")]
    pub client_protocol: i32,
}

#[derive(Clone, PartialEq, Message)]
pub struct ConnectionSettings {
    #[prost(bool, tag = "1")]
    pub auto_subscribe: bool,
}

/// On data channels.
#[derive(Clone, PartialEq, Message)]
pub struct DataPacket {
    /// 0 reliable, 1 lossy.
    #[prost(int32, tag = "1")]
    pub kind: i32,
    #[prost(message, optional, tag = "2")]
    pub user: Option<UserPacket>,
    /// Of reliable packets, from 1 on.
    #[prost(uint32, tag = "16")]
    pub sequence: u32,
}

#[derive(Clone, PartialEq, Message)]
pub struct UserPacket {
    #[prost(bytes = "bytes", tag = "2")]
    pub payload: prost::bytes::Bytes,
}
