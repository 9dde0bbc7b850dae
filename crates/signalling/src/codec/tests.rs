//! Reading of good, bad and hostile text.

use super::*;
use crate::{Capabilities, DirectMessage, Join, OutgoingMessage, SlotView, View, Want};
use proptest::prelude::*;

fn decoded(text: &str) -> Result<ClientMessage, DecodeError> {
    decode(text, &Limits::default())
}

#[test]
fn what_is_refused_and_how_it_is_answered() {
    use ErrorCode::{BadJson, BadMessage, TooLarge, UnknownType};
    let long_name = format!(r#"{{"type":"join","room":"r","name":"{}"}}"#, "x".repeat(65));
    let many = format!(r#"{{"type":"view","slots":[{}]}}"#, vec![r#"{"mid":"1"}"#; 129].join(","));
    let nested = format!(r#"{{"type":"message","data":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    let data = format!(r#"{{"type":"message","data":"{}"}}"#, "x".repeat(16 * 1024));
    let direct = data.replace(r#""message""#, r#""direct","round":1"#);
    let cases: &[(&str, ErrorCode, &str)] = &[
        ("", BadJson, "line 1 column 1"),
        ("{", BadJson, "EOF while parsing an object at line 1 column 1"),
        ("{\n\"type\":\"join\",,}", BadJson, "line 2 column 15"),
        ("{}", BadJson, "missing field `type`"),
        ("[\"leave\"]", BadJson, "expected an object"),
        ("\"join\"", BadJson, "expected an object"),
        (r#"{"type":7}"#, BadJson, "expected a string"),
        (r#"{"type":"leave","type":"join"}"#, BadJson, "duplicate field"),
        (r#"{"type":"fly"}"#, UnknownType, "fly"),
        (r#"{"type":"Join"}"#, UnknownType, "Join"),
        (r#"{"type":"join","name":"a"}"#, BadMessage, "missing field `room` at line 1 column 26"),
        (r#"{"type":"join","room":"a b","name":"a"}"#, BadMessage, "room has characters"),
        (r#"{"type":"join","room":"","name":"a"}"#, BadMessage, "room must not be empty"),
        (r#"{"type":"join","room":"r","name":"a\u0007"}"#, BadMessage, "name has characters"),
        (&long_name, TooLarge, "name is longer than 64"),
        (&many, TooLarge, "slots has more than 128"),
        (&nested, BadMessage, "recursion limit"),
        (&data, TooLarge, "data is longer than 16384"),
        (&direct, TooLarge, "data is longer than 16384"),
        (r#"{"type":"direct","data":1}"#, BadMessage, "missing field `round`"),
        (r#"{"type":"direct","round":-1,"data":1}"#, BadMessage, "expected u32"),
        (r#"{"type":"direct","round":1}"#, BadMessage, "missing field `data`"),
        (r#"{"type":"view","slots":[{"mid":"1","want":"all"}]}"#, BadMessage, "unknown variant `all`"),
        (r#"{"type":"view","slots":[{"mid":"1","width":-1}]}"#, BadMessage, "expected u32"),
        (r#"{"type":"view","slots":[{"mid":"1","priority":4}]}"#, BadMessage, "from 0 to 3"),
        (
            r#"{"type":"capabilities","display":{"width":1,"height":1,"pixel_ratio":0}}"#,
            BadMessage,
            "pixel_ratio",
        ),
    ];
    for (text, code, part) in cases {
        let error = decoded(text).expect_err(text);
        assert_eq!(error.code(), *code, "{text}: {error}");
        assert!(error.to_string().contains(part), "{text}: {error}");
        let ServerMessage::Error(reply) = error.reply() else { panic!("errors are answered by errors") };
        assert!(!reply.fatal);
    }
}

#[test]
fn unknown_fields_are_ignored() {
    let text = r#"{"type":"join","room":"r","name":"n","hat":{"colour":[1,2]},"capabilities":{"smell":1}}"#;
    let expected = Join {
        room: "r".into(),
        name: "n".into(),
        token: None,
        capabilities: Capabilities::default(),
        resume: None,
    };
    assert_eq!(decoded(text), Ok(ClientMessage::Join(expected)));
    assert_eq!(decoded(r#"{"type":"leave","why":"tea"}"#), Ok(ClientMessage::Leave));
    assert_eq!(decode_server(r#"{"type":"weather","sun":true}"#), Ok(None));
}

#[test]
fn sizes_are_by_type_and_measured_before_anything_is_built() {
    let limits = Limits { message_bytes: 100, offer_bytes: 200, data_bytes: 10 };
    let offer = |n: usize| format!(r#"{{"type":"offer","sdp":"{}"}}"#, "x".repeat(n));
    assert!(decode(&offer(150), &limits).is_ok());
    let error = decode(&offer(200), &limits).unwrap_err();
    assert_eq!(error, DecodeError::TooLarge { bytes: 225, limit: 200, about: None });
    let padded = format!(r#"{{"type":"leave"{}}}"#, " ".repeat(100));
    let error = decode(&padded, &limits).unwrap_err();
    assert_eq!(error, DecodeError::TooLarge { bytes: 116, limit: 100, about: Some("leave") });
}

#[test]
fn answers_quote_little_of_what_was_sent() {
    let name = "é\n".repeat(10_000);
    let text = serde_json::json!({ "type": name }).to_string();
    let reply = decoded(&text).unwrap_err().reply().encode();
    assert!(reply.len() < 1_500, "{} bytes", reply.len());
    let text = serde_json::json!({ "type": "view", "slots": [{ "mid": "1", "want": name }] }).to_string();
    let error = decoded(&text).unwrap_err();
    assert!(error.to_string().contains("line 1 column"), "the position survives: {error}");
    assert!(error.to_string().chars().count() < 200);
}

#[test]
fn the_lists_of_types_are_complete() {
    for kind in ClientMessage::KINDS {
        let error = decoded(&format!(r#"{{"type":"{kind}"}}"#)).err().map(|error| error.code());
        assert!(matches!(error, None | Some(ErrorCode::BadMessage)), "{kind} is known");
    }
    for kind in ServerMessage::KINDS {
        let read = decode_server(&format!(r#"{{"type":"{kind}"}}"#));
        assert!(!matches!(read, Ok(None)), "{kind} is known");
    }
}

fn any_message() -> impl Strategy<Value = ClientMessage> {
    let want = prop_oneof![
        Just(Want::Auto),
        Just(Want::Nothing),
        "[!-~]{1,64}".prop_map(|id| Want::Publication(id.as_str().into()))
    ];
    let slot = ("[a-z0-9]{1,16}", want, proptest::option::of(0u32..=65_535), 0u8..=3)
        .prop_map(|(mid, want, width, priority)| SlotView { width, priority, ..SlotView::new(&mid, want) });
    let data = prop_oneof![
        Just(serde_json::Value::Null),
        any::<i64>().prop_map(Into::into),
        ".{0,40}".prop_map(Into::into)
    ];
    prop_oneof![
        proptest::collection::vec(slot, 0..20).prop_map(|slots| ClientMessage::View(View { slots })),
        ("[A-Za-z0-9._~-]{1,64}", "\\PC{1,64}").prop_map(|(room, name)| ClientMessage::Join(Join {
            room,
            name,
            token: None,
            capabilities: Capabilities::default(),
            resume: None
        })),
        data.clone().prop_map(|data| ClientMessage::Message(OutgoingMessage { to: None, data })),
        (any::<u32>(), data).prop_map(|(round, data)| ClientMessage::Direct(DirectMessage { round, data })),
        Just(ClientMessage::Leave),
    ]
}

proptest! {
    #[test]
    fn whatever_is_written_is_read(message in any_message()) {
        prop_assert_eq!(decoded(&message.encode()), Ok(message));
    }

    #[test]
    fn reading_by_type_agrees_with_the_tagged_form(message in any_message()) {
        let tagged: ClientMessage = serde_json::from_str(&message.encode()).unwrap();
        prop_assert_eq!(tagged, message);
    }

    #[test]
    fn no_text_breaks_it(text in "\\PC{0,300}") {
        let _ = decoded(&text);
    }

    #[test]
    fn no_damage_breaks_it(message in any_message(), at: prop::sample::Index, byte: u8) {
        let mut bytes = message.encode().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(text) = std::str::from_utf8(&bytes) && let Err(error) = decoded(text) {
            prop_assert!(error.reply().encode().len() < 2_000);
        }
    }
}
