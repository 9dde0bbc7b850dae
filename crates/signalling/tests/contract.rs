//! The contract in `proto/` against the types: golden examples parse, round-trip and follow the schema;
//! invalid ones are refused as they say; the schema files are what the types generate; the prose names every
//! type, field, code and reason.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Deserialize;
use serde_json::Value;
use signalling::{ClientMessage, DecodeError, Limits, ServerMessage, decode, decode_server};

fn proto(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto").join(path)
}

/// The examples whose names start with a word, as name and text.
fn examples(prefix: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = std::fs::read_dir(proto("examples"))
        .expect("proto/examples exists")
        .map(|entry| entry.expect("a readable folder").path())
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.to_owned();
            name.starts_with(prefix).then(|| (name, std::fs::read_to_string(&path).expect("a readable file")))
        })
        .collect();
    found.sort();
    assert!(!found.is_empty(), "no examples start with {prefix}");
    found
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).expect("an example is JSON")
}

fn kind(text: &str) -> String {
    value(text)["type"].as_str().expect("an example has a type").to_owned()
}

fn schema<T: JsonSchema>(title: &str) -> Value {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>();
    schema.insert("title".to_owned(), title.into());
    let mut schema = schema.to_value();
    unwrap_descriptions(&mut schema);
    schema
}

/// Doc comments are wrapped for the editor; where they break is no part of the contract.
fn unwrap_descriptions(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::String(text)) = map.get_mut("description") {
                *text = text.replace('\n', " ");
            }
            map.values_mut().for_each(unwrap_descriptions);
        }
        Value::Array(list) => list.iter_mut().for_each(unwrap_descriptions),
        _ => {}
    }
}

/// The same with sorted keys, whether or not another crate of the build asked for the order of insertion.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let keys: BTreeSet<&String> = map.keys().collect();
            keys.into_iter()
                .map(|key| (key.clone(), sorted(&map[key])))
                .collect::<serde_json::Map<_, _>>()
                .into()
        }
        Value::Array(list) => list.iter().map(sorted).collect(),
        _ => value.clone(),
    }
}

fn client_schema() -> Value {
    schema::<ClientMessage>("terrace.v1: a message from a client")
}

fn server_schema() -> Value {
    schema::<ServerMessage>("terrace.v1: a message to a client")
}

#[test]
fn the_schema_files_are_what_the_types_generate() {
    for (file, schema) in [("schema/client.json", client_schema()), ("schema/server.json", server_schema())] {
        let fresh = serde_json::to_string_pretty(&sorted(&schema)).expect("a schema is JSON") + "\n";
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::write(proto(file), &fresh).expect("a writable folder");
        }
        let stored = std::fs::read_to_string(proto(file)).unwrap_or_default();
        assert!(
            stored == fresh,
            "proto/{file} is not what the types generate; rewrite it with\n    \
             UPDATE_SCHEMA=1 cargo test -p terrace-signalling --test contract"
        );
    }
}

#[test]
fn examples_of_clients_round_trip_and_follow_the_schema() {
    let validator = jsonschema::validator_for(&client_schema()).expect("a valid schema");
    let mut seen = BTreeSet::new();
    for (name, text) in examples("client-") {
        let message = decode(&text, &Limits::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let again = decode(&message.encode(), &Limits::default());
        assert_eq!(again.as_ref(), Ok(&message), "{name}");
        // Nothing of the example is lost: what is left out was a default, and everything else is written as
        // it was.
        assert_subset(&value(&text), &value(&message.encode()), &name);
        validator.validate(&value(&text)).unwrap_or_else(|error| panic!("{name}: {error}"));
        validator.validate(&value(&message.encode())).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(message.kind(), kind(&text), "{name}");
        assert!(name.starts_with(&format!("client-{}", kind(&text))), "{name} is named for its type");
        seen.insert(kind(&text));
    }
    assert_eq!(seen, ClientMessage::KINDS.map(str::to_owned).into(), "every type has an example");
}

#[test]
fn examples_of_servers_round_trip_and_follow_the_schema() {
    let validator = jsonschema::validator_for(&server_schema()).expect("a valid schema");
    let mut seen = BTreeSet::new();
    for (name, text) in examples("server-") {
        let message = decode_server(&text)
            .unwrap_or_else(|error| panic!("{name}: {error}"))
            .unwrap_or_else(|| panic!("{name}: unknown type"));
        assert_subset(&value(&text), &value(&message.encode()), &name);
        validator.validate(&value(&text)).unwrap_or_else(|error| panic!("{name}: {error}"));
        validator.validate(&value(&message.encode())).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(message.kind(), kind(&text), "{name}");
        assert!(name.starts_with(&format!("server-{}", kind(&text))), "{name} is named for its type");
        seen.insert(kind(&text));
    }
    assert_eq!(seen, ServerMessage::KINDS.map(str::to_owned).into(), "every type has an example");
}

/// Every key and element of `part` is in `whole` with the same value.
fn assert_subset(part: &Value, whole: &Value, name: &str) {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => {
            for (key, value) in part {
                let found = whole.get(key);
                let dropped = found.is_none() && is_default(value);
                assert!(dropped || found.is_some(), "{name}: {key} is lost");
                if let Some(found) = found {
                    assert_subset(value, found, name);
                }
            }
        }
        (Value::Array(part), Value::Array(whole)) => {
            assert_eq!(part.len(), whole.len(), "{name}");
            part.iter().zip(whole).for_each(|(part, whole)| assert_subset(part, whole, name));
        }
        _ => assert_eq!(part, whole, "{name}"),
    }
}

fn is_default(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

/// The form of an example that must be refused: a message, or a text that is none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Invalid {
    why: String,
    message: Option<Value>,
    text: Option<String>,
    error: Value,
}

#[test]
fn invalid_examples_are_refused_as_they_say() {
    let validator = jsonschema::validator_for(&client_schema()).expect("a valid schema");
    for (name, file) in examples("invalid-") {
        let invalid: Invalid = serde_json::from_str(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
        let text = match (&invalid.message, &invalid.text) {
            (Some(message), None) => {
                assert!(!validator.is_valid(message), "{name}: the schema admits what the server refuses");
                message.to_string()
            }
            (None, Some(text)) => text.clone(),
            _ => panic!("{name}: either a message or a text"),
        };
        let error: DecodeError = decode(&text, &Limits::default())
            .expect_err(&format!("{name}: accepted, although {}", invalid.why));
        let reply = value(&error.reply().encode());
        assert_subset(&invalid.error, &reply, &name);
        assert_eq!(invalid.error.get("about"), reply.get("about"), "{name}");
    }
}

/// Every property and every constant of a schema.
fn words(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::Object(properties)) = map.get("properties") {
                found.extend(properties.keys().cloned());
            }
            found.extend(map.get("const").and_then(Value::as_str).map(str::to_owned));
            let listed = map.get("enum").and_then(Value::as_array);
            found.extend(listed.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned));
            map.values().for_each(|value| words(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| words(value, found)),
        _ => {}
    }
}

#[test]
fn the_prose_names_every_field_type_code_and_reason() {
    let prose = std::fs::read_to_string(proto("README.md")).expect("proto/README.md exists");
    let mut all = BTreeSet::new();
    words(&client_schema(), &mut all);
    words(&server_schema(), &mut all);
    let mentioned: BTreeSet<&str> = prose
        .split('`')
        .skip(1)
        .step_by(2)
        .flat_map(|code| code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'))
        .collect();
    let missing: Vec<&String> = all.iter().filter(|word| !mentioned.contains(word.as_str())).collect();
    assert!(missing.is_empty(), "proto/README.md does not mention {missing:?}");
}
