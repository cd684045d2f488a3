//! The participants of one room that live on this worker, and which of them a message is for.

use sluice_wire::id::{ParticipantId, PeerId, WorkerId};

use super::joining::Joining;
use super::packet::Packet;
use crate::command::ParticipantConfig;

/// One room's part on this worker.
#[derive(Debug, Default)]
pub struct Room {
    /// Workers with participants of the room.
    pub workers: Vec<WorkerId>,
    /// Identities that are the server itself.
    pub sinks: Vec<String>,
    members: Vec<Member>,
}

/// One participant.
#[derive(Debug)]
pub struct Member {
    /// As the control plane set it.
    pub config: ParticipantConfig,
    /// Highest reliable sequence handled.
    pub sequence: u32,
    /// What waits for its channel.
    pub joining: Joining,
}

/// Whom a message is for.
#[derive(Debug, Clone, Copy)]
pub struct Audience<'a> {
    /// Identities; these and `sids` empty: everybody.
    pub identities: &'a [String],
    /// Participant ids.
    pub sids: &'a [String],
    /// Never this one.
    pub except: Option<ParticipantId>,
}

impl Room {
    /// Adds a participant, or changes it in place.
    pub fn set(&mut self, config: ParticipantConfig) {
        match self.member_mut(config.participant) {
            Some(member) => member.config = config,
            None => self.members.push(Member {
                config,
                sequence: 0,
                joining: Joining::default(),
            }),
        }
    }

    /// Removes a participant.
    pub fn remove(&mut self, participant: ParticipantId) {
        self.members.retain(|m| m.config.participant != participant);
    }

    /// One participant.
    pub fn member(&self, participant: ParticipantId) -> Option<&Member> {
        self.members
            .iter()
            .find(|m| m.config.participant == participant)
    }

    /// One participant, to change.
    pub fn member_mut(&mut self, participant: ParticipantId) -> Option<&mut Member> {
        self.members
            .iter_mut()
            .find(|m| m.config.participant == participant)
    }

    /// The receivers of a message, with their transports.
    pub fn receivers<'a>(
        &'a mut self,
        audience: Audience<'a>,
    ) -> impl Iterator<Item = (PeerId, &'a mut Member)> {
        self.members
            .iter_mut()
            .filter(move |member| audience.includes(&member.config))
            .filter_map(|member| Some((member.config.down_peer?, member)))
    }

    /// True where nothing is left of the room on this worker.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.workers.is_empty() && self.sinks.is_empty()
    }

    /// Participants here.
    pub fn len(&self) -> usize {
        self.members.len()
    }
}

impl Audience<'_> {
    fn includes(&self, config: &ParticipantConfig) -> bool {
        let named = |names: &[String], name: &String| names.contains(name);
        let broadcast = self.identities.is_empty() && self.sids.is_empty();
        Some(config.participant) != self.except
            && (broadcast
                || named(self.identities, &config.identity)
                || named(self.sids, &config.sid))
    }
}

/// Destinations of a packet, owned and bounded.
#[derive(Debug, Default)]
pub struct Destinations {
    /// Identities.
    pub identities: Vec<String>,
    /// Participant ids.
    pub sids: Vec<String>,
}

impl Destinations {
    /// Of a packet.
    pub fn of(packet: &Packet) -> Self {
        let own = |names: &mut dyn Iterator<Item = &str>| names.map(str::to_owned).collect();
        Self {
            identities: own(&mut packet.destination_identities().take(MAX_DESTINATIONS)),
            sids: own(&mut packet.destination_sids().take(MAX_DESTINATIONS)),
        }
    }

    /// As an audience that leaves one participant out.
    pub fn audience(&self, except: Option<ParticipantId>) -> Audience<'_> {
        Audience {
            identities: &self.identities,
            sids: &self.sids,
            except,
        }
    }
}

/// Destinations looked at in one packet: the largest room's worth.
const MAX_DESTINATIONS: usize = 4096;
