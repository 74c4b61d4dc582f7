//! Tries the connections again and again: a peer that froze, a subscriber that hears nothing any more, and a server that
//! is no primary any more show in no other way (REDIS.md sections 1 and 2).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use fred::{
    error::Error,
    interfaces::{ClientLike, PubsubInterface},
    types::{ClusterHash, CustomCommand, Value},
};
use futures_util::future::join3;
use tokio::time::{sleep, timeout};
use tracing::warn;

use super::{
    context::Context,
    keys,
    link::{Event, Events},
    receiver::Hearing,
    selftest::Trouble,
    usage::Usage,
};
use crate::{
    chat::link::{Connection, Input},
    protocol::envelope::Body,
};

/// So many rounds without a frame, and one is sent to come back.
const QUIET_ROUNDS: u32 = 5;

/// Tries the connections every `probe_ms` while Redis can be used.
pub(super) async fn run(ctx: Arc<Context>, hearing: Arc<Hearing>, events: Events) {
    let (mut quiet, mut heard) = (0, hearing.frames());
    let mut usage = Usage::new();
    loop {
        sleep(Duration::from_millis(ctx.config.probe_ms)).await;
        if !ctx.is_up() {
            quiet = 0;
            continue;
        }
        if let Err(error) = ping(&ctx).await {
            warn!("a ping of Redis failed: {error}");
            continue;
        }
        usage.ask(&ctx).await;
        for (connection, demoted) in demoted(&ctx).await {
            if demoted && tell(&events, Input::Lost(connection), "its server is a replica now").await {
                reconnect(&ctx, connection);
            }
        }
        let frames = hearing.frames();
        quiet = if frames == heard && !hearing.is_held_up() { quiet + 1 } else { 0 };
        heard = frames;
        if quiet >= QUIET_ROUNDS {
            quiet = 0;
            if let Err(trouble) = echo(&ctx, &hearing).await
                && ctx.is_up()
                && !hearing.is_held_up()
            {
                ctx.metrics.redis_lost_probes.inc();
                tell(&events, Input::Deaf, &trouble.to_string()).await;
            }
        }
    }
}

async fn tell(events: &Events, input: Input, why: &str) -> bool {
    events.send(Event::Happened(input, why.to_owned())).await.is_ok()
}

/// Asks for a sign of life on all three connections; each that fails counts.
pub(super) async fn ping(ctx: &Context) -> Result<(), Error> {
    let clients = &ctx.clients;
    let (data, publisher, subscriber) =
        join3(clients.data.ping::<()>(None), clients.publisher.ping::<()>(None), clients.subscriber.ping::<()>(None))
            .await;
    let mut result = Ok(());
    for ping in [data, publisher, subscriber] {
        if let Err(error) = ping {
            ctx.failed(&error);
            result = Err(error);
        }
    }
    result
}

/// Publishes something to this instance itself, and waits until it comes.
pub(super) async fn echo(ctx: &Context, hearing: &Hearing) -> Result<(), Trouble> {
    let mut probes = hearing.probes();
    let envelope = ctx.envelope(Body::Probe);
    let frame = serde_json::to_vec(&envelope).map_err(|error| Trouble::Unfit(error.to_string()))?;
    let since = Instant::now();
    ctx.clients.publisher.publish::<(), _, _>(keys::peer_channel(&ctx.me), frame.as_slice()).await?;
    let came = probes.wait_for(|came| came.is_some_and(|id| id >= envelope.id));
    match timeout(Duration::from_millis(ctx.config.command_timeout_ms), came).await {
        Ok(Ok(_)) => {
            ctx.metrics.redis_probe_seconds.observe(since.elapsed().as_secs_f64());
            Ok(())
        }
        _ => Err(Trouble::Deaf),
    }
}

/// Behind Sentinels a server can cease to be the primary under a connection that goes on working, and what is published
/// there reaches nobody. Asks each connection's server what it is; one that does not tell is left alone.
async fn demoted(ctx: &Context) -> Vec<(Connection, bool)> {
    let clients = &ctx.clients;
    if !clients.data.client_config().server.is_sentinel() {
        return Vec::new();
    }
    let (data, publisher, subscriber) =
        join3(is_replica(&clients.data), is_replica(&clients.publisher), is_replica(&clients.subscriber)).await;
    Connection::ALL.into_iter().zip([data, publisher, subscriber]).collect()
}

async fn is_replica<C: ClientLike>(client: &C) -> bool {
    let role = CustomCommand::new_static("ROLE", ClusterHash::FirstKey, false);
    let answer = client.custom::<Vec<Value>, String>(role, Vec::new()).await.unwrap_or_default();
    answer.first().and_then(Value::as_str).is_some_and(|role| &*role == "slave")
}

/// Makes a connection anew, with the server that is the primary now.
pub(super) fn reconnect(ctx: &Context, connection: Connection) {
    let clients = ctx.clients.clone();
    // Done when it is connected again, which is told as any other time.
    tokio::spawn(async move {
        match connection {
            Connection::Data => clients.data.force_reconnection().await,
            Connection::Publisher => clients.publisher.force_reconnection().await,
            Connection::Subscriber => clients.subscriber.force_reconnection().await,
        }
    });
}
