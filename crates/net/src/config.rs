//! What an engine is told once, as JSON from the control plane (`ts/media/native.ts` mirrors it).

use std::net::IpAddr;
use std::time::Duration;

use serde::Deserialize;
use sluice_sfu::config::AudioConfig;
use sluice_sfu::{Certificate, WorkerConfig};
use sluice_wire::id::WorkerId;

use crate::relay::TurnConfig;

/// Settings of an engine.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EngineConfig {
    /// Worker threads, 1 to 62.
    pub workers: u16,
    /// Where media comes in over UDP; none where it is to take TCP only.
    #[serde(default)]
    pub udp: Option<UdpPorts>,
    /// Where media comes in over TCP (RFC 6544).
    #[serde(default)]
    pub tcp: Option<TcpPort>,
    /// The TURN server inside; none where it is off.
    #[serde(default)]
    pub turn: Option<TurnConfig>,
    /// The local addresses that peers may be reached at.
    pub addresses: Vec<AddressConfig>,
    /// Loudness measurement.
    #[serde(default)]
    pub audio: AudioSettings,
    /// Least time between key-frame requests per spatial layer, low to high, milliseconds.
    #[serde(default = "default_pli_throttle")]
    pub pli_throttle_ms: [u64; 3],
    /// Packets kept per video layer for retransmission.
    #[serde(default = "default_packet_buffer_video")]
    pub packet_buffer_video: usize,
    /// Packets kept per audio track for retransmission.
    #[serde(default = "default_packet_buffer_audio")]
    pub packet_buffer_audio: usize,
    /// What each socket asks the kernel for, both ways, bytes.
    #[serde(default = "default_socket_buffer")]
    pub receive_buffer_bytes: usize,
    /// Longest time that a busy worker lets arrivals gather, microseconds; 0 never gathers.
    #[serde(default = "default_max_flush_interval")]
    pub max_flush_interval_us: u64,
    /// Whether each worker stays on one core; by default only where there are cores to spare.
    #[serde(default)]
    pub pin_workers: Option<bool>,
}

/// The UDP ports of an engine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum UdpPorts {
    /// Every peer gets a port of its own out of a range.
    Range {
        /// First port.
        port_range_start: u16,
        /// Last port, included.
        port_range_end: u16,
    },
    /// All peers share these ports.
    Mux {
        /// At least one; with fewer ports than workers, workers share ports.
        mux_ports: Vec<u16>,
        /// Ports that every worker serves beside its own.
        #[serde(default)]
        common_ports: Vec<u16>,
    },
}

/// The TCP port of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TcpPort {
    /// All peers share it, on every local address.
    pub port: u16,
}

/// One local address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddressConfig {
    /// What sockets are bound to.
    pub bind: IpAddr,
    /// What clients are told; differs from `bind` behind a one-to-one NAT.
    pub advertise: IpAddr,
}

/// Loudness measurement (livekit-facts 4.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AudioSettings {
    /// −dBov at or below which a packet counts as voice.
    pub active_level: u8,
    /// Share of an interval that must be voice, percent.
    pub min_percentile: u8,
    /// The interval, milliseconds.
    pub update_interval_ms: u64,
    /// Intervals that the average spans.
    pub smooth_intervals: u32,
}

/// A configuration that can't work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A ufrag's first character names the worker, and there are 62 such characters.
    #[error("there can be 1 to 62 workers, not {0}")]
    Workers(u16),
    /// A range that holds no port.
    #[error("the UDP port range {0}-{1} is empty or begins at 0")]
    EmptyRange(u16, u16),
    /// A mux without a port.
    #[error("no UDP port to share")]
    NoMuxPort,
    /// Neither UDP nor TCP.
    #[error("neither a UDP nor a TCP port for media")]
    NoPort,
    /// Nothing to bind to.
    #[error("no local address for media")]
    NoAddress,
    /// An address that is there twice.
    #[error("the local address {0} is listed twice")]
    DuplicateAddress(IpAddr),
    /// A TURN server that nobody reaches.
    #[error("turn: neither a UDP nor a TLS port")]
    NoTurnPort,
    /// A TURN server without addresses.
    #[error("turn: no address to listen at, or none for relays")]
    NoTurnAddress,
    /// No port for relays.
    #[error("turn: the relay range {0}-{1} is empty or begins at 0")]
    EmptyRelayRange(u16, u16),
    /// More than one.
    #[error("turn: relays can have one address per family")]
    RelayAddresses,
    /// An address that is told as one of the other family.
    #[error("turn: the relay address {0} is advertised as {1}, which is of the other family")]
    MixedFamilies(IpAddr, IpAddr),
}

