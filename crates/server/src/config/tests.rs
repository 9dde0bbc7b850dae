//! Precedence of the sources, refusal of what is unknown, and the judgement of values.

use std::time::Duration;

use super::*;

fn from_toml(text: &str) -> Result<Config, ConfigError> {
    Config::from_toml(Path::new("terrace.toml"), text)
}

#[test]
fn an_empty_file_is_the_default() {
    assert_eq!(from_toml("").unwrap(), Config::default());
    Config::default().check().unwrap();
}

#[test]
fn what_check_prints_can_be_used_as_a_file() {
    let config = Config {
        workers: NonZeroU16::new(3),
        allow_origins: vec!["https://example.org".parse().unwrap()],
        tls: Tls { cert: Some("c.pem".into()), key: Some("k.pem".into()), ..Tls::default() },
        ..Config::default()
    };
    assert_eq!(from_toml(&toml::to_string_pretty(&config).unwrap()).unwrap(), config);
}

#[test]
fn flags_win_over_the_file_and_leave_the_rest() {
    let mut config = from_toml("listen = '10.0.0.1:1'\nworkers = 7\n[limits]\njoin = '3s'").unwrap();
    let flags = Flags { listen: Some("10.0.0.2:2".parse().unwrap()), ..Flags::default() };
    flags.lay_over(&mut config);
    assert_eq!(config.listen, SocketAddr::from(([10, 0, 0, 2], 2)));
    assert_eq!(config.workers, NonZeroU16::new(7));
    assert_eq!(config.limits.join.0, Duration::from_secs(3));
    assert_eq!(config.limits.ping, Limits::default().ping);
}

#[test]
fn what_is_not_known_or_has_no_unit_is_refused() {
    for (text, told, why) in [
        ("lisen = '127.0.0.1:1'", "lisen", "a misspelt key"),
        ("[limits]\njoins = '3s'", "joins", "a misspelt key in a table"),
        ("[tls]\nplain = true", "plain", "a misspelt key in a table"),
        ("[limits]\njoin = 3", "join", "a number without its unit"),
        ("[limits]\njoin = '3'", "whole number and a unit", "a text without its unit"),
        ("listen = 'localhost:8443'", "listen", "names are not resolved"),
        ("allow_origins = ['*']", "origin", "no wildcard"),
        ("workers = 0", "workers", "no worker, no server"),
        ("listen = ", "line 1", "not TOML"),
    ] {
        let error = from_toml(text).unwrap_err().to_string();
        assert!(error.contains(told), "{why}: {error}");
    }
}

#[test]
fn values_that_cannot_work_are_named_all_at_once() {
    for (text, keys) in [
        ("", vec![]),
        ("listen = '127.0.0.1:65535'\nworkers = 2", vec!["listen"]),
        ("listen = '127.0.0.1:65535'\nworkers = 1", vec![]),
        ("listen = '127.0.0.1:0'\nworkers = 2", vec![]),
        ("workers = 1000\n[media]\nsocket_buffer='1B'", vec!["workers", "media.socket_buffer"]),
        ("announce = ['0.0.0.0']", vec!["announce"]),
        ("[tls]\ncert = 'a.pem'", vec!["tls"]),
        ("[tls]\ncert = 'a.pem'\nkey = 'k.pem'\nplain_http = true", vec!["tls.plain_http"]),
        ("[limits]\nping = '50s'", vec!["limits.silence"]),
        ("[turn]\nurls = ['turn:t.example:3478']\nsecret = 'north south'", vec![]),
        ("[turn]\nurls = ['stun:t.example']\nsecret = 'north south'", vec!["turn"]),
        ("[turn]\nurls = ['turns:t.example']", vec!["turn"]),
        ("[turn]\nlifetime = '1s'", vec!["turn"]),
        (
            "[limits]\nconnections = 0\nwrite = '0s'\nshutdown='0s'",
            vec!["limits.connections", "limits", "limits.shutdown"],
        ),
    ] {
        let found: Vec<_> = from_toml(text).unwrap().problems().into_iter().map(|p| p.key).collect();
        assert_eq!(found, keys, "{text}");
    }
}

#[test]
fn a_missing_file_says_which_and_what_to_do() {
    let flags = Flags { config: Some("no/such/terrace.toml".into()), ..Flags::default() };
    let error = Config::read(&flags).unwrap_err().to_string();
    assert!(error.contains("no/such/terrace.toml") && error.contains("--config"), "{error}");
}

#[test]
fn the_secret_of_turn_servers_is_shown_to_nobody() {
    let config = from_toml("[turn]\nurls = ['turn:t.example']\nsecret = 'north south'").unwrap();
    for shown in [format!("{config:?}"), toml::to_string(&config).unwrap()] {
        assert!(shown.contains("turn:t.example") && !shown.contains("north"), "{shown}");
    }
}
