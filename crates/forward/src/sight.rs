//! What one payload and its dependency descriptor tell about the frame they belong to.

use sluice_wire::codec::Codec;
use sluice_wire::codec::av1::Av1View;
use sluice_wire::codec::h264::H264View;
use sluice_wire::codec::h265::H265View;
use sluice_wire::codec::vp8::Vp8View;
use sluice_wire::codec::vp9::Vp9View;
use sluice_wire::dependency_descriptor::{DecodeTargets, Descriptor};

use crate::layers::MAX_SPATIAL;

/// Width and height of each spatial layer in pixels, lowest first; zeros where unknown.
pub type Sizes = [(u16, u16); MAX_SPATIAL];

/// Facts about the frame. What the payload format does not tell is `None` or 0.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sight {
    /// Decoding can start at this packet.
    pub key_frame: bool,
    /// First packet of the (layer) frame.
    pub frame_start: Option<bool>,
    /// Last packet of the (layer) frame.
    pub frame_end: Option<bool>,
    /// Spatial id within the stream.
    pub spatial: u8,
    /// Temporal id.
    pub temporal: u8,
    /// Decoding may step up to `temporal` here.
    pub switch_up: bool,
    /// VP8.
    pub vp8: Option<Vp8View>,
    /// VP9.
    pub vp9: Option<Vp9View>,
    /// Sizes of the stream's spatial layers, where this packet tells them.
    pub sizes: Option<Sizes>,
}

/// Looks at one packet. Of `encrypted` payloads only what end-to-end encryption leaves in the clear is read: the
/// descriptors in front of VP8 and VP9 frames, the head of a VP8 frame, the types of NAL units.
///
/// The dependency descriptor has the last word, as the publisher's packetizer wrote it for us.
pub fn look(
    codec: Codec,
    encrypted: bool,
    payload: &[u8],
    descriptor: Option<(&Descriptor, Option<&DecodeTargets>)>,
) -> Sight {
    let mut sight = match codec {
        Codec::Vp8 => look_vp8(payload),
        Codec::Vp9 => look_vp9(payload),
        Codec::H264 => look_h264(payload, encrypted),
        Codec::H265 => look_h265(payload, encrypted),
        Codec::Av1 if encrypted => Sight::default(),
        Codec::Av1 => look_av1(payload),
        // Each packet of audio stands for itself.
        Codec::Opus | Codec::Red | Codec::Pcmu | Codec::Pcma => Sight {
            frame_start: Some(true),
            frame_end: Some(true),
            ..Sight::default()
        },
    };
    if let Some((descriptor, targets)) = descriptor {
        let speaks_for_itself =
            matches!(codec, Codec::Vp8 | Codec::H264 | Codec::H265) && sight.key_frame;
        sight.key_frame = speaks_for_itself || (descriptor.start && descriptor.has_structure);
        sight.frame_start = Some(descriptor.start);
        sight.frame_end = Some(descriptor.end);
        sight.spatial = descriptor.spatial;
        sight.temporal = descriptor.temporal;
        sight.switch_up = may_switch(descriptor);
        if let Some(targets) = targets.filter(|_| descriptor.has_structure) {
            let mut sizes = Sizes::default();
            for (slot, spatial) in sizes.iter_mut().zip(0..) {
                *slot = targets.size(spatial).unwrap_or_default();
            }
            sight.sizes = Some(sizes)
                .filter(|sizes| sizes.iter().any(|&size| size != (0, 0)))
                .or(sight.sizes);
        }
    }
    sight
}

fn look_vp8(payload: &[u8]) -> Sight {
    let Some(view) = Vp8View::parse(payload) else {
        return Sight::default();
    };
    Sight {
        key_frame: view.key_frame,
        frame_start: Some(view.descriptor.is_frame_start()),
        temporal: view.descriptor.temporal.map_or(0, |temporal| temporal.id),
        switch_up: view
            .descriptor
            .temporal
            .is_some_and(|temporal| temporal.layer_sync),
        vp8: Some(view),
        sizes: view.size.map(single),
        ..Sight::default()
    }
}

fn look_vp9(payload: &[u8]) -> Sight {
    let Some(view) = Vp9View::parse(payload) else {
        return Sight::default();
    };
    let sizes = view.structure.map(|structure| {
        let mut sizes = Sizes::default();
        for (slot, &size) in sizes.iter_mut().zip(&structure.sizes) {
            *slot = size;
        }
        sizes
    });
    Sight {
        key_frame: view.is_key_frame_start(),
        frame_start: Some(view.frame_start),
        frame_end: Some(view.frame_end),
        spatial: view.spatial(),
        temporal: view.temporal(),
        switch_up: view.layer.is_some_and(|layer| layer.switching_up),
        vp9: Some(view),
        sizes: sizes.filter(|sizes| sizes.iter().any(|&size| size != (0, 0))),
        ..Sight::default()
    }
}

fn look_h264(payload: &[u8], encrypted: bool) -> Sight {
    let Some(view) = H264View::parse(payload) else {
        return Sight::default();
    };
    Sight {
        key_frame: view.is_key_frame_start(),
        sizes: view.size.filter(|_| !encrypted).map(single),
        ..Sight::default()
    }
}

fn look_h265(payload: &[u8], encrypted: bool) -> Sight {
    let Some(view) = H265View::parse(payload) else {
        return Sight::default();
    };
    Sight {
        key_frame: view.is_key_frame_start(),
        temporal: view.temporal,
        sizes: view.size.filter(|_| !encrypted).map(single),
        ..Sight::default()
    }
}

fn look_av1(payload: &[u8]) -> Sight {
    let Some(view) = Av1View::parse(payload) else {
        return Sight::default();
    };
    Sight {
        key_frame: view.is_key_frame_start(),
        spatial: view.spatial.unwrap_or(0),
        temporal: view.temporal.unwrap_or(0),
        sizes: view.size.map(single),
        ..Sight::default()
    }
}

fn single(size: (u16, u16)) -> Sizes {
    let mut sizes = Sizes::default();
    if let Some(first) = sizes.first_mut() {
        *first = size;
    }
    sizes
}

/// True where some decode target can be joined at this frame.
fn may_switch(descriptor: &Descriptor) -> bool {
    use sluice_wire::dependency_descriptor::Indication;
    (0..descriptor.targets).any(|target| descriptor.indication(target) == Indication::Switch)
}
