//! Recorded links as cases: which files a folder's `suite.csv` names, how their formats are read, and the cases that
//! come out of them. Text goes in; opening files is the caller's.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::capacity::{Capacity, Opportunities, Schedule};
use super::case::{Case, FlowSpec, Group};
use super::event::{MILLI, Micros, SECOND};
use super::link::{Limit, LinkSpec};
use super::source::SourceSpec;

/// Ceiling of adaptive video on a recorded link.
const VIDEO_MAX: u64 = 6_000_000;
/// One-way delay, each way.
const ONE_WAY: Micros = 25 * MILLI;
/// The least queue, where it follows from the mean rate.
const LEAST_QUEUE: u64 = 30_000;
/// Longest use of a recording that no list limits.
const WHOLE_FILE_SECONDS: u64 = 180;

/// The recordings that the published table also runs under an SFU.
const SFU_ROWS: [&str; 10] = [
    "tr:n3g-tram",
    "tr:n3g-b",
    "tr:g4g-bus/8",
    "tr:Verizon-LTE-short.up",
    "tr:Verizon-LTE-short.down",
    "tr:ATT-LTE-driving-2016.up",
    "tr:TMobile-UMTS-driving.down",
    "tr:Verizon-EVDO-driving.up",
    "tr:TMobile-LTE-short.up",
    "tr:ATT-LTE-driving.up",
];

/// Why a recording cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceError {
    /// One-based line, zero for the whole file.
    pub line: usize,
    /// What is wrong with it.
    pub what: &'static str,
}

impl std::fmt::Display for TraceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            0 => f.write_str(self.what),
            line => write!(f, "line {line}: {}", self.what),
        }
    }
}

impl std::error::Error for TraceError {}

/// How a recording is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A line per chance to send 1500 bytes, in milliseconds from the start.
    Mahimahi,
    /// Rows of a duration in milliseconds and the rate in kbit/s that held for it.
    Durations,
    /// Rows of an instant in seconds and the rate in kbit/s from then on.
    Instants,
}

/// How much may wait for a recorded link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// What the mean rate serves in that time, at least 30 kB.
    Time(Micros),
    /// Bytes.
    Bytes(u64),
}

/// One line of a `suite.csv`, or what stands for it when a folder has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Name of the case.
    pub case: String,
    /// File below the folder, with `/` between its parts.
    pub file: String,
    /// How the file is written.
    pub format: Format,
    /// The rate is divided by this.
    pub divisor: u64,
    /// Seconds used; all of it if the recording is shorter.
    pub seconds: u64,
    /// How much may wait.
    pub queue: Waiting,
}

/// The recordings that a `suite.csv` lists: case, file, format, divisor, seconds, queue.
pub fn parse_suite(text: &str) -> Result<Vec<Recording>, TraceError> {
    let rows = text.lines().enumerate().skip(1).filter(|(_, line)| !line.trim().is_empty());
    rows.map(|(i, line)| parse_row(line).map_err(|what| TraceError { line: i + 1, what })).collect()
}

fn parse_row(line: &str) -> Result<Recording, &'static str> {
    let fields: Vec<&str> = line.split(',').map(str::trim).collect();
    let [case, file, format, divisor, seconds, queue] = fields[..] else { return Err("not six fields") };
    let positive = |text: &str| text.parse().ok().filter(|n: &u64| *n > 0);
    Ok(Recording {
        case: case.to_owned(),
        file: file.to_owned(),
        format: match format {
            "mahimahi" => Format::Mahimahi,
            "duration_ms+kbps" => Format::Durations,
            "seconds+kbps" => Format::Instants,
            _ => return Err("unknown format"),
        },
        divisor: positive(divisor).ok_or("divisor is not a positive number")?,
        seconds: positive(seconds).ok_or("duration is not a positive number")?,
        queue: parse_queue(queue).ok_or("queue is neither seconds (1s) nor kilobytes (150kB)")?,
    })
}

