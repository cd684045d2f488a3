//! What goes through data channels: user packets in livekit's envelope.

use bytes::Bytes;
use prost::Message;

use super::proto::{DataPacket, UserPacket};

/// How a user packet is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// On `_reliable`, numbered from 1 on.
    Reliable {
        /// Of this sender's packets.
        sequence: u32,
    },
    /// On `_lossy`.
    Lossy,
}

/// A message for the data channel, to everybody in the room.
pub fn write_user_packet(payload: Bytes, delivery: Delivery) -> Bytes {
    let (kind, sequence) = match delivery {
        Delivery::Reliable { sequence } => (0, sequence),
        Delivery::Lossy => (1, 0),
    };
    let user = Some(UserPacket { payload });
    let packet = DataPacket {
        kind,
        user,
        sequence,
    };
    packet.encode_to_vec().into()
}

/// The payload of a message that came on a data channel, without copying it; none where it is no user packet.
pub fn read_user_packet(message: Bytes) -> Option<Bytes> {
    Some(DataPacket::decode(message).ok()?.user?.payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_comes_out_as_it_went_in() {
        for delivery in [Delivery::Lossy, Delivery::Reliable { sequence: 300 }] {
            let payload = Bytes::from_static(b"payload");
            let message = write_user_packet(payload.clone(), delivery);
            assert_eq!(read_user_packet(message), Some(payload));
        }
    }

    #[test]
    fn other_packets_and_noise_have_no_payload() {
        // `chat_message`, field 9 of length 0.
        assert_eq!(read_user_packet(Bytes::from_static(&[0x4a, 0])), None);
        assert_eq!(read_user_packet(Bytes::from_static(&[0xff])), None);
    }
}
