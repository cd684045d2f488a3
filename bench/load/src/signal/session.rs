//! One client's conversation with the server.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use prost::Message;
use sluice_peer::ChannelSettings;

use super::answering::Answering;
use super::event::{LocalTransport, Pc, SessionEvent};
use super::offering::Offering;
use super::pings::{Due, Pings};
use super::plan::{Kind, Quality, SessionConfig};
use super::proto::{
    DisconnectReason, Join, Leave, Request, RequestResponse, Response, SessionDescription,
    SignalRequest, SignalResponse, SubscribedQualityUpdate, Target, TrackSettings, UpdateMetadata,
};
use super::publications::{Publications, Refused};
use super::received::Received;
use super::room::Room;
use super::sdp::{Description, OfferedSection, Role};

/// One client's conversation with the server, from the server's first message on.
///
/// ```text
/// AwaitingJoin ──join──▶ Joined ──leave, either side's──▶ Left
///       └──────────────────────────────────────────────────▲ what can't be understood
/// ```
pub struct Session {
    config: SessionConfig,
    state: State,
    sends: VecDeque<Request>,
    events: VecDeque<SessionEvent>,
}

enum State {
    AwaitingJoin,
    Joined(Box<Joined>),
    Left,
}

struct Joined {
    room: Room,
    publications: Publications,
    offering: Option<Offering>,
    answering: Answering,
    /// On the publisher's transport: all of it with a single peer connection, nothing with two.
    received_there: Received,
    /// On the subscriber's transport.
    received: Received,
    pings: Option<Pings>,
}

/// Why a session ends; a short word to count by.
struct End(String);

impl Session {
    /// A conversation in which nothing was said yet.
    pub fn new(config: SessionConfig) -> Self {
        Self {
            config,
            state: State::AwaitingJoin,
            sends: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Takes one binary message of the WebSocket.
    pub fn handle_message(&mut self, now: Instant, message: &[u8]) {
        if matches!(self.state, State::Left) {
            return;
        }
        let before = self.events.len();
        let taken = match SignalResponse::decode(message) {
            Ok(SignalResponse {
                message: Some(response),
            }) => self.handle_response(now, response),
            // One of the many that are nothing to us.
            Ok(_) => Ok(()),
            Err(_) => Err(End("undecodable message".to_owned())),
        };
        if let Err(End(reason)) = taken {
            self.end(reason);
        }
        self.wish_layers(before);
        if let State::Joined(joined) = &mut self.state
            && let Some(pings) = &mut joined.pings
        {
            pings.hear(now);
        }
    }

    /// A transport that was asked for is there.
    pub fn set_local(&mut self, pc: Pc, local: LocalTransport) {
        if let State::Joined(joined) = &mut self.state {
            match pc {
                Pc::Publisher => {
                    if let Some(offering) = &mut joined.offering {
                        offering.set_local(local, &mut self.sends);
                    }
                }
                Pc::Subscriber => joined.answering.set_local(local, &mut self.sends),
            }
        }
    }

    /// Asks for another layer of a track that is received.
    pub fn set_layer(&mut self, track: &str, quality: Quality) {
        self.sends.push_back(Request::TrackSetting(TrackSettings {
            track_sids: vec![track.to_owned()],
            disabled: false,
            quality: quality as i32,
        }));
    }

    /// Raises a hand, or takes it down: an attribute, of which everybody in the room hears.
    pub fn set_hand(&mut self, raised: bool) {
        let value = if raised { "raised" } else { "down" };
        self.sends
            .push_back(Request::UpdateMetadata(UpdateMetadata {
                attributes: [("hand".to_owned(), value.to_owned())].into(),
            }));
    }

    /// Says goodbye; the socket may be closed when all is sent.
    pub fn leave(&mut self) {
        if matches!(self.state, State::Joined(_)) {
            self.state = State::Left;
            self.sends.push_back(Request::Leave(Leave {
                reason: DisconnectReason::ClientInitiated.into(),
                action: 0,
            }));
        }
    }

    /// Pings where that is due, and gives up a server that says nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        let State::Joined(joined) = &mut self.state else {
            return;
        };
        match joined
            .pings
            .as_mut()
            .and_then(|pings| pings.handle_timeout(now))
        {
            Some(Due::Silence) => self.end("ping timeout".to_owned()),
            Some(Due::Ping(ping)) => {
                // As client-sdk-js: the one for servers of old, the other for the round trip.
                self.sends.push_back(Request::Ping(ping.timestamp));
                self.sends.push_back(Request::PingReq(ping));
            }
            None => {}
        }
    }