fn parse_queue(text: &str) -> Option<Waiting> {
    if let Some(kilobytes) = text.strip_suffix("kB") {
        return Some(Waiting::Bytes(kilobytes.parse::<u64>().ok()?.checked_mul(1_000)?));
    }
    if let Some(millis) = text.strip_suffix("ms") {
        return Some(Waiting::Time(millis.parse::<u64>().ok()?.checked_mul(MILLI)?));
    }
    Some(Waiting::Time(text.strip_suffix('s')?.parse::<u64>().ok()?.checked_mul(SECOND)?))
}

/// The cases of a folder, given as paths below it (with `/` between their parts) and contents. If one of them is
/// `suite.csv`, its rows are the cases; otherwise every file that looks like a recording is one.
///
/// # Errors
/// The file that cannot be used, and why.
pub fn folder(files: &BTreeMap<String, String>) -> Result<Vec<Case>, (String, TraceError)> {
    const LIST: &str = "suite.csv";
    let named = |name: &str, error| (name.to_owned(), error);
    let recordings = match files.get(LIST) {
        Some(list) => parse_suite(list).map_err(|error| named(LIST, error))?,
        None => files.iter().filter_map(|(path, text)| Recording::of_file(path, text)).collect(),
    };
    let mut cases = Vec::new();
    for recording in &recordings {
        let missing = TraceError { line: 0, what: "no such file" };
        let text = files.get(&recording.file).ok_or((recording.file.clone(), missing))?;
        cases.extend(recording.cases(text).map_err(|error| named(&recording.file, error))?);
    }
    Ok(cases)
}

impl Recording {
    /// A file of a folder without a list, if its name and first line say that it is a recording.
    pub fn of_file(path: &str, text: &str) -> Option<Self> {
        let format = if path.ends_with(".up") || path.ends_with(".down") {
            Format::Mahimahi
        } else if path.ends_with(".csv") {
            let header = text.lines().next()?;
            if header.starts_with("duration_ms,") { Format::Durations } else { Format::Instants }
        } else {
            return None;
        };
        Some(Self {
            case: format!("tr:{path}"),
            file: path.to_owned(),
            format,
            divisor: 1,
            seconds: WHOLE_FILE_SECONDS,
            queue: Waiting::Time(SECOND),
        })
    }

    /// The cases that this recording stands for: adaptive video, and an SFU where the published table has one.
    pub fn cases(&self, text: &str) -> Result<Vec<Case>, TraceError> {
        let (capacity, length) = self.capacity(text)?;
        let duration = length.min(self.seconds * SECOND);
        let limit = Limit::Bytes(match self.queue {
            Waiting::Bytes(bytes) => bytes,
            Waiting::Time(time) => {
                let bits: f64 = capacity.bits_per_step(duration, duration).iter().sum();
                let mean = bits / duration as f64;
                ((mean * time as f64 / 8.0) as u64).max(LEAST_QUEUE)
            }
        });
        let delay = Schedule::constant(ONE_WAY);
        let link = LinkSpec { delay, ..LinkSpec::new(capacity, limit) };
        let case = |name: &str, group, source| {
            let links = vec![link.clone(), super::suite::way_back(ONE_WAY)];
            let flows = vec![FlowSpec::media(source, 0, duration)];
            let mut case = Case::new(name, group, duration, links, flows);
            // A recorded rate never settles.
            (case.steps, case.fall) = (Vec::new(), None);
            case
        };
        let mut cases = vec![case(&self.case, Group::Traces, SourceSpec::Video { max: VIDEO_MAX })];
        if SFU_ROWS.contains(&self.case.as_str()) {
            cases.push(case(&format!("S:{}", self.case), Group::Sfu, SourceSpec::layers()));
        }
        Ok(cases)
    }

