//! scratch
use std::net::UdpSocket;
use std::time::{Duration, Instant, SystemTime};

use mio::{Events, Poll, Token};
use sluice_peer::*;
use sluice_wire::id::PeerId;

use super::*;

struct Leg {
    pc: Pc,
    peer: Peer,
    socket: UdpSocket,
    addr: std::net::SocketAddr,
    rtp: u64,
    connected: bool,
}

struct Client {
    name: String,
    session: Session,
    socket: SignalSocket,
    legs: Vec<Leg>,
    dump: Option<String>,
    n: usize,
    cert: Certificate,
}

fn leg(
    now: Instant,
    pc: Pc,
    controlling: bool,
    channels: Vec<ChannelSettings>,
    cert: &Certificate,
    seed: u64,
) -> (Leg, LocalTransport) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let addr = socket.local_addr().unwrap();
    let ice = Credentials::new(
        format!("ufra{seed}"),
        format!("passwordpasswordpassword{seed}"),
    );
    let mut peer = Peer::new(
        now,
        PeerConfig {
            controlling,
            data: DataRole::Active,
            ..PeerConfig::new(PeerId(seed as u32), ice.clone(), cert.clone(), seed)
        },
    );
    peer.add_local_address(Protocol::Udp, addr, addr).unwrap();
    for c in channels {
        peer.open_data_channel(now, c);
    }
    let local = LocalTransport {
        ice,
        fingerprint: cert.fingerprint(HashAlgorithm::Sha256),
        candidates: peer.local_candidates().to_vec(),
    };
    (
        Leg {
            pc,
            peer,
            socket,
            addr,
            rtp: 0,
            connected: false,
        },
        local,
    )
}

fn dump(dir: &Option<String>, name: &str, n: &mut usize, what: &str, bytes: &[u8]) {
    if let Some(dir) = dir {
        *n += 1;
        std::fs::write(format!("{dir}/{name}-{n:03}-{what}"), bytes).unwrap();
    }
}

fn drive(client: &mut Client, now: Instant) {
    while let Some(event) = client.socket.poll_event() {
        match event {
            SocketEvent::Message(bytes) => {
                dump(&client.dump, &client.name, &mut client.n, "in", &bytes);
                client.session.handle_message(now, &bytes);
            }
            other => eprintln!("{} socket {other:?}", client.name),
        }
    }
    client.session.handle_timeout(now);
    while let Some(event) = client.session.poll_event() {
        match event {
            SessionEvent::CreateTransport {
                pc,
                controlling,
                channels,
            } => {
                eprintln!("{} create {pc:?} controlling={controlling}", client.name);
                let (leg, local) = leg(
                    now,
                    pc,
                    controlling,
                    channels,
                    &client.cert,
                    client.legs.len() as u64 + 10,
                );
                client.legs.push(leg);
                client.session.set_local(pc, local);
            }
            SessionEvent::Remote { pc, remote } => {
                eprintln!(
                    "{} remote {pc:?} {:?} lite={}",
                    client.name, remote.dtls_role, remote.ice_lite
                );
                client
                    .legs
                    .iter_mut()
                    .find(|l| l.pc == pc)
                    .unwrap()
                    .peer
                    .set_remote(now, remote);
            }
            SessionEvent::Candidate { pc, candidate } => {
                eprintln!("{} candidate {pc:?} {}", client.name, candidate.addr);
                client
                    .legs
                    .iter_mut()
                    .find(|l| l.pc == pc)
                    .unwrap()
                    .peer
                    .add_remote_candidate(now, &candidate);
            }
            other => eprintln!("{} {other:?}", client.name),
        }
    }
    while let Some(bytes) = client.session.poll_send() {
        dump(&client.dump, &client.name, &mut client.n, "out", &bytes);
        client.socket.send(bytes);
    }
    for leg in &mut client.legs {
        let mut buffer = [0; 2000];
        while let Ok((len, from)) = leg.socket.recv_from(&mut buffer) {
            match leg.peer.handle_datagram(
                now,
                sluice_peer::Path::udp(leg.addr, from),
                &mut buffer[..len],
            ) {
                Received::Rtp { .. } => leg.rtp += 1,
                _ => {}
            }
        }
        leg.peer.handle_timeout(now);
        while let Some(t) = leg.peer.poll_transmit() {
            let _ = leg.socket.send_to(&t.bytes, t.path.remote);
        }
        while let Some(e) = leg.peer.poll_event() {
            eprintln!("{} {:?} {e:?}", client.name, leg.pc);
        }
    }
}

#[test]
#[ignore]
fn live() {
    let url = std::env::var("LIVE_URL").unwrap();
    let single = std::env::var("LIVE_SINGLE").is_ok();
    let target = Target::new(
        &url,
        &std::env::var("LIVE_KEY").unwrap(),
        &std::env::var("LIVE_SECRET").unwrap(),
    )
    .unwrap();
    let mut poll = Poll::new().unwrap();
    let cert = Certificate::generate().unwrap();
    let mut clients = Vec::new();
    let unix = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let speakers = std::env::var("LIVE_SPEAKERS").is_ok();
    for (i, name) in ["pub", "sub", "both"].into_iter().enumerate() {
        let video = PublishPlan::Video(VideoPlan {
            codec: match std::env::var("LIVE_CODEC").as_deref() { Ok("vp9") => Codec::Vp9, Ok("av1") => Codec::Av1, Ok("h264") => Codec::H264, _ => Codec::Vp8 },
            width: 1280,
            height: 720,
            layers: if name == "both" {
                vec![1_500_000]
            } else {
                vec![150_000, 500_000, 1_500_000]
            },
            svc: std::env::var("LIVE_SVC").is_ok(),
        });
        let config = SessionConfig {
            identity: name.to_owned(),
            single_pc: single,
            publish: if name == "sub" {
                vec![]
            } else {
                vec![
                    PublishPlan::Audio(AudioPlan {
                        red: false,
                        dtx: true,
                    }),
                    video,
                ]
            },
            data: name == "both",
            subscribe: if name == "pub" {
                SubscribePlan::NONE
            } else if speakers {
                SubscribePlan {
                    video: VideoWish::Speakers(1),
                    audio: true,
                    layer: Some(Quality::Low),
                }
            } else {
                SubscribePlan::ALL
            },
            seed: i as u64,
        };
        let uri = target.join("live", &config, unix);
        let socket =
            SignalSocket::connect(poll.registry(), Token(i), target.address, &uri).unwrap();
        clients.push(Client {
            name: name.to_owned(),
            session: Session::new(config),
            socket,
            legs: vec![],
            dump: std::env::var("LIVE_DUMP").ok(),
            n: 0,
            cert: cert.clone(),
        });
    }
    let begin = Instant::now();
    let mut events = Events::with_capacity(64);
    let mut left = false;
    while begin.elapsed() < Duration::from_secs(8) {
        poll.poll(&mut events, Some(Duration::from_millis(2)))
            .unwrap();
        if begin.elapsed() > Duration::from_secs(6) && !left {
            left = true;
            clients[0].session.leave();
        }
        for client in &mut clients {
            drive(client, Instant::now());
        }
    }
}
