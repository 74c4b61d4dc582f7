//! Resume tokens: how a guest proves to be the same guest again, on any instance and in several tabs.
//!
//! `base64url({"userId","name","exp"}) . base64url(HMAC-SHA256)`, `exp` in milliseconds. It has one dot and a JWT two,
//! so neither can pass for the other, even under one secret.

use std::sync::{Arc, PoisonError, RwLock};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::protocol::ids::{Millis, UserId};

/// How long a token is good, in milliseconds: 7 days from the `welcome` that gave it (PROTOCOL section 1).
pub const LIFETIME_MS: Millis = 7 * 24 * 60 * 60 * 1000;

/// Longest token looked at, in bytes: an id and a name of the largest size need fewer than 500.
const MAX_TOKEN_BYTES: usize = 1024;

/// Why a token was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResumeError {
    /// Not made by this cluster, or changed since.
    #[error("the resume token is not valid")]
    Bad,
    /// Ours, but too old.
    #[error("the resume token has expired")]
    Expired,
}

/// Who a resume token names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resumed {
    /// The guest's id, `g:…`.
    pub id: UserId,
    /// The name the guest had.
    pub name: Box<str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    user_id: UserId,
    name: Box<str>,
    exp: Millis,
}

/// Resume tokens whose secret may become known only while the server runs: it is the store's, and that may be away at the
/// start. Until then guests get none, and none can be checked. It may also change: of two that several servers made while
/// the store had lost the first, all end up with the older one.
#[derive(Clone, Default)]
pub struct SharedResumeTokens(Arc<RwLock<Option<ResumeTokens>>>);

impl SharedResumeTokens {
    /// The tokens as they are now.
    pub fn get(&self) -> Option<ResumeTokens> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on tokens are signed with this secret. What was signed with the one before is still good here.
    pub fn renew(&self, secret: &[u8]) {
        let mut tokens = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let former = tokens.take().map(|tokens| tokens.mac);
        *tokens = Some(ResumeTokens { former, ..ResumeTokens::new(secret) });
    }
}

impl From<ResumeTokens> for SharedResumeTokens {
    fn from(tokens: ResumeTokens) -> Self {
        Self(Arc::new(RwLock::new(Some(tokens))))
    }
}

/// Signs and verifies resume tokens with one secret, the same on every instance.
#[derive(Clone)]
pub struct ResumeTokens {
    mac: Hmac<Sha256>,
    /// Of a secret that was given up: for checking only.
    former: Option<Hmac<Sha256>>,
}

impl ResumeTokens {
    /// With `SESSION_SECRET`, or the secret the store keeps.
    pub fn new(secret: &[u8]) -> Self {
        // A key of any length, brought to HMAC's own: hashed, then filled up with zeros (RFC 2104 section 2).
        let mut key = [0; 64];
        key[..32].copy_from_slice(&Sha256::digest(secret));
        Self { mac: Hmac::new(&key.into()), former: None }
    }

    /// A token for a guest, good for [`LIFETIME_MS`] from `now_ms`.
    pub fn issue(&self, id: &UserId, name: &str, now_ms: Millis) -> String {
        let exp = now_ms.saturating_add(LIFETIME_MS);
        let body = URL_SAFE_NO_PAD.encode(json!({ "userId": id, "name": name, "exp": exp }).to_string());
        let tag = URL_SAFE_NO_PAD.encode(self.mac.clone().chain_update(&body).finalize().into_bytes());
        format!("{body}.{tag}")
    }

