use super::*;

/// Two spatial layers, no chains beyond one per layer, made by hand after section A.10.
fn l2t1() -> Vec<u8> {
    let mut bytes = vec![0; 64];
    let mut w = BitWriter::new(&mut bytes);
    let mut put = |value, count| w.bits(value, count).unwrap();
    put(0b11, 2); // start, end
    put(5, 6); // template id
    put(0x1234, 16);
    put(0b10000, 5); // structure only
    put(4, 6); // id offset
    put(1, 5); // two targets
    // Templates: S0 key (4), S0 delta (5)... as: idc 0 same layer, 2 next spatial, 0, 3 end.
    put(0, 2);
    put(2, 2);
    put(0, 2);
    put(3, 2);
    // Indications of targets 0 and 1.
    for dti in [2, 2, 3, 3, 0, 2, 0, 3] {
        put(dti, 2);
    }
    // Frame differences: none; 2; 1; 2 and 1.
    put(0, 1);
    put(0b10_0010, 6);
    put(0b10_0000, 6);
    put(0b1_0001, 5);
    put(0b10_0000, 6);
    // Two chains of ns(3): value 2 is the long form `11`; target n protected by chain n of ns(2).
    put(0b11, 2);
    put(0, 1);
    put(1, 1);
    for diff in [0, 0, 2, 1, 1, 1, 1, 2] {
        put(diff, 4);
    }
    put(1, 1);
    for size in [319, 179, 639, 359] {
        put(size, 16);
    }
    let _ = put;
    w.align().unwrap();
    let len = w.bytes_written();
    bytes.truncate(len);
    bytes
}

#[test]
fn structure_gives_targets_chains_and_sizes() {
    let mut reader = Reader::default();
    let descriptor = reader.read(&l2t1()).unwrap();
    assert!(descriptor.has_structure && descriptor.start && descriptor.end);
    assert_eq!(descriptor.frame_number, 0x1234);
    assert_eq!(descriptor.active_targets, Some(0b11));
    assert_eq!((descriptor.spatial, descriptor.temporal), (0, 0));
    assert_eq!(descriptor.indication(1), Indication::Required);
    assert!(!descriptor.independent);
    assert_eq!(descriptor.chain_diffs[..2], [2, 1]);
    let targets = *reader.targets().unwrap();
    assert_eq!(targets.count(), 2);
    assert_eq!(
        targets.get(1),
        Some(DecodeTarget {
            spatial: 1,
            temporal: 0,
            chain: Some(1)
        })
    );
    assert_eq!(targets.size(1), Some((640, 360)));
    assert_eq!(read_targets(&l2t1()), Some(targets));
}

#[test]
fn short_descriptors_use_the_templates() {
    let mut reader = Reader::default();
    assert_eq!(reader.read(&[0xc6, 0, 1]), None, "no structure yet");
    reader.read(&l2t1()).unwrap();
    let descriptor = reader.read(&[0x80 | 6, 0, 1]).unwrap();
    assert_eq!(
        (descriptor.spatial, descriptor.start, descriptor.end),
        (1, true, false)
    );
    assert_eq!(descriptor.indication(0), Indication::NotPresent);
    assert_eq!(descriptor.active_targets, None);
    assert_eq!(reader.read(&[9, 0, 1]), None, "no such template");
}

#[test]
fn rewriting_adds_the_active_targets_and_keeps_custom_fields() {
    let mut reader = Reader::default();
    reader.read(&l2t1()).unwrap();
    let mut out = [0xff; 32];
    let len = rewrite(&[0xc6, 0, 1], 77, Some((0b01, 2)), &mut out).unwrap();
    let short = reader.read(&out[..len]).unwrap();
    assert_eq!((short.frame_number, short.active_targets), (77, Some(1)));

    // Custom indications (Discardable, NotPresent), diffs (8 bits) and chains, with active targets before them.
    let mut custom = [0; 16];
    let mut w = BitWriter::new(&mut custom);
    for (value, count) in [
        (3, 2),
        (6, 6),
        (9, 16),
        (0b01111, 5),
        (0b11, 2),
        (0b01_00, 4),
        (0b10, 2),
        (0x55, 8),
        (0, 2),
        (200, 8),
        (100, 8),
    ] {
        w.bits(value, count).unwrap();
    }
    let custom_len = w.bytes_written();
    let before = reader.read(&custom[..custom_len]).unwrap();
    let len = rewrite(&custom[..custom_len], 78, Some((0b10, 2)), &mut out).unwrap();
    let after = reader.read(&out[..len]).unwrap();
    assert_eq!(
        after,
        Descriptor {
            frame_number: 78,
            active_targets: Some(0b10),
            ..before
        }
    );
    assert_eq!(after.chain_diffs[..2], [200, 100]);
}

#[test]
fn rewriting_a_structure_touches_only_the_frame_number() {
    let bytes = l2t1();
    let mut out = [0; 64];
    let len = rewrite(&bytes, 0xabcd, Some((1, 2)), &mut out).unwrap();
    assert_eq!(len, bytes.len());
    assert_eq!(out[1..3], [0xab, 0xcd]);
    assert_eq!(out[3..len], bytes[3..]);
}

#[test]
fn every_cut_of_a_descriptor_is_refused_or_read_without_panic() {
    let bytes = l2t1();
    for cut in 0..bytes.len() {
        assert_eq!(Reader::default().read(&bytes[..cut]), None);
        let mut out = [0; 128];
        let _ = rewrite(&bytes[..cut], 1, Some((3, 32)), &mut out);
    }
}
