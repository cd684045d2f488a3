//! What congestion control needs to know: so far the TWCC report builder for publishers.
