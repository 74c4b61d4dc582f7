//! Which id a process has among its peers: the one it was given, unless another that lives has it.

use std::time::Duration;

use fred::{
    clients::Client,
    error::{Error, ErrorKind},
    interfaces::ClientLike,
    types::Value,
};
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use crate::{
    auth::{config::InvalidSetting, secret::Secret},
    broker::redis::{
        clients::Clients,
        config::RedisConfig,
        keys,
        scripts::{self, HEARTBEAT},
    },
    metrics::Metrics,
    protocol::{
        envelope::Incarnation,
        ids::{InstanceId, Millis},
    },
};

/// How long a start waits for Redis at most; without it an instance begins under the id it was given.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the holder of an id is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// Longest part of a given id that one made of it has: the dot and four digits follow.
const MAX_STEM: usize = 59;

/// What a heartbeat found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// The id was this incarnation's already.
    Ok,
    /// The id was nobody's, or its dead holder was replaced.
    New,
    /// It is another's.
    Taken(Holder),
}

/// Another process with the same id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    nonce: String,
    heard_at: Millis,
    now: Millis,
}

/// What to do about another holder of the id.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Look again.
    Wait,
    /// It is silent: replace it.
    Replace(Holder),
    /// It lives: take another id.
    Yield,
}

/// Watches another holder of an id. One that missed a heartbeat is dead: a process that was killed and started again
/// gets its id back without waiting until the old one expires. If it was only slow, it finds its id taken and yields.
#[derive(Debug)]
pub(super) struct Watch {
    first: Option<Holder>,
    patience: Millis,
}

impl Watch {
    /// `heartbeat_ms`: how often the holder says that it lives.
    pub(super) fn new(heartbeat_ms: Millis) -> Self {
        Self { first: None, patience: heartbeat_ms + heartbeat_ms / 2 }
    }

    /// It was seen.
    pub(super) fn see(&mut self, holder: Holder) -> Verdict {
        let first = self.first.get_or_insert_with(|| holder.clone());
        if first.nonce != holder.nonce || first.heard_at != holder.heard_at {
            return Verdict::Yield;
        }
        if holder.now.saturating_sub(holder.heard_at) >= self.patience {
            Verdict::Replace(holder)
        } else {
            Verdict::Wait
        }
    }
}

/// The id of a process whose own is taken.
pub(super) fn other_id(wanted: &InstanceId, nonce: u32) -> Option<InstanceId> {
    let stem = wanted.as_str().get(..MAX_STEM).unwrap_or(wanted.as_str());
    InstanceId::parse(&format!("{stem}.{:04x}", nonce & 0xffff)).ok()
}

/// Says that an incarnation lives. `replace`: a holder of its id that is to be replaced if it is still silent.
pub(super) async fn beat(
    client: &Client,
    who: &Incarnation,
    ttl_ms: Millis,
    info: String,
    replace: Option<&Holder>,
) -> Result<(Beat, i64), Error> {
    let keys = vec![keys::instance(who.instance.as_str()), keys::INSTANCES.to_owned()];
    let (nonce, heard) = replace.map(|holder| (holder.nonce.clone(), holder.heard_at.to_string())).unwrap_or_default();
    let own_nonce = format!("{:08x}", who.nonce);
    let args = vec![who.instance.to_string(), own_nonce, ttl_ms.to_string(), info, nonce, heard];
    let reply: Vec<Value> = scripts::run(&HEARTBEAT, client, keys, args).await?;
    let strange = || Error::new(ErrorKind::Parse, "a heartbeat was answered strangely");
    let [status, nonce, heard_at, now, live] = &reply[..] else { return Err(strange()) };
    let beat = match status.as_str().as_deref() {
        Some("OK") => Beat::Ok,
        Some("NEW") => Beat::New,
        _ => Beat::Taken(Holder {
            nonce: nonce.as_string().ok_or_else(strange)?,
            heard_at: heard_at.as_u64().ok_or_else(strange)?,
            now: now.as_u64().ok_or_else(strange)?,
        }),
    };
    Ok((beat, live.as_i64().unwrap_or(0)))
}

