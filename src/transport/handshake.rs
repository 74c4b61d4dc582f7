//! The opening handshake: what a request must bring (RFC 6455 section 4.2.1), and the answer.

use actix_http::ws::hash_key;
use actix_web::{
    HttpMessage, HttpRequest, HttpResponse, ResponseError,
    http::{Method, StatusCode, Version, header},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

/// The one version of the protocol (RFC 6455 section 4.1).
const VERSION: &str = "13";

/// Bytes of the client's nonce (RFC 6455 section 4.1).
const KEY_BYTES: usize = 16;

/// Marks, among a request's extensions, that its connection is the upgrade service's: only there can a 101 be followed
/// by frames. The HTTP stack hands over what says `Upgrade: websocket` and nothing else, so `websocket, h2c` never comes
/// so far, and a 101 to it would leave a client and this server speaking different protocols.
#[derive(Debug, Clone, Copy)]
pub(super) struct Upgrading;

/// Why a request is no opening handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a GET.
    #[error("a WebSocket is opened with GET")]
    Method,
    /// Not exactly `Upgrade: websocket` with `Connection: Upgrade` over HTTP/1.1.
    #[error("this address speaks WebSocket only")]
    NotWebSocket,
    /// A version other than 13, or none.
    #[error("only version 13 of the WebSocket protocol is spoken")]
    Version,
    /// `Sec-WebSocket-Key` is missing or not 16 bytes in base64.
    #[error("Sec-WebSocket-Key must be 16 bytes in base64")]
    Key,
    /// The request announces a body, which would be read as frames.
    #[error("a WebSocket handshake has no body")]
    Body,
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotWebSocket | Self::Version => StatusCode::UPGRADE_REQUIRED,
            Self::Key | Self::Body => StatusCode::BAD_REQUEST,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        match self {
            Self::Method => {
                response.insert_header((header::ALLOW, "GET"));
            }
            Self::NotWebSocket | Self::Version => {
                response
                    .insert_header((header::UPGRADE, "websocket"))
                    .insert_header((header::SEC_WEBSOCKET_VERSION, VERSION));
            }
            Self::Key | Self::Body => {}
        }
        response.json(serde_json::json!({
            "error": { "code": "invalid_argument", "message": self.to_string() }
        }))
    }
}

/// A request that is a proper opening handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// The value of `Sec-WebSocket-Accept`.
    accept: [u8; 28],
}

impl Handshake {
    /// The 101 that accepts it, with the subprotocol chosen if any.
    ///
    /// Useful only together with an [`Admission`](super::admission::Admission).
    pub(super) fn response(&self, protocol: Option<&str>) -> HttpResponse {
        let mut response = HttpResponse::SwitchingProtocols();
        response.upgrade("websocket").insert_header((header::SEC_WEBSOCKET_ACCEPT, &self.accept[..]));
        if let Some(protocol) = protocol {
            response.insert_header((header::SEC_WEBSOCKET_PROTOCOL, protocol));
        }
        response.finish()
    }
}

/// Checks that a request opens a WebSocket.
///
/// # Errors
/// A [`Refusal`], whose response is the answer to give.
pub fn verify(request: &HttpRequest) -> Result<Handshake, Refusal> {
    if request.method() != Method::GET {
        return Err(Refusal::Method);
    }
    if !request.extensions().contains::<Upgrading>()
        || request.version() != Version::HTTP_11
        || !is_exactly(request, &header::UPGRADE, "websocket")
        || !lists(request, &header::CONNECTION, "upgrade")
    {
        return Err(Refusal::NotWebSocket);
    }
    let headers = request.headers();
    let length = headers.get(header::CONTENT_LENGTH);
    if headers.contains_key(header::TRANSFER_ENCODING) || length.is_some_and(|value| value != "0") {
        return Err(Refusal::Body);
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != VERSION) {
        return Err(Refusal::Version);
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).ok_or(Refusal::Key)?;
    match STANDARD.decode(key) {
        Ok(nonce) if nonce.len() == KEY_BYTES => Ok(Handshake { accept: hash_key(key.as_bytes()) }),
        _ => Err(Refusal::Key),
    }
}

