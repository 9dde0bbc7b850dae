//! `terrace serve`: runs a server until it is told to stop, and says at the start what to do next.

use std::io::{self, IsTerminal, Write};

use super::Failure;
use crate::certificate::Source;
use crate::config::{Config, Flags};
use crate::server::{Handle, Server, Summary, WorkerFailed};
use crate::{environment, log};

/// Serves until SIGINT or SIGTERM, or until a worker fails.
pub(super) fn run(flags: &Flags) -> Result<(), Failure> {
    let config = Config::read(flags)?;
    config.check()?;
    log::start(&config.log, config.log_format)?;
    for name in environment::unknown() {
        tracing::warn!(
            "the variable {name} is not known and has no effect; `terrace serve --help` lists those that are"
        );
    }
    // Page and signalling are light; media has threads of its own.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("page")
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let asked_to_stop = stop_signal()?;
        let invites = Invitations { lan: config.access.lan, loopback: config.listen.ip().is_loopback() };
        let wanted_buffer = config.media.socket_buffer.0 as u64;
        let server = Server::start(config).await?;
        let small = server.summary.buffers.0.as_bytes().min(server.summary.buffers.1.as_bytes()) < wanted_buffer;
        io::stdout().write_all(greeting(&server.summary, &invites, io::stdout().is_terminal()).as_bytes())?;
        if invites.lan {
            invite(&server)?;
        }
        if small {
            tracing::warn!(
                receive = %server.summary.buffers.0,
                send = %server.summary.buffers.1,
                "the system granted less than `media.socket_buffer`; bursts may be lost in large rooms. On Linux: sysctl -w net.core.rmem_max={wanted_buffer} net.core.wmem_max={wanted_buffer}"
            );
        }
        until_stopped(server, invites.lan, asked_to_stop).await
    })
}

async fn until_stopped(
    mut server: Handle,
    lan: bool,
    asked_to_stop: impl Future<Output = &'static str>,
) -> Result<(), Failure> {
    let mut asked_to_stop = std::pin::pin!(asked_to_stop);
    let failed: Result<(), WorkerFailed> = loop {
        let used = server.invitation_used();
        let used = async {
            match lan {
                true => used.await,
                false => std::future::pending().await,
            }
        };
        tokio::select! {
            signal = asked_to_stop.as_mut() => {
                tracing::info!("{signal}: telling participants and closing");
                break Ok(());
            }
            failed = server.failed() => break Err(failed),
            () = used => {}
        }
        invite(&server)?;
    };
    let closed = server.shut_down().await;
    Ok(failed.and(closed)?)
}

/// Resolves to the name of the signal that asks the process to end.
#[cfg(unix)]
fn stop_signal() -> io::Result<impl Future<Output = &'static str>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
        }
    })
}

/// Resolves to the name of the signal that asks the process to end.
#[cfg(not(unix))]
fn stop_signal() -> io::Result<impl Future<Output = &'static str>> {
    Ok(async {
        // An error means that there is no console to hear from.
        match tokio::signal::ctrl_c().await {
            Ok(()) => "Ctrl-C",
            Err(_) => std::future::pending().await,
        }
    })
}

/// What the greeting says about who can come.
struct Invitations {
    lan: bool,
    loopback: bool,
}

/// Prints a link that works once, and as a QR code where another machine can reach it.
fn invite(server: &Handle) -> io::Result<()> {
    let summary = &server.summary;
    let elsewhere = summary.other_urls.first();
    let link = format!("{}{}", elsewhere.unwrap_or(&summary.url).trim_end_matches('/'), server.invite());
    let mut text = format!("For one more device, once: {link}\n");
    // A link of this length always fits.
    if let Ok(code) = qrcode::QrCode::new(&link) {
        let mut picture = code.render::<qrcode::render::unicode::Dense1x2>();
        // Terminals are mostly dark: what is printed is the light part.
        let (dark, light) =
            (qrcode::render::unicode::Dense1x2::Dark, qrcode::render::unicode::Dense1x2::Light);
        text = format!("{}\n{text}", picture.dark_color(light).light_color(dark).build());
    }
    io::stdout().write_all(text.as_bytes())
}