    /// Who a token names at `now_ms`. The signature is compared in constant time, before anything else is believed.
    ///
    /// # Errors
    /// [`ResumeError::Bad`], or [`ResumeError::Expired`] for one that was good.
    pub fn verify(&self, token: &str, now_ms: Millis) -> Result<Resumed, ResumeError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(ResumeError::Bad);
        }
        let (body, tag) = token.split_once('.').ok_or(ResumeError::Bad)?;
        let tag = URL_SAFE_NO_PAD.decode(tag).map_err(|_| ResumeError::Bad)?;
        let signs = |mac: &Hmac<Sha256>| mac.clone().chain_update(body).verify_slice(&tag).is_ok();
        if !signs(&self.mac) && !self.former.as_ref().is_some_and(signs) {
            return Err(ResumeError::Bad);
        }
        let json = URL_SAFE_NO_PAD.decode(body).map_err(|_| ResumeError::Bad)?;
        let payload: Payload = serde_json::from_slice(&json).map_err(|_| ResumeError::Bad)?;
        if now_ms >= payload.exp {
            return Err(ResumeError::Expired);
        }
        Ok(Resumed { id: payload.user_id, name: payload.name })
    }
}

/// Whether a token has the shape of a resume token rather than of a JWT: exactly one dot.
pub fn looks_like_one(token: &str) -> bool {
    token.bytes().filter(|b| *b == b'.').count() == 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tokens() -> ResumeTokens {
        ResumeTokens::new(b"a secret of at least 32 characters")
    }

    #[test]
    fn a_token_names_its_guest_for_seven_days() {
        let id = UserId::guest(7);
        let token = tokens().issue(&id, "Ana", 1000);
        assert!(looks_like_one(&token) && !looks_like_one("a.b.c") && !looks_like_one("abc"));
        let resumed = tokens().verify(&token, 1000 + LIFETIME_MS - 1).unwrap();
        assert_eq!(resumed, Resumed { id, name: "Ana".into() });
        assert_eq!(tokens().verify(&token, 1000 + LIFETIME_MS), Err(ResumeError::Expired));
    }

    #[test]
    fn the_payload_is_as_documented() {
        let token = tokens().issue(&UserId::guest(0), "Ana", 0);
        let json = URL_SAFE_NO_PAD.decode(token.split_once('.').unwrap().0).unwrap();
        assert_eq!(
            String::from_utf8(json).unwrap(),
            r#"{"exp":604800000,"name":"Ana","userId":"g:00000000000000000000000000000000"}"#
        );
    }

    #[test]
    fn another_secret_and_nonsense_are_bad() {
        let other = ResumeTokens::new(b"another secret").issue(&UserId::guest(7), "Ana", 0);
        for bad in [&other, "", ".", "a.b", "no dot", &"x.".repeat(600)] {
            assert_eq!(tokens().verify(bad, 0), Err(ResumeError::Bad), "{bad}");
        }
    }

    #[test]
    fn what_the_former_secret_signed_is_good_and_the_new_one_signs() {
        let shared = SharedResumeTokens::default();
        assert!(shared.get().is_none());
        shared.renew(b"first");
        let early = shared.get().unwrap().issue(&UserId::guest(7), "Ana", 0);
        shared.renew(b"second");
        let late = shared.get().unwrap().issue(&UserId::guest(7), "Ana", 0);
        for token in [&early, &late] {
            assert!(shared.get().unwrap().verify(token, 0).is_ok());
        }
        assert!(ResumeTokens::new(b"second").verify(&late, 0).is_ok());
        assert_eq!(ResumeTokens::new(b"second").verify(&early, 0), Err(ResumeError::Bad));
    }

    #[test]
    fn the_longest_name_fits() {
        let name = "\u{1F600}".repeat(32);
        let token = tokens().issue(&UserId::guest(u128::MAX), &name, 0);
        assert_eq!(&*tokens().verify(&token, 0).unwrap().name, name);
    }

    proptest! {
        #[test]
        fn any_flipped_bit_is_refused(id: u128, name in "\\PC{1,32}", at: prop::sample::Index, bit in 0..7u8) {
            let mut token = tokens().issue(&UserId::guest(id), &name, 0).into_bytes();
            let at = at.index(token.len());
            token[at] ^= 1 << bit;
            let token = String::from_utf8(token).unwrap();
            prop_assert_eq!(tokens().verify(&token, 0), Err(ResumeError::Bad));
        }

        #[test]
        fn no_text_panics(token in "\\PC*") {
            prop_assert!(tokens().verify(&token, 0).is_err());
        }
    }
}
