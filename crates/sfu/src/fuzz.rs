//! Bodies of the fuzz targets, run by cargo-fuzz and replayed with mutations under `cargo test`.

use crate::data::packet::{Packet, Sender};

/// A `DataPacket` from a client: whatever it holds, what goes out reads the same and names its true sender.
pub fn data_packet(bytes: &[u8]) {
    let Ok(packet) = Packet::parse(bytes) else {
        return;
    };
    for agent in [false, true] {
        let sender = Sender {
            sid: "PA_sender",
            identity: "sender",
            hidden: false,
            agent,
        };
        for reliable in [false, true] {
            let Ok(out) = packet.rewrite(Some(&sender), reliable) else {
                continue;
            };
            let again = Packet::parse(&out).expect("what we write is well formed");
            assert_eq!(packet.body(), again.body());
            assert_eq!(packet.sequence(), again.sequence());
            assert!(packet.destination_identities().eq(again.destination_identities()));
            assert!(packet.destination_sids().eq(again.destination_sids()));
            assert!(agent || again.identity() == "sender");
        }
    }
}
