//! A client's transport from the first command until it is connected; the client's own work is not counted.

use std::net::SocketAddr;
use std::time::Duration;

use sluice_peer::{CandidateKind, Credentials, HashAlgorithm, RemoteCandidate};
use sluice_sfu::command::{
    Candidate, Command, DtlsRole, ExtensionIds, Fingerprint, IceCredentials, OpenPeer,
    ParticipantConfig,
};
use sluice_sfu::{LocalAddress, Protocol};
use sluice_sim::{Client, ClientSettings, Description, presets};
use sluice_wire::id::{ParticipantId, PeerId, RoomId};

use crate::counted::Tally;
use crate::counted::{command_counted, open_counted, tallied};
use crate::scene::{CERTIFICATES, Count, Scene};

/// Twenty clients, one after the other. Those that are connected stay.
pub fn join() -> Tally {
    let mut scene = Scene::connected(0, true);
    // The first pays for what is made once.
    connect(&mut scene);
    scene.tally = Tally::default();
    for _ in 0..JOINS {
        connect(&mut scene);
    }
    scene.tally.units = JOINS;
    scene.tally
}

fn connect(scene: &mut Scene) {
    let number = scene.room.world.clients.len() as u32 + 1;
    let now = scene.room.world.now;
    let peer = PeerId(number);
    let local = SocketAddr::from(([10, 1, 0, 1], 50_000 + number as u16));
    let remote = SocketAddr::from(([10, 0, 1, number as u8], 40_000));
    let ours = IceCredentials {
        ufrag: format!("0joins{number:02}"),
        pwd: format!("{number:024}"),
    };
    let settings = ClientSettings::browser(remote, CERTIFICATES[1].clone(), u64::from(number));
    let mut client = Client::new(now, settings);
    client.set_remote(now, &described(&ours, local));
    let open = OpenPeer {
        peer,
        ice: ours,
        ice_lite: false,
        controlling: false,
    };
    let address = LocalAddress {
        protocol: Protocol::Udp,
        socket: local,
        advertised: local,
    };
    let commands = commands(peer, &client.description());
    let mut tally = scene.tally;
    tallied(&mut tally, || {
        open_counted(scene.worker(), now, open, &[address]);
        for command in commands {
            command_counted(scene.worker(), now, command);
        }
    });
    scene.tally = tally;
    scene.room.world.add(client);
    scene.live = number as usize;
    while !scene.room.world.clients.iter().all(Client::is_connected) {
        scene.advance(STEP, Count::Yes);
    }
}

/// What the control plane tells a worker of a client that joins.
fn commands(peer: PeerId, client: &Description) -> Vec<Command> {
    let fingerprint = Fingerprint {
        algorithm: client.fingerprint.algorithm().name().to_owned(),
        value: client.fingerprint.value_text(),
    };
    let set_remote = Command::SetRemote {
        peer,
        ice: IceCredentials {
            ufrag: client.ice.ufrag.clone(),
            pwd: client.ice.pwd.clone(),
        },
        ice_lite: false,
        dtls_role: DtlsRole::Passive,
        fingerprints: vec![fingerprint],
    };
    let candidates = client.candidates.iter().map(|candidate| {
        let candidate = Candidate {
            foundation: candidate.foundation.clone(),
            protocol: "udp".to_owned(),
            priority: candidate.priority,
            ip: candidate.addr.ip().to_string(),
            port: candidate.addr.port(),
            kind: "host".to_owned(),
            tcp_type: None,
        };
        Command::AddRemoteCandidate { peer, candidate }
    });
    let ids = ExtensionIds {
        mid: presets::EXTENSIONS.mid,
        transport_cc: presets::EXTENSIONS.transport_cc,
        ..ExtensionIds::default()
    };
    let set_extensions = Command::SetExtensions {
        peer,
        audio: ids.clone(),
        video: ids,
    };
    let participant = Command::SetParticipant(ParticipantConfig {
        participant: ParticipantId(peer.0),
        room: RoomId(1),
        sid: format!("PA_{:012}", peer.0),
        identity: format!("member-{}", peer.0),
        up_peers: vec![peer],
        down_peer: Some(peer),
        can_publish_data: true,
        hidden: false,
        agent: false,
    });
    let mut commands = vec![set_remote];
    commands.extend(candidates);
    commands.extend([set_extensions, participant]);
    commands
}

fn described(ice: &IceCredentials, address: SocketAddr) -> Description {
    let candidate = RemoteCandidate {
        foundation: "1".to_owned(),
        priority: 2_130_706_431,
        addr: address,
        kind: CandidateKind::Host,
        protocol: Protocol::Udp,
    };
    Description {
        ice: Credentials::new(ice.ufrag.clone(), ice.pwd.clone()),
        ice_lite: false,
        fingerprint: CERTIFICATES[0].fingerprint(HashAlgorithm::Sha256),
        candidates: vec![candidate],
    }
}

const JOINS: u64 = 20;
const STEP: Duration = Duration::from_millis(10);
