//! Bodies, read late: after the checks that need none, and within a time.

use std::time::Duration;

use actix_web::{HttpRequest, dev::JsonBody, web::Payload};
use serde::de::DeserializeOwned;

use super::reply::HttpError;
use crate::protocol::object::Object;

/// Largest JSON body, in bytes: that of a frame (PROTOCOL section 1).
const LIMIT: usize = 64 * 1024;

/// How long a body may take to come. The HTTP stack bounds the head only, so that a client could hold a connection, and
/// what was taken for it, for as long as it likes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads a JSON body, which is an object. A handler takes the [`Payload`] and calls this once it knows that the client
/// may ask at all.
///
/// # Errors
/// 408 when the body takes more than 10 s; 413 above 64 KiB; 415 for another `Content-Type`; `malformed`.
pub async fn json<T: DeserializeOwned + 'static>(request: &HttpRequest, payload: Payload) -> Result<T, HttpError> {
    json_within(PATIENCE, request, payload).await
}

async fn json_within<T: DeserializeOwned + 'static>(
    patience: Duration,
    request: &HttpRequest,
    payload: Payload,
) -> Result<T, HttpError> {
    let body = JsonBody::<Object<T>>::new(request, &mut payload.into_inner(), None, true).limit(LIMIT);
    let read = tokio::time::timeout(patience, body).await.map_err(|_| HttpError::body_too_slow())?;
    read.map(|Object(value)| value).map_err(HttpError::from)
}

#[cfg(test)]
mod tests {
    use actix_http::BoxedPayloadStream;
    use actix_web::{FromRequest, ResponseError, dev, test::TestRequest};
    use futures_util::stream;
    use serde::Deserialize;

    use super::*;

    #[actix_web::test]
    async fn a_body_that_stalls_is_given_up() {
        let (request, _) = TestRequest::post().insert_header(("content-type", "application/json")).to_http_parts();
        let mut stalled = dev::Payload::from(Box::pin(stream::pending()) as BoxedPayloadStream);
        let payload = Payload::from_request(&request, &mut stalled).await.unwrap();
        let refused = json_within::<u8>(Duration::from_millis(1), &request, payload).await.unwrap_err();
        assert_eq!(refused.error_response().status(), 408);
        assert!(refused.error_response().head().connection_type() == actix_web::http::ConnectionType::Close);
    }

    #[actix_web::test]
    async fn a_body_is_an_object_of_a_bounded_size() {
        #[derive(Deserialize)]
        struct Numbered {
            number: u8,
        }
        let bodies = [
            (r#"{"number": 7}"#.to_owned(), 200),
            ("[7]".into(), 400),
            ("x".into(), 400),
            (" ".repeat(LIMIT + 1), 413),
        ];
        for (text, status) in bodies {
            let request = TestRequest::post().insert_header(("content-type", "application/json"));
            let (request, mut payload) = request.set_payload(text).to_http_parts();
            let payload = Payload::from_request(&request, &mut payload).await.unwrap();
            let read = json::<Numbered>(&request, payload).await.map(|body| assert_eq!(body.number, 7));
            assert_eq!(read.map_or_else(|error| error.status.as_u16(), |()| 200), status);
        }
    }
}
