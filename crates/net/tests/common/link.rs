//! What a client's datagrams travel in.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use sluice_wire::framing;

use super::turn::TurnClient;

/// A socket of a client.
pub enum Link {
    /// For datagrams to anywhere.
    Udp(UdpSocket),
    /// RFC 4571 to one server.
    Tcp {
        stream: TcpStream,
        server: SocketAddr,
        local: SocketAddr,
        /// What is no whole packet yet.
        read: Vec<u8>,
        /// False where the other side closed it.
        open: bool,
    },
    /// By an allocation on a TURN server.
    Relay(Box<TurnClient>),
}

impl Link {
    pub fn udp(ip: IpAddr) -> Self {
        let socket = UdpSocket::bind((ip, 0)).expect("loopback is there");
        socket.set_nonblocking(true).expect("it can be polled");
        Self::Udp(socket)
    }

    pub fn tcp(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).expect("it listens");
        Self::over(stream, server)
    }

    pub fn over(stream: TcpStream, server: SocketAddr) -> Self {
        stream.set_nonblocking(true).expect("it can be polled");
        stream.set_nodelay(true).expect("it can be set");
        let local = stream.local_addr().expect("it is bound");
        Self::Tcp {
            stream,
            server,
            local,
            read: Vec::new(),
            open: true,
        }
    }

    pub fn local(&self) -> SocketAddr {
        match self {
            Self::Udp(socket) => socket.local_addr().expect("it is bound"),
            Self::Tcp { local, .. } => *local,
            Self::Relay(client) => client.relayed,
        }
    }

    pub fn is_open(&self) -> bool {
        !matches!(self, Self::Tcp { open: false, .. })
    }

    /// Sends where the other side can be reached so; a slow connection is waited for.
    pub fn send(&mut self, to: SocketAddr, bytes: &[u8]) {
        match self {
            Self::Udp(socket) => {
                let _ = socket.send_to(bytes, to);
            }
            Self::Tcp {
                stream,
                server,
                open,
                ..
            } if *server == to && *open => {
                let mut frame = framing::header(bytes.len()).expect("it is short").to_vec();
                frame.extend_from_slice(bytes);
                let mut rest = frame.as_slice();
                let deadline = Instant::now() + Duration::from_secs(5);
                while !rest.is_empty() && Instant::now() < deadline {
                    match stream.write(rest) {
                        Ok(count) => rest = &rest[count..],
                        Err(error) if error.kind() == ErrorKind::WouldBlock => {
                            std::thread::sleep(Duration::from_millis(1));
                        }
                        Err(_) => {
                            *open = false;
                            return;
                        }
                    }
                }
            }
            Self::Tcp { .. } => {}
            Self::Relay(client) => client.send(to, bytes),
        }
    }

    /// The next packet, and from where.
    pub fn receive(&mut self) -> Option<(Vec<u8>, SocketAddr)> {
        match self {
            Self::Udp(socket) => {
                let mut buffer = [0; 2048];
                let (len, remote) = socket.recv_from(&mut buffer).ok()?;
                Some((buffer[..len].to_vec(), remote))
            }
            Self::Relay(client) => client.receive(),
            Self::Tcp {
                stream,
                server,
                read,
                open,
                ..
            } => loop {
                if let Some(packet) = framing::first_packet(read).expect("a server frames well") {
                    let bytes = read[packet.clone()].to_vec();
                    read.drain(..packet.end);
                    return Some((bytes, *server));
                }
                let mut buffer = [0; 16 * 1024];
                match stream.read(&mut buffer) {
                    Ok(0) => *open = false,
                    Ok(count) => {
                        read.extend_from_slice(&buffer[..count]);
                        continue;
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(_) => *open = false,
                }
                return None;
            },
        }
    }
}