impl EngineConfig {
    /// Refuses what can't work.
    ///
    /// # Errors
    /// The first reason found.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if !(1..=MAX_WORKERS).contains(&self.workers) {
            return Err(ConfigError::Workers(self.workers));
        }
        match &self.udp {
            Some(UdpPorts::Range {
                port_range_start: start,
                port_range_end: end,
            }) if *start == 0 || end < start => {
                return Err(ConfigError::EmptyRange(*start, *end));
            }
            Some(UdpPorts::Mux { mux_ports, .. }) if mux_ports.is_empty() => {
                return Err(ConfigError::NoMuxPort);
            }
            None if self.tcp.is_none() => return Err(ConfigError::NoPort),
            _ => {}
        }
        if self.addresses.is_empty() {
            return Err(ConfigError::NoAddress);
        }
        for (at, address) in self.addresses.iter().enumerate() {
            if self
                .addresses
                .iter()
                .take(at)
                .any(|other| other.bind == address.bind)
            {
                return Err(ConfigError::DuplicateAddress(address.bind));
            }
        }
        self.turn.as_ref().map_or(Ok(()), TurnConfig::validate)
    }

    /// The UDP ports that all peers share; none where each has its own, or where there is no UDP.
    pub(crate) fn mux_ports(&self) -> &[u16] {
        match &self.udp {
            Some(UdpPorts::Mux { mux_ports, .. }) => mux_ports,
            Some(UdpPorts::Range { .. }) | None => &[],
        }
    }

    /// The UDP ports that every worker serves beside its shared one.
    pub(crate) fn common_ports(&self) -> &[u16] {
        match &self.udp {
            Some(UdpPorts::Mux { common_ports, .. }) => common_ports,
            Some(UdpPorts::Range { .. }) | None => &[],
        }
    }

    /// The settings of one worker.
    pub(crate) fn worker(&self, id: WorkerId, certificate: Certificate, seed: u64) -> WorkerConfig {
        let mut config = WorkerConfig::new(id, certificate, seed);
        config.audio = AudioConfig {
            active_level: self.audio.active_level,
            min_percentile: self.audio.min_percentile,
            update_interval: Duration::from_millis(self.audio.update_interval_ms),
            smooth_intervals: self.audio.smooth_intervals,
        };
        config.pli_throttle = self.pli_throttle_ms.map(Duration::from_millis);
        config.packet_buffer_video = self.packet_buffer_video;
        config.packet_buffer_audio = self.packet_buffer_audio;
        config
    }
}

impl Default for AudioSettings {
    fn default() -> Self {
        Self {
            active_level: 35,
            min_percentile: 40,
            update_interval_ms: 400,
            smooth_intervals: 2,
        }
    }
}

/// Base62 digits: one names the worker at the front of a ufrag (`docs/adr/0003`).
const MAX_WORKERS: u16 = 62;

const fn default_pli_throttle() -> [u64; 3] {
    [500, 1000, 1000]
}

const fn default_packet_buffer_video() -> usize {
    500
}

const fn default_packet_buffer_audio() -> usize {
    200
}

/// 4 MiB hold 30 ms of a gigabit.
const fn default_socket_buffer() -> usize {
    4 << 20
}

/// Half a millisecond: it halves the cost of receiving, and the whole delay stays below 0.7 ms at half load.
const fn default_max_flush_interval() -> u64 {
    500
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> EngineConfig {
        serde_json::from_str(json).expect("the configuration parses")
    }

    const LOOPBACK: &str =
        r#"[{"bind":"127.0.0.1","advertise":"192.0.2.1"},{"bind":"::1","advertise":"::1"}]"#;

    #[test]
    fn a_range_and_a_mux_are_told_apart_by_their_fields() {
        let range = parse(&format!(
            r#"{{"workers":2,"udp":{{"portRangeStart":50000,"portRangeEnd":60000}},"addresses":{LOOPBACK}}}"#
        ));
        let mux = parse(&format!(
            r#"{{"workers":2,"udp":{{"muxPorts":[7882]}},"addresses":{LOOPBACK}}}"#
        ));
        assert_eq!(
            range.udp,
            Some(UdpPorts::Range {
                port_range_start: 50000,
                port_range_end: 60000
            })
        );
        assert_eq!(
            mux.udp,
            Some(UdpPorts::Mux {
                mux_ports: vec![7882],
                common_ports: Vec::new(),
            })
        );
        assert_eq!((range.validate(), mux.validate()), (Ok(()), Ok(())));
    }

    #[test]
    fn tcp_alone_is_enough() {
        let config = parse(&format!(
            r#"{{"workers":2,"tcp":{{"port":7881}},"addresses":{LOOPBACK}}}"#
        ));
        assert_eq!(config.tcp, Some(TcpPort { port: 7881 }));
        assert_eq!(config.validate(), Ok(()));
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let good = parse(&format!(
            r#"{{"workers":1,"udp":{{"muxPorts":[7882]}},"addresses":{LOOPBACK}}}"#
        ));
        let bad = |change: fn(&mut EngineConfig)| {
            let mut config = good.clone();
            change(&mut config);
            config.validate().expect_err("it can't work")
        };
        assert_eq!(bad(|c| c.workers = 0), ConfigError::Workers(0));
        assert_eq!(bad(|c| c.workers = 63), ConfigError::Workers(63));
        assert_eq!(
            bad(|c| c.udp = Some(UdpPorts::Mux {
                mux_ports: vec![],
                common_ports: vec![3478]
            })),
            ConfigError::NoMuxPort
        );
        assert_eq!(
            bad(|c| c.udp = Some(UdpPorts::Range {
                port_range_start: 9,
                port_range_end: 8
            })),
            ConfigError::EmptyRange(9, 8)
        );
        assert_eq!(bad(|c| c.udp = None), ConfigError::NoPort);
        assert_eq!(bad(|c| c.addresses.clear()), ConfigError::NoAddress);
        assert_eq!(
            bad(|c| c.addresses = vec![c.addresses[0]; 2]),
            ConfigError::DuplicateAddress(good.addresses[0].bind)
        );
    }
}
