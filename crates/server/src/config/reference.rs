//! The reference of all settings, made of the types: `docs/configuration.md`, printed by `terrace check --reference`.
//!
//! Owns its form. Meanings are the doc comments of the settings, defaults those of the types, flags and variables those of the
//! command line; a test compares the page in the book with what comes out here.

use std::fmt::Write as _;

use clap::Args as _;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::{Config, Flags};

/// The flag of a setting, where it is not named like its key.
const RENAMED: [(&str, &str); 5] = [
    ("allow_origins", "allow-origin"),
    ("tls.cert", "cert"),
    ("tls.key", "key"),
    ("tls.names", "cert-name"),
    ("tls.plain_http", "plain-http"),
];
/// Settings that are one flag in another form.
const SHAPED: [(&str, &str); 3] =
    [("access.open", "open"), ("access.lan", "lan"), ("access.keys", "token-key")];

const PREAMBLE: &str = "# Configuration

Every setting, with its default. A setting comes from a flag, else from the environment, else from the TOML file that `--config` (or `TERRACE_CONFIG`) names, else it is the
default. Times and sizes carry their unit: `250ms`, `15s`, `2min`, `1h`; `64KiB`, `4MiB`. A key that does not exist is an error. `terrace check` prints the settings in
effect and all that is wrong with them; this page is what `terrace check --reference` prints.
";

/// The reference of all settings, in Markdown.
pub fn reference() -> String {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<Config>().to_value();
    let defaults = toml::Table::try_from(Config::default()).expect("every setting has a form in TOML");
    let mut page = PREAMBLE.to_owned();
    table(&mut page, "", &schema, &defaults);
    page
}

fn table(page: &mut String, path: &str, schema: &Value, defaults: &toml::Table) {
    let Some(properties) = schema["properties"].as_object() else { return };
    page.push_str("\n| key | default | flag, variable | meaning |\n|---|---|---|---|\n");
    let is_table = |property: &Value| property["properties"].is_object();
    for (name, property) in properties.iter().filter(|(_, property)| !is_table(property)) {
        let key = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let default = match defaults.get(name) {
            Some(value) => format!("`{value}`"),
            None => "–".to_owned(),
        };
        let flag = flag(&key).unwrap_or_else(|| "–".to_owned());
        writeln!(page, "| `{name}` | {default} | {flag} | {} |", meaning(property)).expect("it is a string");
    }
    for (name, property) in properties.iter().filter(|(_, property)| is_table(property)) {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        write!(page, "\n## `[{path}]`\n\n{}\n", meaning(property)).expect("it is a string");
        let none = toml::Table::new();
        let defaults = defaults.get(name).and_then(toml::Value::as_table).unwrap_or(&none);
        table(page, &path, property, defaults);
        for (list, property) in property["properties"].as_object().into_iter().flatten() {
            if is_table(&property["items"]) {
                let items = &property["items"];
                write!(page, "\n## `[[{path}.{list}]]`\n\n{}\n", meaning(items)).expect("it is a string");
                table(page, &format!("{path}.{list}[]"), items, &none);
            }
        }
    }
}

/// The doc comment, on one line.
fn meaning(property: &Value) -> String {
    let text = property["description"].as_str().unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// The flag and the variable that set this.
fn flag(key: &str) -> Option<String> {
    let known =
        RENAMED.iter().chain(&SHAPED).find(|(known, _)| *known == key).map(|(_, flag)| (*flag).to_owned());
    let long = known.unwrap_or_else(|| key.replace('_', "-"));
    let flags = Flags::augment_args(clap::Command::new("terrace"));
    let found = flags.get_arguments().find(|argument| argument.get_long() == Some(long.as_str()))?;
    let variable = found.get_env()?.to_string_lossy().into_owned();
    Some(format!("`--{long}`, `{variable}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_the_book_is_this() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
        let fresh = reference();
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::write(file, &fresh).unwrap();
        }
        assert!(
            std::fs::read_to_string(file).unwrap_or_default() == fresh,
            "docs/configuration.md is not what the types say; rewrite it with\n    \
             cargo run -p terrace -- check --reference > docs/configuration.md"
        );
    }

    #[test]
    fn every_setting_has_a_meaning_and_every_flag_a_setting() {
        let page = reference();
        for row in page.lines().filter(|line| line.starts_with("| `")) {
            let meaning = row.rsplit(" | ").next().unwrap().trim_end_matches('|').trim();
            assert!(meaning.len() > 10, "{row}");
        }
        let flags = Flags::augment_args(clap::Command::new("terrace"));
        for argument in flags.get_arguments().filter_map(clap::Arg::get_long).filter(|long| *long != "config")
        {
            assert!(page.contains(&format!("`--{argument}`")), "--{argument} is in no row");
        }
    }
}