    /// The next binary message for the WebSocket.
    pub fn poll_send(&mut self) -> Option<Bytes> {
        let message = Some(self.sends.pop_front()?);
        Some(SignalRequest { message }.encode_to_vec().into())
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<SessionEvent> {
        self.events.pop_front()
    }

    /// When to call [`Session::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        let State::Joined(joined) = &self.state else {
            return None;
        };
        joined.pings.as_ref().map(Pings::poll_timeout)
    }

    fn end(&mut self, reason: String) {
        self.state = State::Left;
        self.events.push_back(SessionEvent::Left { reason });
    }

    fn handle_response(&mut self, now: Instant, response: Response) -> Result<(), End> {
        match (response, &mut self.state) {
            (Response::Leave(leave), _) => Err(End(reason_of(&leave))),
            (Response::Join(join), State::AwaitingJoin) => {
                self.handle_join(now, join);
                Ok(())
            }
            (Response::Answer(answer), State::Joined(joined)) => {
                joined.handle_answer(&answer, &mut self.sends, &mut self.events)
            }
            (Response::Offer(offer), State::Joined(joined)) => {
                joined.handle_offer(&offer, &mut self.sends, &mut self.events)
            }
            (Response::Trickle(trickle), State::Joined(joined)) => {
                let remote = match (Target::try_from(trickle.target), &mut joined.offering) {
                    (Ok(Target::Subscriber), _) => &mut joined.answering.remote,
                    (_, Some(offering)) => &mut offering.remote,
                    (_, None) => return Ok(()),
                };
                remote.trickle(&trickle.candidate_init, &mut self.events);
                Ok(())
            }
            (Response::Update(update), State::Joined(joined)) => {
                joined.room.update(update.participants);
                self.choose();
                Ok(())
            }
            (Response::SpeakersChanged(changed), State::Joined(joined)) => {
                joined.room.hear(&changed.speakers);
                self.choose();
                Ok(())
            }
            (Response::TrackPublished(published), State::Joined(joined)) => {
                let sid = published.track.unwrap_or_default().sid;
                joined
                    .publications
                    .handle_published(&published.cid, &sid, &mut self.events);
                Ok(())
            }
            (Response::SubscribedQuality(update), _) => {
                self.events.push_back(wanted_layers(update));
                Ok(())
            }
            (Response::RequestResponse(response), _) => refusal_of(&response),
            (Response::SectionsRequirement(wanted), State::Joined(joined)) => {
                if let Some(offering) = &mut joined.offering {
                    offering.require(wanted.audios, wanted.videos, &mut self.sends);
                }
                Ok(())
            }
            (Response::Pong(pong), State::Joined(joined)) => {
                if let Some(pings) = &mut joined.pings {
                    pings.handle_pong(now, pong.last_ping_timestamp);
                }
                Ok(())
            }
            (_, State::AwaitingJoin | State::Joined(_) | State::Left) => Ok(()),
        }
    }

    fn handle_join(&mut self, now: Instant, join: Join) {
        let pings = Pings::new(now, &join);
        let participant = join.participant.unwrap_or_default();
        self.events.push_back(SessionEvent::Joined);
        let mut room = Room::new(participant.sid);
        room.update(join.other_participants);
        let publications = Publications::new(self.config.publish.clone(), self.config.seed);
        self.sends
            .extend(publications.requests().map(Request::AddTrack));
        // Without a primary subscriber's transport the publisher's is the primary one, and there has to be one.
        let offers = self.config.single_pc
            || self.config.data
            || !self.config.publish.is_empty()
            || !join.subscriber_primary;
        if offers {
            self.events.push_back(SessionEvent::CreateTransport {
                pc: Pc::Publisher,
                controlling: true,
                channels: vec![
                    ChannelSettings::reliable("_reliable"),
                    ChannelSettings::lossy("_lossy"),
                    ChannelSettings::lossy("_data_track"),
                ],
            });
        }
        self.state = State::Joined(Box::new(Joined {
            room,
            offering: offers.then(|| Offering::new(first_sections(&self.config, &publications))),
            publications,
            answering: Answering::new(),
            received_there: Received::default(),
            received: Received::default(),
            pings,
        }));
        self.choose();
    }

    /// Asks for what the plan wants of the room as it is now.
    fn choose(&mut self) {
        if let State::Joined(joined) = &mut self.state {
            let updates = joined.room.choose(self.config.subscribe);
            self.sends
                .extend(updates.into_iter().map(Request::Subscription));
        }
    }

    /// Asks for the planned layer of what was subscribed by the events from this place on.
    fn wish_layers(&mut self, from: usize) {
        let Some(quality) = self.config.subscribe.layer else {
            return;
        };
        let video = |event: &SessionEvent| match event {
            SessionEvent::Subscribed(track) if track.kind == Kind::Video => {
                Some(track.track.clone())
            }
            _ => None,
        };
        let track_sids: Vec<String> = self.events.iter().skip(from).filter_map(video).collect();
        if !track_sids.is_empty() {
            self.sends.push_back(Request::TrackSetting(TrackSettings {
                track_sids,
                disabled: false,
                quality: quality as i32,
            }));
        }
    }
}

