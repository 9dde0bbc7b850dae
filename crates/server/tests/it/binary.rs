//! The binary as an operator meets it: where settings come from, what it prints, and its exit codes.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use server::Config;

/// The binary with none of this environment's settings and a data folder of its own.
pub(crate) fn terrace(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_terrace"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TERRACE_")) {
        command.env_remove(name);
    }
    command.env("TERRACE_DATA_DIR", folder.join("data"));
    command
}

pub(crate) fn text(output: &[u8]) -> &str {
    std::str::from_utf8(output).unwrap()
}

fn checked(output: &Output) -> Config {
    assert!(output.status.success(), "{}", text(&output.stderr));
    Config::from_toml(Path::new("-"), text(&output.stdout)).unwrap()
}

#[test]
fn flags_win_over_variables_and_those_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("terrace.toml");
    std::fs::write(&file, "listen = '127.0.0.1:1001'\nworkers = 1\nlog = 'error'\n[limits]\njoin = '7s'\n")
        .unwrap();
    let check = |variables: &[(&str, &str)], arguments: &[&str]| {
        let mut command = terrace(folder.path());
        command.arg("check").arg("--config").arg(&file).args(arguments).envs(variables.iter().copied());
        checked(&command.output().unwrap())
    };
    let config = check(&[], &[]);
    assert_eq!((config.listen.port(), config.log.as_str()), (1001, "error"), "the file");
    let config = check(&[("TERRACE_LISTEN", "127.0.0.1:1002")], &[]);
    assert_eq!((config.listen.port(), config.log.as_str()), (1002, "error"), "a variable over the file");
    let config = check(&[("TERRACE_LISTEN", "127.0.0.1:1002")], &["--listen", "127.0.0.1:1003"]);
    assert_eq!((config.listen.port(), config.log.as_str()), (1003, "error"), "a flag over both");
    assert_eq!(config.limits.join, "7s".parse().unwrap(), "and the rest stays");
}

#[test]
fn wrong_configuration_ends_with_code_2_and_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, contents: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, contents).unwrap();
        path.to_string_lossy().into_owned()
    };
    let misspelt = file("misspelt.toml", "lisen = '127.0.0.1:1'");
    let port = file("port.toml", "listen = '127.0.0.1:65535'\nworkers = 2");
    let no_pem = file("no.pem", "nothing");
    for (arguments, told) in [
        (&["--lisen", "x"][..], "--listen"),
        (&["check", "--config", &misspelt], "lisen"),
        (&["--config", &misspelt], "lisen"),
        (&["--config", "no/such/file.toml"], "--config"),
        (&["check", "--config", &port], "ports end at 65535"),
        (&["check", "--cert", &no_pem, "--key", &no_pem], "PEM"),
        (&["--cert", &no_pem, "--key", &no_pem, "--listen", "127.0.0.1:0"], "PEM"),
        (&["--cert", &no_pem], "give both"),
        (&["--log", "sfu=loud", "--listen", "127.0.0.1:0"], "filter"),
        (&["--listen", "0.0.0.0:0"], "--lan"),
        (&["--token-key", "short:secret"], "at least 32"),
        (&["--token-key", "nothing"], "--new-key"),
        (&["token"], "--new-key"),
    ] {
        let output = terrace(folder.path()).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains(told), "{arguments:?}: {}", text(&output.stderr));
        // Only `check` prints before it judges.
        assert!(text(&output.stdout).is_empty() || arguments[0] == "check", "{arguments:?}");
    }
}

#[test]
fn what_the_system_refuses_ends_with_code_1_and_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    for (arguments, told) in [
        (&["--listen", listen.as_str()][..], "in use"),
        (&["--data-dir", file.to_str().unwrap()], "--data-dir"),
        (&["--open", "--listen", "192.0.2.1:8443"], "no such address"),
    ] {
        let output = terrace(folder.path()).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(told), "{arguments:?}: {}", text(&output.stderr));
    }
}

#[test]
fn help_names_every_command_and_setting() {
    let folder = tempfile::tempdir().unwrap();
    let output = terrace(folder.path()).arg("--help").output().unwrap();
    let help = text(&output.stdout);
    assert!(output.status.success());
    for part in [
        "serve",
        "check",
        "health",
        "demo",
        "sim",
        "--listen",
        "TERRACE_ANNOUNCE",
        "--plain-http",
        "Exit codes",
        "127.0.0.1:8443",
    ] {
        assert!(help.contains(part), "{part} is missing in:\n{help}");
    }
}

