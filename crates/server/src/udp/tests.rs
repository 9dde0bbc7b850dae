//! Over real loopback sockets: what leaves in runs arrives as single datagrams, and answers come from the right address.

use transport::Protocol;

use super::*;

fn bound(address: &str) -> MediaSocket {
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_nonblocking(true).unwrap();
    MediaSocket::new(socket).unwrap()
}

/// Datagrams from one to another: all of the size of the first, but for a shorter last one.
fn run(local: SocketAddr, destination: SocketAddr, datagrams: &[&[u8]]) -> Transmit {
    let segment = datagrams[0].len();
    Transmit { protocol: Protocol::Udp, local, destination, datagrams: datagrams.concat().into(), segment }
}

/// Receives until `count` datagrams are there.
async fn receive(socket: &mut MediaSocket, count: usize) -> Vec<Arrival> {
    let mut arrivals = Vec::new();
    while arrivals.len() < count {
        socket.readable().await.unwrap();
        socket.receive(&mut arrivals);
    }
    arrivals
}

#[tokio::test]
async fn runs_arrive_as_datagrams() {
    let (mut a, mut b) = (bound("127.0.0.1:0"), bound("127.0.0.1:0"));
    let datagrams: Vec<Vec<u8>> =
        (0..100u8).map(|i| vec![i; if i % 10 == 9 { 700 } else { 1_100 }]).collect();
    for frame in datagrams.chunks(10) {
        a.send(run(a.bound, b.bound, &frame.iter().map(|datagram| &datagram[..]).collect::<Vec<_>>()));
    }
    a.flush();
    let arrived = receive(&mut b, datagrams.len()).await;
    assert!(arrived.iter().all(|arrival| arrival.local == b.bound && arrival.source == a.bound));
    assert_eq!(arrived.into_iter().map(|arrival| arrival.data.to_vec()).collect::<Vec<_>>(), datagrams);
    assert_eq!((a.counters.sent, a.counters.send_buffer_full, a.counters.refused), (100, 0, 0));
    assert_eq!(b.counters.received, 100);
    if a.state.max_gso_segments() > 1 {
        assert_eq!(a.counters.sends, 10, "ten frames, ten system calls");
    }
}

#[tokio::test]
async fn what_goes_to_many_in_equal_form_takes_few_system_calls() {
    let mut from = bound("0.0.0.0:0");
    let mut receivers: Vec<MediaSocket> = (0..40).map(|_| bound("127.0.0.1:0")).collect();
    let local = SocketAddr::new([127, 0, 0, 1].into(), from.bound.port());
    for (at, receiver) in receivers.iter().enumerate() {
        // Half of them get runs, as different sizes cannot be told in one call.
        let parts: Vec<[u8; 3]> = (0..=(at / 20) as u8).map(|part| [at as u8, part, 0]).collect();
        from.send(run(local, receiver.bound, &parts.iter().map(|part| &part[..]).collect::<Vec<_>>()));
    }
    from.flush();
    for (at, receiver) in receivers.iter_mut().enumerate() {
        let arrived = receive(receiver, 1 + at / 20).await;
        assert!(arrived.iter().all(|arrival| arrival.source == local && arrival.data[0] == at as u8));
    }
    assert_eq!((from.counters.sent, from.counters.refused), (60, 0));
    if cfg!(target_os = "linux") && from.state.max_gso_segments() > 1 {
        assert_eq!((from.counters.sends, from.counters.calls), (40, 2));
    }
}

#[tokio::test]
async fn one_that_is_refused_does_not_hold_up_those_behind_it() {
    let (mut a, mut b) = (bound("127.0.0.1:0"), bound("127.0.0.1:0"));
    // Nobody may send to a broadcast address unasked.
    let forbidden = SocketAddr::new([255, 255, 255, 255].into(), 9);
    for destination in [b.bound, forbidden, b.bound, forbidden] {
        a.send(run(a.bound, destination, &[&[7; 100]]));
        a.send(run(a.bound, b.bound, &[&[8; 120]]));
    }
    a.flush();
    let arrived = receive(&mut b, 6).await;
    assert_eq!(arrived.iter().filter(|arrival| arrival.data.len() == 120).count(), 4);
    assert_eq!((a.counters.sent, a.counters.refused), (6, 2));
}

#[tokio::test]
async fn without_segmentation_every_datagram_has_a_call_of_its_own_and_all_arrive() {
    let (mut a, mut b) = (bound("127.0.0.1:0"), bound("127.0.0.1:0"));
    a.limit_segments(1);
    let datagrams: Vec<[u8; 1_100]> = (0..20).map(|i| [i; 1_100]).collect();
    a.send(run(a.bound, b.bound, &datagrams.iter().map(|datagram| &datagram[..]).collect::<Vec<_>>()));
    a.flush();
    let arrived: Vec<u8> = receive(&mut b, 20).await.iter().map(|arrival| arrival.data[0]).collect();
    assert_eq!(arrived, (0..20).collect::<Vec<_>>());
    assert_eq!((a.counters.sent, a.counters.sends), (20, 20));
}

#[tokio::test]
async fn a_wildcard_socket_answers_from_the_address_that_was_asked() {
    // A socket of version 6 for both versions: the peer of version 4 must see plain addresses at both ends.
    for (wildcard, client, asked) in [
        ("0.0.0.0:0", "127.0.0.1:0", "127.0.0.2"),
        ("[::]:0", "127.0.0.1:0", "127.0.0.2"),
        ("[::]:0", "[::1]:0", "::1"),
    ] {
        // A machine without version 6 cannot be asked about it.
        if UdpSocket::bind(wildcard).is_err() {
            continue;
        }
        let (mut server, mut client) = (bound(wildcard), bound(client));
        let asked = SocketAddr::new(asked.parse().unwrap(), server.bound.port());
        client.send(run(client.bound, asked, &[b"question"]));
        client.flush();
        let question = receive(&mut server, 1).await.remove(0);
        assert_eq!((question.local, question.source), (asked, client.bound), "{wildcard}");
        server.send(run(question.local, question.source, &[b"answer"]));
        server.flush();
        let answer = receive(&mut client, 1).await.remove(0);
        assert_eq!(answer.source, asked, "{wildcard}");
    }
}

#[tokio::test]
async fn a_refused_datagram_is_counted_and_others_leave() {
    let (mut a, mut b) = (bound("127.0.0.1:0"), bound("127.0.0.1:0"));
    // Larger than UDP can carry.
    a.send(run(a.bound, b.bound, &[&[0; 65_536]]));
    a.send(run(a.bound, b.bound, &[&[1]]));
    a.flush();
    assert_eq!(receive(&mut b, 1).await[0].data[..], [1]);
    assert_eq!((a.counters.sent, a.counters.refused), (1, 1));
}
