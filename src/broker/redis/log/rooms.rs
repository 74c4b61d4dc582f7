//! The list of rooms that have entries.

use fred::{
    error::Error,
    interfaces::{HashesInterface, SortedSetsInterface},
    types::sorted_sets::{ZRange, ZRangeBound, ZRangeKind},
};
use futures_util::future::try_join_all;

use super::read::unavailable;
use crate::{
    broker::{
        LoggedRoom, Unavailable,
        redis::{
            context::Context,
            keys::{self, RoomKeys},
        },
    },
    protocol::ids::{Epoch, RoomName, Seq},
};

/// Rooms looked at once.
const LOOK: usize = 128;

/// Rooms that have entries, by name. One whose log is gone is taken off the list; should it come to life meanwhile, its
/// next entry puts it on again.
pub(super) async fn logged_rooms(
    context: &Context,
    prefix: &str,
    mut after: Option<RoomName>,
    limit: usize,
) -> Result<Vec<LoggedRoom>, Unavailable> {
    let mut rooms = Vec::new();
    while rooms.len() < limit {
        let names = names(context, prefix, after.as_ref()).await.map_err(|error| unlisted(context, &error))?;
        let states = try_join_all(names.iter().map(|name| state(context, name))).await;
        let states = states.map_err(|error| unlisted(context, &error))?;
        let gone: Vec<&str> =
            names.iter().zip(&states).filter(|(_, state)| state.is_none()).map(|(n, _)| n.as_str()).collect();
        if !gone.is_empty() {
            let removed: Result<u64, Error> = context.clients.data.zrem(keys::ROOMS, gone).await;
            removed.map_err(|error| unlisted(context, &error))?;
        }
        let whole = names.len() == LOOK;
        after = names.last().cloned();
        rooms.extend(states.into_iter().flatten().filter(|(_, has_entries)| *has_entries).map(|(room, _)| room));
        if !whole {
            break;
        }
    }
    rooms.truncate(limit);
    Ok(rooms)
}

async fn names(context: &Context, prefix: &str, after: Option<&RoomName>) -> Result<Vec<RoomName>, Error> {
    let bound = |kind, text: &str| ZRange { kind, range: ZRangeBound::Lex(text.to_owned()) };
    let from = match after {
        Some(after) if after.as_str() >= prefix => bound(ZRangeKind::Exclusive, after.as_str()),
        _ => bound(ZRangeKind::Inclusive, prefix),
    };
    // Names are of ASCII below 0x7F, so this is above each that starts with the prefix.
    let to = bound(ZRangeKind::Exclusive, &format!("{prefix}\u{7F}"));
    let names: Vec<String> = context.clients.data.zrangebylex(keys::ROOMS, from, to, Some((0, LOOK as i64))).await?;
    Ok(names.iter().filter_map(|name| RoomName::parse(name).ok()).collect())
}

/// A room and whether it has entries; `None` for one that is gone.
async fn state(context: &Context, room: &RoomName) -> Result<Option<(LoggedRoom, bool)>, Error> {
    let meta: Vec<Option<String>> =
        context.clients.data.hmget(RoomKeys(room).meta(), vec!["e", "s", "t", "ts"]).await?;
    let [Some(epoch), Some(head), Some(trimmed), Some(ts)] = &meta[..] else { return Ok(None) };
    let number = |text: &str| text.parse::<Seq>().unwrap_or_default();
    let Ok(epoch) = Epoch::parse(epoch) else { return Ok(None) };
    let logged = LoggedRoom { room: room.clone(), epoch, last_ts: number(ts) };
    Ok(Some((logged, number(head) > number(trimmed))))
}

fn unlisted(context: &Context, error: &Error) -> Unavailable {
    unavailable(context, &RoomName::global(), error)
}