#[cfg(unix)]
#[test]
fn it_greets_and_ends_cleanly_on_a_signal() {
    for signal in ["-TERM", "-INT"] {
        let folder = tempfile::tempdir().unwrap();
        let mut process = terrace(folder.path())
            .args(["--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut greeting = String::new();
        while !greeting.contains("Ctrl-C ends it.\n") {
            assert_ne!(stdout.read_line(&mut greeting).unwrap(), 0, "the greeting was cut short: {greeting}");
        }
        for part in ["https://localhost:", "SHA-256", "self-signed", "UDP", "--lan"] {
            assert!(greeting.contains(part), "{part} is missing in:\n{greeting}");
        }
        assert!(!greeting.contains('\u{1b}'), "no colours into a pipe");
        let sent = Command::new("kill").args([signal, &process.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let output = process.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{signal}: {}", text(&output.stderr));
        assert!(!text(&output.stderr).contains('\u{1b}'), "no colours into a pipe");
    }
}

#[cfg(unix)]
#[test]
fn its_health_can_be_asked_for() {
    for (flag, scheme) in [("--plain-http=false", "https"), ("--plain-http=true", "http")] {
        let folder = tempfile::tempdir().unwrap();
        let mut process = terrace(folder.path())
            .args(["--listen", "127.0.0.1:0", flag])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut greeting = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = greeting.find_map(|line| {
            let line = line.unwrap();
            let (_, rest) = line.split_once(&format!("{scheme}://localhost:"))?;
            Some(rest.trim_end_matches('/').to_owned())
        });
        let listen = format!("127.0.0.1:{}", port.unwrap());
        let ask = || terrace(folder.path()).args(["health", "--listen", &listen, flag]).output().unwrap();
        let well = ask();
        assert_eq!(well.status.code(), Some(0), "{scheme}: {}", text(&well.stderr));
        process.kill().unwrap();
        process.wait().unwrap();
        let gone = ask();
        assert_eq!(gone.status.code(), Some(1), "{scheme}");
        assert!(text(&gone.stderr).contains("is not well"), "{}", text(&gone.stderr));
    }
}

#[test]
fn the_demonstration_prints_the_agreed_keys() {
    let folder = tempfile::tempdir().unwrap();
    let output = terrace(folder.path())
        .args(["demo", "--seconds", "1", "--phone-kbps", "300", "--json"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["seconds"].as_f64().unwrap() >= 1.0);
    assert_eq!(report["publishers"][0]["name"], "camera");
    let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let encodings = report["publishers"][0]["encodings"].as_array().unwrap();
    assert_eq!(encodings.iter().map(|e| e["rid"].as_str().unwrap()).collect::<Vec<_>>(), ["q", "h", "f"]);
    for key in ["rid", "width", "height", "fps", "kbps", "active"] {
        assert!(encodings.iter().all(|encoding| keys(encoding).iter().any(|k| k == key)), "{key}");
    }
    let receivers = report["receivers"].as_array().unwrap();
    assert_eq!(
        receivers.iter().map(|r| r["name"].as_str().unwrap()).collect::<Vec<_>>(),
        ["phone", "desktop"]
    );
    for key in [
        "class",
        "first_frame_ms",
        "frames",
        "rid",
        "width",
        "height",
        "kbps",
        "switches",
        "freezes",
        "lost_packets",
        "bad_frames",
        "reason",
        "estimate_kbps",
        "log",
    ] {
        assert!(receivers.iter().all(|receiver| keys(receiver).iter().any(|k| k == key)), "{key}");
    }
    assert!(!folder.path().join("data").exists(), "a demonstration leaves nothing behind");
}

#[test]
fn a_demonstration_has_bounds() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [["--seconds", "0"], ["--seconds", "x"], ["--phone-kbps", "1"]] {
        let output = terrace(folder.path()).arg("demo").args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_token_is_made_with_the_keys_of_the_server_and_secrets_are_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let output = terrace(folder.path()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout).to_owned()
    };
    let file = folder.path().join("terrace.toml");
    std::fs::write(&file, run(&["token", "--new-key"])).unwrap();
    let file = file.to_str().unwrap();
    let token =
        run(&["token", "--config", file, "--room", "standup", "--rights", "subscribe", "--expires", "5min"]);
    assert_eq!(token.trim().split('.').count(), 3, "{token}");
    let secret = std::fs::read_to_string(file).unwrap().split('"').nth(3).unwrap().to_owned();
    let shown = run(&["check", "--config", file]);
    assert!(shown.contains("(hidden)") && !shown.contains(&secret), "{shown}");
}
