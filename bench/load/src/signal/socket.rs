//! The WebSocket under a session: non-blocking, over mio, and as thin as can be.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::client::{ClientHandshake, Response};
use tungstenite::handshake::{HandshakeError, MidHandshake};
use tungstenite::http::header::RETRY_AFTER;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Error, Message, WebSocket};

/// A connection to the server's signalling, from the first SYN on.
///
/// ```text
/// Connecting ──writable──▶ Upgrading ──101──▶ Open ──┐
///      └──────────────────────┴──────────────────────┴──▶ Ended
/// ```
/// It is registered for both directions, edge-triggered: whenever mio names its token, [`SignalSocket::poll_event`] is to
/// be called until there is no event.
pub struct SignalSocket {
    state: State,
}

enum State {
    Connecting(TcpStream, Box<str>),
    Upgrading(MidHandshake<ClientHandshake<TcpStream>>),
    Open(Box<WebSocket<TcpStream>>),
    /// Told once.
    Ending(SocketEnd),
    Ended,
}

/// What happened on a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum SocketEvent {
    /// The server accepted the client.
    Opened,
    /// A binary message.
    Message(Bytes),
    /// The connection is over; the last event.
    Ended(SocketEnd),
}

/// Why a connection is over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SocketEnd {
    /// TCP did not get there, or broke.
    #[error("TCP: {0}")]
    Tcp(io::ErrorKind),
    /// The server answered the upgrade with something else.
    #[error("HTTP {status}: {text}")]
    Refused {
        /// HTTP's.
        status: u16,
        /// Seconds until another attempt is welcome, where the server says so.
        retry_after: Option<u32>,
        /// The beginning of the body.
        text: String,
    },
    /// One side closed the WebSocket.
    #[error("closed with {0:?}")]
    Closed(Option<u16>),
    /// What came was no WebSocket.
    #[error("{0}")]
    Broken(String),
}

impl SocketEnd {
    /// A word to count failures by.
    pub fn reason(&self) -> String {
        match self {
            Self::Tcp(kind) => format!("tcp: {kind}"),
            Self::Refused { status, .. } => format!("http {status}"),
            Self::Closed(_) => "closed".to_owned(),
            Self::Broken(_) => "no websocket".to_owned(),
        }
    }
}

impl SignalSocket {
    /// Begins to connect; `uri` is the address of the join (`Target::join`).
    ///
    /// # Errors
    /// The system has no socket or port for it.
    pub fn connect(
        registry: &Registry,
        token: Token,
        address: SocketAddr,
        uri: &str,
    ) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self {
            state: State::Connecting(stream, uri.into()),
        })
    }

    /// Sends a binary message, as soon as the system takes it. Nothing is sent before [`SocketEvent::Opened`].
    pub fn send(&mut self, message: Bytes) {
        if let State::Open(socket) = &mut self.state {
            let sent = socket.send(Message::Binary(message));
            self.note(sent);
        }
    }

    /// Closes the WebSocket; its end is told once the server has closed it too.
    pub fn close(&mut self) {
        if let State::Open(socket) = &mut self.state {
            let sent = socket.close(None).and_then(|()| socket.flush());
            self.note(sent);
        }
    }

    /// Goes on as far as the system lets it, and tells the next thing that happened.
    pub fn poll_event(&mut self) -> Option<SocketEvent> {
        loop {
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Connecting(stream, uri) => match connected(&stream) {
                    Ok(true) => self.state = upgrade(stream, &uri),
                    Ok(false) => {
                        self.state = State::Connecting(stream, uri);
                        return None;
                    }
                    Err(error) => self.state = State::Ending(SocketEnd::Tcp(error.kind())),
                },
                State::Upgrading(handshake) => match handshake.handshake() {
                    Ok((socket, _)) => {
                        self.state = State::Open(Box::new(socket));
                        return Some(SocketEvent::Opened);
                    }
                    Err(HandshakeError::Interrupted(handshake)) => {
                        self.state = State::Upgrading(handshake);
                        return None;
                    }
                    Err(HandshakeError::Failure(error)) => {
                        self.state = State::Ending(end_of(error));
                    }
                },
                State::Open(mut socket) => {
                    let flushed = match socket.flush() {
                        Err(error) if would_block(&error) => Ok(()),
                        flushed => flushed,
                    };
                    let message = flushed.and_then(|()| socket.read());
                    self.state = State::Open(socket);
                    match message {
                        Ok(Message::Binary(bytes)) => return Some(SocketEvent::Message(bytes)),
                        Ok(_) => {}
                        Err(error) if would_block(&error) => return None,
                        Err(error) => self.state = State::Ending(end_of(error)),
                    }
                }
                State::Ending(end) => return Some(SocketEvent::Ended(end)),
                State::Ended => return None,
            }
        }
    }

    fn note(&mut self, sent: Result<(), Error>) {
        match sent {
            Err(error) if !would_block(&error) => self.state = State::Ending(end_of(error)),
            _ => {}
        }
    }
}

