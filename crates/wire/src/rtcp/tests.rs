use super::*;

fn round_trip(packets: &[Rtcp]) -> Vec<Rtcp> {
    let mut bytes = Vec::new();
    write_compound(packets, &mut bytes);
    assert!(bytes.len().is_multiple_of(4));
    let mut read = Vec::new();
    parse_compound(&bytes, &mut read).unwrap();
    read
}

fn block() -> ReportBlock {
    ReportBlock {
        ssrc: 9,
        fraction_lost: 25,
        total_lost: -3,
        highest_sequence: 0x0001_fff0,
        jitter: 44,
        last_sender_report: 0xaabb_ccdd,
        delay: 65_536,
    }
}

fn feedback(arrivals: Vec<Option<i16>>) -> TransportCcFeedback {
    TransportCcFeedback {
        sender: Ssrc(1),
        media: Ssrc(2),
        base_sequence: 65_530,
        reference_time: 0x00ab_cdef,
        feedback_count: 255,
        arrivals,
    }
}

fn parse(bytes: &[u8]) -> (Vec<Rtcp>, Result<(), RtcpError>) {
    let mut out = Vec::new();
    let result = parse_compound(bytes, &mut out);
    (out, result)
}

#[test]
fn every_packet_type_survives_a_compound() {
    let packets = [
        Rtcp::SenderReport {
            ssrc: Ssrc(1),
            ntp: 0x0123_4567_89ab_cdef,
            rtp: u32::MAX,
            packets: 7,
            octets: 8,
            reports: vec![block(); 2],
        },
        Rtcp::ReceiverReport {
            ssrc: Ssrc(1),
            reports: vec![block()],
        },
        Rtcp::SourceDescription {
            chunks: vec![
                SourceChunk {
                    ssrc: Ssrc(1),
                    cname: "PA_abc".into(),
                    mid: Some("3".into()),
                },
                SourceChunk {
                    ssrc: Ssrc(2),
                    cname: String::new(),
                    mid: None,
                },
            ],
        },
        Rtcp::Bye {
            ssrcs: vec![Ssrc(3), Ssrc(4)],
        },
        Rtcp::Nack {
            sender: Ssrc(1),
            media: Ssrc(2),
            lost: vec![65_534, 65_535, 0, 14, 16, 100],
        },
        Rtcp::Pli {
            sender: Ssrc(1),
            media: Ssrc(2),
        },
        Rtcp::Fir {
            sender: Ssrc(1),
            requests: vec![(Ssrc(2), 7), (Ssrc(3), 8)],
        },
        Rtcp::TransportCc(feedback(vec![
            Some(0),
            None,
            Some(255),
            Some(256),
            Some(-4),
            Some(1),
        ])),
        Rtcp::Remb {
            sender: Ssrc(1),
            bitrate: 2_500_000,
            ssrcs: vec![Ssrc(2)],
        },
        Rtcp::ExtendedReport {
            sender: Ssrc(1),
            reference_time: Some(99),
            delays: vec![ReferenceDelay {
                ssrc: Ssrc(2),
                last_reference: 3,
                delay: 4,
            }],
        },
    ];
    assert_eq!(round_trip(&packets), packets);
}

#[test]
fn transport_feedback_survives_every_mix_of_statuses() {
    let mut state = 1_u32;
    for len in [
        1,
        6,
        7,
        8,
        13,
        14,
        15,
        100,
        1_000,
        TransportCcFeedback::MAX_STATUSES,
    ] {
        for spread in [1, 2, 3, 40] {
            let mut arrivals: Vec<Option<i16>> = (0..len)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    match (state >> 8) % spread {
                        1 => None,
                        2 => Some((state >> 16) as i16),
                        _ => Some(i16::from((state >> 24) as u8)),
                    }
                })
                .collect();
            arrivals[0] = Some(1);
            let packet = Rtcp::TransportCc(feedback(arrivals));
            assert_eq!(round_trip(std::slice::from_ref(&packet)), [packet]);
        }
    }
}

#[test]
fn a_nack_for_the_whole_number_space_is_cut() {
    let mut bytes = vec![0x81, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2];
    for base in (0..=u16::MAX).step_by(17) {
        bytes.extend(base.to_be_bytes());
        bytes.extend([0xff, 0xff]);
    }
    let words = (bytes.len() / 4 - 1) as u16;
    bytes[2..4].copy_from_slice(&words.to_be_bytes());
    let (packets, result) = parse(&bytes);
    assert_eq!(result, Ok(()));
    let [Rtcp::Nack { lost, .. }] = packets.as_slice() else {
        panic!("{packets:?}")
    };
    assert_eq!(lost.len(), MAX_NACK);
}

