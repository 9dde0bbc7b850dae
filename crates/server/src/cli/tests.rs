//! How arguments and variables are understood, without reading the real environment's files or opening anything.

use clap::CommandFactory;

use super::*;

fn parse(arguments: &[&str]) -> Result<Cli, clap::Error> {
    Cli::try_parse_from([&["terrace"], arguments].concat())
}

#[test]
fn the_definition_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn serving_is_the_default_command() {
    let bare = parse(&["--listen", "0.0.0.0:1"]).unwrap();
    assert!(bare.command.is_none());
    let named = parse(&["serve", "--listen", "0.0.0.0:1"]).unwrap();
    assert!(matches!(named.command, Some(Command::Serve(flags)) if flags == bare.serve));
}

#[test]
fn wrong_arguments_end_with_code_2_and_a_hint() {
    for (arguments, hint) in [
        (&["--lisen", "0.0.0.0:1"][..], "--listen"),
        (&["--listen", "8443"], "0.0.0.0:8443"),
        (&["--listen", "localhost:8443"], "0.0.0.0:8443"),
        (&["--announce", "example.org"], "--announce"),
        (&["--allow-origin", "*"], "https://example.org"),
        (&["--workers", "0"], "--workers"),
        (&["--plain-http=perhaps"], "true, false"),
        (&["srve"], "serve"),
    ] {
        let error = parse(arguments).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{arguments:?}");
        assert!(error.to_string().contains(hint), "{arguments:?}: {error}");
    }
}

#[test]
fn every_setting_has_a_variable_and_a_help_text() {
    let command = Cli::command();
    for argument in command.get_arguments().filter(|a| !["help", "version"].contains(&a.get_id().as_str())) {
        let variable = argument.get_env().map(|name| name.to_string_lossy().into_owned());
        let expected = format!("TERRACE_{}", argument.get_id().as_str().to_uppercase());
        assert_eq!(variable, Some(expected));
        assert!(argument.get_help().is_some(), "{}", argument.get_id());
    }
}