/// Settles under which id this process runs, before anything of it shows one: the id it was given, or that with a part of
/// its nonce behind it while another process that lives has it. Waits while that is not clear, up to one and a half
/// heartbeats; not for a Redis that is away.
///
/// # Errors
/// An address that is none.
pub async fn settle_identity(
    url: &Secret,
    config: &RedisConfig,
    instance_ttl_ms: Millis,
    wanted: Incarnation,
    metrics: &Metrics,
) -> Result<Incarnation, InvalidSetting> {
    let client = Clients::new(url, config)?.data;
    let connection = client.connect();
    let settled = match timeout(PATIENCE, client.wait_for_connect()).await {
        Ok(Ok(())) => settle(&client, config.heartbeat_ms, instance_ttl_ms, &wanted).await,
        _ => Ok(wanted.clone()),
    };
    let _ = client.quit().await;
    connection.abort();
    let me = settled.unwrap_or_else(|error| {
        debug!("settling the instance id: {error}");
        wanted.clone()
    });
    if me != wanted {
        metrics.instance_id_collisions.inc();
    }
    Ok(me)
}

async fn settle(
    client: &Client,
    heartbeat_ms: Millis,
    ttl_ms: Millis,
    wanted: &Incarnation,
) -> Result<Incarnation, Error> {
    let mut watch = Watch::new(heartbeat_ms);
    let mut replace = None;
    loop {
        // Nothing is known of it yet but that it lives; what it says of itself comes with its first own heartbeat.
        match beat(client, wanted, ttl_ms, String::new(), replace.as_ref()).await?.0 {
            Beat::Ok | Beat::New => {
                if replace.is_some() {
                    info!(instance = %wanted.instance, "took the id over from a process that is silent");
                }
                return Ok(wanted.clone());
            }
            Beat::Taken(holder) => match watch.see(holder) {
                Verdict::Wait => sleep(LOOK).await,
                Verdict::Replace(holder) => replace = Some(holder),
                Verdict::Yield => return Ok(yielded(wanted)),
            },
        }
    }
}

/// The incarnation under another id, with a warning.
pub(super) fn yielded(wanted: &Incarnation) -> Incarnation {
    let Some(instance) = other_id(&wanted.instance, wanted.nonce) else { return wanted.clone() };
    warn!(
        wanted = %wanted.instance, now = %instance,
        "another process that runs has this INSTANCE_ID; each needs its own"
    );
    Incarnation { instance, nonce: wanted.nonce }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(nonce: &str, heard_at: Millis, now: Millis) -> Holder {
        Holder { nonce: nonce.into(), heard_at, now }
    }

    #[test]
    fn a_silent_holder_is_replaced() {
        let mut watch = Watch::new(3_000);
        assert_eq!(watch.see(holder("a", 1_000, 2_000)), Verdict::Wait);
        assert_eq!(watch.see(holder("a", 1_000, 5_499)), Verdict::Wait);
        let silent = holder("a", 1_000, 5_500);
        assert_eq!(watch.see(silent.clone()), Verdict::Replace(silent));
    }

    #[test]
    fn one_that_lives_is_yielded_to() {
        let mut watch = Watch::new(3_000);
        watch.see(holder("a", 1_000, 2_000));
        assert_eq!(watch.see(holder("a", 4_000, 4_100)), Verdict::Yield);
        let mut watch = Watch::new(3_000);
        watch.see(holder("a", 1_000, 2_000));
        assert_eq!(watch.see(holder("b", 1_000, 2_000)), Verdict::Yield, "a third one was faster");
    }

    #[test]
    fn another_id_is_lawful_and_tells_where_it_comes_from() {
        let other = |id: &str| other_id(&InstanceId::parse(id).unwrap(), 0xdead_beef).unwrap().to_string();
        assert_eq!(other("api-1"), "api-1.beef");
        assert_eq!(other(&"x".repeat(64)).len(), 64);
    }
}
