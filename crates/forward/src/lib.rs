//! Forwarding of one track: reception, selection, munging and retransmission, without sockets or clocks.

// From the publisher.
pub mod audio_level;
mod close_up;
mod key_frame;
pub mod layer_tracker;
mod nack;
pub mod packet;
pub mod quality;
pub mod receive_stats;
pub mod ring;
pub mod sender_report;
mod sight;
mod time_average;
mod up_stream;
pub mod up_track;

// Towards the subscriber.
pub mod down_track;
pub mod layers;
pub mod munge;
pub mod outgoing;
mod record;
mod red;
mod rtx;
pub mod select;
mod silence;

#[cfg(test)]
mod test_packets;
#[cfg(test)]
mod test_svc;