impl Joined {
    fn handle_answer(
        &mut self,
        answer: &SessionDescription,
        sends: &mut VecDeque<Request>,
        events: &mut VecDeque<SessionEvent>,
    ) -> Result<(), End> {
        let Some(offering) = &mut self.offering else {
            return Ok(());
        };
        if !offering.accepts(answer) {
            return Ok(());
        }
        let description = Description::parse(&answer.sdp);
        offering
            .handle_answer(&description, events, sends)
            .ok_or_else(|| End("answer without a transport".to_owned()))?;
        self.publications
            .handle_answer(&description, events)
            .map_err(|Refused| End("track refused".to_owned()))?;
        let names = &answer.mid_to_track_id;
        self.received_there
            .update(Pc::Publisher, &description, names, &self.room, events);
        Ok(())
    }

    fn handle_offer(
        &mut self,
        offer: &SessionDescription,
        sends: &mut VecDeque<Request>,
        events: &mut VecDeque<SessionEvent>,
    ) -> Result<(), End> {
        let description = Description::parse(&offer.sdp);
        self.answering
            .handle_offer(offer, &description, events, sends)
            .ok_or_else(|| End("offer without a transport".to_owned()))?;
        let names = &offer.mid_to_track_id;
        self.received
            .update(Pc::Subscriber, &description, names, &self.room, events);
        Ok(())
    }
}

/// What a first offer holds: our tracks and data channels, and with a single peer connection a few sections to receive
/// on, as client-sdk-js has them before it knows of anybody.
fn first_sections(config: &SessionConfig, publications: &Publications) -> Vec<OfferedSection> {
    let mut sections = publications.sections();
    if config.single_pc && !config.subscribe.is_none() {
        for kind in [Kind::Audio, Kind::Video] {
            let receive = || OfferedSection::Media {
                kind,
                role: Role::Receive,
            };
            sections.extend(std::iter::repeat_with(receive).take(RECEIVE_SECTIONS));
        }
    }
    sections.push(OfferedSection::Data);
    sections
}

fn reason_of(leave: &Leave) -> String {
    let reason =
        DisconnectReason::try_from(leave.reason).unwrap_or(DisconnectReason::UnknownReason);
    format!("leave: {reason:?}")
}

fn refusal_of(response: &RequestResponse) -> Result<(), End> {
    match (response.reason, &response.add_track) {
        (REQUEST_OK | REQUEST_QUEUED, _) | (_, None) => Ok(()),
        _ => Err(End("track refused".to_owned())),
    }
}

fn wanted_layers(update: SubscribedQualityUpdate) -> SessionEvent {
    // A track of ours has one codec.
    let qualities = match update.codecs.into_iter().next() {
        Some(codec) => codec.qualities,
        None => update.qualities,
    };
    let mut layers = [false; 3];
    for quality in qualities {
        let place = usize::try_from(quality.quality).ok();
        if let Some(layer) = place.and_then(|place| layers.get_mut(place)) {
            *layer = quality.enabled;
        }
    }
    let track = update.track_sid;
    SessionEvent::Wanted { track, layers }
}

/// Of each kind.
const RECEIVE_SECTIONS: usize = 3;

/// Livekit's `RequestResponse.Reason`.
const REQUEST_OK: i32 = 0;
const REQUEST_QUEUED: i32 = 4;

#[cfg(test)]
mod tests;
