//! The peer connection that the server offers: the subscriber's.

use std::collections::VecDeque;

use super::event::{LocalTransport, Pc, SessionEvent};
use super::proto::{Request, SessionDescription, Target};
use super::remote::RemoteSide;
use super::sdp::{Description, write_answer};
use super::trickle::trickle;

/// Negotiation in which we answer: at once, but for offers that come before our transport is there.
#[derive(Debug)]
pub struct Answering {
    local: Option<LocalTransport>,
    pub(super) remote: RemoteSide,
    /// The last offer that came before our transport.
    waiting: Option<SessionDescription>,
    answers: u32,
}

impl Answering {
    /// Nothing was offered.
    pub fn new() -> Self {
        Self {
            local: None,
            remote: RemoteSide::new(Pc::Subscriber),
            waiting: None,
            answers: 0,
        }
    }

    /// The transport is there: answers what waits for it.
    pub fn set_local(&mut self, local: LocalTransport, sends: &mut VecDeque<Request>) {
        if self.local.is_some() {
            return;
        }
        let local = self.local.insert(local);
        if let Some(offer) = self.waiting.take() {
            let description = Description::parse(&offer.sdp);
            let mid = description
                .sections
                .first()
                .map_or("0", |section| section.mid);
            self.answers += 1;
            sends.push_back(answer(&offer, &description, local, self.answers));
            trickle(local, Target::Subscriber, mid, sends);
        }
    }

    /// Answers an offer, now or when the transport is there. None where it can't be understood.
    pub fn handle_offer(
        &mut self,
        offer: &SessionDescription,
        description: &Description,
        events: &mut VecDeque<SessionEvent>,
        sends: &mut VecDeque<Request>,
    ) -> Option<()> {
        if let Some(local) = &self.local {
            self.remote.describe(description, events)?;
            self.answers += 1;
            sends.push_back(answer(offer, description, local, self.answers));
            return Some(());
        }
        if self.waiting.is_none() {
            events.push_back(SessionEvent::CreateTransport {
                pc: Pc::Subscriber,
                controlling: description.lite,
                channels: Vec::new(),
            });
        }
        self.remote.describe(description, events)?;
        self.waiting = Some(offer.clone());
        Some(())
    }
}

fn answer(
    offer: &SessionDescription,
    description: &Description,
    local: &LocalTransport,
    version: u32,
) -> Request {
    Request::Answer(SessionDescription {
        kind: "answer".to_owned(),
        sdp: write_answer(description, local, version),
        id: offer.id,
        ..SessionDescription::default()
    })
}