    /// What the link does, and for how long it was recorded.
    fn capacity(&self, text: &str) -> Result<(Capacity, Micros), TraceError> {
        match self.format {
            Format::Mahimahi => self.opportunities(text),
            Format::Durations => self.schedule(rows(text)?.into_iter().map(|(ms, kbps)| (ms * 1e3, kbps))),
            Format::Instants => {
                let rows = rows(text)?;
                let next = rows.iter().skip(1).map(|row| row.0).chain([rows[rows.len() - 1].0 + 1.0]);
                let spans: Vec<_> =
                    rows.iter().zip(next).map(|((at, kbps), next)| ((next - at) * 1e6, *kbps)).collect();
                self.schedule(spans.into_iter())
            }
        }
    }

    fn opportunities(&self, text: &str) -> Result<(Capacity, Micros), TraceError> {
        let mut times = Vec::new();
        for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let time: u32 = line
                .trim()
                .parse()
                .map_err(|_| TraceError { line: i + 1, what: "not a whole number of ms" })?;
            times.push(time);
        }
        let step = usize::try_from(self.divisor).unwrap_or(usize::MAX);
        let kept = times.into_iter().step_by(step).collect();
        let whole = || TraceError { line: 0, what: "times are not in order, or there are none after zero" };
        let trace = Opportunities::new(kept).ok_or_else(whole)?;
        let period = trace.period();
        Ok((Capacity::Trace(trace), period))
    }

    /// A schedule from (microseconds, kbit/s) spans.
    fn schedule(&self, spans: impl Iterator<Item = (f64, f64)>) -> Result<(Capacity, Micros), TraceError> {
        let mut at = 0;
        let mut steps = Vec::new();
        for (time, kbps) in spans.filter(|(time, _)| *time >= 1.0) {
            steps.push((at, (kbps * 1e3).round() as u64 / self.divisor));
            at += time.round() as Micros;
        }
        if steps.is_empty() {
            return Err(TraceError { line: 0, what: "no time passes" });
        }
        Ok((Capacity::Rate(Arc::new(Schedule::new(steps))), at))
    }
}

