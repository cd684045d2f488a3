//! A room as the control plane would set it up: members, tracks and subscriptions on one transport each.

use std::net::SocketAddr;

use sluice_peer::Certificate;
use sluice_sfu::command::{
    Codec, Command, DownTrackConfig, ExtensionIds, MediaKind, ParticipantConfig, PayloadMap,
    UpCodec, UpSsrc, UpTrackConfig,
};
use sluice_wire::id::{DownTrackId, ParticipantId, PeerId, RoomId, Ssrc, TrackId, WorkerId};

use crate::client::{Client, ClientSettings};
use crate::link::LinkSettings;
use crate::presets;
use crate::server::Server;
use crate::world::World;

/// A world with one room in it.
pub struct Room {
    /// Where it happens.
    pub world: World,
    /// Whether members that join from now on use transport-wide sequence numbers.
    pub transport_cc: bool,
    certificate: Certificate,
    members: Vec<Member>,
    tracks: Vec<Track>,
    subscriptions: Vec<Subscription>,
    workers: u16,
    seed: u64,
}

#[derive(Debug, Clone, Copy)]
struct Member {
    worker: WorkerId,
    peer: PeerId,
}

#[derive(Debug, Clone, Copy)]
struct Track {
    id: TrackId,
    kind: MediaKind,
    publisher: usize,
}

/// One subscription, as its subscriber's client sees it.
#[derive(Debug, Clone, Copy)]
pub struct Subscription {
    /// Its id.
    pub down: DownTrackId,
    /// Place of the subscribing client.
    pub subscriber: usize,
    /// The SSRC it arrives on.
    pub ssrc: Ssrc,
    /// What it is subscribed to.
    pub track: TrackId,
}

impl Room {
    /// An empty room over so many workers; `certificates` are the server's and the clients'.
    pub fn new(
        links: LinkSettings,
        workers: u16,
        certificates: &[Certificate; 2],
        seed: u64,
    ) -> Self {
        let mut world = World::new(links, seed);
        let server = Server::new(world.now, workers, &certificates[0], seed);
        world.server = Some(server);
        Self {
            world,
            transport_cc: true,
            certificate: certificates[1].clone(),
            members: Vec::new(),
            tracks: Vec::new(),
            subscriptions: Vec::new(),
            workers,
            seed,
        }
    }

    /// Adds a member on a worker; returns the place of its client.
    pub fn join(&mut self, worker: u16) -> usize {
        let place = self.members.len();
        let member = Member {
            worker: WorkerId(worker),
            peer: PeerId(place as u32 + 1),
        };
        let address = SocketAddr::from(([10, 0, 1, place as u8 + 1], 40_000));
        let settings = ClientSettings::browser(
            address,
            self.certificate.clone(),
            self.seed * 1_000 + place as u64,
        );
        let now = self.world.now;
        let mut client = Client::new(now, settings);
        let server = self.world.server_mut();
        let described = server.open_peer(now, member.worker, member.peer);
        server.set_remote(now, member.worker, member.peer, &client.description());
        let ids = extension_ids(self.transport_cc);
        let set = Command::SetExtensions {
            peer: member.peer,
            audio: ids.clone(),
            video: ids,
        };
        server.command(now, member.worker, set);
        server.command(
            now,
            member.worker,
            Command::SetParticipant(participant(place, member.peer)),
        );
        let all = (0..self.workers).map(WorkerId);
        let workers = Command::SetRoomWorkers {
            room: ROOM,
            workers: all.collect(),
        };
        server.command(now, member.worker, workers);
        client.set_remote(now, &described);
        client.peer.set_transport_cc(
            presets::EXTENSIONS
                .transport_cc
                .filter(|_| self.transport_cc),
        );
        self.members.push(member);
        self.world.add(client)
    }

    /// Takes the member that joined last away, as the control plane does, and drops its client. Returns it.
    pub fn leave(&mut self) -> Option<Client> {
        let place = self.members.len().checked_sub(1)?;
        let member = self.members[place];
        let (tracks, subscriptions) = (&self.tracks, &self.subscriptions);
        let ended: Vec<Subscription> = subscriptions
            .iter()
            .filter(|subscription| {
                let of = tracks.iter().find(|track| track.id == subscription.track);
                subscription.subscriber == place || of.is_some_and(|of| of.publisher == place)
            })
            .copied()
            .collect();
        for subscription in ended {
            self.unsubscribe(subscription);
        }
        let tracks: Vec<TrackId> = self
            .tracks
            .iter()
            .filter(|track| track.publisher == place)
            .map(|track| track.id)
            .collect();
        for track in tracks {
            self.command(member.worker, Command::CloseUpTrack { track });
        }
        self.command(member.worker, Command::ClosePeer { peer: member.peer });
        let participant = ParticipantId(place as u32 + 1);
        self.command(member.worker, Command::CloseParticipant { participant });
        self.members.pop();
        self.world.clients.pop()
    }

