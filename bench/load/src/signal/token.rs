//! Access tokens: JWT by HS256, with livekit's grants.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::json;

use super::plan::SessionConfig;

/// Seconds that a token is good for from its begin.
const LIFETIME_SECONDS: u64 = 6 * 3600;

/// A key pair of the server, to sign tokens with.
#[derive(Clone)]
pub struct Signer {
    issuer: String,
    key: hmac::Key,
}

impl Signer {
    /// Signs as this API key.
    pub fn new(api_key: &str, api_secret: &str) -> Self {
        Self {
            issuer: api_key.to_owned(),
            key: hmac::Key::new(hmac::HMAC_SHA256, api_secret.as_bytes()),
        }
    }

    /// A token for this client to join a room with; it may send what its plan holds and nothing else, so that an audience
    /// is one, and raise its hand. `now` is in seconds of Unix time.
    pub fn join(&self, room: &str, config: &SessionConfig, now: u64) -> String {
        let claims = json!({
            "iss": self.issuer,
            "sub": config.identity,
            "nbf": now,
            "exp": now + LIFETIME_SECONDS,
            "video": {
                "roomJoin": true,
                "room": room,
                "canPublish": !config.publish.is_empty(),
                "canPublishData": config.data,
                "canSubscribe": !config.subscribe.is_none(),
                "canUpdateOwnMetadata": true,
            },
        });
        self.sign(&claims.to_string())
    }

    fn sign(&self, claims: &str) -> String {
        let mut token = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let tag = hmac::sign(&self.key, token.as_bytes());
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(tag, &mut token);
        token
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::{AudioPlan, PublishPlan, SubscribePlan};
    use super::*;

    fn config() -> SessionConfig {
        SessionConfig {
            identity: "p-1".into(),
            single_pc: false,
            publish: vec![PublishPlan::Audio(AudioPlan {
                red: false,
                dtx: false,
            })],
            data: false,
            subscribe: SubscribePlan::NONE,
            seed: 1,
        }
    }

    #[test]
    fn a_token_grants_what_the_plan_holds_and_nothing_else() {
        let token = Signer::new("key", "secret").join("room", &config(), 1_700_000_000);
        let parts: Vec<&str> = token.split('.').collect();
        let claims = BASE64_URL_SAFE_NO_PAD.decode(parts[1]).expect("base64");
        let claims: serde_json::Value = serde_json::from_slice(&claims).expect("JSON");
        assert_eq!(claims["iss"], "key");
        assert_eq!(claims["sub"], "p-1");
        assert_eq!(claims["exp"], 1_700_021_600);
        assert_eq!(claims["video"]["room"], "room");
        assert_eq!(claims["video"]["canPublish"], true);
        assert_eq!(claims["video"]["canPublishData"], false);
        assert_eq!(claims["video"]["canSubscribe"], false);
    }

    #[test]
    fn a_signature_is_that_of_rfc_7515_appendix_a_1_style_tokens() {
        // From jwt.io: {"sub":"1234567890","name":"John Doe","iat":1516239022} under `your-256-bit-secret`.
        let token = Signer::new("", "your-256-bit-secret")
            .sign(r#"{"sub":"1234567890","name":"John Doe","iat":1516239022}"#);
        assert_eq!(
            token.rsplit('.').next(),
            Some("SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c")
        );
    }
}
