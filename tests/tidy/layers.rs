//! The walls between crates: arrows as drawn in `docs/ARCHITECTURE.md`, and no sockets, files or clocks below layer 4.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

use super::tree::{self, File, files, report};

/// One row of the table of crates.
struct Row {
    layer: u32,
    depends_on: BTreeSet<String>,
}

/// The table headed `| crate | layer | depends on | ...` in `docs/ARCHITECTURE.md`, by the name the crate has in code.
fn documented() -> BTreeMap<String, Row> {
    let text = std::fs::read_to_string(tree::root().join("docs/ARCHITECTURE.md")).unwrap();
    let rows = text
        .lines()
        .skip_while(|line| !line.starts_with("| crate | layer | depends on |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let table: BTreeMap<String, Row> = rows
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [name, layer, depends_on, ..] = cells[..] else { panic!("too few columns: {line}") };
            let depends_on =
                depends_on.split(',').map(str::trim).filter(|name| *name != "–" && !name.is_empty());
            let row = Row {
                layer: layer.parse().unwrap_or_else(|_| panic!("no layer number: {line}")),
                depends_on: depends_on.map(str::to_owned).collect(),
            };
            (name.trim_matches('`').to_owned(), row)
        })
        .collect();
    assert!(table.len() > 5, "the table of crates in docs/ARCHITECTURE.md was not found");
    table
}

fn metadata() -> Metadata {
    MetadataCommand::new().current_dir(tree::root()).no_deps().exec().unwrap()
}

/// The packages below `crates/`, by the name their library has in code.
fn crates(metadata: &Metadata) -> BTreeMap<String, &Package> {
    let folder = metadata.workspace_root.join("crates");
    let packages = metadata.packages.iter().filter(|package| package.manifest_path.starts_with(&folder));
    packages
        .map(|package| {
            let library = package.targets.iter().find(|target| target.is_lib());
            let library = library.unwrap_or_else(|| panic!("{} has no library", package.name));
            (library.name.clone(), package)
        })
        .collect()
}

fn dependencies(package: &Package) -> impl Iterator<Item = &str> {
    let normal =
        package.dependencies.iter().filter(|dependency| dependency.kind != DependencyKind::Development);
    normal.map(|dependency| dependency.name.as_str())
}

#[test]
fn arrows_are_those_of_the_architecture_page() {
    let (table, metadata) = (documented(), metadata());
    let crates = crates(&metadata);
    let library_of: BTreeMap<&str, &str> =
        crates.iter().map(|(library, package)| (package.name.as_str(), library.as_str())).collect();
    let mut complaints = Vec::new();
    for name in table.keys().filter(|name| !crates.contains_key(*name)) {
        complaints.push(format!("{name} is in the table but not in crates/"));
    }
    for (library, package) in &crates {
        let Some(row) = table.get(library) else {
            complaints.push(format!("{library} is missing in the table"));
            continue;
        };
        for used in dependencies(package).filter_map(|name| library_of.get(name)) {
            if !row.depends_on.contains(*used) {
                complaints.push(format!("{library} depends on {used}, which its row does not list"));
            }
            // Within the top layer the server may embed the client and the simulator; nothing else is sideways.
            let downwards = table.get(*used).is_some_and(|below| below.layer < row.layer);
            if !downwards && library != "server" {
                complaints.push(format!("{library} depends on {used}, which is not below it"));
            }
        }
    }
    report("docs/ARCHITECTURE.md and cargo disagree about the arrows between crates:", &complaints);
}

#[test]
fn every_package_is_described_and_linted() {
    let metadata = metadata();
    let mut complaints = Vec::new();
    for package in &metadata.packages {
        if package.description.as_deref().is_none_or(str::is_empty) {
            complaints.push(format!("{}: no description", package.manifest_path));
        }
        let manifest = std::fs::read_to_string(&package.manifest_path).unwrap();
        if !manifest.contains("[lints]\nworkspace = true") {
            complaints.push(format!("{}: does not take the workspace's lints", package.manifest_path));
        }
        if package.publish.as_ref().is_none_or(|registries| !registries.is_empty()) {
            complaints.push(format!("{}: would be published", package.manifest_path));
        }
    }
    report("packages of the workspace:", &complaints);
}

/// Crates that bring sockets, files, threads or a clock.
const OUTSIDE_CRATES: [&str; 12] = [
    "tokio",
    "tokio-rustls",
    "tokio-tungstenite",
    "tokio-util",
    "async-std",
    "smol",
    "mio",
    "socket2",
    "quinn-udp",
    "hyper",
    "axum",
    "webrtc",
];

