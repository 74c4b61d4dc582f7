//! The opening handshake, and what else may carry `Connection: Upgrade`.

use super::client::{Client, PING, PONG, TEXT, close, frame, handshake, said, said_close};

fn ask(request: &str) -> (String, String) {
    let mut client = Client::raw(*super::ECHO);
    client.send(request.as_bytes());
    let head = client.head();
    (head, String::from_utf8(client.rest()).unwrap())
}

/// The good handshake with one header line changed, to `/echo`.
fn changed(from: &str, to: &str) -> String {
    let good = String::from_utf8(handshake("/echo")).unwrap();
    assert!(good.contains(from));
    good.replace(from, to)
}

#[test]
fn the_answer_proves_the_key_and_names_one_protocol() {
    let mut client = Client::raw(*super::ECHO);
    let offer = "Sec-WebSocket-Protocol: other, echo\r\nHost:";
    client.send(changed("Host:", offer).as_bytes());
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 101 switching protocols\r\n"), "{head}");
    for line in [
        "\r\nupgrade: websocket\r\n",
        "\r\nconnection: upgrade\r\n",
        "\r\nsec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n",
        "\r\nsec-websocket-protocol: echo\r\n",
    ] {
        assert!(head.contains(line), "{line} in {head}");
    }
    assert!(!head.contains("content-length") && !head.contains("transfer-encoding"));
}

#[test]
fn frames_right_behind_the_handshake_are_heard() {
    let mut client = Client::raw(*super::ECHO);
    let early = [frame(TEXT, b"early"), frame(PING, b"bird"), close(1000)];
    client.send(&[handshake("/echo"), early.concat()].concat());
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    let want = [said(TEXT, b"early"), said(PONG, b"bird"), said_close(1000)];
    assert_eq!(client.transcript(), want);
}

#[test]
fn a_bad_handshake_gets_an_ordinary_answer_and_the_end() {
    for (from, to, status) in [
        ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8", "426"),
        ("Sec-WebSocket-Key: dGhl", "Sec-WebSocket-Key: d", "400"),
        ("GET", "POST", "405"),
        ("Host:", "Content-Length: 5\r\nHost:", "400"),
    ] {
        let (head, body) = ask(&changed(from, to));
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        // A 426 also names the upgrade it wants there (RFC 9110 section 7.8).
        assert!(head.contains("\r\nconnection: close"), "{head}");
        assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())), "{head}");
        assert_eq!(head.contains("\r\nsec-websocket-version: 13\r\n"), status == "426");
        assert!(body.starts_with("{\"error\":{\"code\":\"invalid_argument\""), "{body}");
    }
}

#[test]
fn a_list_of_upgrades_is_no_handshake() {
    // The HTTP stack keeps such a request to itself, and nobody would speak WebSocket behind a 101.
    for list in ["websocket, h2c", "h2c, websocket"] {
        let (head, _) = ask(&changed("Upgrade: websocket", &format!("Upgrade: {list}")));
        assert!(head.starts_with("HTTP/1.1 426 "), "{head}");
    }
}

#[test]
fn other_routes_answer_an_upgrade_as_ever() {
    let missing = String::from_utf8(handshake("/nowhere")).unwrap();
    assert!(ask(&missing).0.starts_with("HTTP/1.1 404 "));
    let page = String::from_utf8(handshake("/")).unwrap();
    let (head, body) = ask(&page);
    assert!(head.starts_with("HTTP/1.1 200 ") && body == "echo", "{head}{body}");
    let h2c = page.replace("Upgrade: websocket", "Upgrade: h2c");
    let (head, body) = ask(&h2c.replace("Connection: Upgrade", "Connection: Upgrade, close"));
    assert!(head.starts_with("HTTP/1.1 200 ") && body == "echo", "{head}{body}");
}

#[test]
fn a_page_keeps_its_connection() {
    let mut client = Client::raw(*super::ECHO);
    for _ in 0..2 {
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let head = client.head();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let mut body = [0; 4];
        std::io::Read::read_exact(&mut client.stream, &mut body).unwrap();
        assert_eq!(&body, b"echo");
    }
    client.send(b"GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(client.head().starts_with("HTTP/1.1 426 "));
}
