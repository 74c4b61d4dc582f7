//! API keys: how programs prove themselves to the HTTP routes.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{config::InvalidSetting, secret::Secret};
use crate::protocol::{
    ids::UserId,
    user::{Role, User},
};

/// The name under which the keys of `METRICS_API_KEY` are counted.
const METRICS_KEY_NAME: &str = "METRICS_API_KEY";
/// Most keys `METRICS_API_KEY` holds: the old and the new one while rotating.
const MAX_METRICS_KEYS: usize = 2;
/// How a generated key begins, so that scanners for leaked secrets can tell what it is.
const KEY_PREFIX: &str = "hubbub_";

/// What a key opens. None implies another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The metrics and the sessions' statistics.
    Metrics,
    /// Rooms, messages, presence and sessions.
    Read,
    /// Posting messages.
    Post,
    /// Kicking, draining and the record of refusals.
    Admin,
}

impl Scope {
    /// The name in the settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Metrics => "metrics",
            Scope::Read => "read",
            Scope::Post => "post",
            Scope::Admin => "admin",
        }
    }
}

/// One entry of `[[api_keys]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// What the key is called, `[A-Za-z0-9._-]{1,64}`; whoever holds it posts as `bot:<name>`.
    pub name: String,
    /// SHA-256 of the key in hexadecimal. The key itself is kept nowhere.
    pub sha256: String,
    /// What it opens; at least one.
    pub scopes: Vec<Scope>,
}

/// A key that is in force.
#[derive(Clone, Debug)]
pub struct Key {
    name: Box<str>,
    hash: [u8; 32],
    scopes: Box<[Scope]>,
}

impl Key {
    /// What it is called, and counted by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it opens `scope`.
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// Who posts with it: `bot:<name>`, a member.
    pub fn user(&self) -> User {
        User { id: UserId::bot(&self.name), name: self.name.clone(), role: Role::Member }
    }
}

/// Every key in force.
#[derive(Clone, Debug, Default)]
pub struct Keys(Box<[Key]>);

impl Keys {
    /// The keys of `METRICS_API_KEY` (one, or two by comma; empty = none) and of `[[api_keys]]`.
    ///
    /// # Errors
    /// Names the setting and says why.
    pub fn new(metrics: Option<&Secret>, api_keys: &[ApiKey]) -> Result<Self, InvalidSetting> {
        let mut keys = metrics_keys(metrics)?;
        for (at, written) in api_keys.iter().enumerate() {
            let key =
                compile(written).map_err(|why| InvalidSetting::new(format!("api_keys[{at}].{}", why.0), why.1))?;
            if keys.iter().any(|other| other.name == key.name) {
                return Err(InvalidSetting::new(format!("api_keys[{at}].name"), "is the name of another key"));
            }
            keys.push(key);
        }
        Ok(Self(keys.into()))
    }

    /// The key that was presented, if it is one of ours. Takes as long whichever it is, and whether it is one.
    pub fn find(&self, presented: &str) -> Option<&Key> {
        let hash: [u8; 32] = Sha256::digest(presented).into();
        self.0.iter().fold(None, |found, key| if bool::from(key.hash.ct_eq(&hash)) { Some(key) } else { found })
    }
}

fn metrics_keys(written: Option<&Secret>) -> Result<Vec<Key>, InvalidSetting> {
    let Some(written) = Secret::given(written) else { return Ok(Vec::new()) };
    let keys: Vec<&str> = written.expose().split(',').map(str::trim).collect();
    if keys.len() > MAX_METRICS_KEYS {
        return Err(InvalidSetting::new(METRICS_KEY_NAME, "holds one key, or two by comma while rotating"));
    }
    keys.into_iter()
        .map(|key| {
            Secret::new(key).require_strong(METRICS_KEY_NAME)?;
            let hash = Sha256::digest(key).into();
            Ok(Key { name: METRICS_KEY_NAME.into(), hash, scopes: [Scope::Metrics].into() })
        })
        .collect()
}

/// A key from its entry, or the field that is wrong and why.
fn compile(written: &ApiKey) -> Result<Key, (&'static str, &'static str)> {
    if !is_key_name(&written.name) {
        return Err(("name", NAME_RULE));
    }
    let hash = unhex(&written.sha256).ok_or(("sha256", "has 64 hexadecimal digits: the SHA-256 of the key"))?;
    if written.scopes.is_empty() {
        return Err(("scopes", "has at least one of metrics, read, post, admin"));
    }
    Ok(Key { name: written.name.as_str().into(), hash, scopes: written.scopes.clone().into() })
}

const NAME_RULE: &str = "has 1 to 64 letters, digits or characters of '._-'";

