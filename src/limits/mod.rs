//! How much anybody may do: rates per address, user, account and key, and open connections per address.
//!
//! Rates are GCRA by the crate governor: a burst at once, then one more each interval. They are counted by each instance
//! for itself. [`Limits::sweep`] forgets who has been quiet; the ticker calls it.

pub mod clock;
pub mod config;
pub mod connection;
pub mod keyed;
pub mod open;
pub mod places;

use std::sync::Arc;

use self::{
    config::Config,
    connection::PerConnection,
    keyed::Keyed,
    open::{OpenGuard, OpenPerAddress},
};
use crate::{
    auth::{address::AddressKey, config::InvalidSetting},
    protocol::{error::Refusal, ids::UserId},
};

/// Longest name counted for logins, in bytes: no account's is longer, and a longer one would be memory for the asking.
const MAX_COUNTED_NAME: usize = 64;

/// Every limit of an instance. Loopback gets no exception.
pub struct Limits {
    config: Config,
    connects: Keyed<AddressKey>,
    open: Arc<OpenPerAddress>,
    messages: Keyed<UserId>,
    logins: Keyed<AddressKey>,
    account_logins: Keyed<Box<str>>,
    registrations: Keyed<AddressKey>,
    api: Keyed<Box<str>>,
}

impl Limits {
    /// With the numbers of the settings.
    ///
    /// # Errors
    /// The first number out of its range, by its key.
    pub fn new(config: Config) -> Result<Self, InvalidSetting> {
        config.validate()?;
        let address = "too many connects from this address";
        Ok(Self {
            connects: Keyed::new(config::per_second(config.connects_per_second, config.connects_burst), address),
            open: OpenPerAddress::new(config.open_per_address),
            messages: Keyed::new(
                config::per_second(config.messages_per_second, config.messages_burst),
                "you send messages too fast",
            ),
            logins: Keyed::new(config::per_minute(config.logins_per_minute), "too many logins from this address"),
            account_logins: Keyed::new(
                config::per_minute(config.account_logins_per_minute),
                "too many logins to this account",
            ),
            registrations: Keyed::new(
                config::per_hour(config.registrations_per_hour),
                "too many registrations from this address",
            ),
            api: Keyed::new(
                config::per_second(config.api_per_second, config.api_burst),
                "too many requests with this key",
            ),
            config,
        })
    }

    /// Counts a connect and, if it may, the connection for as long as the guard lives.
    ///
    /// # Errors
    /// `rate_limited`.
    pub fn connect(&self, address: AddressKey) -> Result<OpenGuard, Refusal> {
        self.connects.check(&address)?;
        self.open.open(address)
    }

    /// How many rooms a connection may be in.
    pub fn rooms_per_connection(&self) -> usize {
        self.config.rooms_per_connection
    }

    /// The limiter of a new connection's commands.
    pub fn commands(&self) -> PerConnection {
        PerConnection::new(config::per_second(self.config.commands_per_second, self.config.commands_burst))
    }

    /// Counts a message of a user, whatever connection it comes by.
    ///
    /// # Errors
    /// `rate_limited`.
    pub fn message(&self, user: &UserId) -> Result<(), Refusal> {
        self.messages.check(user)
    }

    /// Counts a try to log in from an address.
    ///
    /// # Errors
    /// `rate_limited`.
    pub fn login_from(&self, address: AddressKey) -> Result<(), Refusal> {
        self.logins.check(&address)
    }

    /// Counts a try to log in to the account of a folded name.
    ///
    /// # Errors
    /// `rate_limited`.
    pub fn login_to(&self, folded: &str) -> Result<(), Refusal> {
        if folded.len() > MAX_COUNTED_NAME {
            return Ok(());
        }
        self.account_logins.check(&folded.into())
    }

    /// Counts a registration.
    ///
    /// # Errors
    /// `rate_limited`.
    pub fn register(&self, address: AddressKey) -> Result<(), Refusal> {
        self.registrations.check(&address)
    }

    /// Counts a request with the API key of that name.
    ///
    /// # Errors
    /// `rate_limited`.
    pub fn api(&self, key_name: &str) -> Result<(), Refusal> {
        self.api.check(&key_name.into())
    }

    /// Forgets every key that has been quiet long enough to be as new, and gives its memory back.
    pub fn sweep(&self) {
        self.connects.sweep();
        self.open.sweep();
        self.messages.sweep();
        self.logins.sweep();
        self.account_logins.sweep();
        self.registrations.sweep();
        self.api.sweep();
    }

    /// How many keys are remembered, all limits together.
    pub fn remembered(&self) -> usize {
        self.connects.remembered()
            + self.open.addresses()
            + self.messages.remembered()
            + self.logins.remembered()
            + self.account_logins.remembered()
            + self.registrations.remembered()
            + self.api.remembered()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::protocol::error::ErrorCode;

    fn address(last: u8) -> AddressKey {
        AddressKey::V4(Ipv4Addr::new(203, 0, 113, last))
    }

    fn allowed(tries: usize, check: impl Fn() -> Result<(), Refusal>) -> usize {
        (0..tries).filter(|_| check().is_ok()).count()
    }

    #[test]
    fn the_documented_limits_hold_at_once() {
        let limits = Limits::new(Config::default()).unwrap();
        assert_eq!(allowed(20, || limits.register(address(1))), 5);
        assert_eq!(allowed(20, || limits.login_to("ana")), 5, "per account");
        assert_eq!(allowed(20, || limits.login_from(address(2))), 10, "per address");
        assert_eq!(allowed(20, || limits.login_to(&"x".repeat(65))), 20, "no account's");
        // What refills within a test's run is only bounded from below.
        assert!((30..40).contains(&allowed(40, || limits.message(&UserId::guest(1)))));
        assert!(allowed(1, || limits.message(&UserId::guest(2))) == 1);
    }

    #[test]
    fn connections_are_counted_while_they_are_open() {
        let limits = Limits::new(Config { open_per_address: 1, ..Config::default() }).unwrap();
        let open = limits.connect(address(1)).unwrap();
        assert_eq!(limits.connect(address(1)).err().unwrap().code, ErrorCode::RateLimited);
        assert!(limits.connect(address(2)).is_ok());
        drop(open);
        assert!(limits.connect(address(1)).is_ok());
    }

    #[test]
    fn zero_is_unlimited_and_remembers_nobody() {
        let unlimited = Config {
            connects_per_second: 0,
            open_per_address: 0,
            commands_per_second: 0,
            messages_per_second: 0,
            logins_per_minute: 0,
            account_logins_per_minute: 0,
            registrations_per_hour: 0,
            api_per_second: 0,
            ..Config::default()
        };
        let limits = Limits::new(unlimited).unwrap();
        let commands = limits.commands();
        for _ in 0..10_000 {
            drop(limits.connect(address(1)).unwrap());
            limits.message(&UserId::guest(1)).unwrap();
            limits.login_from(address(1)).unwrap();
            limits.login_to("ana").unwrap();
            limits.register(address(1)).unwrap();
            limits.api("ci").unwrap();
            commands.check().unwrap();
        }
        limits.sweep();
        assert_eq!(limits.remembered(), 0);
    }

    #[test]
    fn sweeping_keeps_who_is_still_counted() {
        let limits = Limits::new(Config::default()).unwrap();
        limits.register(address(1)).unwrap();
        let _open = limits.connect(address(1)).unwrap();
        limits.sweep();
        assert!(limits.remembered() >= 2);
    }
}
