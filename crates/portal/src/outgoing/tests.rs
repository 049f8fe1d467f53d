use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

fn strict() -> Outgoing {
    Outgoing::new(false, AddressList::default()).unwrap()
}

/// A server that answers every connection with `answer`, and where it listens.
async fn server(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0_u8; 4096];
            let _read = stream.read(&mut request).await;
            let _sent = stream.write_all(&answer).await;
        }
    });
    url
}

#[test]
fn addresses_inside_are_not_public() {
    for inside in [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fd00::1",
        "ff02::1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "2002:a00:1::",
        "2001:db8::1",
    ] {
        assert!(!is_public(inside.parse().unwrap()), "{inside}");
    }
    for outside in ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "::ffff:1.1.1.1"] {
        assert!(is_public(outside.parse().unwrap()), "{outside}");
    }
}

#[test]
fn only_https_and_only_to_the_public() {
    let outgoing = strict();
    for (url, error) in [
        ("http://example.com/", OutgoingError::Url),
        ("ftp://example.com/", OutgoingError::Url),
        ("http://127.0.0.1/", OutgoingError::Url),
        ("https://127.0.0.1/", OutgoingError::Private),
        ("https://[::1]/", OutgoingError::Private),
        ("https://169.254.169.254/latest", OutgoingError::Private),
        // The URL parser reads these as 127.0.0.1.
        ("https://2130706433/", OutgoingError::Private),
        ("https://0x7f.1/", OutgoingError::Private),
    ] {
        assert_eq!(outgoing.check(url).err(), Some(error), "{url}");
    }
    assert!(outgoing.check("https://example.com/logout").is_ok());
    let listed = Outgoing::new(false, "10.0.0.0/8".parse().unwrap()).unwrap();
    assert!(listed.check("https://10.1.2.3/").is_ok());
    assert!(listed.check("https://192.168.0.1/").is_err());
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_after_resolution() {
    let refused = strict().post_form("https://localhost:1/", &[]).await;
    assert_eq!(refused.err(), Some(OutgoingError::Private));
}

#[tokio::test]
async fn redirects_are_not_followed_and_large_answers_not_read() {
    let outgoing = Outgoing::new(true, AddressList::default()).unwrap();
    let away = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    let answer = outgoing.post_form(&server(away.to_vec()).await, &[("a", "b")]).await.unwrap();
    assert_eq!(answer.status, StatusCode::FOUND);
    let mut large = b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n".to_vec();
    large.resize(large.len() + 100_000, b'x');
    let answer = outgoing.post_form(&server(large).await, &[]).await;
    assert_eq!(answer.err(), Some(OutgoingError::TooLarge));
    let gone = outgoing.post_form("http://127.0.0.1:1/", &[]).await;
    assert_eq!(gone.err(), Some(OutgoingError::Connection));
}
