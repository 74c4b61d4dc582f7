//! The Origin check (RFC 6454): no foreign page speaks to this server with a visitor's cookie.

use super::config::InvalidSetting;
use crate::protocol::error::{ErrorCode, Refusal};

/// Scheme, host in lower case, port.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    https: bool,
    host: Box<str>,
    port: u16,
}

impl Origin {
    /// Reads `http[s]://host[:port]` and nothing behind it. `null`, files and extensions are none.
    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let https = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let (host, port) = authority(rest)?;
        Some(Self { https, host: host.to_ascii_lowercase().into(), port: port.unwrap_or(default_port(https)) })
    }

    /// Whether a page of this origin came from the server a `Host` header names. Which scheme the server has behind a
    /// proxy is not known, so a host without a port has the default one of the page's scheme.
    fn is_host(&self, host: &str) -> bool {
        authority(host).is_some_and(|(name, port)| {
            name.eq_ignore_ascii_case(&self.host) && port.unwrap_or(default_port(self.https)) == self.port
        })
    }
}

fn default_port(https: bool) -> u16 {
    if https { 443 } else { 80 }
}

/// Splits `host[:port]`; an IPv6 address stands in brackets. None for an empty host, or one with a path or user.
fn authority(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse().ok()?)),
        _ => (text, None),
    };
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let plain = match inner {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)),
    };
    plain.then_some((host, port))
}

/// Which pages may speak to this server: its own, and those of `auth.allowed_origins`.
#[derive(Clone, Debug, Default)]
pub struct Origins(Box<[Origin]>);

impl Origins {
    /// With the origins of the settings, each `http[s]://host[:port]`.
    ///
    /// # Errors
    /// Names the entry that is none.
    pub fn new(allowed: &[String]) -> Result<Self, InvalidSetting> {
        let parse = |written: &String| {
            Origin::parse(written).ok_or_else(|| {
                let problem = format!("'{written}' is not an origin such as https://chat.example.org, without a path");
                InvalidSetting::new("auth.allowed_origins", problem)
            })
        };
        allowed.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether an origin is one of `auth.allowed_origins`.
    pub fn is_listed(&self, origin: &str) -> bool {
        Origin::parse(origin).is_some_and(|origin| self.0.contains(&origin))
    }

    /// Checks a request by its `Origin` and `Host` headers. No `Origin` is no browser, and allowed.
    ///
    /// # Errors
    /// `forbidden` for a foreign one, and for `null`.
    pub fn check(&self, origin: Option<&str>, host: Option<&str>) -> Result<(), Refusal> {
        let Some(origin) = origin else { return Ok(()) };
        let own = Origin::parse(origin)
            .is_some_and(|origin| self.0.contains(&origin) || host.is_some_and(|host| origin.is_host(host)));
        if own {
            Ok(())
        } else {
            Err(Refusal::new(
                ErrorCode::Forbidden,
                "this page's origin is not allowed here; the operator can add it to auth.allowed_origins",
            ))
        }
    }

    /// Checks a request that changes something and proves itself by a cookie: it must say where it comes from
    /// (PROTOCOL section 5), or any page could make it.
    ///
    /// # Errors
    /// `forbidden` for a foreign, `null` or missing `Origin`.
    pub fn check_change_by_cookie(&self, origin: Option<&str>, host: Option<&str>) -> Result<(), Refusal> {
        if origin.is_none() {
            return Err(Refusal::new(ErrorCode::Forbidden, "a change made with a cookie needs an Origin header"));
        }
        self.check(origin, host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(origin: &str, host: &str) -> bool {
        let origins = Origins::new(&["https://chat.example.org".into(), "http://[::1]:8080".into()]).unwrap();
        origins.check(Some(origin), Some(host)).is_ok()
    }

    #[test]
    fn the_own_host_is_allowed_whatever_the_scheme() {
        for (origin, host) in [
            ("http://localhost:3001", "localhost:3001"),
            ("https://Example.org", "example.ORG"),
            ("https://example.org", "example.org:443"),
            ("https://example.org:443", "example.org"),
            ("http://example.org", "example.org:80"),
            ("http://[::1]:3001", "[::1]:3001"),
            ("http://[::1]", "[::1]"),
        ] {
            assert!(allowed(origin, host), "{origin} {host}");
        }
    }

    #[test]
    fn what_is_foreign_is_not() {
        for (origin, host) in [
            ("null", "example.org"),
            ("", "example.org"),
            ("https://evil.org", "example.org"),
            ("https://example.org.evil.org", "example.org"),
            ("https://evil.org/example.org", "example.org"),
            ("https://example.org@evil.org", "example.org"),
            ("https://example.org:8443", "example.org"),
            ("http://example.org", "example.org:443"),
            ("http://localhost:3002", "localhost:3001"),
            ("file://example.org", "example.org"),
            ("https://example.org:99999", "example.org"),
            ("https://", ""),
        ] {
            assert!(!allowed(origin, host), "{origin} {host}");
        }
        assert!(Origins::default().check(Some("http://a"), None).is_err());
    }

    #[test]
    fn the_settings_add_origins_with_their_scheme() {
        assert!(allowed("https://chat.example.org", "10.0.0.1:3001"));
        assert!(allowed("http://[::1]:8080", "10.0.0.1:3001"));
        assert!(!allowed("http://chat.example.org", "10.0.0.1:3001"));
        for bad in ["*", "chat.example.org", "https://chat.example.org/", "null"] {
            assert_eq!(Origins::new(&[bad.into()]).unwrap_err().key, "auth.allowed_origins", "{bad}");
        }
    }

    #[test]
    fn none_is_allowed_except_to_change_something_with_a_cookie() {
        let origins = Origins::default();
        assert!(origins.check(None, Some("a")).is_ok());
        assert_eq!(origins.check_change_by_cookie(None, Some("a")).unwrap_err().code, ErrorCode::Forbidden);
        assert!(origins.check_change_by_cookie(Some("http://a"), Some("a")).is_ok());
        assert!(origins.check_change_by_cookie(Some("http://b"), Some("a")).is_err());
    }
}
