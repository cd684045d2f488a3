//! A TURN client, and the settings of servers for it.

use std::collections::{HashMap, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use serde_json::{Value, json};
use sluice_turn::caller::{self, Answer, Login, Request};
use sluice_turn::credential::{self, Claim};
use sluice_turn::frame;

use super::certificates::DOMAIN;

/// How a client reaches the server.
#[derive(Clone)]
pub enum Access {
    Udp,
    Tcp,
    Tls(Arc<ClientConfig>),
}

enum Below {
    Udp(UdpSocket),
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// The client. Requests wait for their answers; payload doesn't.
pub struct TurnClient {
    below: Below,
    read: Vec<u8>,
    inbox: VecDeque<(Vec<u8>, SocketAddr)>,
    login: Login,
    transaction: u32,
    channels: HashMap<SocketAddr, u16>,
    /// True where payload is to go by Send indications.
    pub without_channels: bool,
    pub relayed: SocketAddr,
    /// False once the server closed the stream.
    pub open: bool,
}

/// The settings of a server at `ip`; ports 46100 and 46101, relays from 46200 to 46299.
pub fn turn_config(ip: &str) -> Value {
    json!({"realm": "livekit", "udpPort": 46_100, "tls": {"port": 46_101, "external": true},
           "bindAddresses": [ip], "relayAddresses": [{"bind": ip, "advertise": ip}],
           "relayRangeStart": 46_200, "relayRangeEnd": 46_299, "allocationsPerUser": 12,
           "credentials": [{"apiKey": "devkey", "apiSecret": "secret"}], "allowPublicPeers": false,
           "allowRestrictedPeerCidrs": [], "denyPeerCidrs": []})
}

impl TurnClient {
    /// A client of the server at `ip` with an allocation.
    pub fn allocated(access: &Access, ip: IpAddr, participant: &str) -> Self {
        let mut client = Self::connected(access, ip, participant).expect("it is reached");
        client.allocate().expect("it is granted");
        client
    }

    /// A client without an allocation; none where the connection fails.
    pub fn connected(access: &Access, ip: IpAddr, participant: &str) -> Option<Self> {
        let port = match access {
            Access::Udp => 46_100,
            Access::Tcp | Access::Tls(_) => 46_101,
        };
        Self::connected_to(access, SocketAddr::new(ip, port), participant)
    }

    /// As [`TurnClient::connected`], where the server has other ports.
    pub fn connected_to(access: &Access, server: SocketAddr, participant: &str) -> Option<Self> {
        let below = match access {
            Access::Udp => {
                let socket = UdpSocket::bind((server.ip(), 0)).ok()?;
                // From now on only what comes from this very address is heard.
                socket.connect(server).ok()?;
                socket.set_nonblocking(true).ok()?;
                Below::Udp(socket)
            }
            Access::Tcp => Below::Tcp(stream(server)?),
            Access::Tls(config) => {
                let name = ServerName::try_from(DOMAIN).ok()?;
                let tls = ClientConnection::new(Arc::clone(config), name).ok()?;
                let mut stream = StreamOwned::new(tls, stream(server)?);
                shake_hands(&mut stream)?;
                Below::Tls(Box::new(stream))
            }
        };
        let claim = Claim {
            api_key: "devkey".to_owned(),
            participant: participant.to_owned(),
            expiry: SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .map_or(0, |since| since.as_secs() + 300),
        };
        Some(Self {
            below,
            read: Vec::new(),
            inbox: VecDeque::new(),
            login: Login {
                username: credential::username(&claim),
                password: credential::password("secret", &claim),
                challenge: None,
            },
            transaction: 0,
            channels: HashMap::new(),
            without_channels: false,
            relayed: SocketAddr::new(server.ip(), 0),
            open: true,
        })
    }

    pub fn allocate(&mut self) -> Result<(), u16> {
        let v6 = self.relayed.is_ipv6();
        match self.ask(Request::Allocate { v6 })? {
            Answer::Allocated { relayed } => self.relayed = relayed,
            other => panic!("{other:?}"),
        }
        Ok(())
    }

    /// Lets a peer in; by a channel unless that is not wanted.
    pub fn bind(&mut self, peer: SocketAddr) -> Result<(), u16> {
        if self.without_channels {
            return self.ask(Request::CreatePermission(peer.ip())).map(|_| ());
        }
        let number = 0x4000 + self.channels.len() as u16;
        self.ask(Request::ChannelBind { number, peer })?;
        self.channels.insert(peer, number);
        Ok(())
    }

    /// Asks until it is granted or refused, or there is silence (0).
    pub fn ask(&mut self, request: Request) -> Result<Answer, u16> {
        for _ in 0..3 {
            self.transaction += 1;
            let mut id = [7; 12];
            id[..4].copy_from_slice(&self.transaction.to_be_bytes());
            let message = caller::encode(request, id, &self.login).expect("it can be written");
            self.write(&message);
            match self.answer(id).ok_or(0_u16)? {
                Answer::Challenged(challenge) => {
                    if self.login.challenge.replace(challenge).is_some() {
                        return Err(401);
                    }
                }
                Answer::Refused { code, .. } => return Err(code),
                granted => return Ok(granted),
            }
        }
        Err(401)
    }

    /// Payload to a peer.
    pub fn send(&mut self, peer: SocketAddr, payload: &[u8]) {
        let message = match self.channels.get(&peer) {
            Some(number) => {
                let mut message = number.to_be_bytes().to_vec();
                message.extend((payload.len() as u16).to_be_bytes());
                message.extend(payload);
                message
            }
            None => send_indication(peer, payload),
        };
        let mut message = message;
        if !matches!(self.below, Below::Udp(_)) {
            message.resize(message.len().next_multiple_of(4), 0);
        }
        self.write(&message);
    }

    /// The next payload, and the peer that it is from.
    pub fn receive(&mut self) -> Option<(Vec<u8>, SocketAddr)> {
        while let Some(message) = self.next() {
            self.take(&message);
        }
        self.inbox.pop_front()
    }

    /// As [`TurnClient::receive`], after some patience.
    pub fn wait(&mut self) -> Option<(Vec<u8>, SocketAddr)> {
        let deadline = Instant::now() + Duration::from_secs(3);
        while Instant::now() < deadline {
            if let Some(received) = self.receive() {
                return Some(received);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        None
    }

    fn answer(&mut self, id: [u8; 12]) -> Option<Answer> {
        let deadline = Instant::now() + Duration::from_secs(3);
        while Instant::now() < deadline && self.open {
            match self.next() {
                Some(message) => match caller::decode(&message, id) {
                    Some(answer) => return Some(answer),
                    None => self.take(&message),
                },
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        }
        None
    }

    fn take(&mut self, message: &[u8]) {
        if message[0] >> 6 == 1 {
            let number = u16::from_be_bytes([message[0], message[1]]);
            let len = usize::from(u16::from_be_bytes([message[2], message[3]]));
            let (peer, _) = self
                .channels
                .iter()
                .find(|(_, of_peer)| **of_peer == number)
                .expect("a channel of ours");
            self.inbox.push_back((message[4..4 + len].to_vec(), *peer));
        } else if message[..2] == [0, 0x17] {
            self.inbox.push_back(data_indication(message));
        }
    }

    /// The next whole message.
    fn next(&mut self) -> Option<Vec<u8>> {
        let mut buffer = [0; 16 * 1024];
        if let Below::Udp(socket) = &self.below {
            let len = socket.recv(&mut buffer).ok()?;
            return Some(buffer[..len].to_vec());
        }
        loop {
            let len = frame::next(&self.read).expect("a server frames well");
            if let Some(len) = len.filter(|len| *len <= self.read.len()) {
                return Some(self.read.drain(..len).collect());
            }
            let read = match &mut self.below {
                Below::Udp(_) => return None,
                Below::Tcp(stream) => stream.read(&mut buffer),
                Below::Tls(stream) => stream.read(&mut buffer),
            };
            match read {
                Ok(0) => self.open = false,
                Ok(count) => {
                    self.read.extend_from_slice(&buffer[..count]);
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => self.open = false,
            }
            return None;
        }
    }

    fn write(&mut self, message: &[u8]) {
        let mut rest = message;
        let deadline = Instant::now() + Duration::from_secs(5);
        while !rest.is_empty() && self.open && Instant::now() < deadline {
            let written = match &mut self.below {
                Below::Udp(socket) => {
                    let _ = socket.send(message);
                    return;
                }
                Below::Tcp(stream) => stream.write(rest),
                Below::Tls(stream) => stream.write(rest),
            };
            match written {
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(_) => self.open = false,
            }
        }
        if let Below::Tls(stream) = &mut self.below {
            while let Err(error) = stream.flush() {
                if error.kind() != ErrorKind::WouldBlock || Instant::now() > deadline {
                    self.open = false;
                    return;
                }
            }
        }
    }
}

fn stream(server: SocketAddr) -> Option<TcpStream> {
    let stream = TcpStream::connect(server).ok()?;
    stream.set_nodelay(true).ok()?;
    stream.set_nonblocking(true).ok()?;
    Some(stream)
}

fn shake_hands(stream: &mut StreamOwned<ClientConnection, TcpStream>) -> Option<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while stream.conn.is_handshaking() {
        match stream.conn.complete_io(&mut stream.sock) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(_) => return None,
        }
        if Instant::now() > deadline {
            return None;
        }
    }
    Some(())
}

/// RFC 8656 section 11.1, for IPv4.
fn send_indication(peer: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let IpAddr::V4(ip) = peer.ip() else {
        panic!("not written for IPv6");
    };
    let mut body = vec![0, 0x12, 0, 8, 0, 1];
    body.extend((peer.port() ^ 0x2112).to_be_bytes());
    body.extend((ip.to_bits() ^ 0x2112_a442).to_be_bytes());
    body.extend([0, 0x13]);
    body.extend((payload.len() as u16).to_be_bytes());
    body.extend(payload);
    body.resize(body.len().next_multiple_of(4), 0);
    let mut message = vec![0, 0x16];
    message.extend((body.len() as u16).to_be_bytes());
    message.extend([0x21, 0x12, 0xa4, 0x42]);
    message.extend([9; 12]);
    message.extend(body);
    message
}

/// RFC 8656 section 11.4, for IPv4.
fn data_indication(message: &[u8]) -> (Vec<u8>, SocketAddr) {
    let (mut peer, mut payload, mut at) = (None, None, 20);
    while at < message.len() {
        let word = |at: usize| u16::from_be_bytes([message[at], message[at + 1]]);
        let (kind, len) = (word(at), usize::from(word(at + 2)));
        let value = &message[at + 4..at + 4 + len];
        match kind {
            0x12 => {
                let ip = u32::from_be_bytes([value[4], value[5], value[6], value[7]]);
                let port = u16::from_be_bytes([value[2], value[3]]) ^ 0x2112;
                let ip = std::net::Ipv4Addr::from_bits(ip ^ 0x2112_a442);
                peer = Some(SocketAddr::from((ip, port)));
            }
            0x13 => payload = Some(value.to_vec()),
            _ => {}
        }
        at += 4 + len.next_multiple_of(4);
    }
    (payload.expect("data"), peer.expect("a peer"))
}
