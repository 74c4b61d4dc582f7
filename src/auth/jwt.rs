//! JSON Web Tokens (RFC 7519): HS256 only, so that no header can choose another way to verify.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, errors::ErrorKind};
use serde::{Deserialize, Serialize};

use super::{config::InvalidSetting, secret::Secret};
use crate::protocol::{
    error::{ErrorCode, Refusal},
    ids::{MAX_SAFE_INTEGER, Millis, UserId},
    text,
    user::{Role, User},
};

/// How far clocks may disagree, in milliseconds (PROTOCOL section 1).
pub const LEEWAY_MS: Millis = 30_000;
/// Longest `sub`, in bytes.
pub const MAX_SUB_BYTES: usize = 64;

/// What a valid JWT says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Who: id `j:<sub>`, the name (or the start of `sub`) and the role (or member).
    pub user: User,
    /// When it stops to count, with the leeway. What was let in by it ends then.
    pub expires_ms: Millis,
}

/// What `hubbub token` puts in a JWT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The subject: `[A-Za-z0-9._@|-]{1,64}`.
    pub sub: String,
    /// The display name, if it shall differ from the subject.
    pub name: Option<String>,
    /// The role.
    pub role: Role,
    /// When it ends; written in whole seconds, rounded up.
    pub expires_ms: Millis,
}

/// The claims as written. Times are seconds and may have a fraction (RFC 7519 section 2, `NumericDate`).
#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    exp: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role: Option<String>,
}

/// Verifies and signs JWTs with one secret.
pub struct Jwt {
    keys: Option<(EncodingKey, DecodingKey)>,
    validation: Validation,
}

impl Jwt {
    /// With `JWT_SECRET`; without one (or an empty one) every JWT is refused.
    ///
    /// # Errors
    /// A secret below 32 characters.
    pub fn new(secret: Option<&Secret>) -> Result<Self, InvalidSetting> {
        let keys = match Secret::given(secret) {
            None => None,
            Some(secret) => {
                secret.require_strong("JWT_SECRET")?;
                let bytes = secret.expose().as_bytes();
                Some((EncodingKey::from_secret(bytes), DecodingKey::from_secret(bytes)))
            }
        };
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["sub", "exp"]);
        // The times are checked here against the caller's clock, which tests can set.
        validation.validate_exp = false;
        Ok(Self { keys, validation })
    }

    /// Checks a token at `now_ms` and says who it names. A token for an audience (`aud`) is for somebody else.
    ///
    /// # Errors
    /// `unauthorized`, with a sentence that says what is wrong with the token.
    pub fn verify(&self, token: &str, now_ms: Millis) -> Result<Verified, Refusal> {
        let Some((_, key)) = &self.keys else {
            return Err(refused("this server takes no tokens: it has no JWT_SECRET"));
        };
        let claims = jsonwebtoken::decode::<Claims>(token, key, &self.validation)
            .map_err(|error| {
                refused(match error.kind() {
                    ErrorKind::InvalidSignature => "the token's signature is wrong",
                    ErrorKind::InvalidAlgorithm => "the token is not signed with HS256",
                    ErrorKind::MissingRequiredClaim(_) => "the token lacks sub or exp",
                    ErrorKind::InvalidAudience => "the token is meant for another audience",
                    _ => "the token cannot be read",
                })
            })?
            .claims;
        let expires_ms = millis(claims.exp).saturating_add(LEEWAY_MS);
        if now_ms >= expires_ms {
            return Err(refused("the token has expired"));
        }
        if claims.nbf.is_some_and(|nbf| millis(nbf) > now_ms.saturating_add(LEEWAY_MS)) {
            return Err(refused("the token is not valid yet"));
        }
        Ok(Verified { user: user(&claims)?, expires_ms })
    }

    /// Signs a token that [`Self::verify`] accepts.
    ///
    /// # Errors
    /// `unauthorized` without a secret; `invalid_argument` for a subject or
    /// name that breaks the rules.
    pub fn sign(&self, grant: &Grant) -> Result<String, Refusal> {
        let Some((key, _)) = &self.keys else {
            return Err(refused("set JWT_SECRET to sign tokens"));
        };
        let claims = Claims {
            sub: grant.sub.clone(),
            exp: grant.expires_ms.div_ceil(1000) as f64,
            nbf: None,
            name: grant.name.clone(),
            role: Some(grant.role.as_str().into()),
        };
        user(&claims).map_err(|refusal| Refusal::new(ErrorCode::InvalidArgument, refusal.message))?;
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, key)
            .map_err(|_| Refusal::new(ErrorCode::Internal, "the token could not be signed"))
    }
}

