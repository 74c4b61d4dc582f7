//! Listens to the Sentinels: a primary that they replaced may go on answering for seconds, and what is published there
//! reaches nobody and is lost with it (REDIS.md section 1: 10 s were measured). fred does not listen to them.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use fred::{
    error::Error,
    interfaces::{ClientLike, EventInterface, PubsubInterface},
    prelude::Builder,
    types::{
        RespVersion,
        config::{Config, ReconnectPolicy, Server, ServerConfig},
    },
};
use tokio::{task::JoinSet, time::sleep};
use tracing::{debug, warn};

use super::{
    clients::RECONNECT,
    context::Context,
    link::{Event, Events},
    probing,
};
use crate::chat::link::{Connection, Input};

/// Where a Sentinel tells of another primary: `<service> <old host> <old port> <new host> <new port>`.
const SWITCHED: &str = "+switch-master";

/// How often a Sentinel is asked for a sign of life: what only listens does not notice a dead peer by itself.
const PING_EVERY: Duration = Duration::from_secs(5);

/// Listens for as long as the store runs; returns at once where there are no Sentinels.
pub(super) async fn run(ctx: Arc<Context>, events: Events) {
    let config = ctx.clients.data.client_config();
    let ServerConfig::Sentinel { hosts, service_name, username, password } = &config.server else { return };
    let mut listening = JoinSet::new();
    let last = Arc::new(Mutex::default());
    for host in hosts {
        let of_sentinel = Config {
            server: ServerConfig::Centralized { server: host.clone() },
            username: username.clone(),
            password: password.clone(),
            tls: config.tls.clone(),
            version: RespVersion::RESP2,
            fail_fast: false,
            ..Config::default()
        };
        let move_over = MoveOver { ctx: ctx.clone(), events: events.clone(), last: last.clone() };
        listening.spawn(listen(move_over, of_sentinel, host.clone(), service_name.clone()));
    }
    while listening.join_next().await.is_some() {}
}

async fn listen(move_over: MoveOver, config: Config, host: Server, service: String) {
    let (least, most, factor, _) = RECONNECT;
    let timeout = Duration::from_millis(move_over.ctx.config.command_timeout_ms);
    let client = Builder::from_config(config)
        .with_performance_config(|performance| performance.default_command_timeout = timeout)
        .with_connection_config(|connection| {
            connection.connection_timeout = timeout;
            connection.internal_command_timeout = timeout;
            // As for the other connections.
            connection.max_command_buffer_len = 0;
            connection.unresponsive.max_timeout = Some(timeout * 2);
        })
        .set_policy(ReconnectPolicy::new_exponential(0, least, most, factor))
        .build_subscriber_client();
    let client = match client {
        Ok(client) => client,
        Err(error) => return warn!("cannot listen to the Sentinel {host}: {}", error.details()),
    };
    let (mut frames, mut connects) = (client.message_rx(), client.reconnect_rx());
    let _ending = AbortOnDrop(client.connect());
    loop {
        let ended = tokio::select! {
            frame = frames.recv() => match frame {
                Ok(frame) => {
                    let message = frame.value.as_string().unwrap_or_default();
                    if *frame.channel == *SWITCHED && names(&message, &service) {
                        move_over.told(message).await;
                    }
                    continue;
                }
                Err(ended) => format!("{ended}"),
            },
            made = connects.recv() => match made {
                Ok(_) => {
                    subscribe(&client, &host).await;
                    continue;
                }
                Err(ended) => format!("{ended}"),
            },
            () = sleep(PING_EVERY) => {
                // One that fails has fred connect again.
                let _ = client.ping::<()>(None).await;
                continue;
            }
        };
        debug!("the Sentinel {host}: {ended}");
        sleep(PING_EVERY).await;
    }
}

/// Ends the task of a connection with that which uses it.
struct AbortOnDrop(fred::types::ConnectHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn subscribe<C: PubsubInterface>(client: &C, host: &Server) {
    let subscribed: Result<(), Error> = client.subscribe(SWITCHED).await;
    if let Err(error) = subscribed {
        warn!("cannot listen to the Sentinel {host}: {}", error.details());
    }
}

/// Whether a message is about the service.
fn names(message: &str, service: &str) -> bool {
    message.split(' ').next() == Some(service)
}

/// Goes to the new primary.
struct MoveOver {
    ctx: Arc<Context>,
    events: Events,
    /// The last message, of any Sentinel: each says the same.
    last: Arc<Mutex<String>>,
}

impl MoveOver {
    /// Gives up every connection: fred asks the Sentinels where the primary is for the next.
    async fn told(&self, message: String) {
        let known = {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *last, message.clone()) == message
        };
        if known {
            return;
        }
        for connection in Connection::ALL {
            let why = "the Sentinels named another primary".to_owned();
            if self.events.send(Event::Happened(Input::Lost(connection), why)).await.is_ok() {
                probing::reconnect(&self.ctx, connection);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_service_counts() {
        let message = "mymaster 10.0.0.1 6379 10.0.0.2 6379";
        assert!(names(message, "mymaster") && !names(message, "my") && !names("", "mymaster"));
    }
}