    /// Restarts ICE of a member, as the control plane does where its client asks for it.
    pub fn restart_ice(&mut self, member: usize) {
        let (worker, peer) = self.peer_of(member);
        let now = self.world.now;
        let client = &mut self.world.clients[member];
        client.restart_ice(now);
        let theirs = client.description();
        let server = self.world.server_mut();
        let ours = server.restart_ice(now, worker, peer);
        server.set_remote(now, worker, peer, &theirs);
        self.world.clients[member].set_remote(now, &ours);
    }

    /// The transport of a member, and its worker.
    pub fn peer_of(&self, member: usize) -> (WorkerId, PeerId) {
        let member = self.members[member];
        (member.worker, member.peer)
    }

    /// Lets a member publish its microphone.
    pub fn publish_audio(&mut self, publisher: usize) -> TrackId {
        let ssrc = 10_000 + 100 * publisher as u32;
        self.world.clients[publisher].publish_audio(presets::microphone("0", ssrc));
        let codec = UpCodec {
            pt: presets::OPUS,
            codec: Codec::Opus,
            clock_rate: 48_000,
            rtx_pt: None,
            nack: true,
        };
        self.publish(publisher, MediaKind::Audio, vec![codec], Some(ssrc))
    }

    /// Lets a member publish its camera in three layers told apart by rid.
    pub fn publish_video(&mut self, publisher: usize, temporal_layers: u8) -> TrackId {
        let ssrc = 20_000 + 100 * publisher as u32;
        self.world.clients[publisher].publish_video(&presets::camera("1", ssrc, temporal_layers));
        let codec = UpCodec {
            pt: presets::VP8,
            codec: Codec::Vp8,
            clock_rate: 90_000,
            rtx_pt: Some(presets::VP8_RTX),
            nack: true,
        };
        self.publish(publisher, MediaKind::Video, vec![codec], None)
    }

    /// Subscribes a member to a track; video at the highest layer.
    pub fn subscribe(&mut self, subscriber: usize, track: TrackId) -> Subscription {
        let of = self.track(track);
        let down = DownTrackId(self.subscriptions.len() as u32 + 1);
        let ssrc = Ssrc(100_000 + 10 * down.0);
        let video = of.kind == MediaKind::Video;
        let rtx_ssrc = video.then_some(Ssrc(ssrc.0 + 1));
        let expected = if video {
            presets::watch(ssrc.0, Some(ssrc.0 + 1))
        } else {
            presets::hear(ssrc.0)
        };
        self.world.clients[subscriber].expect(expected);
        let payload = if video { presets::VP8 } else { presets::OPUS };
        let member = self.members[subscriber];
        let config = DownTrackConfig {
            down,
            peer: member.peer,
            track,
            home: self.members[of.publisher].worker,
            kind: of.kind,
            mid: format!("{}", 10 + down.0),
            cname: format!("stream-{}", of.publisher),
            ssrc,
            rtx_ssrc,
            payloads: vec![PayloadMap {
                from: payload,
                to: payload,
                rtx: video.then_some(presets::VP8_RTX),
            }],
            nack: true,
            encrypted: false,
            playout_delay: None,
            enabled: true,
            max_spatial: 2,
            max_temporal: 3,
            max_fps: 0,
        };
        self.command(member.worker, Command::OpenDownTrack(config));
        let subscription = Subscription {
            down,
            subscriber,
            ssrc,
            track,
        };
        self.subscriptions.push(subscription);
        subscription
    }

    /// Subscribes everybody to every track of the others.
    pub fn subscribe_all(&mut self) -> Vec<Subscription> {
        let tracks = self.tracks.clone();
        let places = 0..self.members.len();
        places
            .flat_map(|place| {
                tracks
                    .iter()
                    .filter(move |track| track.publisher != place)
                    .map(move |track| (place, *track))
            })
            .map(|(place, track)| self.subscribe(place, track.id))
            .collect()
    }

