//! JWTs of any shape, signed by a library of its own.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::{Server, server::Setup};

/// The secret of the servers that take JWTs.
pub(crate) const JWT_SECRET: &str = "a secret of the tests, 32 characters or more";

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

/// Signs any claims in any way.
pub(crate) fn sign(algorithm: Algorithm, secret: &str, claims: &Value) -> String {
    encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

/// A good JWT with these claims beside `exp`.
pub(crate) fn jwt(mut claims: Value) -> String {
    if claims.get("exp").is_none() {
        claims["exp"] = json!(now() + 600);
    }
    sign(Algorithm::HS256, JWT_SECRET, &claims)
}

/// A good JWT of a subject with a role.
pub(crate) fn of(sub: &str, role: &str) -> String {
    jwt(json!({"sub": sub, "role": role}))
}

/// An administrator's JWT.
pub(crate) fn admin() -> String {
    of("root", "admin")
}

impl Server {
    /// A setup of a server that takes JWTs.
    pub(crate) fn with_jwt() -> Setup {
        Self::setup().env("JWT_SECRET", JWT_SECRET)
    }
}
