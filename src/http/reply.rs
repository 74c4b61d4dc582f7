//! The one form of an error: `{"error": {"code", "message", "retryAfterMs"?}}` with the status of its code.

use actix_web::{
    HttpResponse, ResponseError,
    error::{JsonPayloadError, PathError, QueryPayloadError},
    http::{StatusCode, header},
};
use serde::Serialize;

use crate::{
    auth::accounts::AccountsError,
    broker::{RETRY_AFTER_MS, Unavailable},
    protocol::{
        error::{ErrorCode, Refusal},
        ids::Millis,
    },
};

/// A refusal on its way out of a handler.
#[derive(Debug, thiserror::Error)]
#[error("{refusal}")]
pub struct HttpError {
    /// What is told.
    pub refusal: Refusal,
    /// The status; that of the code, unless HTTP has a better one.
    pub status: StatusCode,
    /// For 405: the methods there are.
    pub allow: Option<String>,
}

/// What a handler gives.
pub type Answer = Result<HttpResponse, HttpError>;

/// The body of an error.
#[derive(Debug, Serialize)]
struct Body<'a> {
    error: Fields<'a>,
}

/// What it tells.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Fields<'a> {
    code: ErrorCode,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<Millis>,
}

impl HttpError {
    /// `not_found`.
    pub fn not_found(what: &'static str) -> Self {
        Refusal::new(ErrorCode::NotFound, what).into()
    }

    /// 408: the body did not come in time. The connection ends, since the rest of it may come later.
    pub fn body_too_slow() -> Self {
        let refusal = Refusal::new(ErrorCode::Malformed, "the body did not come in time");
        Self { status: StatusCode::REQUEST_TIMEOUT, allow: None, refusal }
    }

    /// 405 with the methods there are.
    pub fn method_not_allowed(allow: String) -> Self {
        let refusal = Refusal::new(ErrorCode::InvalidArgument, format!("this path takes {allow}"));
        Self { status: StatusCode::METHOD_NOT_ALLOWED, allow: Some(allow), refusal }
    }
}

impl From<Refusal> for HttpError {
    fn from(refusal: Refusal) -> Self {
        let status = StatusCode::from_u16(refusal.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { refusal, status, allow: None }
    }
}

impl From<Unavailable> for HttpError {
    fn from(error: Unavailable) -> Self {
        Refusal::from(error).into()
    }
}

impl From<AccountsError> for HttpError {
    fn from(error: AccountsError) -> Self {
        match error {
            AccountsError::NameTaken => Refusal::new(ErrorCode::Conflict, error.to_string()),
            AccountsError::Unavailable => Refusal::unavailable(error.to_string(), RETRY_AFTER_MS),
        }
        .into()
    }
}

impl From<actix::MailboxError> for HttpError {
    fn from(_: actix::MailboxError) -> Self {
        Refusal::unavailable("the hub is busy", RETRY_AFTER_MS).into()
    }
}

impl From<JsonPayloadError> for HttpError {
    fn from(error: JsonPayloadError) -> Self {
        match error {
            JsonPayloadError::Overflow { .. } | JsonPayloadError::OverflowKnownLength { .. } => Self {
                status: StatusCode::PAYLOAD_TOO_LARGE,
                ..Refusal::new(ErrorCode::InvalidArgument, "the body is too large").into()
            },
            JsonPayloadError::ContentType => Self {
                status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
                ..Refusal::new(ErrorCode::Malformed, "the body is JSON with Content-Type: application/json").into()
            },
            // Where, and no more: what stands there may be a password, and the refusal is shown to admins.
            JsonPayloadError::Deserialize(error) => {
                let (line, column) = (error.line(), error.column());
                let message = format!("the body is not the JSON asked for: line {line}, column {column}");
                Refusal::new(ErrorCode::Malformed, message).into()
            }
            other => Refusal::new(ErrorCode::Malformed, other.to_string()).into(),
        }
    }
}

impl From<QueryPayloadError> for HttpError {
    fn from(error: QueryPayloadError) -> Self {
        let why = match error {
            QueryPayloadError::Deserialize(error) => error.to_string(),
            other => other.to_string(),
        };
        Refusal::new(ErrorCode::InvalidArgument, format!("the query cannot be read: {why}")).into()
    }
}

impl From<PathError> for HttpError {
    fn from(error: PathError) -> Self {
        Refusal::new(ErrorCode::InvalidArgument, format!("the path cannot be read: {error}")).into()
    }
}

impl ResponseError for HttpError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let Refusal { code, message, retry_after_ms } = &self.refusal;
        let mut response = HttpResponse::build(self.status);
        if let Some(ms) = retry_after_ms {
            // Whole seconds (RFC 9110 section 10.2.3), and never sooner than the exact time beside it.
            response.insert_header((header::RETRY_AFTER, ms.div_ceil(1_000).to_string()));
        }
        if let Some(allow) = &self.allow {
            response.insert_header((header::ALLOW, allow.as_str()));
        }
        if self.status == StatusCode::REQUEST_TIMEOUT {
            response.force_close();
        }
        if self.status == StatusCode::UNAUTHORIZED {
            // A 401 names a scheme (RFC 9110 section 11.6.1).
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"hubbub\""));
        }
        response.json(Body { error: Fields { code: *code, message, retry_after_ms: *retry_after_ms } })
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{body::to_bytes, rt::System};
    use serde_json::{Value, json};

    use super::*;

    fn parts(error: HttpError) -> (u16, Option<String>, Value) {
        let response = error.error_response();
        let retry = response.headers().get(header::RETRY_AFTER).map(|value| value.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        let body = System::new().block_on(to_bytes(response.into_body())).unwrap();
        (status, retry, serde_json::from_slice(&body).unwrap())
    }

    #[test]
    fn a_temporary_refusal_says_when_to_come_back() {
        let (status, retry, body) = parts(Refusal::rate_limited("slow down", 1_001).into());
        assert_eq!((status, retry.as_deref()), (429, Some("2")));
        assert_eq!(body, json!({"error": {"code": "rate_limited", "message": "slow down", "retryAfterMs": 1_001}}));
    }

    #[test]
    fn every_code_has_a_status() {
        for &code in ErrorCode::ALL {
            let (status, _, body) = parts(Refusal::new(code, "no").into());
            assert_eq!(status, code.http_status());
            assert_eq!(body["error"]["code"], code.as_str());
        }
    }

    #[test]
    fn a_body_that_cannot_be_read_is_malformed_and_not_repeated() {
        for text in ["[1,", "{}", "\"hunter2\"", "[\"hunter2\"]"] {
            let error = serde_json::from_str::<Vec<u8>>(text).unwrap_err();
            let refusal = HttpError::from(JsonPayloadError::Deserialize(error)).refusal;
            assert_eq!(refusal.code, ErrorCode::Malformed);
            assert!(refusal.message.contains("line 1, column ") && !refusal.message.contains("hunter2"), "{refusal}");
        }
        let large = HttpError::from(JsonPayloadError::Overflow { limit: 1 });
        assert_eq!(large.status, 413);
    }
}