#[test]
fn impossible_transport_feedback_is_unknown() {
    let claim = |count: u16, chunks: &[u8]| {
        let mut bytes = vec![0x8f, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 5];
        bytes.extend(count.to_be_bytes());
        bytes.extend([0, 0, 1, 0]);
        bytes.extend(chunks);
        let words = (bytes.len() / 4 - 1) as u16;
        bytes[2..4].copy_from_slice(&words.to_be_bytes());
        parse(&bytes)
    };
    let unknown = vec![Rtcp::Unknown {
        packet_type: 205,
        format: 15,
    }];
    // 65,535 packets by eight run-length chunks, and 4,096 received ones without their deltas.
    assert_eq!(claim(u16::MAX, &[0x3f; 16]), (unknown.clone(), Ok(())));
    assert_eq!(claim(4_096, &[0x3f, 0xff, 0x00, 0x00]), (unknown, Ok(())));
}

#[test]
fn remb_bitrates_are_clamped() {
    let remb = |b17: u8, b18: u8, b19: u8| {
        let bytes = [
            0x8f, 206, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0, b'R', b'E', b'M', b'B', 1, b17, b18, b19, 0,
            0, 0, 2,
        ];
        match parse(&bytes).0.as_slice() {
            [Rtcp::Remb { bitrate, .. }] => *bitrate,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(remb(0, 0, 0), MIN_REMB);
    assert_eq!(remb(62 << 2, 0, 1), MAX_REMB);
    assert_eq!(remb(63 << 2 | 3, 0xff, 0xff), MAX_REMB);
    assert_eq!(remb(1 << 2, 0xf4, 0x24), 125_000);
}

#[test]
fn malformed_content_does_not_hide_the_packets_behind_it() {
    let mut bytes = vec![0x81, 205, 0, 1, 1, 2, 3, 4];
    write_compound(
        &[Rtcp::Pli {
            sender: Ssrc(1),
            media: Ssrc(2),
        }],
        &mut bytes,
    );
    let (packets, result) = parse(&bytes);
    assert_eq!(result, Ok(()));
    let nack = Rtcp::Unknown {
        packet_type: 205,
        format: 1,
    };
    assert_eq!(
        packets,
        [
            nack,
            Rtcp::Pli {
                sender: Ssrc(1),
                media: Ssrc(2)
            }
        ]
    );
}

#[test]
fn padding_is_stripped_before_reading() {
    let bytes = [0xa1, 206, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 4];
    assert_eq!(
        parse(&bytes).0,
        [Rtcp::Pli {
            sender: Ssrc(1),
            media: Ssrc(2)
        }]
    );
    assert_eq!(
        parse(&[0xa1, 206, 0, 1, 0, 0, 0, 8]).1,
        Err(RtcpError::Padding)
    );
    assert_eq!(
        parse(&[0xa1, 206, 0, 1, 0, 0, 0, 0]).1,
        Err(RtcpError::Padding)
    );
}

#[test]
fn broken_framing_is_an_error_after_what_came_before() {
    let mut bytes = Vec::new();
    write_compound(
        &[Rtcp::Pli {
            sender: Ssrc(1),
            media: Ssrc(2),
        }],
        &mut bytes,
    );
    let whole = bytes.len();
    for (tail, error) in [
        (&[0x80][..], RtcpError::TooShort),
        (&[0x40, 200, 0, 0], RtcpError::Version),
        (&[0x80, 200, 0, 1], RtcpError::Length),
    ] {
        bytes.truncate(whole);
        bytes.extend(tail);
        let (packets, result) = parse(&bytes);
        assert_eq!((packets.len(), result), (1, Err(error)));
    }
    let many = [0x80, 0, 0, 0].repeat(65);
    assert_eq!(parse(&many).1, Err(RtcpError::TooMany));
}

#[test]
fn long_lists_are_cut_to_what_one_packet_holds() {
    let lost: Vec<u16> = (0..300).map(|step| step * 20).collect();
    let packets = [
        Rtcp::ReceiverReport {
            ssrc: Ssrc(1),
            reports: vec![block(); 40],
        },
        Rtcp::Nack {
            sender: Ssrc(1),
            media: Ssrc(2),
            lost,
        },
        Rtcp::Bye {
            ssrcs: vec![Ssrc(1); 40],
        },
    ];
    let read = round_trip(&packets);
    assert!(matches!(&read[0], Rtcp::ReceiverReport { reports, .. } if reports.len() == 31));
    assert!(matches!(&read[1], Rtcp::Nack { lost, .. } if lost.len() == 253));
    assert!(matches!(&read[2], Rtcp::Bye { ssrcs } if ssrcs.len() == 31));
}
