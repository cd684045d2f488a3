//! One subscription: what of a published track goes out to one subscriber, and how it is numbered.
//!
//! ```text
//! handle_packet ─▶ select: drop ──▶ close up
//!                       └ forward ─▶ munge: sequence, timestamp, picture ids ─▶ record ─▶ compose ─▶ emit
//! handle_nack ───▶ record + ring ─▶ compose ─▶ emit
//! ```
//!
//! What is emitted is written by the sender at once: header into its slot, payload sealed behind it. No sequence number
//! of an SSRC is ever given to two different packets (see [`crate::rtx`]).

mod compose;
mod control;
mod feedback;
mod moment;
mod receiver;
mod settings;

use std::collections::VecDeque;
use std::time::Instant;

use sluice_wire::codec::red::RedView;
use sluice_wire::codec::{Codec, MediaKind};
use sluice_wire::id::{PayloadType, Ssrc};
use sluice_wire::rtp::ExtensionBlock;

pub use crate::munge::rtp::StreamState;
pub use moment::Moment;
pub use receiver::ReceiverStats;
pub use settings::{DownTrackSettings, DownTrackState, ExtensionIds, PayloadMap};

use crate::layers::Layers;
use crate::munge::dependency_descriptor::DescriptorMunger;
use crate::munge::rtp::{Place, RtpMunger, Step};
use crate::munge::vp8::Vp8Munger;
use crate::outgoing::{Outgoing, OutgoingKind};
use crate::packet::PacketMeta;
use crate::red;
use crate::ring::Stored;
use crate::rtx::{History, Origin, Patch, Sent};
use crate::select::{Choice, Context, Forward, Selector, Target, Wish};
use crate::silence::Silence;
use compose::{Stream, compose};
use receiver::Receiver;

/// One subscription.
#[derive(Debug)]
pub struct DownTrack {
    settings: DownTrackSettings,
    enabled: bool,
    /// Not enough bandwidth for any layer.
    paused: bool,
    /// The publisher muted the track.
    source_muted: bool,
    wish: Wish,
    context: Context,
    selector: Selector,
    /// None before the first packet: the clock rate is the codec's.
    rtp: Option<RtpMunger>,
    clock_rate: u32,
    vp8: Vp8Munger,
    descriptors: DescriptorMunger,
    history: History,
    rtx_sequence: u64,
    /// The payload types of the last packet, as it came and as it went.
    mapped: Option<(PayloadType, PayloadType)>,
    extensions: ExtensionBlock,
    silence: Option<Silence>,
    /// Payload type of Opus towards the subscriber, once seen.
    opus: Option<PayloadType>,
    receiver: Receiver,
    requests: feedback::Requests,
    counters: DownTrackCounters,
    playout_delay_sent: Option<u64>,
    playout_delay_known: bool,
    /// The next packet starts the stream, or starts it again.
    starting: bool,
    events: VecDeque<DownEvent>,
}

/// What happens to a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DownEvent {
    /// The first packet went out, after opening or after a pause.
    Started,
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Sent.
    Forwarded,
    /// Not of the layers that the subscriber gets.
    NotSelected,
    /// Disabled or paused.
    Closed,
    /// Too late: of a layer left behind, or too old to be told from a duplicate.
    Late,
    /// The subscriber did not negotiate its payload type.
    Unmapped,
}

/// Totals of a subscription.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DownTrackCounters {
    /// Packets on the media stream.
    pub packets: u64,
    /// Their payload, without padding.
    pub bytes: u64,
    /// Packets sent again.
    pub retransmitted: u64,
    /// Their payload.
    pub retransmitted_bytes: u64,
    /// Sequence numbers that the subscriber asked for again.
    pub nacks: u64,
    /// Key frames it asked for.
    pub plis: u64,
}

/// How a packet goes out.
#[derive(Debug, Clone, Copy)]
enum Route {
    /// As it came.
    Whole(PayloadType),
    /// Taken out of RED.
    Unpacked(PayloadType),
}

