//! Whether a room's log has the entries that it should have.

use std::collections::HashSet;

use fred::{clients::Client, error::Error, types::Value};

use super::append::{self, Failed, Logged, is_message, subject};
use crate::{
    broker::redis::{context::Context, keys::RoomKeys, scripts},
    protocol::{
        entry::EntryBody,
        ids::{Epoch, RoomName, Seq},
    },
};

/// What was found.
pub(super) struct Looked {
    /// The life of the log, if there is one.
    pub(super) epoch: Option<Epoch>,
    /// The number of its last entry.
    pub(super) head: Seq,
    /// The places of those that it lacks.
    pub(super) lacks: HashSet<usize>,
}

/// Looks for entries where they were logged.
pub(super) async fn look<'a>(
    context: &Context,
    client: &Client,
    room: &RoomName,
    entries: impl Iterator<Item = (&'a EntryBody, Logged)>,
) -> Result<Looked, Failed> {
    let keys = RoomKeys(room);
    let mut args: Vec<Value> = Vec::new();
    for (body, at) in entries {
        let kind = if is_message(body) { "m" } else { "" };
        args.extend([kind, subject(body).as_str(), &at.seq.to_string(), &at.ts.to_string()].map(Value::from));
    }
    let names = vec![keys.meta(), keys.log(), keys.ids()];
    let answer: Result<Vec<String>, Error> = scripts::run(&scripts::LACKS, client, names, args).await;
    let answer = answer.map_err(|error| append::failed(context, room, &error))?;
    let mut words = answer.into_iter();
    let epoch = words.next().and_then(|epoch| Epoch::parse(&epoch).ok());
    let head = words.next().and_then(|head| head.parse().ok()).unwrap_or_default();
    let lacks = words.filter_map(|place| place.parse::<usize>().ok()?.checked_sub(1)).collect();
    Ok(Looked { epoch, head, lacks })
}
