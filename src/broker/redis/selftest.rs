//! Proves at the start, and after each outage, that Redis does what the store needs, and says exactly what is missing.
//!
//! Redis is asked (`redis.acl_check_cmd`, since 7.0) about every command that the scripts run: one that is forbidden would
//! else fail in the middle of a script, after what stands before it took effect.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
};

use fred::{clients::Client, error::Error, interfaces::ClientLike};
use tracing::warn;

use super::{context::Context, failure, keys, scripts};
use crate::{broker::Unavailable, protocol::envelope::Incarnation};

/// The oldest major version of Redis; Valkey, which began at its 7.2, says the version it is compatible with.
const OLDEST: u32 = 7;

/// What is needed beside what the scripts run; the words behind a command are its subcommand.
const OTHER_COMMANDS: [&str; 7] =
    ["PING", "SCRIPT LOAD", "EVALSHA", "PUBSUB NUMSUB", "SUBSCRIBE", "UNSUBSCRIBE", "PUBLISH"];

/// What takes no key.
const KEYLESS: [&str; 2] = ["TIME", "PING"];

/// Why Redis cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// A command failed.
    #[error("{0}")]
    Failed(#[from] Error),
    /// Something is set up otherwise than it is needed.
    #[error("{0}")]
    Unfit(String),
    /// A part of the store did not get what it needs; the log says why.
    #[error("{0}")]
    Unavailable(#[from] Unavailable),
    /// What is published does not come.
    #[error("what is published does not come back")]
    Deaf,
}

/// Warnings that were given already: an operator needs to read them once.
#[derive(Default)]
pub(super) struct Warned {
    eviction: AtomicBool,
    durability: AtomicBool,
}

/// Proves that Redis does what is needed; what only is unwise is logged once.
pub(super) async fn run(ctx: &Context, warned: &Warned) -> Result<(), Trouble> {
    let data = &ctx.clients.data;
    // One that forbids INFO is not looked into.
    if let Ok(info) = data.info::<String>(None).await {
        check_server(&info)?;
        advise(&info, warned);
    }
    prove(data, &ctx.me).await
}

/// Proves that the user may do what is needed, and that writes are taken.
pub(super) async fn prove(data: &Client, me: &Incarnation) -> Result<(), Trouble> {
    scripts::load_all(data).await.map_err(explain)?;
    let key = keys::self_test(me);
    let needed = needed(scripts::TEXTS, &key);
    let denied: Vec<String> =
        scripts::run(&scripts::SELF_TEST, data, vec![key], needed.clone()).await.map_err(explain)?;
    if denied.is_empty() { Ok(()) } else { Err(Trouble::Unfit(advice(&rules(&needed, &denied)))) }
}

fn check_server(info: &str) -> Result<(), Trouble> {
    let version = field(info, "redis_version").unwrap_or_default();
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_some_and(|major| major < OLDEST) {
        return Err(Trouble::Unfit(format!("it is Redis {version}, and {OLDEST}.0 is the oldest that serves")));
    }
    if field(info, "role").is_some_and(|role| role != "master") {
        return Err(Trouble::Unfit("it is a replica; REDIS_URL must lead to the primary, or to Sentinels".to_owned()));
    }
    Ok(())
}

fn advise(info: &str, warned: &Warned) {
    let policy = field(info, "maxmemory_policy").unwrap_or("noeviction");
    if policy != "noeviction" && !warned.eviction.swap(true, Ordering::Relaxed) {
        warn!("Redis may throw away what it holds (maxmemory-policy {policy}): set it to noeviction");
    }
    if field(info, "aof_enabled") == Some("0") && !warned.durability.swap(true, Ordering::Relaxed) {
        warn!("Redis forgets what it holds when it ends: set appendonly yes");
    }
}

/// A line `name:value` of INFO.
pub(super) fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// Every command that is needed, once, with `key` wherever it takes a key or a channel.
fn needed(scripts: &[&str], key: &str) -> Vec<String> {
    let called = scripts.iter().flat_map(|text| calls(text));
    let all: BTreeSet<_> = called.chain(OTHER_COMMANDS).collect();
    // Some take several keys, and none minds a key too many: only who may is asked.
    all.into_iter()
        .map(|command| match command {
            keyless if KEYLESS.contains(&keyless) => keyless.to_owned(),
            "EVALSHA" => format!("EVALSHA 0 1 {key}"),
            "SCRIPT LOAD" => command.to_owned(),
            command => format!("{command} {key} {key} {key}"),
        })
        .collect()
}

/// The commands that a script calls.
fn calls(text: &str) -> impl Iterator<Item = &str> {
    let starts = text.match_indices("call(").map(|(at, call)| &text[at + call.len()..]);
    starts.filter_map(|rest| {
        let quoted = rest.trim_start().strip_prefix(['\'', '"'])?;
        let command = quoted.split(['\'', '"']).next()?;
        (!command.is_empty() && command.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')).then_some(command)
    })
}

/// The rules to add to the ACL of the user. Where all that takes a key, or a channel, is denied, it is the key or channel.
fn rules(needed: &[String], denied: &[String]) -> BTreeSet<String> {
    let on_channels = |line: &&String| ["PUBLISH ", "SUBSCRIBE "].iter().any(|command| line.starts_with(command));
    let on_keys = |line: &&String| {
        let other = OTHER_COMMANDS.iter().chain(&KEYLESS).any(|command| line.starts_with(command));
        !other && !on_channels(line)
    };
    let all_denied = |of: &dyn Fn(&&String) -> bool| {
        let mut lines = needed.iter().filter(|line| of(line)).peekable();
        lines.peek().is_some() && lines.all(|line| denied.contains(line))
    };
    let mut rules = BTreeSet::new();
    let (no_keys, no_channels) = (all_denied(&on_keys), all_denied(&on_channels));
    if no_keys {
        rules.insert("~chat:*".to_owned());
    }
    if no_channels {
        rules.insert("&chat:*".to_owned());
    }
    for line in denied {
        if (no_keys && (on_keys(&line) || line.starts_with("EVALSHA"))) || (no_channels && on_channels(&line)) {
            continue;
        }
        rules.insert(rule(line));
    }
    rules
}

/// The rule that allows a command: `+hset`, `+script|load`.
fn rule(line: &str) -> String {
    let mut words = line.split(' ');
    let command = words.next().unwrap_or_default().to_lowercase();
    match (command.as_str(), words.next()) {
        ("script" | "pubsub", Some(subcommand)) => format!("+{command}|{}", subcommand.to_lowercase()),
        _ => format!("+{command}"),
    }
}

fn advice(rules: &BTreeSet<String>) -> String {
    let rules = rules.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
    format!("its user may not do what is needed; add to the user's ACL: {rules}")
}

/// Says what an error of the test itself is about: without these commands nothing can be asked.
fn explain(error: Error) -> Trouble {
    if failure::code(&error) != Some("NOPERM") {
        return Trouble::Failed(error);
    }
    let details = error.details();
    let command = details.split('\'').nth(1);
    let rule = match command {
        Some(command) => format!("+{}", command.to_lowercase()),
        None if details.contains("channel") => "&chat:*".to_owned(),
        None if details.contains("key") => "~chat:*".to_owned(),
        None => return Trouble::Failed(error),
    };
    Trouble::Unfit(advice(&BTreeSet::from([rule])))
}

#[cfg(test)]
mod tests {
    use fred::error::ErrorKind;

    use super::*;

    const SCRIPTS: [&str; 2] =
        ["redis.call('HSET', KEYS[1], 'a', 1)\nredis.pcall('TIME')", "redis.call(\"HGET\", redis.call('HSET'))"];

    #[test]
    fn what_the_scripts_run_is_asked_for() {
        let needed = needed(&SCRIPTS, "k");
        for line in ["HSET k k k", "HGET k k k", "TIME", "PUBLISH k k k", "PUBSUB NUMSUB k k k", "SCRIPT LOAD"] {
            assert_eq!(needed.iter().filter(|needed| *needed == line).count(), 1, "{line} in {needed:?}");
        }
        assert!(needed.len() > 8 && scripts::TEXTS.iter().any(|text| calls(text).any(|call| call == "TIME")));
    }

    #[test]
    fn the_rules_to_add_are_the_least() {
        let needed = needed(&SCRIPTS, "k");
        let said = |denied: &[&str]| {
            let denied: Vec<_> = denied.iter().map(|line| (*line).to_owned()).collect();
            rules(&needed, &denied).into_iter().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(said(&["HSET k k k"]), "+hset");
        assert_eq!(said(&["HSET k k k", "HGET k k k", "EVALSHA 0 1 k"]), "~chat:*");
        assert_eq!(said(&["PUBLISH k k k", "SUBSCRIBE k k k", "TIME"]), "&chat:* +time");
        assert_eq!(
            said(&["PUBLISH k k k", "PUBSUB NUMSUB k k k", "SCRIPT LOAD"]),
            "+publish +pubsub|numsub +script|load"
        );
    }

    #[test]
    fn what_cannot_even_be_asked_is_named() {
        let said = |details: &'static str| explain(Error::new(ErrorKind::Unknown, details)).to_string();
        let command = "NOPERM User api-chat has no permissions to run the 'script|load' command";
        assert!(said(command).ends_with("ACL: +script|load"), "{}", said(command));
        assert!(said("NOPERM No permissions to access a key").ends_with("ACL: ~chat:*"));
        assert!(said("NOPERM No permissions to access a channel").ends_with("ACL: &chat:*"));
        assert!(said("OOM command not allowed").contains("OOM"));
    }

    #[test]
    fn an_unfit_server_is_refused() {
        let info = "# Server\r\nredis_version:7.0.15\r\n# Replication\r\nrole:master\r\n";
        assert!(check_server(info).is_ok() && check_server("").is_ok());
        assert!(check_server("redis_version:6.2.1\r\n").unwrap_err().to_string().contains("6.2.1"));
        assert!(check_server(&info.replace("master", "slave")).unwrap_err().to_string().contains("replica"));
    }
}
