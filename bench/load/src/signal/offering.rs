//! The peer connection that the client offers: the publisher's, or the only one.

use std::collections::VecDeque;

use super::event::{LocalTransport, Pc, SessionEvent};
use super::plan::Kind;
use super::proto::{Request, SessionDescription, Target};
use super::remote::RemoteSide;
use super::sdp::{Description, OfferedSection, Role, write_offer};
use super::trickle::trickle;

/// Negotiation in which we offer.
///
/// ```text
/// New ──set_local──▶ Outstanding ──answer──▶ Stable ──negotiate──▶ Outstanding
///                        └─ negotiate meanwhile: again after the answer
/// ```
#[derive(Debug)]
pub struct Offering {
    sections: Vec<OfferedSection>,
    local: Option<LocalTransport>,
    pub(super) remote: RemoteSide,
    state: State,
    /// Of the last offer; its version too.
    id: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Outstanding { again: bool },
    Stable,
}

impl Offering {
    /// Begins with these sections.
    pub fn new(sections: Vec<OfferedSection>) -> Self {
        Self {
            sections,
            local: None,
            remote: RemoteSide::new(Pc::Publisher),
            state: State::New,
            id: 0,
        }
    }

    /// The transport is there: offers for the first time.
    pub fn set_local(&mut self, local: LocalTransport, sends: &mut VecDeque<Request>) {
        if self.state != State::New {
            return;
        }
        self.local = Some(local);
        self.state = State::Stable;
        self.negotiate(sends);
        if let Some(local) = &self.local {
            trickle(local, Target::Publisher, "0", sends);
        }
    }

    /// Adds sections to receive on, so many of each kind, and offers.
    pub fn require(&mut self, audios: u32, videos: u32, sends: &mut VecDeque<Request>) {
        for (kind, count) in [(Kind::Audio, audios), (Kind::Video, videos)] {
            for _ in 0..count.min(SECTIONS_AT_ONCE) {
                let role = Role::Receive;
                self.sections.push(OfferedSection::Media { kind, role });
            }
        }
        self.negotiate(sends);
    }

    /// Takes an answer if it is one to the outstanding offer; then its sections are those of the offer.
    pub fn accepts(&mut self, answer: &SessionDescription) -> bool {
        // Servers of old number nothing.
        let ours = answer.id == self.id || answer.id == 0;
        ours && matches!(self.state, State::Outstanding { .. })
    }

    /// The outstanding offer was answered.
    pub fn handle_answer(
        &mut self,
        answer: &Description,
        events: &mut VecDeque<SessionEvent>,
        sends: &mut VecDeque<Request>,
    ) -> Option<()> {
        let again = self.state == State::Outstanding { again: true };
        self.state = State::Stable;
        self.remote.describe(answer, events)?;
        if again {
            self.negotiate(sends);
        }
        Some(())
    }

    fn negotiate(&mut self, sends: &mut VecDeque<Request>) {
        match (&self.local, self.state) {
            (Some(local), State::Stable) => {
                self.id += 1;
                self.state = State::Outstanding { again: false };
                sends.push_back(Request::Offer(SessionDescription {
                    kind: "offer".to_owned(),
                    sdp: write_offer(&self.sections, local, self.id),
                    id: self.id,
                    ..SessionDescription::default()
                }));
            }
            (_, State::Outstanding { .. }) => self.state = State::Outstanding { again: true },
            _ => {}
        }
    }
}

/// Bounds what a server can make us write.
const SECTIONS_AT_ONCE: u32 = 10_000;
