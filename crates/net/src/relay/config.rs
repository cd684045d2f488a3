//! What the TURN server is told once.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Deserializer};
use sluice_turn::{Cidr, RelayPorts};

use crate::config::{AddressConfig, ConfigError};

/// Settings of the TURN server inside.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TurnConfig {
    /// The realm of credentials.
    pub realm: String,
    /// Where clients come in over UDP.
    #[serde(default)]
    pub udp_port: Option<u16>,
    /// Where clients come in over TLS.
    #[serde(default)]
    pub tls: Option<TurnTls>,
    /// Where the listeners bind. IPv6's wildcard does not take IPv4 along.
    pub bind_addresses: Vec<IpAddr>,
    /// Where relays are, at most one address per family.
    pub relay_addresses: Vec<AddressConfig>,
    /// First port of relays.
    pub relay_range_start: u16,
    /// Last port of relays, included.
    pub relay_range_end: u16,
    /// Allocations that one user may have; 0 for any number.
    pub allocations_per_user: u32,
    /// Whose credentials are taken.
    pub credentials: Vec<ApiCredential>,
    /// Whether relays reach any global unicast address.
    pub allow_public_peers: bool,
    /// Ranges that relays reach, private ones too.
    #[serde(deserialize_with = "ranges")]
    pub allow_restricted_peer_cidrs: Vec<Cidr>,
    /// Ranges that relays never reach.
    #[serde(deserialize_with = "ranges")]
    pub deny_peer_cidrs: Vec<Cidr>,
}

/// The port for clients over TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TurnTls {
    /// Which.
    pub port: u16,
    /// A balancer in front ends TLS: we speak plain TCP.
    pub external: bool,
}

/// An API key and its secret.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApiCredential {
    /// The key: a name, no secret.
    pub api_key: String,
    /// The secret.
    pub api_secret: String,
}

impl TurnConfig {
    /// Refuses what can't work.
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        if self.udp_port.is_none() && self.tls.is_none() {
            return Err(ConfigError::NoTurnPort);
        }
        if self.relay_range_start == 0 || self.relay_range_end < self.relay_range_start {
            let (start, end) = (self.relay_range_start, self.relay_range_end);
            return Err(ConfigError::EmptyRelayRange(start, end));
        }
        if self.bind_addresses.is_empty() || self.relay_addresses.is_empty() {
            return Err(ConfigError::NoTurnAddress);
        }
        let families = [true, false].map(|v4| {
            let of_family = |address: &&AddressConfig| address.advertise.is_ipv4() == v4;
            self.relay_addresses.iter().filter(of_family).count()
        });
        if families.iter().any(|count| *count > 1) {
            return Err(ConfigError::RelayAddresses);
        }
        let mixed = |address: &AddressConfig| address.bind.is_ipv4() != address.advertise.is_ipv4();
        if let Some(address) = self.relay_addresses.iter().find(|address| mixed(address)) {
            return Err(ConfigError::MixedFamilies(address.bind, address.advertise));
        }
        Ok(())
    }

    /// How many of the workers have ports for relays, and listeners therefore.
    pub(crate) fn share(&self, workers: u16) -> u16 {
        workers.min(RelayPorts::shares(
            self.relay_range_start,
            self.relay_range_end,
        ))
    }
}

impl fmt::Debug for ApiCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiCredential({})", self.api_key)
    }
}

fn ranges<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Cidr>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    let parsed = texts.iter().map(|text| text.parse());
    parsed
        .collect::<Result<_, _>>()
        .map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> TurnConfig {
        let json = r#"{"realm":"livekit","udpPort":3478,"tls":{"port":5349,"external":false},
            "bindAddresses":["0.0.0.0","::"],"relayAddresses":[{"bind":"10.0.0.1","advertise":"192.0.2.1"}],
            "relayRangeStart":30000,"relayRangeEnd":30002,"allocationsPerUser":12,
            "credentials":[{"apiKey":"key","apiSecret":"secret"}],"allowPublicPeers":false,
            "allowRestrictedPeerCidrs":["10.0.0.0/8"],"denyPeerCidrs":["::1"]}"#;
        serde_json::from_str(json).expect("the configuration parses")
    }

    #[test]
    fn what_cannot_work_is_refused() {
        assert_eq!(good().validate(), Ok(()));
        let bad = |change: fn(&mut TurnConfig)| {
            let mut config = good();
            change(&mut config);
            config.validate().expect_err("it can't work")
        };
        let no_port = bad(|c| (c.udp_port, c.tls) = (None, None));
        assert_eq!(no_port, ConfigError::NoTurnPort);
        assert_eq!(
            bad(|c| c.relay_range_end = 9),
            ConfigError::EmptyRelayRange(30_000, 9)
        );
        assert_eq!(
            bad(|c| c.bind_addresses.clear()),
            ConfigError::NoTurnAddress
        );
        assert_eq!(
            bad(|c| c.relay_addresses.clear()),
            ConfigError::NoTurnAddress
        );
        assert_eq!(
            bad(|c| c.relay_addresses = vec![c.relay_addresses[0]; 2]),
            ConfigError::RelayAddresses
        );
    }

    #[test]
    fn a_range_that_is_none_is_named() {
        let json = r#"{"realm":"","bindAddresses":[],"relayAddresses":[],"relayRangeStart":1,"relayRangeEnd":1,
            "allocationsPerUser":0,"credentials":[],"allowPublicPeers":false,
            "allowRestrictedPeerCidrs":["10.0.0.0/33"],"denyPeerCidrs":[]}"#;
        let error = serde_json::from_str::<TurnConfig>(json).expect_err("no range");
        assert!(error.to_string().contains("10.0.0.0/33"), "{error}");
    }

    #[test]
    fn secrets_are_not_printed() {
        assert!(!format!("{:?}", good()).contains("secret\""));
    }

    #[test]
    fn more_workers_than_ports_leave_some_without() {
        assert_eq!(good().share(2), 2);
        assert_eq!(good().share(8), 2);
        let mut all = good();
        (all.relay_range_start, all.relay_range_end) = (1, u16::MAX);
        assert_eq!(all.share(8), 8);
    }
}
