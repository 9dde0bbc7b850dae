//! Programs that tests need and cargo cannot bring: which packages hold them, and their installation where that is ours to do.

use crate::run::{self, Failed, Step, step};

/// The Python whose modules come from Debian's packages; another one may come first on the path.
pub(crate) const DEBIAN_PYTHON: &str = "/usr/bin/python3";

/// Any Python.
pub(crate) const PYTHON: &str = "python3";

/// Something that must be on the machine.
#[derive(Clone, Copy)]
pub(crate) enum Tool {
    /// Browser and its WebDriver.
    Chromium,
    /// Another browser, which needs no driver.
    Firefox,
    /// node with its test runner, and npm for the type checker.
    Node,
    /// Its WebRTC stack, and Python to drive it.
    GStreamer,
    /// Counts instructions.
    Valgrind,
    /// Python that can make itself a folder of packages.
    Python,
}

impl Tool {
    /// Programs, any one of which will do, for each thing needed.
    fn programs(self) -> &'static [&'static [&'static str]] {
        match self {
            Tool::Chromium => &[&["chromium", "chromium-browser", "google-chrome"], &["chromedriver"]],
            Tool::Firefox => &[&["firefox-esr", "firefox"]],
            Tool::Node => &[&["node"], &["npm"]],
            Tool::GStreamer => &[&[DEBIAN_PYTHON], &["gst-inspect-1.0"]],
            Tool::Valgrind => &[&["valgrind"]],
            Tool::Python => &[&[PYTHON]],
        }
    }

    /// Package names on Debian.
    fn packages(self) -> &'static [&'static str] {
        match self {
            Tool::Chromium => &["chromium", "chromium-driver"],
            Tool::Firefox => &["firefox-esr"],
            Tool::Node => &["nodejs", "npm"],
            Tool::GStreamer => &[
                "python3-gi",
                "gir1.2-gst-plugins-bad-1.0",
                "gstreamer1.0-tools",
                "gstreamer1.0-nice",
                "gstreamer1.0-plugins-base",
                "gstreamer1.0-plugins-good",
                "gstreamer1.0-plugins-bad",
            ],
            Tool::Valgrind => &["valgrind"],
            Tool::Python => &["python3", "python3-venv"],
        }
    }

    fn is_present(self) -> bool {
        let on_path = |program: &&str| run::succeeds(program, &["--version"]);
        let parts = match self {
            Tool::GStreamer => {
                let bindings = "import gi; gi.require_version('GstWebRTC', '1.0')";
                run::succeeds(DEBIAN_PYTHON, &["-c", bindings])
                    && ["nicesrc", "vp8enc", "webrtcbin"]
                        .iter()
                        .all(|part| run::succeeds("gst-inspect-1.0", &[part]))
            }
            Tool::Python => run::succeeds(PYTHON, &["-c", "import ensurepip, venv"]),
            Tool::Chromium | Tool::Firefox | Tool::Node | Tool::Valgrind => true,
        };
        parts && self.programs().iter().all(|names| names.iter().any(on_path))
    }
}

/// Makes sure that the tools are there: installs them by apt as root, and otherwise names the packages and stops.
pub(crate) fn ensure(tools: &[Tool]) -> Result<(), Failed> {
    let missing: Vec<&str> =
        tools.iter().filter(|tool| !tool.is_present()).flat_map(|tool| tool.packages()).copied().collect();
    if missing.is_empty() {
        return Ok(());
    }
    let by_hand = format!("apt-get install {}", missing.join(" "));
    if !run::succeeds("apt-get", &["--version"]) {
        return Err(Failed(format!("missing programs; on Debian they come with `{by_hand}`")));
    }
    if run::output("id", &["-u"]).is_none_or(|user| user.trim() != "0") {
        return Err(Failed(format!("missing programs; as root run `{by_hand}`")));
    }
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(&missing);
    let apt = |arguments: &[&str]| {
        Step::new("apt-get", arguments).with_variable("DEBIAN_FRONTEND", "noninteractive")
    };
    step("apt-get update", apt(&["update", "--quiet=2"]))?;
    step(&by_hand, apt(&arguments))
}
