//! Over real loopback sockets: what leaves in runs arrives as single datagrams, and answers come from the right address.

use super::*;

fn bound(address: &str) -> MediaSocket {
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_nonblocking(true).unwrap();
    MediaSocket::new(socket).unwrap()
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
    for datagram in &datagrams {
        a.send(a.bound, b.bound, datagram);
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
        client.send(client.bound, asked, b"question");
        client.flush();
        let question = receive(&mut server, 1).await.remove(0);
        assert_eq!((question.local, question.source), (asked, client.bound), "{wildcard}");
        server.send(question.local, question.source, b"answer");
        server.flush();
        let answer = receive(&mut client, 1).await.remove(0);
        assert_eq!(answer.source, asked, "{wildcard}");
    }
}

#[tokio::test]
async fn a_refused_datagram_is_counted_and_others_leave() {
    let (mut a, mut b) = (bound("127.0.0.1:0"), bound("127.0.0.1:0"));
    // Larger than UDP can carry.
    a.send(a.bound, b.bound, &[0; 65_536]);
    a.send(a.bound, b.bound, &[1]);
    a.flush();
    assert_eq!(receive(&mut b, 1).await[0].data[..], [1]);
    assert_eq!((a.counters.sent, a.counters.refused), (1, 1));
}