fn connected(stream: &TcpStream) -> io::Result<bool> {
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    match stream.peer_addr() {
        Ok(_) => {
            stream.set_nodelay(true)?;
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(error),
    }
}

fn upgrade(stream: TcpStream, uri: &str) -> State {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0);
    let begun = tungstenite::http::Uri::try_from(uri)
        .map_err(Error::from)
        .and_then(IntoClientRequest::into_client_request)
        .and_then(|request| ClientHandshake::start(stream, request, Some(config)));
    match begun {
        Ok(handshake) => State::Upgrading(handshake),
        Err(error) => State::Ending(end_of(error)),
    }
}

fn would_block(error: &Error) -> bool {
    matches!(error, Error::Io(error) if error.kind() == io::ErrorKind::WouldBlock)
}

fn end_of(error: Error) -> SocketEnd {
    match error {
        Error::Io(error) => SocketEnd::Tcp(error.kind()),
        Error::Http(response) => refused(&response),
        Error::ConnectionClosed | Error::AlreadyClosed => SocketEnd::Closed(None),
        error => SocketEnd::Broken(error.to_string()),
    }
}

fn refused(response: &Response) -> SocketEnd {
    let retry_after = response.headers().get(RETRY_AFTER);
    let body = response.body().as_deref().unwrap_or_default();
    let text = body.get(..TEXT_BYTES).unwrap_or(body);
    SocketEnd::Refused {
        status: response.status().as_u16(),
        retry_after: retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok()),
        text: String::from_utf8_lossy(text).into_owned(),
    }
}

/// Allotted to each connection at once: small, for there are thousands; larger messages make it grow for a while.
const READ_BUFFER_BYTES: usize = 4096;

/// What is kept of a refusal's body.
const TEXT_BYTES: usize = 200;

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use mio::Poll;

    use super::*;

    /// A socket that asked a server which answers with this.
    fn answered(answer: &[u8]) -> SignalSocket {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let poll = Poll::new().expect("a poll");
        let uri = format!("ws://{address}/rtc?access_token=x");
        let mut socket =
            SignalSocket::connect(poll.registry(), Token(0), address, &uri).expect("a socket");
        let (mut stream, _) = listener.accept().expect("a connection");
        assert_eq!(socket.poll_event(), None);
        let mut request = [0; 2048];
        let len = stream.read(&mut request).expect("a request");
        assert!(request[..len].starts_with(b"GET /rtc?access_token=x HTTP/1.1\r\n"));
        stream.write_all(answer).expect("written");
        socket
    }

    fn end(mut socket: SignalSocket) -> SocketEnd {
        // The answer is on its way through loopback.
        loop {
            match socket.poll_event() {
                Some(SocketEvent::Ended(end)) => return end,
                Some(event) => panic!("{event:?}"),
                None => std::thread::yield_now(),
            }
        }
    }

    #[test]
    fn a_refusal_tells_status_and_when_to_come_again() {
        let answer =
            b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 4\r\n\r\nfull";
        let end = end(answered(answer));
        assert_eq!(end.reason(), "http 503");
        let SocketEnd::Refused {
            retry_after, text, ..
        } = end
        else {
            panic!("{end:?}");
        };
        assert_eq!((retry_after, text.as_str()), (Some(5), "full"));
    }

    #[test]
    fn a_connection_that_breaks_before_the_upgrade_is_told_as_such() {
        assert_eq!(end(answered(b"")).reason(), "no websocket");
    }

    #[test]
    fn what_is_no_http_is_no_websocket() {
        assert_eq!(end(answered(b"SSH-2.0-x\r\n\r\n")).reason(), "no websocket");
    }

    #[test]
    fn a_port_that_nobody_listens_on_is_told_as_such() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        drop(listener);
        let poll = Poll::new().expect("a poll");
        let uri = format!("ws://{address}/rtc");
        let socket =
            SignalSocket::connect(poll.registry(), Token(0), address, &uri).expect("a socket");
        assert_eq!(end(socket).reason(), "tcp: connection refused");
    }
}