/// The subprotocols the client offers, in its order (RFC 6455 section 4.1).
pub fn offered(request: &HttpRequest) -> impl Iterator<Item = &str> {
    items(request, &header::SEC_WEBSOCKET_PROTOCOL)
}

fn is_exactly(request: &HttpRequest, name: &header::HeaderName, wanted: &str) -> bool {
    let mut values = request.headers().get_all(name);
    let only = values.next().and_then(|value| value.to_str().ok());
    values.next().is_none() && only.is_some_and(|value| value.trim().eq_ignore_ascii_case(wanted))
}

fn lists(request: &HttpRequest, name: &header::HeaderName, wanted: &str) -> bool {
    items(request, name).any(|item| item.eq_ignore_ascii_case(wanted))
}

fn items<'a>(request: &'a HttpRequest, name: &header::HeaderName) -> impl Iterator<Item = &'a str> {
    (request.headers().get_all(name))
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    const GOOD: [(&str, &str); 4] = [
        ("upgrade", "WebSocket"),
        ("connection", "keep-alive, Upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    fn request(changed: &str, value: Option<&str>) -> HttpRequest {
        let kept = GOOD.into_iter().filter(|(name, _)| *name != changed);
        let changed = value.map(|value| (changed, value));
        let request = (kept.chain(changed))
            .fold(TestRequest::get(), |request, header| request.append_header(header))
            .to_http_request();
        request.extensions_mut().insert(Upgrading);
        request
    }

    #[test]
    fn a_handshake_outside_of_the_upgrade_service_is_none() {
        let stray = request("", None);
        stray.extensions_mut().remove::<Upgrading>();
        assert_eq!(verify(&stray), Err(Refusal::NotWebSocket));
    }

    #[test]
    fn the_example_of_the_rfc_is_accepted() {
        let handshake = verify(&request("", None)).unwrap();
        assert_eq!(&handshake.accept, b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let response = handshake.response(Some("hubbub.v1"));
        assert_eq!(response.status(), 101);
        assert_eq!(response.headers().get("sec-websocket-protocol").unwrap(), "hubbub.v1");
    }

    #[test]
    fn what_is_missing_is_named() {
        for (name, value, refusal, status) in [
            ("upgrade", None, Refusal::NotWebSocket, 426),
            ("upgrade", Some("h2c"), Refusal::NotWebSocket, 426),
            ("upgrade", Some("websocket, h2c"), Refusal::NotWebSocket, 426),
            ("connection", Some("keep-alive"), Refusal::NotWebSocket, 426),
            ("sec-websocket-version", None, Refusal::Version, 426),
            ("sec-websocket-version", Some("8"), Refusal::Version, 426),
            ("sec-websocket-key", None, Refusal::Key, 400),
            ("sec-websocket-key", Some("c2hvcnQ="), Refusal::Key, 400),
            ("sec-websocket-key", Some("not base64"), Refusal::Key, 400),
            ("content-length", Some("5"), Refusal::Body, 400),
            ("transfer-encoding", Some("chunked"), Refusal::Body, 400),
        ] {
            assert_eq!(verify(&request(name, value)), Err(refusal), "{name} {value:?}");
            let response = refusal.error_response();
            assert_eq!(response.status(), status);
            let version = response.headers().get("sec-websocket-version");
            assert_eq!(version.is_some(), status == 426);
        }
        let post = TestRequest::post().to_http_request();
        assert_eq!(verify(&post), Err(Refusal::Method));
    }

    #[test]
    fn offers_come_in_order_over_several_headers() {
        let request = TestRequest::get()
            .append_header(("sec-websocket-protocol", "hubbub.v1, hubbub.token.abc"))
            .append_header(("sec-websocket-protocol", "other"))
            .to_http_request();
        let offers: Vec<&str> = offered(&request).collect();
        assert_eq!(offers, ["hubbub.v1", "hubbub.token.abc", "other"]);
    }
}
