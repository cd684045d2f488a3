//! One ICE agent: checks, nomination, consent (RFC 7675), restart, role conflict; an adapter over `is`.
