//! Several instances that are one chat, around one Redis.
//!
//! - [`starting`], [`degraded`]: how servers come together, and what they do while Redis is away.
//!   [`sentinel`]: how they follow another primary.
//! - [`admin`]: what admins see of all of them, whichever they ask.
//! - [`crowd`]: who is there, as people see it, and what servers of one host or name share.
//! - [`instance`]: an instance's store alone, many of them in this process. [`presence`], [`registry`], [`leases`]: what
//!   such instances share.

mod admin;
mod crowd;
mod degraded;
mod instance;
mod leases;
mod presence;
mod registry;
mod sentinel;
mod starting;

use crate::support::{Client, Value, cluster::METRICS_KEY, server::Server};

/// The messages of a room that a client was told live, as (seq, text).
fn texts(received: &[Value]) -> Vec<(u64, &str)> {
    let messages = received.iter().filter(|event| event["type"] == "message" && event["seq"].is_u64());
    messages.map(|event| (event["seq"].as_u64().unwrap(), event["text"].as_str().unwrap())).collect()
}

/// What a client was told when it came in.
fn joined(client: &Client) -> &Value {
    client.received.iter().find(|event| event["type"] == "joined").unwrap()
}

/// A metric of the text form, by its name and labels; 0 while there is none.
async fn metric(server: &Server, name: &str) -> f64 {
    let text = server.get_as("/metrics/prometheus", METRICS_KEY).await.text;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map_or(0.0, |value| value.parse().unwrap())
}