fn is_key_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    let mut bytes = [0; 32];
    if digits.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let nibble = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
        *byte = (nibble(pair[0])? << 4) | nibble(pair[1])?;
    }
    Some(bytes)
}

/// A new key, and what to put in the settings for it.
#[derive(Clone, Debug)]
pub struct Generated {
    /// The key, to be shown once and kept by its holder.
    pub key: String,
    /// The entry for the settings.
    pub entry: ApiKey,
}

impl Generated {
    /// Makes a key of 256 random bits for `hubbub token --api-key NAME`.
    ///
    /// # Errors
    /// A name or list of scopes that the settings would refuse.
    pub fn new(name: &str, scopes: &[Scope]) -> Result<Self, InvalidSetting> {
        let key = format!("{KEY_PREFIX}{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()));
        let sha256 = Sha256::digest(&key).iter().map(|byte| format!("{byte:02x}")).collect();
        let entry = ApiKey { name: name.into(), sha256, scopes: scopes.into() };
        compile(&entry).map_err(|(field, why)| InvalidSetting::new(field, why))?;
        Ok(Self { key, entry })
    }

    /// The entry as TOML, to be added to the settings.
    pub fn toml(&self) -> String {
        let ApiKey { name, sha256, scopes } = &self.entry;
        let scopes: Vec<String> = scopes.iter().map(|scope| format!("\"{}\"", scope.as_str())).collect();
        format!("[[api_keys]]\nname = \"{name}\"\nsha256 = \"{sha256}\"\nscopes = [{}]\n", scopes.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "old-key-0123456789abcdef0123456789";
    const NEW: &str = "new-key-0123456789abcdef0123456789";

    fn metrics(text: &str) -> Result<Keys, InvalidSetting> {
        Keys::new(Some(&Secret::new(text)), &[])
    }

    #[test]
    fn the_metrics_key_opens_metrics_only_and_may_be_two() {
        let keys = metrics(&format!("{OLD}, {NEW}")).unwrap();
        for key in [OLD, NEW] {
            let key = keys.find(key).unwrap();
            assert!(key.allows(Scope::Metrics) && !key.allows(Scope::Read) && !key.allows(Scope::Admin));
        }
        for wrong in ["", "x", &OLD[1..], &format!("{OLD}, {NEW}")] {
            assert!(keys.find(wrong).is_none(), "{wrong}");
        }
        assert!(metrics("").unwrap().find("").is_none());
    }

    #[test]
    fn a_bad_metrics_key_is_named_with_the_reason() {
        let short = metrics(&format!("{OLD},short")).unwrap_err().to_string();
        assert!(short.starts_with("METRICS_API_KEY: has 5 characters and needs at least 32"), "{short}");
        assert!(metrics(&format!("{OLD},")).is_err());
        assert!(metrics(&format!("{OLD},{NEW},{OLD}")).unwrap_err().to_string().contains("two by comma"));
    }

    #[test]
    fn what_is_generated_can_be_pasted_and_opens() {
        #[derive(Deserialize)]
        struct File {
            api_keys: Vec<ApiKey>,
        }
        let made = Generated::new("ci.bot", &[Scope::Read, Scope::Post]).unwrap();
        let file: File = toml::from_str(&made.toml()).unwrap();
        assert_eq!(file.api_keys.first(), Some(&made.entry));
        let keys = Keys::new(None, &file.api_keys).unwrap();
        let key = keys.find(&made.key).unwrap();
        assert!(key.allows(Scope::Post) && !key.allows(Scope::Admin));
        assert_eq!((key.user().id.as_str(), key.user().role), ("bot:ci.bot", Role::Member));
        assert_ne!(made.key, Generated::new("ci.bot", &[Scope::Read]).unwrap().key);
        assert!(Generated::new("a b", &[Scope::Read]).is_err());
        assert!(Generated::new("a", &[]).is_err());
    }

    #[test]
    fn a_bad_entry_is_named() {
        let good = Generated::new("a", &[Scope::Read]).unwrap().entry;
        for (bad, key) in [
            (ApiKey { name: "a\"b".into(), ..good.clone() }, "api_keys[1].name"),
            (ApiKey { name: "b".into(), sha256: "zz".repeat(32), ..good.clone() }, "api_keys[1].sha256"),
            (ApiKey { name: "b".into(), sha256: "é".repeat(32), ..good.clone() }, "api_keys[1].sha256"),
            (ApiKey { name: "b".into(), scopes: vec![], ..good.clone() }, "api_keys[1].scopes"),
            (good.clone(), "api_keys[1].name"),
        ] {
            assert_eq!(Keys::new(None, &[good.clone(), bad]).unwrap_err().key, key);
        }
    }
}
