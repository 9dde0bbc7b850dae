//! The node's own addresses: opening its sockets, and which addresses clients are told to send media to.
//!
//! Owns binding (one TCP port, and UDP ports counted up from the same number) and the choice of addresses. What goes
//! over the sockets is `listener`'s and `udp`'s.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

use crate::config::{Config, MAX_ANNOUNCED, Size};
use crate::error::StartError;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1_024;
/// With port 0 the UDP ports above the free TCP port may be taken; another draw is likely to fit.
const DRAWS: usize = 32;

/// The sockets of a server, bound and not yet served.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(crate) tcp: TcpListener,
    /// Where page and signalling are reached; the port is never 0.
    pub(crate) address: SocketAddr,
    /// One per worker, on consecutive ports from the port of `address`.
    pub(crate) media: Vec<Media>,
}

/// A worker's UDP socket.
#[derive(Debug)]
pub(crate) struct Media {
    pub(crate) socket: UdpSocket,
    pub(crate) address: SocketAddr,
    /// What the system granted of the buffer that was asked for, in bytes.
    pub(crate) receive_buffer: usize,
    pub(crate) send_buffer: usize,
}

/// Binds everything that the configuration asks for.
pub(crate) fn bind(config: &Config) -> Result<Sockets, StartError> {
    let mut draws = if config.listen.port() == 0 { DRAWS } else { 1 };
    loop {
        draws -= 1;
        match bind_at(config) {
            Err(StartError::Listen { source, .. })
                if draws > 0 && source.kind() == io::ErrorKind::AddrInUse => {}
            outcome => return outcome,
        }
    }
}

fn bind_at(config: &Config) -> Result<Sockets, StartError> {
    let failed = |protocol, address| move |source| StartError::Listen { protocol, address, source };
    let (tcp, address) = bind_tcp(config.listen).map_err(failed("TCP", config.listen))?;
    let media = (0..config.worker_count().get())
        .map(|worker| {
            // With a drawn port the last one may be 65535, which a fixed port is checked for.
            let port = address.port().checked_add(worker).ok_or(io::ErrorKind::AddrInUse);
            let address = SocketAddr::new(address.ip(), port.unwrap_or(u16::MAX));
            port.map_err(io::Error::from)
                .and_then(|_| bind_udp(address, config.media.socket_buffer))
                .map_err(failed("UDP", address))
        })
        .collect::<Result<_, _>>()?;
    Ok(Sockets { tcp, address, media })
}

fn bind_tcp(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for connections of the former run to time out (RFC 9293 §3.6.1).
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from(socket);
    let address = listener.local_addr()?;
    Ok((listener, address))
}

fn bind_udp(address: SocketAddr, buffer: Size) -> io::Result<Media> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    // The system grants what its limits allow and reports no error; what it granted is told at start.
    socket.set_recv_buffer_size(buffer.0)?;
    socket.set_send_buffer_size(buffer.0)?;
    // Linux reports twice of what it was asked for, half of it for its own book-keeping (socket(7)).
    let share = if cfg!(target_os = "linux") { 2 } else { 1 };
    let (receive_buffer, send_buffer) =
        (socket.recv_buffer_size()? / share, socket.send_buffer_size()? / share);
    socket.bind(&address.into())?;
    Ok(Media { socket: socket.into(), address, receive_buffer, send_buffer })
}

/// The addresses that clients are told: the operator's, else the one listened on, else those of the interfaces.
pub(crate) fn announced(config: &Config) -> Result<Vec<IpAddr>, StartError> {
    if !config.announce.is_empty() {
        return Ok(config.announce.clone());
    }
    let listen = config.listen.ip();
    if !listen.is_unspecified() {
        return Ok(vec![listen]);
    }
    let interfaces = if_addrs::get_if_addrs().map_err(StartError::Interfaces)?;
    Ok(reachable(interfaces.iter().map(if_addrs::Interface::ip), listen.is_ipv6()))
}

/// Which of the host's addresses another machine could reach; loopback only where there is nothing else.
fn reachable(addresses: impl Iterator<Item = IpAddr>, version_6: bool) -> Vec<IpAddr> {
    // An IPv6 link-local address means nothing without an interface, which a candidate cannot carry (RFC 8445 §5.1.1.1).
    let link_local = |ip: &IpAddr| matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    let mut usable: Vec<_> = addresses
        .filter(|ip| (version_6 || ip.is_ipv4()) && !ip.is_unspecified() && !link_local(ip))
        .collect();
    usable.sort_unstable();
    usable.dedup();
    if usable.iter().any(|ip| !ip.is_loopback()) {
        usable.retain(|ip| !ip.is_loopback());
    }
    usable.truncate(MAX_ANNOUNCED);
    usable
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use super::*;

    #[test]
    fn clients_are_told_addresses_that_they_can_reach() {
        for (version_6, own, told, why) in [
            (
                false,
                &["127.0.0.1", "192.0.2.7", "fe80::1", "2001:db8::7"][..],
                &["192.0.2.7"][..],
                "IPv4 only",
            ),
            (
                true,
                &["127.0.0.1", "192.0.2.7", "fe80::1", "2001:db8::7"],
                &["192.0.2.7", "2001:db8::7"],
                "both",
            ),
            (true, &["127.0.0.1", "::1"], &["127.0.0.1", "::1"], "a machine without a network"),
            (false, &["10.0.0.1", "10.0.0.1"], &["10.0.0.1"], "an address on two interfaces"),
        ] {
            let own = own.iter().map(|ip| ip.parse().unwrap());
            let told: Vec<IpAddr> = told.iter().map(|ip| ip.parse().unwrap()).collect();
            assert_eq!(reachable(own, version_6), told, "{why}");
        }
    }

    #[test]
    fn media_ports_follow_the_page() {
        let config = Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            workers: NonZeroU16::new(3),
            ..Config::default()
        };
        let sockets = bind(&config).unwrap();
        let first = sockets.address.port();
        let ports: Vec<_> = sockets.media.iter().map(|media| media.address.port()).collect();
        assert_eq!(ports, [first, first + 1, first + 2]);
        assert!(sockets.media.iter().all(|media| media.receive_buffer > 0 && media.send_buffer > 0));
    }

    #[test]
    fn a_port_in_use_is_named_with_what_to_do() {
        let loopback = |port| SocketAddr::new(std::net::Ipv4Addr::LOCALHOST.into(), port);
        let config =
            |port| Config { listen: loopback(port), workers: NonZeroU16::new(1), ..Config::default() };
        let holder = bind(&config(0)).unwrap();
        let error = bind(&config(holder.address.port())).unwrap_err();
        assert_eq!(error.exit_code(), 1);
        let text = error.to_string();
        assert!(text.contains("in use") && text.contains("--listen"), "{text}");
    }
}
