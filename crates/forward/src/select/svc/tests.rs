use super::*;
use crate::test_svc::{L3T3Key, SvcPacket};

const HIGH: Target = Target {
    spatial: 2,
    temporal: 2,
};
const LOW: Target = Target {
    spatial: 0,
    temporal: 2,
};

fn choose(selector: &mut Svc, packet: &SvcPacket, target: Target) -> Option<Forward> {
    let stored = Stored {
        meta: &packet.meta,
        descriptor: &packet.descriptor,
        payload: &[],
    };
    match selector.choose(&stored, target) {
        Choice::Forward(forward) => Some(forward),
        Choice::Drop => None,
    }
}

/// Spatial layers forwarded of a picture, and which of them has the marker.
fn picture(selector: &mut Svc, packets: &[SvcPacket], target: Target) -> (Vec<u8>, Vec<u8>) {
    let mut layers = Vec::new();
    let mut markers = Vec::new();
    for packet in packets {
        if let Some(forward) = choose(selector, packet, target) {
            layers.push(packet.meta.spatial);
            if forward.marker {
                markers.push(packet.meta.spatial);
            }
        }
    }
    (layers, markers)
}

#[test]
fn nothing_is_forwarded_before_a_key_picture() {
    let mut selector = Svc::default();
    let mut source = L3T3Key::new(0, 70_000);
    source.picture(true);
    assert_eq!(picture(&mut selector, &source.picture(false), HIGH).0, []);
    assert!(selector.needs_key_frame(HIGH));
}

#[test]
fn key_pictures_take_all_layers_below_and_others_only_the_target() {
    let mut selector = Svc::default();
    let mut source = L3T3Key::new(65_530, 70_000);
    assert_eq!(
        picture(&mut selector, &source.picture(true), HIGH),
        (vec![0, 1, 2], vec![2])
    );
    for _ in 0..12 {
        assert_eq!(
            picture(&mut selector, &source.picture(false), HIGH),
            (vec![2], vec![2])
        );
    }
    assert!(!selector.needs_key_frame(HIGH));
}

#[test]
fn spatial_layers_change_at_key_pictures_and_overshoot_meanwhile() {
    let mut selector = Svc::default();
    let mut source = L3T3Key::new(0, 70_000);
    picture(&mut selector, &source.picture(true), HIGH);
    // The fourth one is of the lowest temporal layer: the lower spatial layers needed it.
    for _ in 0..4 {
        picture(&mut selector, &source.picture(false), HIGH);
    }
    assert_eq!(
        picture(&mut selector, &source.picture(false), LOW),
        (vec![2], vec![2])
    );
    assert!(selector.needs_key_frame(LOW));
    assert_eq!(
        picture(&mut selector, &source.picture(true), LOW),
        (vec![0], vec![0])
    );
    assert_eq!(
        picture(&mut selector, &source.picture(false), HIGH),
        (vec![0], vec![0])
    );
    assert!(selector.needs_key_frame(HIGH));
    assert_eq!(
        picture(&mut selector, &source.picture(true), HIGH),
        (vec![0, 1, 2], vec![2])
    );
}

#[test]
fn temporal_layers_fall_at_once_and_rise_at_switch_points() {
    let mut selector = Svc::default();
    let mut source = L3T3Key::new(0, 70_000);
    let base = Target {
        spatial: 2,
        temporal: 0,
    };
    let mut forwarded = |key, target| {
        !picture(&mut selector, &source.picture(key), target)
            .0
            .is_empty()
    };
    assert!(forwarded(true, HIGH));
    // T2, T1, T2, then T0 and T2.
    assert_eq!([(); 3].map(|()| forwarded(false, base)), [false; 3]);
    assert!(forwarded(false, base));
    assert!(!forwarded(false, base));
    // T1 is a switch point for targets that hold it.
    assert!(forwarded(false, HIGH));
    assert!(forwarded(false, HIGH));
}

#[test]
fn active_targets_are_told_where_they_are_not_all() {
    let mut selector = Svc::default();
    let mut source = L3T3Key::new(0, 70_000);
    let key = source.picture(true);
    let middle = Target {
        spatial: 1,
        temporal: 1,
    };
    let forward = choose(&mut selector, &key[0], middle).unwrap();
    assert_eq!(forward.active_targets, Some((0b01_1011, 9)));
    let mut other = Svc::default();
    assert_eq!(
        choose(&mut other, &key[0], HIGH).unwrap().active_targets,
        None
    );
}

#[test]
fn a_lost_frame_does_not_stop_the_layer_and_fits_in_when_it_comes_late() {
    let mut selector = Svc::default();
    let mut source = L3T3Key::new(0, 70_000);
    picture(&mut selector, &source.picture(true), HIGH);
    let mut lost = source.picture(false);
    assert_eq!(
        picture(&mut selector, &source.picture(false), HIGH),
        (vec![2], vec![2])
    );
    for packet in &mut lost {
        packet.meta.late = true;
    }
    assert_eq!(picture(&mut selector, &lost, HIGH).0, [2]);
}

#[test]
fn a_restarted_stream_needs_a_key_picture() {
    let mut selector = Svc::default();
    let mut source = L3T3Key::new(0, 70_000);
    picture(&mut selector, &source.picture(true), HIGH);
    let mut next = source.picture(false);
    for packet in &mut next {
        packet.meta.epoch = 1;
    }
    assert_eq!(picture(&mut selector, &next, HIGH).0, []);
}

#[test]
fn a_layer_of_which_only_discardable_frames_were_left_out_is_taken_at_once() {
    let mut selector = Svc::default();
    let mut source = L3T3Key::new(0, 70_000);
    picture(&mut selector, &source.picture(true), HIGH);
    picture(&mut selector, &source.picture(false), HIGH);
    assert_eq!(
        picture(&mut selector, &source.picture(false), LOW),
        (vec![0], vec![0])
    );
}

#[test]
fn a_frame_whose_structure_was_lost_makes_a_key_picture_necessary() {
    let mut selector = Svc::default();
    let mut source = L3T3Key::new(0, 70_000);
    picture(&mut selector, &source.picture(true), HIGH);
    assert!(!selector.needs_key_frame(HIGH));
    let mut unresolved = source.picture(false);
    for packet in &mut unresolved {
        packet.meta.dd = None;
    }
    assert_eq!(picture(&mut selector, &unresolved, HIGH).0, []);
    assert!(selector.needs_key_frame(HIGH));
    assert_eq!(picture(&mut selector, &source.picture(false), HIGH).0, []);
    assert_eq!(
        picture(&mut selector, &source.picture(true), HIGH).0,
        [0, 1, 2]
    );
}
