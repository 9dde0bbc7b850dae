//! The OpenAPI document of the operator's interface (OpenAPI 3.1), made of the types and of one table.
//!
//! Owns the table of operations. `proto/openapi.json` is this document; a test compares them, and another asks a running
//! server for every operation and holds its answers against it.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::model;

/// Something that can be asked of the interface.
pub(crate) struct Operation {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    id: &'static str,
    summary: &'static str,
    /// Parameters of the query: name, form, meaning.
    query: &'static [(&'static str, Form, &'static str)],
    /// The type of the request's body.
    body: Option<&'static str>,
    /// Status, type of the body, meaning. Those that every operation can have come on top.
    answer: (u16, Option<&'static str>, &'static str),
    /// What it is about may not be there.
    may_miss: bool,
}

/// What a parameter of a query looks like.
pub(crate) enum Form {
    Text,
    /// A whole number from one to another.
    Number(u64, u64),
}

impl Form {
    fn schema(&self) -> Value {
        match self {
            Self::Text => json!({"type": "string"}),
            Self::Number(least, most) => json!({"type": "integer", "minimum": least, "maximum": most}),
        }
    }
}

const ONE: &str = "/api/v1/rooms/{room}/participants/{participant}";

/// Every operation.
pub(crate) const OPERATIONS: [Operation; 11] = [
    Operation {
        method: "get",
        path: "/api/v1/server",
        id: "getServer",
        summary: "The server and its workers",
        query: &[],
        body: None,
        answer: (200, Some("ServerState"), "As it is now"),
        may_miss: false,
    },
    Operation {
        method: "patch",
        path: "/api/v1/server",
        id: "changeServer",
        summary: "Drain the server, or change what it logs",
        query: &[],
        body: Some("ServerChange"),
        answer: (204, None, "Done"),
        may_miss: false,
    },
    Operation {
        method: "get",
        path: "/api/v1/openapi.json",
        id: "getDocument",
        summary: "This document",
        query: &[],
        body: None,
        answer: (200, Some("Document"), "An OpenAPI document"),
        may_miss: false,
    },
    Operation {
        method: "get",
        path: "/api/v1/rooms",
        id: "listRooms",
        summary: "All rooms, with what could be better in them",
        query: &[],
        body: None,
        answer: (200, Some("RoomList"), "As they are now"),
        may_miss: false,
    },
    Operation {
        method: "get",
        path: "/api/v1/rooms/{room}",
        id: "getRoom",
        summary: "A room: everybody in it, what each is sent, and why not more",
        query: &[],
        body: None,
        answer: (200, Some("Room"), "As it is now"),
        may_miss: true,
    },
    Operation {
        method: "delete",
        path: "/api/v1/rooms/{room}",
        id: "closeRoom",
        summary: "End a room for everybody in it",
        query: &[],
        body: None,
        answer: (204, None, "Done"),
        may_miss: true,
    },
    Operation {
        method: "get",
        path: "/api/v1/rooms/{room}/history",
        id: "getHistory",
        summary: "The last ten minutes of a room, those who left included",
        query: &[
            ("participant", Form::Text, "Only this one"),
            ("since_ms", Form::Number(0, u64::MAX), "From this moment on, in milliseconds since 1970"),
        ],
        body: None,
        answer: (200, Some("RoomHistory"), "One sample per second"),
        may_miss: true,
    },
    Operation {
        method: "get",
        path: "/api/v1/rooms/{room}/events",
        id: "followRoom",
        summary: "A room as server-sent events: one `room` event with a Room per second, until either side ends it",
        query: &[],
        body: None,
        answer: (200, Some("Events"), "An endless stream"),
        may_miss: true,
    },
    Operation {
        method: "patch",
        path: ONE,
        id: "changeParticipant",
        summary: "Mute somebody, or bound what somebody is shown or sent",
        query: &[],
        body: Some("ParticipantChange"),
        answer: (204, None, "Done"),
        may_miss: true,
    },
    Operation {
        method: "delete",
        path: ONE,
        id: "removeParticipant",
        summary: "Remove somebody from a room",
        query: &[],
        body: None,
        answer: (204, None, "Done"),
        may_miss: true,
    },
    Operation {
        method: "get",
        path: "/api/v1/rooms/{room}/participants/{participant}/decisions",
        id: "captureDecisions",
        summary: "The decisions about a receiver as they are made, a line of JSON each, as `terrace sim replay` reads them",
        query: &[("seconds", Form::Number(1, 3_600), "How long; 60 without")],
        body: None,
        answer: (200, Some("Decisions"), "A stream that ends by itself"),
        may_miss: true,
    },
];