/// Names that reach outside, and where to go instead. Matched as whole words in code below layer 4.
const OUTSIDE_NAMES: [(&str, &str); 11] = [
    ("UdpSocket", "sockets belong to the server"),
    ("TcpStream", "sockets belong to the server"),
    ("TcpListener", "sockets belong to the server"),
    ("tokio", "no async below layer 4"),
    ("fs", "files belong to the server"),
    ("Instant", "time is a units::Timestamp"),
    ("SystemTime", "time is a units::Timestamp"),
    ("thread", "one owner, no threads"),
    ("async", "no async below layer 4"),
    ("Mutex", "one owner, no locks"),
    ("RwLock", "one owner, no locks"),
];

/// Where a name of `OUTSIDE_NAMES` is right: path prefix, name, reason. One that is not needed fails.
const EXCEPTIONS: [(&str, &str, &str); 1] = [(
    "crates/transport/src/",
    "Instant",
    "the engine's crates take one; only differences to an arbitrary origin are used",
)];

#[test]
fn nothing_below_the_top_layer_reaches_outside() {
    let (table, metadata) = (documented(), metadata());
    let below: BTreeMap<String, &Package> = crates(&metadata)
        .into_iter()
        .filter(|(name, _)| table.get(name).is_none_or(|row| row.layer < 4))
        .collect();
    let mut complaints = Vec::new();
    for (library, package) in &below {
        for name in dependencies(package).filter(|name| OUTSIDE_CRATES.contains(name)) {
            complaints.push(format!("{library} depends on {name}"));
        }
    }
    let prefixes: Vec<String> = below
        .values()
        .map(|package| {
            let folder = package.manifest_path.parent().unwrap();
            format!("{}/", folder.strip_prefix(&metadata.workspace_root).unwrap())
        })
        .collect();
    let mut used = BTreeSet::new();
    for file in files().iter().filter(|file| file.is_rust() && is_product(file, &prefixes)) {
        for (number, line) in production_lines(file) {
            for (name, reason) in OUTSIDE_NAMES.iter().filter(|(name, _)| names(code_of(line), name)) {
                match EXCEPTIONS
                    .iter()
                    .position(|(path, word, _)| file.path.starts_with(path) && word == name)
                {
                    Some(exception) => _ = used.insert(exception),
                    None => complaints.push(format!("{}:{number}: names {name}: {reason}", file.path)),
                }
            }
        }
    }
    for (_, (path, name, _)) in EXCEPTIONS.iter().enumerate().filter(|(index, _)| !used.contains(index)) {
        complaints.push(format!("the exception for {name} in {path} is not needed any more"));
    }
    report("crates below layer 4 are sans-IO:", &complaints);
}

fn is_product(file: &File, prefixes: &[String]) -> bool {
    prefixes
        .iter()
        .any(|prefix| file.path.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.starts_with("src/")))
        && !super::sources::is_test_module(&file.path)
}

fn production_lines(file: &File) -> impl Iterator<Item = (usize, &str)> {
    file.lines().take(super::sources::production_length(&file.text))
}

/// The line without its comment.
fn code_of(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

/// Whether `name` occurs as a whole word and as a path segment or type, not as a part of a string or another word.
fn names(code: &str, name: &str) -> bool {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + name.len()..].chars().next();
        let whole = !before.is_some_and(is_word) && !after.is_some_and(is_word);
        let quoted = code[..at].matches('"').count() % 2 == 1;
        // `fs` and `thread` are ordinary words elsewhere: only a path segment counts.
        let lower = name.starts_with(char::is_lowercase);
        let segment =
            code[..at].ends_with("::") || code[at + name.len()..].starts_with("::") || name == "async";
        whole && !quoted && (!lower || segment)
    })
}

#[test]
fn names_are_found_as_words() {
    for (code, name, expected) in [
        ("use std::fs;", "fs", true),
        ("let fs = 3;", "fs", false),
        ("std::fs::read(path)", "fs", true),
        ("offs::read()", "fs", false),
        ("fn at(now: Instant)", "Instant", true),
        ("struct Instantly;", "Instant", false),
        ("\"no Instant here\"", "Instant", false),
        ("async fn run()", "async", true),
        ("tokio::spawn(task)", "tokio", true),
        ("tracing::info!(tokio = 1)", "tokio", false),
    ] {
        assert_eq!(names(code, name), expected, "{name} in {code}");
    }
}