/// What was opened and what to do next. Plain text: it is read in terminals, journals and pagers alike.
fn greeting(summary: &Summary, invites: &Invitations, terminal: bool) -> String {
    let mut lines = vec![format!("Terrace {}", env!("CARGO_PKG_VERSION")), String::new()];
    let mut row = |label: &str, value: String| lines.push(format!("  {label:<13}{value}"));
    row("Open", summary.url.clone());
    for url in summary.other_urls.iter().filter(|url| **url != summary.url) {
        row("", format!("{url} from other machines"));
    }
    match &summary.operator {
        // It holds a token: not for journals and logs.
        Some(link) if terminal => row("Operate", link.clone()),
        Some(_) => row(
            "Operate",
            "run this in a terminal for a link, or give it keys (terrace token --new-key)".to_owned(),
        ),
        None => {}
    }
    let mut self_signed = false;
    match &summary.certificate {
        None => row("Certificate", "none: plain HTTP, for use behind a proxy that has TLS".to_owned()),
        Some((fingerprint, source)) => {
            let fingerprint = fingerprint.to_string();
            // Two lines of 16 pairs, as browsers show it.
            let (first, second) = fingerprint.split_at(fingerprint.len() / 2 + 1);
            row("Fingerprint", format!("SHA-256 {first}"));
            row("", format!("        {second}"));
            let (what, path) = match source {
                Source::New(path) => ("self-signed, made now and kept in", path),
                Source::Kept(path) => ("self-signed, kept in", path),
                Source::Files(path) => ("from", path),
                Source::Ephemeral => ("self-signed, for this run only", &std::path::PathBuf::new()),
            };
            self_signed = !matches!(source, Source::Files(_));
            row("Certificate", format!("{what} {}", path.display()));
        }
    }
    let ports: Vec<_> = summary.media.iter().map(|address| address.port().to_string()).collect();
    row(
        "Media",
        format!(
            "UDP {} ({} worker{})",
            ports.join(", "),
            ports.len(),
            if ports.len() == 1 { "" } else { "s" }
        ),
    );
    let announced: Vec<_> = summary.announced.iter().map(ToString::to_string).collect();
    row("Announced", announced.join(", "));
    lines.push(String::new());
    if self_signed {
        lines.push(
            "The browser warns once, as this certificate is your own: compare the fingerprint, then go on."
                .to_owned(),
        );
    }
    if invites.loopback {
        lines.push("Only this machine can connect. For phones in your network: terrace --lan".to_owned());
    } else if !summary.tokens {
        lines.push("Anybody who reaches this address can join, as --open says.".to_owned());
    } else if !invites.lan {
        lines.push("Who joins needs a token: terrace token --room <name> makes one.".to_owned());
    }
    lines.push("Ctrl-C ends it.".to_owned());
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::Fingerprint;
    use units::DataSize;

    #[test]
    fn the_greeting_says_what_was_opened_and_what_to_do() {
        let mut summary = Summary {
            url: "https://localhost:8443/".to_owned(),
            other_urls: Vec::new(),
            certificate: Some((Fingerprint::of(b"abc"), Source::Kept("data/self-signed.pem".into()))),
            media: vec!["127.0.0.1:8443".parse().unwrap(), "127.0.0.1:8444".parse().unwrap()],
            announced: vec!["127.0.0.1".parse().unwrap()],
            operator: None,
            tokens: false,
            buffers: (DataSize::ZERO, DataSize::ZERO),
        };
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            greeting(&summary, &Invitations { lan: false, loopback: true }, true),
            format!(
                "Terrace {version}\n\n\
                 \x20 Open         https://localhost:8443/\n\
                 \x20 Fingerprint  SHA-256 BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:\n\
                 \x20                      B0:03:61:A3:96:17:7A:9C:B4:10:FF:61:F2:00:15:AD\n\
                 \x20 Certificate  self-signed, kept in data/self-signed.pem\n\
                 \x20 Media        UDP 8443, 8444 (2 workers)\n\
                 \x20 Announced    127.0.0.1\n\n\
                 The browser warns once, as this certificate is your own: compare the fingerprint, then go on.\n\
                 Only this machine can connect. For phones in your network: terrace --lan\n\
                 Ctrl-C ends it.\n"
            )
        );
        summary.certificate = None;
        summary.other_urls = vec!["http://192.0.2.7:8443/".to_owned()];
        summary.operator = Some("http://localhost:8443/operator#token=x".to_owned());
        let open = Invitations { lan: false, loopback: false };
        let plain = greeting(&summary, &open, true);
        assert!(plain.contains("http://192.0.2.7:8443/ from other machines"), "{plain}");
        assert!(
            plain.contains("plain HTTP") && !plain.contains("browser warns") && !plain.contains("--lan"),
            "{plain}"
        );
        assert!(plain.contains("#token=x") && plain.contains("Anybody"), "{plain}");
        let logged = greeting(&summary, &open, false);
        assert!(!logged.contains("token=x"), "a journal gets no secrets: {logged}");
    }
}