    /// What a subscriber wants of a track.
    pub fn want(
        &mut self,
        subscription: Subscription,
        enabled: bool,
        max_spatial: u8,
        max_temporal: u8,
    ) {
        let set = Command::SetDownTrack {
            down: subscription.down,
            enabled,
            max_spatial,
            max_temporal,
            max_fps: 0,
        };
        self.command(self.members[subscription.subscriber].worker, set);
    }

    /// Mutes or unmutes a track, on both sides of the wire.
    pub fn mute(&mut self, track: TrackId, muted: bool) {
        let of = self.track(track);
        let client = &mut self.world.clients[of.publisher];
        match of.kind {
            MediaKind::Audio => client
                .microphone
                .iter_mut()
                .for_each(|source| source.muted = muted),
            MediaKind::Video => client
                .camera
                .iter_mut()
                .for_each(|source| source.muted = muted),
        }
        self.command(
            self.members[of.publisher].worker,
            Command::MuteUpTrack { track, muted },
        );
    }

    /// Ends a subscription.
    pub fn unsubscribe(&mut self, subscription: Subscription) {
        let worker = self.members[subscription.subscriber].worker;
        self.command(
            worker,
            Command::CloseDownTrack {
                down: subscription.down,
            },
        );
    }

    /// Gives a worker a command.
    pub fn command(&mut self, worker: WorkerId, command: Command) {
        let now = self.world.now;
        self.world.server_mut().command(now, worker, command);
    }

    /// What a subscription brought so far.
    pub fn report(&self, subscription: Subscription) -> crate::media::InboundReport {
        self.world.clients[subscription.subscriber]
            .stream(subscription.ssrc)
            .map(crate::media::Inbound::report)
            .unwrap_or_default()
    }

    /// Whether a subscription is to video.
    pub fn is_video(&self, subscription: Subscription) -> bool {
        self.track(subscription.track).kind == MediaKind::Video
    }

    fn publish(
        &mut self,
        publisher: usize,
        kind: MediaKind,
        codecs: Vec<UpCodec>,
        ssrc: Option<u32>,
    ) -> TrackId {
        let id = TrackId(self.tracks.len() as u32 + 1);
        let member = self.members[publisher];
        let simulcast = ssrc.is_none();
        let config = UpTrackConfig {
            track: id,
            peer: member.peer,
            kind,
            mid: if simulcast { "1" } else { "0" }.to_owned(),
            codecs,
            ssrcs: ssrc
                .map(|ssrc| UpSsrc {
                    ssrc: Ssrc(ssrc),
                    rtx: None,
                })
                .into_iter()
                .collect(),
            rids: if simulcast {
                presets::RIDS.map(str::to_owned).to_vec()
            } else {
                Vec::new()
            },
            screen_share: false,
            encrypted: false,
            muted: false,
        };
        self.command(member.worker, Command::OpenUpTrack(config));
        self.tracks.push(Track {
            id,
            kind,
            publisher,
        });
        id
    }

    /// Opens a section by its own description, for media that no model client makes. `config` names the track and the
    /// publisher's transport.
    pub fn publish_as(&mut self, publisher: usize, config: UpTrackConfig) {
        self.tracks.push(Track {
            id: config.track,
            kind: config.kind,
            publisher,
        });
        self.command(self.members[publisher].worker, Command::OpenUpTrack(config));
    }

    fn track(&self, id: TrackId) -> Track {
        *self
            .tracks
            .iter()
            .find(|track| track.id == id)
            .expect("a track of this room")
    }
}

fn participant(place: usize, peer: PeerId) -> ParticipantConfig {
    ParticipantConfig {
        participant: ParticipantId(place as u32 + 1),
        room: ROOM,
        sid: format!("PA_{place:012}"),
        identity: format!("member-{place}"),
        up_peers: vec![peer],
        down_peer: Some(peer),
        can_publish_data: true,
        hidden: false,
        agent: false,
    }
}

fn extension_ids(transport_cc: bool) -> ExtensionIds {
    let ids = presets::EXTENSIONS;
    ExtensionIds {
        mid: ids.mid,
        rid: ids.rid,
        repaired_rid: ids.repaired_rid,
        audio_level: ids.audio_level,
        transport_cc: ids.transport_cc.filter(|_| transport_cc),
        ..ExtensionIds::default()
    }
}

const ROOM: RoomId = RoomId(1);