impl DownTrack {
    /// A subscription that waits for its first packet.
    pub fn new(settings: DownTrackSettings) -> Self {
        let highest = Target {
            spatial: 2,
            temporal: 3,
        };
        let audio = settings.kind == MediaKind::Audio;
        Self {
            enabled: true,
            paused: false,
            source_muted: false,
            wish: Wish {
                max: highest,
                max_fps: 0,
                allowed: highest,
            },
            context: Context {
                target: highest,
                streams: 0,
            },
            selector: Selector::default(),
            rtp: None,
            clock_rate: if audio { 48_000 } else { 90_000 },
            vp8: Vp8Munger::default(),
            descriptors: DescriptorMunger::default(),
            history: History::new(
                if audio { AUDIO_HISTORY } else { VIDEO_HISTORY },
                settings.origin,
            ),
            rtx_sequence: settings
                .resume
                .map_or(settings.seed >> 16 & 0x7fff, |state| state.rtx_sequence),
            mapped: None,
            extensions: ExtensionBlock::new(),
            silence: None,
            opus: None,
            receiver: Receiver::new(),
            requests: feedback::Requests::default(),
            counters: DownTrackCounters::default(),
            playout_delay_sent: None,
            playout_delay_known: false,
            starting: true,
            events: VecDeque::new(),
            settings,
        }
    }

    /// Packets of the published track, in the order in which they came; calls `emit` for each packet that goes out on
    /// account of them.
    pub fn handle_packets<'a>(
        &mut self,
        moment: &Moment<'_>,
        packets: impl IntoIterator<Item = &'a Stored<'a>>,
        emit: &mut impl FnMut(&mut Outgoing<'_>),
    ) {
        self.handle_layers(moment.layers);
        for packet in packets {
            self.handle_packet(moment, packet, emit);
        }
    }

