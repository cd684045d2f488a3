//! The server to join, and the address of each join.

use std::net::{SocketAddr, ToSocketAddrs};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE;
use prost::Message;
use tungstenite::http::Uri;

use super::plan::SessionConfig;
use super::proto::{ClientInfo, ConnectionSettings, JoinRequest, WrappedJoinRequest};
use super::token::Signer;

/// A server, its address looked up once for all clients.
#[derive(Clone)]
pub struct Target {
    /// Where to connect to.
    pub address: SocketAddr,
    authority: String,
    /// Before `/rtc`; without a slash at its end.
    prefix: String,
    signer: Signer,
}

/// Why a target can't be joined.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// No `ws://host[:port][/path]`.
    #[error("{0} is no URL of the form ws://host:port")]
    Url(String),
    /// `wss://` or `https://`.
    #[error(
        "{0} asks for TLS, which the load doesn't speak: give it the server's plain port, ws://host:port"
    )]
    Tls(String),
    /// No address behind the name.
    #[error("{host} has no address: {error}")]
    Unresolved {
        /// The host and port.
        host: String,
        /// What the resolver said.
        error: std::io::Error,
    },
}

impl Target {
    /// A server by its URL, and a key pair of its.
    ///
    /// # Errors
    /// See [`TargetError`].
    pub fn new(url: &str, api_key: &str, api_secret: &str) -> Result<Self, TargetError> {
        let unusable = || TargetError::Url(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| unusable())?;
        match uri.scheme_str() {
            Some("ws" | "http") => {}
            Some("wss" | "https") => return Err(TargetError::Tls(url.to_owned())),
            _ => return Err(unusable()),
        }
        let host = uri.host().ok_or_else(unusable)?;
        let port = uri.port_u16().unwrap_or(DEFAULT_PORT);
        let authority = format!("{host}:{port}");
        let unresolved = |error| TargetError::Unresolved {
            host: authority.clone(),
            error,
        };
        let address = authority
            .to_socket_addrs()
            .map_err(unresolved)?
            .next()
            .ok_or_else(|| unresolved(std::io::ErrorKind::NotFound.into()))?;
        Ok(Self {
            address,
            authority,
            prefix: uri.path().trim_end_matches('/').to_owned(),
            signer: Signer::new(api_key, api_secret),
        })
    }

    /// The address that joins a room as this client; `now` is in seconds of Unix time.
    pub fn join(&self, room: &str, config: &SessionConfig, now: u64) -> String {
        let token = self.signer.join(room, config, now);
        let Self {
            authority, prefix, ..
        } = self;
        if config.single_pc {
            let wrapped = wrapped_join_request(config);
            return format!(
                "ws://{authority}{prefix}/rtc/v1?access_token={token}&join_request={wrapped}"
            );
        }
        let auto = u8::from(config.subscribe.is_all());
        format!(
            "ws://{authority}{prefix}/rtc?access_token={token}&auto_subscribe={auto}&adaptive_stream=0&sdk=js\
             &version={SDK_VERSION}&protocol={PROTOCOL}&client_protocol={CLIENT_PROTOCOL}&os=Linux&browser=Chrome\
             &browser_version={BROWSER_VERSION}"
        )
    }
}

fn wrapped_join_request(config: &SessionConfig) -> String {
    let request = JoinRequest {
        client_info: Some(ClientInfo {
            sdk: SDK_JS,
            version: SDK_VERSION.to_owned(),
            protocol: PROTOCOL,
            os: "Linux".to_owned(),
            browser: "Chrome".to_owned(),
            browser_version: BROWSER_VERSION.to_owned(),
            client_protocol: CLIENT_PROTOCOL,
        }),
        connection_settings: Some(ConnectionSettings {
            auto_subscribe: config.subscribe.is_all(),
        }),
    };
    let wrapped = WrappedJoinRequest {
        compression: 0,
        join_request: request.encode_to_vec(),
    };
    BASE64_URL_SAFE.encode(wrapped.encode_to_vec())
}

/// Where a URL names none; also livekit's.
const DEFAULT_PORT: u16 = 7880;

/// As what we present ourselves: servers give some clients less than they are able to.
const SDK_JS: i32 = 1;
const SDK_VERSION: &str = "2.21.0";
const PROTOCOL: i32 = 17;
const CLIENT_PROTOCOL: i32 = 2;
const BROWSER_VERSION: &str = "140.0";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::plan::{SubscribePlan, VideoWish};

    fn config(single_pc: bool, subscribe: SubscribePlan) -> SessionConfig {
        SessionConfig {
            identity: "v".to_owned(),
            single_pc,
            publish: Vec::new(),
            data: false,
            subscribe,
            seed: 1,
        }
    }

    #[test]
    fn tls_is_refused_with_the_way_around_it() {
        let error = Target::new("wss://127.0.0.1:1", "k", "s")
            .map(drop)
            .expect_err("no TLS");
        assert!(error.to_string().contains("plain port"), "{error}");
    }

    #[test]
    fn what_is_no_url_is_told_from_what_is_no_host() {
        for url in ["", "localhost", "ftp://localhost"] {
            let refused = matches!(Target::new(url, "k", "s"), Err(TargetError::Url(_)));
            assert!(refused, "{url}");
        }
    }

    #[test]
    fn a_path_of_the_url_stands_before_livekits() {
        let target = Target::new("ws://127.0.0.1:7880/sfu/", "k", "s").expect("a target");
        let join = target.join("r", &config(false, SubscribePlan::ALL), 0);
        assert!(
            join.starts_with("ws://127.0.0.1:7880/sfu/rtc?access_token="),
            "{join}"
        );
        assert!(join.contains("&auto_subscribe=1&"), "{join}");
    }

    #[test]
    fn a_client_of_a_few_tracks_does_not_subscribe_by_itself() {
        let target = Target::new("http://127.0.0.1", "k", "s").expect("a target");
        let some = SubscribePlan {
            video: VideoWish::Speakers(3),
            ..SubscribePlan::ALL
        };
        let join = target.join("r", &config(false, some), 0);
        assert!(join.contains("&auto_subscribe=0&"), "{join}");
    }

    #[test]
    fn a_single_peer_connection_is_asked_for_by_a_join_request() {
        let target = Target::new("ws://127.0.0.1:7880", "k", "s").expect("a target");
        let join = target.join("r", &config(true, SubscribePlan::ALL), 0);
        let wrapped = join.split("&join_request=").nth(1).expect("a join request");
        let wrapped = BASE64_URL_SAFE.decode(wrapped).expect("base64");
        let wrapped = WrappedJoinRequest::decode(wrapped.as_slice()).expect("a wrapper");
        let request = JoinRequest::decode(wrapped.join_request.as_slice()).expect("a request");
        assert!(
            request
                .connection_settings
                .is_some_and(|settings| settings.auto_subscribe)
        );
        assert!(
            request
                .client_info
                .is_some_and(|info| info.protocol == PROTOCOL)
        );
    }
}