/// The first two columns, the header left out. Neither may be negative or run backwards for ever.
fn rows(text: &str) -> Result<Vec<(f64, f64)>, TraceError> {
    let number = |text: Option<&str>| text?.trim().parse().ok().filter(|n: &f64| n.is_finite() && *n >= 0.0);
    let mut rows = Vec::new();
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let mut fields = line.split(',');
        match (number(fields.next()), number(fields.next())) {
            (Some(a), Some(b)) => rows.push((a, b)),
            _ if i == 0 => {}
            _ => return Err(TraceError { line: i + 1, what: "not two non-negative numbers" }),
        }
    }
    if rows.is_empty() { Err(TraceError { line: 0, what: "no rows" }) } else { Ok(rows) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording(format: Format, divisor: u64, queue: Waiting) -> Recording {
        Recording { case: "tr:x".to_owned(), file: "x".to_owned(), format, divisor, seconds: 2, queue }
    }

    #[test]
    fn a_suite_is_read_or_refused_with_its_line() {
        let header = "case,file,format,divisor,duration_s,queue\n";
        let read = |row: &str| parse_suite(&format!("{header}{row}\n"));
        let good = read("tr:a, m/a.up ,mahimahi,1,180,1s").expect("valid");
        assert_eq!((good[0].file.as_str(), good[0].queue), ("m/a.up", Waiting::Time(SECOND)));
        assert_eq!(read("b,b.csv,duration_ms+kbps,8,10,150kB").unwrap()[0].queue, Waiting::Bytes(150_000));
        assert_eq!(read("").unwrap(), [], "blank lines mean nothing");
        for row in [
            "a,b,mahimahi,1,180",
            "a,b,pcap,1,180,1s",
            "a,b,mahimahi,0,180,1s",
            "a,b,mahimahi,1,-1,1s",
            "a,b,mahimahi,1,180,lots",
            "a,b,mahimahi,1,180,99999999999999999999kB",
        ] {
            assert_eq!(read(row).expect_err(row).line, 2);
        }
    }

    #[test]
    fn formats_give_the_capacity_they_describe() {
        let bits = |recording: &Recording, text: &str| {
            let cases = recording.cases(text).expect("valid");
            (cases[0].duration, cases[0].links[0].capacity.bits_per_step(SECOND, cases[0].duration))
        };
        let bytes = Waiting::Bytes(1);
        for (format, divisor, text, duration, expected) in [
            (Format::Mahimahi, 1, "0\n0\n500\n1500\n3000\n", 2 * SECOND, vec![36_000.0, 12_000.0]),
            (Format::Mahimahi, 2, "0\n1\n500\n700\n1000\n", 1_000 * MILLI, vec![24_000.0]),
            (
                Format::Durations,
                1,
                "duration_ms,kbps\n500,100\n1500,300\n",
                2 * SECOND,
                vec![200_000.0, 300_000.0],
            ),
            (Format::Durations, 2, "duration_ms,kbps\n900,100\n", 900 * MILLI, vec![50_000.0]),
            (
                Format::Instants,
                1,
                "t_s,dl_kbps,ul_kbps\n0,5,1\n0,100,1\n1,40,1\n",
                2 * SECOND,
                vec![100_000.0, 40_000.0],
            ),
        ] {
            let got = bits(&recording(format, divisor, bytes), text);
            assert_eq!(got, (duration, expected), "{format:?} / {divisor}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for (format, text) in [
            (Format::Mahimahi, ""),
            (Format::Mahimahi, "0\n0\n"),
            (Format::Mahimahi, "5\n3\n"),
            (Format::Mahimahi, "a\n"),
            (Format::Durations, "duration_ms,kbps\n"),
            (Format::Durations, "duration_ms,kbps\n0,5\n"),
            (Format::Durations, "duration_ms,kbps\n100,nan\n"),
            (Format::Durations, "duration_ms,kbps\n-100,5\n"),
            (Format::Instants, "t_s,dl\n1\n"),
        ] {
            let result = recording(format, 1, Waiting::Time(SECOND)).cases(text);
            assert!(result.is_err(), "{format:?} {text:?} gave {result:?}");
        }
    }

    #[test]
    fn a_folder_is_its_list_or_its_files() {
        let names = |files: &[(&str, &str)]| {
            let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
            folder(&files).map(|cases| cases.iter().map(|case| case.name.clone()).collect::<Vec<_>>())
        };
        let list = "case,file,format,divisor,duration_s,queue\ntr:n3g-b,a/x.up,mahimahi,1,9,1s\n";
        let files = [("a/x.up", "1\n5\n"), ("a/y.csv", "duration_ms,kbps\n9,9\n"), ("README.md", "words")];
        assert_eq!(names(&files).unwrap(), ["tr:a/x.up", "tr:a/y.csv"]);
        let listed = [&files[..], &[("suite.csv", list)]].concat();
        assert_eq!(names(&listed).unwrap(), ["tr:n3g-b", "S:tr:n3g-b"], "the published table has both");
        let broken = [("suite.csv", list)];
        assert_eq!(names(&broken).unwrap_err().0, "a/x.up");
    }

    #[test]
    fn files_are_known_by_name_and_first_line() {
        let of = |path: &str, text: &str| Recording::of_file(path, text).map(|r| (r.case, r.format));
        assert_eq!(of("a/b.down", "1\n"), Some(("tr:a/b.down".to_owned(), Format::Mahimahi)));
        assert_eq!(of("x.csv", "duration_ms,kbps\n"), Some(("tr:x.csv".to_owned(), Format::Durations)));
        assert_eq!(of("x.csv", "t_s,dl_kbps\n"), Some(("tr:x.csv".to_owned(), Format::Instants)));
        assert_eq!(of("README.md", "# words"), None);
    }
}