fn user(claims: &Claims) -> Result<User, Refusal> {
    let sub = claims.sub.as_str();
    let plain = sub.bytes().all(|b| b.is_ascii_alphanumeric() || b"._@|-".contains(&b));
    if !plain || sub.is_empty() || sub.len() > MAX_SUB_BYTES {
        return Err(refused("sub has 1 to 64 letters, digits or characters of '._@|-'"));
    }
    let role = match &claims.role {
        None => Role::Member,
        Some(role) => role.parse().map_err(|()| refused("the token's role is none of guest, member, admin"))?,
    };
    let name = match &claims.name {
        Some(name) => text::display_name(name).map_err(|refusal| refused(refusal.message))?,
        None => sub.chars().take(text::MAX_NAME_CHARS).collect::<String>().into(),
    };
    Ok(User { id: UserId::subject(sub), name, role })
}

/// Seconds as milliseconds; what lies before 1970 is 0, and nothing passes what JavaScript holds.
fn millis(seconds: f64) -> Millis {
    ((seconds * 1000.0) as Millis).min(MAX_SAFE_INTEGER)
}

fn refused(why: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(ErrorCode::Unauthorized, why)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn jwt() -> Jwt {
        Jwt::new(Some(&Secret::new(SECRET))).unwrap()
    }

    fn token(algorithm: Algorithm, claims: &Value) -> String {
        jsonwebtoken::encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
    }

    fn verify(claims: Value) -> Result<Verified, Refusal> {
        jwt().verify(&token(Algorithm::HS256, &claims), 1_000_000)
    }

    #[test]
    fn sub_and_exp_are_enough() {
        let verified = verify(json!({"sub": "ana@x.org|1", "exp": 2000})).unwrap();
        assert_eq!(verified.user.id.as_str(), "j:ana@x.org|1");
        assert_eq!((&*verified.user.name, verified.user.role), ("ana@x.org|1", Role::Member));
        assert_eq!(verified.expires_ms, 2_030_000);
    }

    #[test]
    fn name_and_role_are_taken() {
        let user = verify(json!({"sub": "a", "exp": 2000.5, "name": "Ａna", "role": "admin"})).unwrap().user;
        assert_eq!((&*user.name, user.role), ("Ana", Role::Admin));
        assert_eq!(verify(json!({"sub": "x".repeat(64), "exp": 2000})).unwrap().user.name.len(), 32);
    }

    #[test]
    fn bad_claims_are_refused() {
        for bad in [
            json!({"sub": "a"}),
            json!({"exp": 2000}),
            json!({"sub": "", "exp": 2000}),
            json!({"sub": "a b", "exp": 2000}),
            json!({"sub": "x".repeat(65), "exp": 2000}),
            json!({"sub": 5, "exp": 2000}),
            json!({"sub": "a", "exp": "2000"}),
            json!({"sub": "a", "exp": -1}),
            json!({"sub": "a", "exp": 2000, "role": "root"}),
            json!({"sub": "a", "exp": 2000, "role": ""}),
            json!({"sub": "a", "exp": 2000, "name": "a\u{200B}b"}),
            json!({"sub": "a", "exp": 2000, "nbf": 1031}),
            json!({"sub": "a", "exp": 2000, "aud": "other"}),
        ] {
            assert_eq!(verify(bad.clone()).unwrap_err().code, ErrorCode::Unauthorized, "{bad}");
        }
    }

    #[test]
    fn the_leeway_is_thirty_seconds() {
        assert!(verify(json!({"sub": "a", "exp": 971})).is_ok());
        let late = verify(json!({"sub": "a", "exp": 970})).unwrap_err();
        assert_eq!(late.message, "the token has expired");
        assert!(verify(json!({"sub": "a", "exp": 9e15, "nbf": 1030})).is_ok());
    }

    #[test]
    fn only_hs256_with_this_secret_counts() {
        let claims = json!({"sub": "a", "exp": 2000});
        for algorithm in [Algorithm::HS384, Algorithm::HS512] {
            assert!(jwt().verify(&token(algorithm, &claims), 0).is_err());
        }
        let none = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIiwiZXhwIjoyMDAwfQ.";
        assert!(jwt().verify(none, 0).is_err());
        assert!(jwt().verify("", 0).is_err());
        let other = Jwt::new(Some(&Secret::new("x".repeat(32)))).unwrap();
        assert!(other.verify(&token(Algorithm::HS256, &claims), 0).is_err());
    }

    #[test]
    fn without_a_secret_every_token_is_refused() {
        for secret in [None, Some(Secret::new(""))] {
            let jwt = Jwt::new(secret.as_ref()).unwrap();
            assert!(jwt.verify(&token(Algorithm::HS256, &json!({"sub": "a", "exp": 2000})), 0).is_err());
        }
        assert!(Jwt::new(Some(&Secret::new("short"))).is_err());
    }

    #[test]
    fn what_is_signed_verifies() {
        let grant = Grant { sub: "ana".into(), name: Some("Ana".into()), role: Role::Guest, expires_ms: 5_500 };
        let verified = jwt().verify(&jwt().sign(&grant).unwrap(), 0).unwrap();
        assert_eq!((&*verified.user.name, verified.user.role, verified.expires_ms), ("Ana", Role::Guest, 36_000));
        let bad = Grant { sub: "a b".into(), ..grant };
        assert_eq!(jwt().sign(&bad).unwrap_err().code, ErrorCode::InvalidArgument);
    }
}
