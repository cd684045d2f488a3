//! What the track makes of payload formats.

use super::*;
use crate::test_svc::L3T3Key;

const DESCRIPTOR_ID: u8 = 12;
const CODEC_PT: PayloadType = PayloadType(45);

fn track(codec: Codec, encrypted: bool) -> UpTrack {
    let codec = UpCodec {
        pt: CODEC_PT,
        codec,
        clock_rate: 90_000,
        rtx_pt: None,
        nack: true,
    };
    let extensions = UpExtensions {
        dependency_descriptor: Some(DESCRIPTOR_ID),
        ..UpExtensions::default()
    };
    UpTrack::new(
        at(0),
        UpTrackSettings {
            codecs: vec![codec],
            encrypted,
            extensions,
            ..video(1)
        },
    )
}

fn send(
    track: &mut UpTrack,
    ms: u64,
    sequence: u16,
    descriptor: &[u8],
    payload: &[u8],
) -> PacketMeta {
    let header = OutHeader {
        marker: false,
        payload_type: CODEC_PT,
        sequence,
        timestamp: ms as u32 * 90,
        ssrc: Ssrc(7),
        padding: false,
    };
    let mut extensions = ExtensionBlock::new();
    if !descriptor.is_empty() {
        assert!(extensions.push(DESCRIPTOR_ID, descriptor));
    }
    let mut bytes = vec![0; 400];
    let len = write_header(&mut bytes, &header, &extensions).unwrap();
    bytes.truncate(len);
    bytes.extend(payload);
    track
        .handle_rtp(at(ms), 0, false, &RtpView::parse(&bytes).unwrap())
        .unwrap()
}

#[test]
fn the_descriptor_tells_layers_of_an_encrypted_svc_stream() {
    let mut track = track(Codec::Av1, true);
    let mut publisher = L3T3Key::new(65_530, 0);
    let mut sequence = 65_500_u16;
    for picture in 0..60_u64 {
        let ms = picture * 33;
        run_until(&mut track, ms);
        for packet in publisher.picture(picture == 0) {
            let noise = [0xff, 0x80, picture as u8, 0xff];
            let meta = send(&mut track, ms, sequence, &packet.descriptor, &noise);
            assert_eq!(
                (meta.spatial, meta.temporal),
                (packet.meta.spatial, packet.meta.temporal)
            );
            assert_eq!(
                (meta.dd, meta.frame_start, meta.frame_end),
                (packet.meta.dd, true, true)
            );
            assert_eq!(meta.key_frame, picture == 0 && meta.spatial == 0);
            assert_eq!(
                track.stored(0, meta.sequence).unwrap().descriptor,
                packet.descriptor
            );
            sequence = sequence.wrapping_add(1);
        }
    }
    let layers: Vec<_> = track.layers().collect();
    assert_eq!(layers.len(), 3);
    assert!(layers.iter().all(|layer| layer.active && layer.bitrate > 0));
    assert!(
        layers
            .iter()
            .all(|layer| layer.fps[0] < layer.fps[1] && layer.fps[1] < layer.fps[2]),
        "{layers:?}"
    );
    assert!(
        layers[0].width < layers[1].width && layers[1].width < layers[2].width,
        "{layers:?}"
    );
    assert_eq!(track.view().streams, 1);
}

#[test]
fn a_vp9_descriptor_tells_spatial_layers_and_sizes() {
    let mut track = track(Codec::Vp9, false);
    // Layer indices, B and E; on the key picture with V: two layers with sizes 320x180 and 640x360, no pictures.
    let structure = [0x30, 0x01, 0x40, 0x00, 0xb4, 0x02, 0x80, 0x01, 0x68];
    let key = [&[0x2e, 0x00, 0x05][..], &structure, &[9, 9]].concat();
    let first = send(&mut track, 0, 1, &[], &key);
    assert!(first.key_frame && first.frame_start && first.frame_end);
    let upper = send(&mut track, 0, 2, &[], &[0x2c, 0x03, 0x05, 9, 9]);
    assert_eq!(
        (upper.key_frame, upper.spatial, upper.temporal),
        (false, 1, 0)
    );
    let delta = send(&mut track, 33, 3, &[], &[0x6c, 0x30, 0x06, 9, 9]);
    assert_eq!(
        (
            delta.key_frame,
            delta.spatial,
            delta.temporal,
            delta.switch_up
        ),
        (false, 0, 1, true)
    );
    let sizes: Vec<_> = track
        .layers()
        .map(|layer| (layer.width, layer.height))
        .collect();
    assert_eq!(sizes, [(320, 180), (640, 360)]);
}

#[test]
fn sizes_of_encrypted_parameter_sets_are_not_believed() {
    let stap = [
        0x78, 0x00, 0x0f, 0x67, 0x42, 0xc0, 0x1f, 0xda, 0x01, 0x40, 0x16, 0xe9, 0xb8, 0x08, 0x08,
        0x0a, 0x08, 0x00, 0x00, 0x04, 0x68, 0xce, 0x3c, 0x80, 0x00, 0x05, 0x65, 0x88, 0x84, 0x40,
        0x12,
    ];
    for (encrypted, width) in [(false, 1_280), (true, 0)] {
        let mut track = track(Codec::H264, encrypted);
        assert!(send(&mut track, 0, 1, &[], &stap).key_frame);
        assert_eq!(track.layers().next().unwrap().width, width);
    }
}

#[test]
fn garbage_descriptors_do_not_stop_a_stream() {
    let mut dice = Dice::new(5);
    for codec in [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::H265, Codec::Av1] {
        let mut track = track(codec, false);
        for sequence in 0..2_000 {
            let noise: Vec<u8> = (0..=dice.below(40))
                .map(|_| dice.below(256) as u8)
                .collect();
            let descriptor: Vec<u8> = (0..dice.below(60)).map(|_| dice.below(256) as u8).collect();
            let meta = send(
                &mut track,
                u64::from(sequence),
                sequence,
                &descriptor,
                &noise,
            );
            assert_eq!(usize::from(meta.payload_len), noise.len());
            assert!(track.layers().count() <= 3);
        }
    }
}