    /// One packet, for which [`Self::handle_layers`] told the layers: none goes out, it, or with RED those recovered
    /// before it.
    fn handle_packet(
        &mut self,
        moment: &Moment<'_>,
        packet: &Stored<'_>,
        emit: &mut impl FnMut(&mut Outgoing<'_>),
    ) -> Verdict {
        let now = moment.now;
        let meta = packet.meta;
        let Some(route) = self.route(packet) else {
            return Verdict::Unmapped;
        };
        if !self.is_open() {
            return Verdict::Closed;
        }
        match self.selector.choose(now, packet, &self.context) {
            Choice::Drop => {
                self.leave_out(moment, packet, emit);
                Verdict::NotSelected
            }
            Choice::Forward(forward) => {
                if meta.late && !self.rtp.as_ref().is_some_and(|rtp| rtp.follows(meta)) {
                    return Verdict::Late;
                }
                if let Some(silence) = &mut self.silence {
                    silence.postpone(now);
                }
                let Some(place) = self.place(meta, moment.layers) else {
                    return Verdict::Late;
                };
                if place.step != Step::Same {
                    self.start(now, meta);
                }
                if place.step != Step::Same || meta.key_frame {
                    self.join_source(meta, place.step);
                }
                match route {
                    Route::Whole(payload_type) => {
                        self.forward(moment, packet, place, payload_type, forward, emit)
                    }
                    Route::Unpacked(payload_type) => {
                        self.unpack(moment, packet, place, payload_type, emit)
                    }
                }
            }
        }
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<DownEvent> {
        self.events.pop_front()
    }

    /// SSRC of the media stream.
    pub const fn ssrc(&self) -> Ssrc {
        self.settings.ssrc
    }

    /// Totals.
    pub const fn counters(&self) -> DownTrackCounters {
        self.counters
    }

    fn route(&mut self, packet: &Stored<'_>) -> Option<Route> {
        let meta = packet.meta;
        if let Some((from, to)) = self.mapped
            && from == meta.pt
        {
            return Some(Route::Whole(to));
        }
        if let Some(map) = self.map_of(meta.pt) {
            let to = map.to;
            self.mapped = Some((meta.pt, to));
            return Some(Route::Whole(to));
        }
        if meta.codec != Codec::Red || self.settings.encrypted {
            return None;
        }
        let view = RedView::parse(packet.payload)?;
        let map = self.map_of(view.primary_type)?;
        Some(Route::Unpacked(map.to))
    }

    fn map_of(&self, from: PayloadType) -> Option<&PayloadMap> {
        self.settings.payloads.iter().find(|map| map.from == from)
    }

    fn place(&mut self, meta: &PacketMeta, layers: &Layers) -> Option<Place> {
        let settings = &self.settings;
        let rtp = self.rtp.get_or_insert_with(|| {
            let rate = meta.codec.clock_rate();
            match settings.resume {
                Some(state) => RtpMunger::resume(rate, state.stream),
                None => RtpMunger::new(rate, settings.seed),
            }
        });
        self.clock_rate = meta.codec.clock_rate();
        let place = rtp.keep(meta, layers)?;
        self.history.is_free(place.sequence).then_some(place)
    }

    /// The first packet of a source, or after a pause.
    fn start(&mut self, now: Instant, meta: &PacketMeta) {
        self.receiver.start(now, meta.codec);
        if std::mem::take(&mut self.starting) {
            self.events.push_back(DownEvent::Started);
        }
    }

    /// Begins renumbering frames anew at another source, and at key frames after a pause or a leap. Frames that refer
    /// to earlier ones must keep their distance to them.
    fn join_source(&mut self, meta: &PacketMeta, step: Step) {
        let anew = step == Step::Switched || (step == Step::Resumed && meta.key_frame);
        if let Some(view) = &meta.vp8
            && (anew || (meta.key_frame && !meta.late && !self.vp8.continues(&view.descriptor)))
        {
            self.vp8.switch(&view.descriptor);
        }
        if let Some(descriptor) = &meta.dd
            && anew
        {
            self.descriptors.switch(descriptor.frame_number);
        }
    }

    fn forward(
        &mut self,
        moment: &Moment<'_>,
        packet: &Stored<'_>,
        place: Place,
        payload_type: PayloadType,
        forward: Forward,
        emit: &mut impl FnMut(&mut Outgoing<'_>),
    ) -> Verdict {
        let meta = packet.meta;
        let patch = match (&meta.vp8, &meta.dd) {
            (Some(view), _) => match self.vp8.keep(&view.descriptor) {
                Some(patch) => Patch::Vp8(patch),
                None => return Verdict::Late,
            },
            (None, Some(descriptor)) => Patch::Descriptor(
                self.descriptors
                    .keep(descriptor.frame_number, forward.active_targets),
            ),
            (None, None) => Patch::None,
        };
        self.note_opus(packet, payload_type);
        if meta.key_frame {
            self.requests.key_frame_sent();
        }
        let origin = Origin::Packet {
            layer: meta.layer,
            sequence: meta.sequence,
        };
        let marker = meta.marker || forward.marker;
        let sent = Sent {
            marker,
            patch,
            ..self.record(moment.send_time, place, payload_type, origin)
        };
        self.send(sent, Some(packet), emit);
        Verdict::Forwarded
    }

    /// Learns the payload type for silence.
    fn note_opus(&mut self, packet: &Stored<'_>, payload_type: PayloadType) {
        match packet.meta.codec {
            Codec::Opus => self.opus = Some(payload_type),
            Codec::Red if self.opus.is_none() => {
                let inner = RedView::parse(packet.payload).map(|view| view.primary_type);
                self.opus = inner.and_then(|inner| self.map_of(inner)).map(|map| map.to);
            }
            _ => {}
        }
    }

    /// The primary of a RED packet, after those older blocks in it whose own packets did not come.
    fn unpack(
        &mut self,
        moment: &Moment<'_>,
        packet: &Stored<'_>,
        place: Place,
        payload_type: PayloadType,
        emit: &mut impl FnMut(&mut Outgoing<'_>),
    ) -> Verdict {
        let meta = packet.meta;
        self.opus = Some(payload_type);
        let Some(view) = RedView::parse(packet.payload) else {
            return Verdict::Unmapped;
        };
        for block in red::blocks(&view) {
            let found = match &self.rtp {
                _ if block.index.is_none() => Some(place),
                Some(rtp) if place.step == Step::Same => {
                    rtp.place_before(meta, block.back, block.age)
                }
                _ => None,
            };
            let Some(found) = found.filter(|found| self.history.is_free(found.sequence)) else {
                continue;
            };
            if block.payload_type != view.primary_type {
                continue;
            }
            let origin = Origin::Block {
                layer: meta.layer,
                sequence: meta.sequence,
                redundant: block.index,
            };
            let marker = meta.marker && block.index.is_none();
            let sent = Sent {
                marker,
                ..self.record(moment.send_time, found, payload_type, origin)
            };
            self.send(sent, Some(packet), emit);
        }
        Verdict::Forwarded
    }

    /// Closes up over a packet that is not forwarded. Where it is late its place stands open already: then padding
    /// goes there, lest the subscriber asks for it.
    fn leave_out(
        &mut self,
        moment: &Moment<'_>,
        packet: &Stored<'_>,
        emit: &mut impl FnMut(&mut Outgoing<'_>),
    ) {
        let meta = packet.meta;
        let Some(rtp) = self.rtp.as_mut().filter(|rtp| rtp.follows(meta)) else {
            return;
        };
        if !meta.late {
            rtp.leave_out(meta);
            if let Some(view) = &meta.vp8 {
                self.vp8.leave_out(&view.descriptor);
            }
            return;
        }
        let place = rtp
            .place_of(meta)
            .filter(|place| self.history.is_free(place.sequence));
        if let (Some(place), Some(map)) = (place, self.map_of(meta.pt)) {
            let sent = self.record(moment.send_time, place, map.to, Origin::Padding);
            self.send(sent, None, emit);
        }
    }

    fn record(
        &self,
        send_time: [u8; 3],
        place: Place,
        payload_type: PayloadType,
        origin: Origin,
    ) -> Sent {
        let told = self.settings.playout_delay.is_some() && !self.playout_delay_known;
        Sent {
            sequence: place.sequence,
            timestamp: place.timestamp,
            payload_type,
            marker: false,
            origin,
            patch: Patch::None,
            send_time,
            transport_number: None,
            playout_delay: told && origin != Origin::Padding,
        }
    }

    /// Sends a packet for the first time and remembers it.
    fn send(
        &mut self,
        mut sent: Sent,
        packet: Option<&Stored<'_>>,
        emit: &mut impl FnMut(&mut Outgoing<'_>),
    ) {
        let composed = compose(
            &self.settings,
            &sent,
            packet,
            Stream::Media,
            &mut self.extensions,
        );
        let Some(mut outgoing) = composed else {
            debug_assert!(false, "the payload is at hand");
            return;
        };
        emit(&mut outgoing);
        sent.transport_number = outgoing.transport.and_then(|slot| slot.number);
        self.counters.packets += 1;
        if outgoing.kind != OutgoingKind::Padding {
            self.counters.bytes += outgoing.body_len() as u64;
        }
        if sent.playout_delay {
            self.playout_delay_sent.get_or_insert(sent.sequence);
        }
        self.history.insert(&sent);
    }
}

/// Records kept: the longest rings of the publisher's packets (livekit-facts 4.5).
const VIDEO_HISTORY: u64 = 512;
/// As [`VIDEO_HISTORY`], for audio.
const AUDIO_HISTORY: u64 = 128;

#[cfg(test)]
mod tests;
