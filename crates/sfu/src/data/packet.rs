//! `livekit.DataPacket` without a protobuf library: read what routing asks for, rewrite the sender's fields, copy
//! everything else through, fields of later versions included.

use super::proto::{Field, Fields, Malformed, Value, put_bytes, put_str, put_varint};
use super::streams::{StreamHeader, StreamKind};

/// A `DataPacket`, checked as far as this file looks into it.
#[derive(Debug, Clone)]
pub struct Packet<'a> {
    bytes: &'a [u8],
    value: Option<(u32, &'a [u8])>,
    identity: &'a str,
    sequence: u32,
    addressed: bool,
}

/// What a packet carries, as far as the rules differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// `UserPacket`.
    User,
    /// `Transcription`: agents only.
    Transcription,
    /// `MetricsBatch`: for the server only.
    Metrics,
    /// `ChatMessage`.
    Chat,
    /// `DataStream.Header`.
    StreamHeader,
    /// Anything else, known or not.
    Other,
}

/// Whose fields go into a packet.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    /// Its `PA_` id.
    pub sid: &'a str,
    /// Its identity.
    pub identity: &'a str,
    /// Receivers don't learn the identity.
    pub hidden: bool,
    /// It may speak for another identity in chat messages and text streams.
    pub agent: bool,
}

impl<'a> Packet<'a> {
    /// Reads a packet. A message with two values at once, which no encoder writes, is malformed.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut packet = Self {
            bytes,
            value: None,
            identity: "",
            sequence: 0,
            addressed: false,
        };
        for field in Fields::new(bytes) {
            packet.note(field?)?;
        }
        if packet.body() == Body::User {
            packet.check_user()?;
        }
        Ok(packet)
    }

    /// What it carries.
    pub fn body(&self) -> Body {
        match self.value {
            Some((USER, _)) => Body::User,
            Some((TRANSCRIPTION, _)) => Body::Transcription,
            Some((METRICS, _)) => Body::Metrics,
            Some((CHAT, _)) => Body::Chat,
            Some((STREAM_HEADER, _)) => Body::StreamHeader,
            _ => Body::Other,
        }
    }

    /// The stream that it begins; none where it begins none.
    pub fn stream_header(&self) -> Option<StreamHeader<'a>> {
        (self.body() == Body::StreamHeader).then(|| header_of(self.inner()))
    }

    /// The identity it says it is from.
    pub fn identity(&self) -> &'a str {
        self.identity
    }

    /// Sequence number among the sender's reliable packets; 0 for none.
    pub fn sequence(&self) -> u32 {
        self.sequence
    }

    /// The identities it is addressed to: its own, or else those of the user packet in it.
    pub fn destination_identities(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let (bytes, number) = if self.addressed {
            (self.bytes, DESTINATION_IDENTITIES)
        } else {
            (self.user(), USER_DESTINATION_IDENTITIES)
        };
        strings(bytes, number)
    }

    /// The participant ids that the user packet in it is addressed to.
    pub fn destination_sids(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        strings(self.user(), USER_DESTINATION_SIDS)
    }

    /// The packet as receivers get it: kind by channel, sender's id and identity put in, destinations the same
    /// within and without.
    pub fn rewrite(&self, sender: Option<&Sender>, reliable: bool) -> Result<Vec<u8>, Malformed> {
        let mut out = Vec::with_capacity(self.bytes.len() + REWRITE_ROOM);
        if !reliable {
            put_varint(&mut out, KIND, KIND_LOSSY);
        }
        let spoken_for = sender.is_some_and(|sender| self.speaks_for_another(sender));
        for field in Fields::new(self.bytes) {
            let field = field?;
            match field.number {
                KIND | DESTINATION_IDENTITIES => {}
                SID | IDENTITY if sender.is_some() => {}
                USER => put_bytes(&mut out, USER, &self.user_rewritten(sender)?),
                CHAT if spoken_for => {
                    let mut chat = self.inner().to_vec();
                    put_varint(&mut chat, CHAT_GENERATED, 1);
                    put_bytes(&mut out, CHAT, &chat);
                }
                STREAM_HEADER if spoken_for => {
                    put_bytes(&mut out, STREAM_HEADER, &header_generated(self.inner())?);
                }
                _ => out.extend_from_slice(field.raw),
            }
        }
        for identity in self.destination_identities() {
            put_bytes(&mut out, DESTINATION_IDENTITIES, identity.as_bytes());
        }
        if let Some(sender) = sender {
            put_str(&mut out, SID, sender.sid);
            let identity = if spoken_for {
                self.identity
            } else {
                sender.shown_identity()
            };
            put_str(&mut out, IDENTITY, identity);
        }
        Ok(out)
    }

    fn note(&mut self, field: Field<'a>) -> Result<(), Malformed> {
        match (field.number, field.value) {
            (IDENTITY, Value::Bytes(text)) => self.identity = str_of(text)?,
            (SEQUENCE, Value::Varint(value)) => self.sequence = value as u32,
            (SID, Value::Bytes(text)) => {
                str_of(text)?;
            }
            (DESTINATION_IDENTITIES, Value::Bytes(text)) => {
                str_of(text)?;
                self.addressed = true;
            }
            (number, Value::Bytes(value)) if VALUES.contains(&number) => {
                let former = self.value.replace((number, value));
                return former.map_or(Ok(()), |_| Err(Malformed));
            }
            (number, _) if number <= LAST_KNOWN && number != KIND => return Err(Malformed),
            _ => {}
        }
        Ok(())
    }

    fn check_user(&self) -> Result<(), Malformed> {
        for field in Fields::new(self.user()) {
            if let Field {
                number: USER_DESTINATION_IDENTITIES | USER_DESTINATION_SIDS,
                value,
                ..
            } = field?
            {
                let Value::Bytes(text) = value else {
                    return Err(Malformed);
                };
                str_of(text)?;
            }
        }
        Ok(())
    }

    fn inner(&self) -> &'a [u8] {
        self.value.map_or(&[], |(_, inner)| inner)
    }

    fn user(&self) -> &'a [u8] {
        self.value
            .filter(|(number, _)| *number == USER)
            .map_or(&[], |(_, inner)| inner)
    }

    fn user_rewritten(&self, sender: Option<&Sender>) -> Result<Vec<u8>, Malformed> {
        let mut out = Vec::with_capacity(self.user().len() + REWRITE_ROOM);
        for field in Fields::new(self.user()) {
            let field = field?;
            match field.number {
                USER_DESTINATION_IDENTITIES => {}
                USER_SID | USER_IDENTITY if sender.is_some() => {}
                _ => out.extend_from_slice(field.raw),
            }
        }
        for identity in self.destination_identities() {
            put_bytes(&mut out, USER_DESTINATION_IDENTITIES, identity.as_bytes());
        }
        if let Some(sender) = sender.filter(|sender| !sender.hidden) {
            put_str(&mut out, USER_SID, sender.sid);
            put_str(&mut out, USER_IDENTITY, sender.identity);
        }
        Ok(out)
    }

    fn speaks_for_another(&self, sender: &Sender) -> bool {
        let foreign = !self.identity.is_empty() && self.identity != sender.identity;
        let may = match self.body() {
            Body::Chat => true,
            Body::StreamHeader => header_of(self.inner()).kind == StreamKind::Text,
            _ => false,
        };
        sender.agent && foreign && may
    }
}

