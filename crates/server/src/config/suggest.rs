//! What somebody may have meant who wrote a key that does not exist.
//!
//! Owns reading the TOML parser's message for it; a message of any other form is passed on as it is.

/// Names closer than this look like a typing error.
const CLOSE: f64 = 0.8;

/// The parser's message, with the key that was probably meant.
pub(super) fn improve(message: &str) -> String {
    match meant(message) {
        Some(key) => format!("{}\ndid you mean `{key}`?", message.trim_end()),
        None => message.to_owned(),
    }
}

/// The parser quotes the key and then lists those that are known: "unknown field `lisen`, expected one of `listen`, ..".
fn meant(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("unknown field ")?;
    let mut names = rest.split('`').skip(1).step_by(2);
    let unknown = names.next()?;
    let likeness = |name: &str| strsim::jaro_winkler(unknown, name);
    let best = names.max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) >= CLOSE).then_some(best)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Config;

    #[test]
    fn a_misspelt_key_comes_with_the_one_that_was_meant() {
        for (text, expected) in [
            ("lisen = '127.0.0.1:1'", Some("`listen`?")),
            ("[limits]\nconections = 3", Some("`connections`?")),
            ("[tls]\ncertificate = 'c.pem'", Some("`cert`?")),
            ("[acces]", Some("`access`?")),
            ("zzz = 1", None),
        ] {
            let error = Config::from_toml(Path::new("t"), text).unwrap_err().to_string();
            let told = error.split_once("did you mean ").map(|(_, rest)| rest.trim());
            assert_eq!(told, expected, "{error}");
        }
    }
}
