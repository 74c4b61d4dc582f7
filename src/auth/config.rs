//! The settings of identity, and the error that names a bad one.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize};

use super::{address::TrustedProxies, names, origin::Origins, password, secret::Secret};
use crate::protocol::ids::Millis;

/// A setting that cannot be used: its key, and what is wrong or allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct InvalidSetting {
    /// The key as the operator writes it.
    pub key: Cow<'static, str>,
    /// What is wrong with the value, and what would be right.
    pub problem: Cow<'static, str>,
}

impl InvalidSetting {
    /// An error about the setting `key`.
    pub fn new(key: impl Into<Cow<'static, str>>, problem: impl Into<Cow<'static, str>>) -> Self {
        Self { key: key.into(), problem: problem.into() }
    }
}

/// Whether people may make accounts themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    /// They may.
    Open,
    /// Only the administrator's account, and those that are there, log in.
    Closed,
}

/// The settings of identity (section `auth`). The API keys stand beside it, in `[[api_keys]]` ([`super::keys`]).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `JWT_SECRET`: verifies JWTs, HS256, at least 32 characters. Unset: every JWT is refused.
    pub jwt_secret: Option<Secret>,
    /// `SESSION_SECRET`: signs the resume tokens of guests, at least 32 characters. Unset: made once and kept by the
    /// store.
    pub session_secret: Option<Secret>,
    /// `METRICS_API_KEY`: opens `/metrics`; one key, or two by comma while rotating, each at least 32 characters.
    /// Unset: admins only.
    pub metrics_api_key: Option<Secret>,
    /// `ADMIN_USERNAME`: the account made or renewed at start with role admin. Needs `admin_password`.
    pub admin_username: Option<String>,
    /// `ADMIN_PASSWORD`: its password, 8 to 128 characters.
    pub admin_password: Option<Secret>,
    /// `SESSION_TIMEOUT`: how many milliseconds a login cookie lives since its last use. 30 days; at least a minute.
    pub session_timeout_ms: Millis,
    /// Whether people without an account or token are let in. Yes.
    pub guests: bool,
    /// Whether people may make accounts themselves: `open` or `closed`. Open.
    pub registration: Registration,
    /// Origins (`https://chat.example.org`) allowed beside the server's own host. A list, or text with commas.
    #[serde(deserialize_with = "list")]
    pub allowed_origins: Vec<String>,
    /// `TRUSTED_PROXIES`: addresses or CIDRs whose `X-Forwarded-*` headers count. A list, or text with commas.
    #[serde(deserialize_with = "list")]
    pub trusted_proxies: Vec<String>,
    /// Memory of one password hash in KiB. 19,456, as OWASP advises for argon2id with two passes; at least 8.
    pub password_memory_kib: u32,
    /// Passes of one password hash. 2; at least 1.
    pub password_passes: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            jwt_secret: None,
            session_secret: None,
            metrics_api_key: None,
            admin_username: None,
            admin_password: None,
            session_timeout_ms: 30 * 24 * 60 * 60 * 1000,
            guests: true,
            registration: Registration::Open,
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            password_memory_kib: 19_456,
            password_passes: 2,
        }
    }
}

