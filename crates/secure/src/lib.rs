//! DTLS with its fingerprint check, and SRTP/SRTCP protection in place.
