//! The three connections of an instance: for data, for publishing, for what comes.
//!
//! What each setting is for was measured (REDIS.md section 1): commands in flight when a connection breaks are sent again,
//! so only scripts that may run twice go out; the queue in front of a connection is ours to bound, not fred's.

use std::time::Duration;

use fred::{
    clients::{Client, SubscriberClient},
    error::Error,
    prelude::Builder,
    types::config::{ReconnectError, ReconnectPolicy, TcpConfig, UnresponsiveConfig},
};

use super::{address, config::RedisConfig};
use crate::auth::{config::InvalidSetting, secret::Secret};

/// Frames that may wait in this process for the task that takes them, a good second of all that Redis can send; what is
/// more is lost, and every room is read again. Room for them is taken at the start, nearly a kilobyte for each.
const MESSAGES_WAITING: usize = 8_192;
/// How often a command is sent again when its connection broke.
const ATTEMPTS: u32 = 3;
/// Waits between tries to connect, milliseconds: from, to, factor, and the random part of each.
pub(super) const RECONNECT: (u32, u32, u32, u32) = (100, 1_000, 2, 250);

/// The connections.
#[derive(Clone)]
pub(super) struct Clients {
    /// Reads, presence, heartbeats.
    pub(super) data: Client,
    /// Appends and what is told to other instances.
    pub(super) publisher: Client,
    /// What other instances tell.
    pub(super) subscriber: SubscriberClient,
}

impl Clients {
    /// Makes them; they connect when told.
    pub(super) fn new(url: &Secret, config: &RedisConfig) -> Result<Self, InvalidSetting> {
        let server = address::parse(url)?;
        let timeout = Duration::from_millis(config.command_timeout_ms);
        let probe = Duration::from_millis(config.probe_ms);
        let mut builder = Builder::from_config(server);
        let (least, most, factor, jitter) = RECONNECT;
        // 0 attempts: for ever.
        let mut policy = ReconnectPolicy::new_exponential(0, least, most, factor);
        policy.set_jitter(jitter);
        builder
            .with_performance_config(|performance| {
                performance.default_command_timeout = timeout;
            })
            .with_connection_config(|connection| {
                connection.connection_timeout = timeout;
                connection.internal_command_timeout = timeout;
                connection.max_command_attempts = ATTEMPTS;
                // Any other value can end the task of a connection for ever.
                connection.max_command_buffer_len = 0;
                connection.auto_client_setname = true;
                connection.reconnect_on_auth_error = true;
                connection.unresponsive = UnresponsiveConfig { max_timeout: Some(timeout * 2), interval: probe };
                connection.tcp = TcpConfig { nodelay: Some(true), ..TcpConfig::default() };
                connection.reconnect_errors = vec![
                    ReconnectError::ClusterDown,
                    ReconnectError::Loading,
                    ReconnectError::ReadOnly,
                    ReconnectError::MasterDown,
                ];
            })
            .set_policy(policy);
        let unusable = |error: Error| InvalidSetting::new(address::KEY, error.details().to_owned());
        let (data, publisher) = (builder.build().map_err(unusable)?, builder.build().map_err(unusable)?);
        // Nothing but changes of their links comes to the others.
        builder.with_performance_config(|performance| performance.broadcast_channel_capacity = MESSAGES_WAITING);
        Ok(Self { data, publisher, subscriber: builder.build_subscriber_client().map_err(unusable)? })
    }
}
