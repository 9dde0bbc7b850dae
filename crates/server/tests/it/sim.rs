//! `terrace sim` as a script meets it: the keys of its JSON, the files it writes, its exit codes.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::binary::{terrace, text};

/// A folder with one recorded link, two seconds long, and a file that is none.
fn recorded(folder: &Path) -> String {
    let traces = folder.join("traces");
    fs::create_dir_all(traces.join("walk")).unwrap();
    fs::write(traces.join("walk/a.csv"), "duration_ms,kbps\n1000,900\n1000,400\n").unwrap();
    fs::write(traces.join("README.md"), "words").unwrap();
    traces.into_os_string().into_string().unwrap()
}

fn links(folder: &Path, arguments: &[&str]) -> Output {
    terrace(folder).args(["sim", "links"]).args(arguments).output().unwrap()
}

#[test]
fn the_table_of_links_has_the_agreed_keys() {
    let folder = tempfile::tempdir().unwrap();
    let traces = recorded(folder.path());
    let file = |name: &str| folder.path().join(name).into_os_string().into_string().unwrap();
    let (page, sheet) = (file("page.html"), file("sheet.csv"));
    let run = |more: &[&str]| {
        let fixed = ["--suite", "traces", "--traces", &traces, "--seeds", "1"];
        let output = links(folder.path(), &[&fixed[..], more].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert_eq!(text(&output.stderr), "", "progress is for terminals");
        output.stdout
    };
    let estimators = ["--estimator", "fixed-200,fixed-100,fixed-200"];
    let printed =
        run(&[&estimators[..], &["--json", "--html", page.as_str(), "--csv", sheet.as_str()]].concat());
    let report: Value = serde_json::from_slice(&printed).unwrap();
    let rows = report["cases"].as_array().unwrap();
    let names: Vec<_> = rows.iter().map(|row| (row["case"].as_str(), row["estimator"].as_str())).collect();
    let case = Some("tr:walk/a.csv");
    assert_eq!(names, [(case, Some("fixed-200")), (case, Some("fixed-100"))], "in order, each once");
    let has = |value: &Value, keys: &str| {
        for key in keys.split_whitespace() {
            assert!(value.get(key).is_some(), "{key} is missing in {value}");
        }
    };
    has(&report, "seeds groups cases");
    has(&report["groups"][0], "group estimator cases score score_total");
    for row in rows {
        has(
            row,
            "case group estimator score score_total util qd_p50 qd_p95 qd_p99 tot95 loss t90 fall drain osc jain quality \
             best freeze switches_per_min padding own_kbps tcp_kbps",
        );
    }
    let util = |row: usize| rows[row]["util"].as_f64().unwrap();
    assert!(util(0) > 1.5 * util(1) && util(1) > 0.05, "{} {}: twice the rate", util(0), util(1));
    assert!(fs::read_to_string(page).unwrap().contains("<svg"), "the page has plots");
    assert_eq!(fs::read_to_string(sheet).unwrap().lines().count(), 3, "a heading and two rows");

    let table = run(&estimators);
    assert!(text(&table).starts_with("case "), "{}", text(&table));
    assert_eq!(run(&[&estimators[..], &["--json"]].concat()), printed, "however many threads took part");
}

#[test]
fn wrong_names_end_with_code_2_and_the_known_ones() {
    let folder = tempfile::tempdir().unwrap();
    let traces = recorded(folder.path());
    let broken = folder.path().join("broken");
    fs::create_dir(&broken).unwrap();
    fs::write(
        broken.join("suite.csv"),
        "case,file,format,divisor,duration_s,queue\na,a.up,mahimahi,1,9,1s\n",
    )
    .unwrap();
    let (broken, empty) = (broken.to_str().unwrap(), folder.path().join("empty"));
    fs::create_dir(&empty).unwrap();
    for (arguments, told) in [
        (&["--suite", "vidio"][..], "video, sfu, traces, extra, all"),
        (&["--estimator", "terrace,bbr"], "terrace, gcc, rtc-gcc"),
        (&["--estimator", "fixed-0"], "from 1 to"),
        (&["--seeds", "0"], "--seeds"),
        (&["--case", "nothing"], "5.1"),
        (&["--suite", "traces", "--traces", &traces, "--case", "5.1"], "there are tr:walk/a.csv"),
        (&["--suite", "traces"], "needs --traces DIR"),
        (&["--traces", "no/such/folder"], "no/such/folder"),
        (&["--traces", empty.to_str().unwrap()], "no recorded links"),
        (&["--traces", broken], "a.up"),
    ] {
        let output = links(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(told), "{arguments:?}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_file_that_cannot_be_written_ends_with_code_1() {
    let folder = tempfile::tempdir().unwrap();
    let traces = recorded(folder.path());
    for option in ["--html", "--csv"] {
        let target = folder.path().join("no/such/folder/file");
        let arguments = ["--suite", "traces", "--traces", &traces, "--seeds", "1", option];
        let output = links(folder.path(), &[&arguments[..], &[target.to_str().unwrap()]].concat());
        assert_eq!(output.status.code(), Some(1), "{option}");
        assert!(text(&output.stderr).contains("no/such/folder"), "{option}: {}", text(&output.stderr));
    }
}