impl<'a> Sender<'a> {
    fn shown_identity(&self) -> &'a str {
        if self.hidden { "" } else { self.identity }
    }
}

/// A message of an unlabeled channel, for receivers that only know packets.
pub fn wrap(identity: &str, message: &[u8]) -> Vec<u8> {
    let mut user = Vec::with_capacity(message.len() + 8);
    put_bytes(&mut user, USER_PAYLOAD, message);
    let mut out = Vec::with_capacity(user.len() + identity.len() + 16);
    put_str(&mut out, IDENTITY, identity);
    put_bytes(&mut out, USER, &user);
    out
}

/// What can be read of it: a header is its receivers' to judge.
fn header_of(header: &[u8]) -> StreamHeader<'_> {
    let mut read = StreamHeader {
        kind: StreamKind::Unknown,
        mime_type: "",
        total_length: None,
    };
    for Field { number, value, .. } in Fields::new(header).filter_map(Result::ok) {
        match (number, value) {
            (HEADER_MIME_TYPE, Value::Bytes(text)) => {
                read.mime_type = std::str::from_utf8(text).unwrap_or_default();
            }
            (HEADER_TOTAL_LENGTH, Value::Varint(length)) => read.total_length = Some(length),
            (HEADER_TEXT, _) => read.kind = StreamKind::Text,
            (HEADER_BYTE, _) => read.kind = StreamKind::Bytes,
            _ => {}
        }
    }
    read
}

fn header_generated(header: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut out = Vec::with_capacity(header.len() + REWRITE_ROOM);
    for field in Fields::new(header) {
        match field? {
            Field {
                number: HEADER_TEXT,
                value: Value::Bytes(text),
                ..
            } => {
                let mut text = text.to_vec();
                put_varint(&mut text, TEXT_GENERATED, 1);
                put_bytes(&mut out, HEADER_TEXT, &text);
            }
            field => out.extend_from_slice(field.raw),
        }
    }
    Ok(out)
}

fn strings(bytes: &[u8], number: u32) -> impl Iterator<Item = &str> {
    Fields::new(bytes)
        .map_while(Result::ok)
        .filter(move |field| field.number == number)
        .filter_map(|field| match field.value {
            Value::Bytes(text) => std::str::from_utf8(text).ok(),
            _ => None,
        })
        .filter(|text| !text.is_empty())
}

fn str_of(bytes: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|_| Malformed)
}

// Field numbers of livekit_models.proto.
const KIND: u32 = 1;
const USER: u32 = 2;
const IDENTITY: u32 = 4;
const DESTINATION_IDENTITIES: u32 = 5;
const TRANSCRIPTION: u32 = 7;
const METRICS: u32 = 8;
const CHAT: u32 = 9;
const STREAM_HEADER: u32 = 13;
const SEQUENCE: u32 = 16;
const SID: u32 = 17;
/// Highest field number whose wire type we know.
const LAST_KNOWN: u32 = 18;
/// Members of the `value` oneof.
const VALUES: [u32; 13] = [2, 3, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 18];
const KIND_LOSSY: u64 = 1;

const USER_SID: u32 = 1;
const USER_PAYLOAD: u32 = 2;
const USER_DESTINATION_SIDS: u32 = 3;
const USER_IDENTITY: u32 = 5;
const USER_DESTINATION_IDENTITIES: u32 = 6;

const CHAT_GENERATED: u32 = 6;
const HEADER_MIME_TYPE: u32 = 4;
const HEADER_TOTAL_LENGTH: u32 = 5;
const HEADER_TEXT: u32 = 9;
const HEADER_BYTE: u32 = 10;
const TEXT_GENERATED: u32 = 5;

/// Bytes that sender and destinations usually add.
const REWRITE_ROOM: usize = 96;

#[cfg(test)]
#[path = "packet_tests.rs"]
mod tests;