impl Config {
    /// Checks every setting of the section.
    ///
    /// # Errors
    /// The first bad setting, by its key.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        if let Some(secret) = Secret::given(self.jwt_secret.as_ref()) {
            secret.require_strong("JWT_SECRET")?;
        }
        if let Some(secret) = Secret::given(self.session_secret.as_ref()) {
            secret.require_strong("SESSION_SECRET")?;
        }
        super::keys::Keys::new(self.metrics_api_key.as_ref(), &[])?;
        self.admin()?;
        if !(60_000..=MAX_SESSION_TIMEOUT_MS).contains(&self.session_timeout_ms) {
            return Err(InvalidSetting::new("SESSION_TIMEOUT", "has 60000 (a minute) to 31536000000 ms (a year)"));
        }
        Origins::new(&self.allowed_origins)?;
        TrustedProxies::new(&self.trusted_proxies)?;
        password::parameters(self)?;
        Ok(())
    }

    /// The administrator's name and password, if one is set.
    ///
    /// # Errors
    /// Names the setting if only one of the two is set, or one breaks its rule.
    pub fn admin(&self) -> Result<Option<(names::AccountName, &str)>, InvalidSetting> {
        let name = self.admin_username.as_deref().filter(|name| !name.is_empty());
        match (name, Secret::given(self.admin_password.as_ref())) {
            (None, None) => Ok(None),
            (Some(_), None) => Err(InvalidSetting::new("ADMIN_PASSWORD", "is needed beside ADMIN_USERNAME")),
            (None, Some(_)) => Err(InvalidSetting::new("ADMIN_USERNAME", "is needed beside ADMIN_PASSWORD")),
            (Some(name), Some(password)) => {
                let name = names::AccountName::parse(name)
                    .map_err(|refusal| InvalidSetting::new("ADMIN_USERNAME", refusal.message))?;
                password::check_rules(password.expose())
                    .map_err(|refusal| InvalidSetting::new("ADMIN_PASSWORD", refusal.message))?;
                Ok(Some((name, password.expose())))
            }
        }
    }
}

/// The longest life of an unused login cookie: a year, what browsers keep a cookie for at most.
const MAX_SESSION_TIMEOUT_MS: Millis = 365 * 24 * 60 * 60 * 1000;

/// Reads a list, or one text with commas, as an environment variable gives it.
fn list<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Text(String),
        List(Vec<String>),
    }
    Ok(match Written::deserialize(from)? {
        Written::Text(text) => {
            text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(String::from).collect()
        }
        Written::List(list) => list,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(toml: &str) -> Result<(), String> {
        let config: Config = toml::from_str(toml).map_err(|error| error.to_string())?;
        config.validate().map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_are_valid_and_open() {
        let config: Config = toml::from_str("").unwrap();
        config.validate().unwrap();
        assert!(config.guests && config.registration == Registration::Open && config.jwt_secret.is_none());
        assert_eq!(config.session_timeout_ms, 2_592_000_000);
    }

    #[test]
    fn a_bad_setting_is_named() {
        for (toml, key) in [
            ("jwt_secret = 'short'", "JWT_SECRET"),
            ("session_secret = 'short'", "SESSION_SECRET"),
            ("metrics_api_key = 'short'", "METRICS_API_KEY"),
            ("admin_username = 'ana'", "ADMIN_PASSWORD"),
            ("admin_password = 'long enough'", "ADMIN_USERNAME"),
            ("admin_username = 'ana'\nadmin_password = 'short'", "ADMIN_PASSWORD"),
            ("admin_username = 'a b'\nadmin_password = 'long enough'", "ADMIN_USERNAME"),
            ("session_timeout_ms = 5", "SESSION_TIMEOUT"),
            ("allowed_origins = ['chat.example.org']", "auth.allowed_origins"),
            ("trusted_proxies = '10.0.0.0/40'", "TRUSTED_PROXIES"),
            ("password_passes = 0", "auth.password_passes"),
            ("password_memory_kib = 1", "auth.password_memory_kib"),
            ("colour = 1", "colour"),
        ] {
            let error = parse(toml).unwrap_err();
            assert!(error.contains(key), "{toml}: {error}");
        }
    }

    #[test]
    fn empty_means_unset_and_admin_may_be_called_admin() {
        parse("jwt_secret = ''\nadmin_username = ''\nadmin_password = ''\nmetrics_api_key = ''").unwrap();
        parse("admin_username = 'admin'\nadmin_password = 'long enough'").unwrap();
    }

    #[test]
    fn lists_come_as_lists_or_with_commas() {
        let config: Config = toml::from_str("trusted_proxies = '10.0.0.1, ::1/128,'\nallowed_origins = []").unwrap();
        assert_eq!(config.trusted_proxies, ["10.0.0.1", "::1/128"]);
    }

    #[test]
    fn printing_the_settings_shows_no_secret() {
        let config = Config { jwt_secret: Some(Secret::new("hunter2")), ..Config::default() };
        assert!(!format!("{config:?}{}", serde_json::to_string(&config).unwrap()).contains("hunter2"));
    }
}