/// The OpenAPI document of the operator's interface.
pub fn document() -> Value {
    let mut paths = Map::new();
    for operation in &OPERATIONS {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method] = operation.describe();
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Terrace: the operator's interface",
            "version": "1",
            "description": "See, explain and change what happens in rooms. Every request carries a token with the right \
                `administrate` (`Authorization: Bearer ..`); one that is for a single room sees that room only. Fields \
                and paths are added within a version, never renamed.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "schemas": schemas(),
        },
    })
}

fn schemas() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    macro_rules! include {
        ($($name:ident),*) => {$( generator.subschema_for::<model::$name>(); )*};
    }
    include!(ServerState, ServerChange, RoomList, Room, RoomHistory, ParticipantChange, Problem);
    let mut schemas: Map<String, Value> = generator.take_definitions(true);
    schemas.insert("Document".to_owned(), json!({"type": "object"}));
    schemas.insert("Decisions".to_owned(), json!({"type": "string"}));
    let event = json!({
        "type": "object",
        "description": "One event of a stream of them.",
        "properties": {
            "event": {"const": "room"},
            "data": {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": {"$ref": "#/components/schemas/Room"},
            },
        },
        "required": ["event", "data"],
    });
    schemas.insert("Events".to_owned(), event);
    Value::Object(schemas)
}

impl Operation {
    fn describe(&self) -> Value {
        let mut parameters: Vec<Value> = Vec::new();
        for (name, meaning) in [("room", "The room's name"), ("participant", "The participant's id")] {
            if self.path.contains(&format!("{{{name}}}")) {
                parameters.push(json!({"name": name, "in": "path", "required": true, "description": meaning,
                    "schema": {"type": "string", "pattern": "^[A-Za-z0-9._~-]{1,64}$"}}));
            }
        }
        for (name, form, meaning) in self.query {
            parameters
                .push(json!({"name": name, "in": "query", "description": meaning, "schema": form.schema()}));
        }
        let (status, body, meaning) = self.answer;
        let mut responses = json!({status.to_string(): answer(meaning, body)});
        let mut refusals = vec![
            (401, "No token, or none that is valid"),
            (403, "The token does not allow this"),
            (429, "Too many bad tokens from this address"),
            (503, "The server is stopping"),
        ];
        if self.may_miss {
            refusals.push((404, "There is no such thing"));
        }
        if self.body.is_some() || !self.query.is_empty() {
            refusals.push((400, "The request is not understood"));
        }
        if self.body.is_some() {
            refusals.push((413, "The request is too large"));
        }
        for (status, meaning) in refusals {
            responses[status.to_string()] = answer(meaning, Some("Problem"));
        }
        let mut operation = json!({
            "operationId": self.id,
            "summary": self.summary,
            "parameters": parameters,
            "responses": responses,
        });
        if let Some(body) = self.body {
            operation["requestBody"] = json!({"required": true, "content": content(body)});
        }
        operation
    }
}

fn answer(meaning: &str, body: Option<&str>) -> Value {
    match body {
        Some(body) => json!({"description": meaning, "content": content(body)}),
        None => json!({"description": meaning}),
    }
}

fn content(schema: &str) -> Value {
    let media_type = match schema {
        "Events" => "text/event-stream",
        "Decisions" => "application/jsonl",
        _ => "application/json",
    };
    json!({media_type: {"schema": {"$ref": format!("#/components/schemas/{schema}")}}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_what_the_types_generate() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../proto/openapi.json");
        let fresh = serde_json::to_string_pretty(&sorted(&document())).unwrap() + "\n";
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::write(file, &fresh).unwrap();
        }
        assert!(
            std::fs::read_to_string(file).unwrap_or_default() == fresh,
            "proto/openapi.json is not what the types generate; rewrite it with\n    \
             UPDATE_SCHEMA=1 cargo test -p terrace --lib document"
        );
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let text = document.to_string();
        for reference in text.split("\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(document.pointer(reference).is_some(), "{reference}");
        }
    }

    /// With sorted keys, whether or not another crate of the build asked for the order of insertion, and doc comments
    /// without the line breaks of the editor.
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                let keys: std::collections::BTreeSet<&String> = map.keys().collect();
                keys.into_iter().map(|key| (key.clone(), sorted(&map[key]))).collect::<Map<_, _>>().into()
            }
            Value::Array(list) => list.iter().map(sorted).collect(),
            _ => value.clone(),
        }
    }
}
