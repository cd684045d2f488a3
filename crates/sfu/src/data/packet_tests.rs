use super::*;

const ANN: Sender = Sender {
    sid: "PA_ann",
    identity: "ann",
    hidden: false,
    agent: false,
};

/// Fields of a message as `number=text or number`, in order.
fn show(bytes: &[u8]) -> Vec<String> {
    Fields::new(bytes)
        .map(|field| match field.expect("well formed") {
            Field {
                number,
                value: Value::Varint(v),
                ..
            } => format!("{number}={v}"),
            Field {
                number,
                value: Value::Bytes(b),
                ..
            } => {
                format!("{number}={}", String::from_utf8_lossy(b))
            }
            Field { number, .. } => format!("{number}=fixed"),
        })
        .collect()
}

fn inner(bytes: &[u8], wanted: u32) -> Vec<u8> {
    Fields::new(bytes)
        .filter_map(Result::ok)
        .find_map(|field| match field.value {
            Value::Bytes(b) if field.number == wanted => Some(b.to_vec()),
            _ => None,
        })
        .expect("the field is there")
}

fn message(fields: &[(u32, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, bytes) in fields {
        put_bytes(&mut out, *number, bytes);
    }
    out
}

fn rewrite(packet: &[u8], sender: &Sender, reliable: bool) -> Vec<u8> {
    Packet::parse(packet)
        .unwrap()
        .rewrite(Some(sender), reliable)
        .unwrap()
}

#[test]
fn sender_fields_are_those_of_the_transport_whatever_the_client_wrote() {
    let user = message(&[(1, b"PA_eve"), (2, b"hi"), (5, b"eve"), (4, b"topic")]);
    let mut packet = message(&[(2, &user), (4, b"eve"), (17, b"PA_eve")]);
    put_varint(&mut packet, 1, 1);
    put_varint(&mut packet, 16, 9);
    let out = rewrite(&packet, &ANN, true);
    assert_eq!(
        show(&inner(&out, 2)),
        ["2=hi", "4=topic", "1=PA_ann", "5=ann"]
    );
    assert_eq!(show(&out)[1..], ["16=9", "17=PA_ann", "4=ann"]);
    assert_eq!(Packet::parse(&out).unwrap().sequence(), 9);
}

#[test]
fn the_channel_decides_the_kind() {
    let packet = message(&[(10, b"rpc")]);
    assert_eq!(show(&rewrite(&packet, &ANN, false))[0], "1=1");
    assert_eq!(show(&rewrite(&packet, &ANN, true))[0], "10=rpc");
}

#[test]
fn identities_of_hidden_senders_are_blank() {
    let hidden = Sender {
        hidden: true,
        ..ANN
    };
    let packet = message(&[(2, &message(&[(2, b"hi"), (5, b"ann")])), (4, b"ann")]);
    let out = rewrite(&packet, &hidden, true);
    assert_eq!(show(&inner(&out, 2)), ["2=hi"]);
    assert_eq!(show(&out)[1..], ["17=PA_ann"]);
}

#[test]
fn nested_destinations_count_where_the_packet_names_none() {
    let user = message(&[(2, b"hi"), (6, b"bob"), (3, b"PA_cyd")]);
    let packet = message(&[(2, &user)]);
    let view = Packet::parse(&packet).unwrap();
    assert_eq!(view.destination_identities().collect::<Vec<_>>(), ["bob"]);
    assert_eq!(view.destination_sids().collect::<Vec<_>>(), ["PA_cyd"]);
    let out = rewrite(&packet, &ANN, true);
    assert!(show(&out).contains(&"5=bob".to_owned()));
}

#[test]
fn destinations_of_the_packet_replace_nested_ones() {
    let user = message(&[(2, b"hi"), (6, b"bob")]);
    let packet = message(&[(5, b"cyd"), (2, &user)]);
    let out = rewrite(&packet, &ANN, true);
    assert_eq!(
        show(&inner(&out, 2)),
        ["2=hi", "6=cyd", "1=PA_ann", "5=ann"]
    );
    assert!(show(&out).contains(&"5=cyd".to_owned()));
}

#[test]
fn agents_keep_a_foreign_identity_in_chat_which_is_marked_generated() {
    let agent = Sender { agent: true, ..ANN };
    let packet = message(&[(9, &message(&[(4, b"hello")])), (4, b"bob")]);
    let out = rewrite(&packet, &agent, true);
    assert_eq!(show(&inner(&out, 9)), ["4=hello", "6=1"]);
    assert_eq!(show(&out)[1..], ["17=PA_ann", "4=bob"]);
    assert_eq!(
        show(&rewrite(&packet, &ANN, true))[1..],
        ["17=PA_ann", "4=ann"]
    );
}

#[test]
fn agents_keep_a_foreign_identity_in_text_streams_but_not_in_files() {
    let agent = Sender { agent: true, ..ANN };
    let text = message(&[(1, b"id"), (9, &message(&[(3, b"re")]))]);
    let out = rewrite(&message(&[(13, &text), (4, b"bob")]), &agent, true);
    assert_eq!(show(&inner(&inner(&out, 13), 9)), ["3=re", "5=1"]);
    assert!(show(&out).contains(&"4=bob".to_owned()));

    let file = message(&[(1, b"id"), (10, b"")]);
    let out = rewrite(&message(&[(13, &file), (4, b"bob")]), &agent, true);
    assert!(show(&out).contains(&"4=ann".to_owned()));
}

#[test]
fn fields_of_later_versions_pass_through() {
    let packet = message(&[(99, b"future")]);
    let view = Packet::parse(&packet).unwrap();
    assert_eq!(view.body(), Body::Other);
    assert_eq!(show(&rewrite(&packet, &ANN, true))[0], "99=future");
}

#[test]
fn packets_of_the_server_keep_their_sender_fields() {
    let packet = message(&[(2, &message(&[(2, b"x"), (5, b"api")])), (4, b"api")]);
    let out = Packet::parse(&packet).unwrap().rewrite(None, true).unwrap();
    assert_eq!(show(&inner(&out, 2)), ["2=x", "5=api"]);
    assert!(show(&out).contains(&"4=api".to_owned()));
}

#[test]
fn malformed_packets_are_refused() {
    let two_values = message(&[(10, b"a"), (11, b"b")]);
    let bad_text = message(&[(4, &[0xff])]);
    let bad_destination = message(&[(2, &message(&[(6, &[0xff])]))]);
    let mut wrong_type = Vec::new();
    put_varint(&mut wrong_type, 4, 1);
    for packet in [
        two_values,
        bad_text,
        bad_destination,
        wrong_type,
        vec![0x12, 9],
    ] {
        assert!(Packet::parse(&packet).is_err(), "{packet:?}");
    }
}

#[test]
fn unlabeled_messages_are_wrapped_as_user_packets() {
    let out = wrap("ann", b"raw");
    assert_eq!(show(&inner(&out, 2)), ["2=raw"]);
    assert_eq!(show(&out)[0], "4=ann");
}
