//! Redis: reached, recent enough, allowed to do what is needed, and set up to lose nothing (docs/operations.md).

use super::finding::Finding;
use crate::{
    auth::config::InvalidSetting,
    broker::redis::{ClockOffset, Inspection, RedisSettings, ServerInfo},
};

/// The oldest that serves; Valkey says the Redis that it is compatible with, 7.2 and later.
const OLDEST: u32 = 7;

/// What the shipped redis.conf sets for the output buffers of subscribers, and what Redis does when nothing is set: hard
/// limit and soft limit in bytes.
const BUFFERS: (u64, u64) = (64 << 20, 16 << 20);
const DEFAULT_BUFFERS: (u64, u64) = (32 << 20, 8 << 20);

/// How far the clock of this machine may be from that of Redis, milliseconds.
const CLOCK_OK_MS: u64 = 1_000;

/// Parts of the memory and the connections from which on they are short, in percent.
const MEMORY_PERCENT: (u64, u64) = (70, 95);
const CLIENTS_PERCENT: u64 = 80;

/// The address is none.
pub(super) fn bad_address(problem: &InvalidSetting) -> Finding {
    Finding::fail("address", problem.to_string(), "set REDIS_URL to redis://user:password@host:6379")
}

/// It does not answer, or lets nobody in.
pub(super) fn unreachable(why: &str) -> Finding {
    let fix = if ["WRONGPASS", "NOAUTH", "AUTH"].iter().any(|code| why.contains(code)) {
        "REDIS_URL has another user or password than users.acl; what is special in a password is written as %XX"
    } else {
        "is it started, its port open, the address in REDIS_URL right? `redis-cli -u \"$REDIS_URL\" ping` tries the same"
    };
    Finding::fail("reached", format!("no: {why}"), fix)
}

/// It is set, and the server would not use it.
pub(super) fn unused() -> Finding {
    Finding::note("distributed", "REDIS_URL is set, and ENABLE_DISTRIBUTED_CHAT is not", "set it to true to use Redis")
}

/// None is set.
pub(super) fn none() -> Finding {
    Finding::ok("distributed", "no: the server stands alone, and needs no Redis")
}

/// Judges what was seen; `no_admin` is why the administrator was not let in.
pub(super) fn judge(seen: &Inspection, no_admin: Option<&str>) -> Vec<Finding> {
    let mut found = vec![Finding::ok("reached", "yes")];
    match &seen.info {
        Some(info) => found.extend(server(info)),
        None => found.push(Finding::warn(
            "version",
            "cannot be seen: the user may not use INFO",
            "add +info to its ACL, as in config/redis/users.acl",
        )),
    }
    found.push(match &seen.rights {
        Ok(()) => Finding::ok("rights", "its user may do all that is needed, and writes are taken"),
        Err(why) => Finding::fail("rights", why.clone(), "config/redis/users.acl has a user with all rights needed"),
    });
    found.push(user(seen.own_user));
    found.extend(clock(seen.clock));
    found.extend(no_admin.map(|why| {
        Finding::warn(
            "administrator of Redis",
            format!("cannot log in, so what only one may see is left out: {why}"),
            "put right the user, password and address in --redis-admin-url, or REDIS_ADMIN_URL",
        )
    }));
    match &seen.settings {
        // What is to be done about it has just been said.
        Err(_) if no_admin.is_some() => {}
        Ok(settings) => {
            let has_file = seen.info.as_ref().is_none_or(|info| info.aof_enabled != Some(false));
            found.extend(self::settings(settings, has_file));
        }
        Err(why) => found.push(Finding::note(
            "settings",
            format!("appendfsync, output buffers and timeout cannot be seen: {why}"),
            "give --redis-admin-url, or ask as administrator: `redis-cli --user admin CONFIG GET appendfsync \
             client-output-buffer-limit timeout`",
        )),
    }
    found
}

fn user(own: bool) -> Finding {
    if own {
        return Finding::ok("user", "one of its own");
    }
    Finding::warn(
        "user",
        "the one that everybody is: whoever reaches Redis may do all that Hubbub may, and more",
        "use config/redis/users.acl, and name its user and password in REDIS_URL",
    )
}

fn server(info: &ServerInfo) -> Vec<Finding> {
    let mut found = vec![version(info)];
    if info.role.as_deref().is_some_and(|role| role != "master") {
        let fix = "let REDIS_URL lead to the primary, or to Sentinels (redis-sentinel://)";
        found.push(Finding::fail("role", "it is a replica, and takes no writes", fix));
    }
    found.push(eviction(info));
    found.push(memory(info));
    found.extend(persistence(info));
    if let (Some(clients), Some(limit)) = (info.clients, info.max_clients.filter(|limit| *limit > 0)) {
        let what = format!("{clients} of {limit} connections");
        found.push(if clients * 100 >= limit * CLIENTS_PERCENT {
            Finding::warn("connections", what, "raise maxclients: each instance needs 3")
        } else {
            Finding::ok("connections", what)
        });
    }
    found
}

fn version(info: &ServerInfo) -> Finding {
    const CHECK: &str = "version";
    let major = info.version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    let name = match &info.valkey {
        Some(valkey) => format!("Valkey {valkey}"),
        None => format!("Redis {}", info.version),
    };
    match major {
        Some(major) if major < OLDEST => {
            Finding::fail(CHECK, name, format!("{OLDEST}.0 is the oldest that serves: update it"))
        }
        Some(_) => Finding::ok(CHECK, name),
        None => Finding::note(CHECK, "it does not say", format!("{OLDEST}.0 is the oldest that serves")),
    }
}

fn eviction(info: &ServerInfo) -> Finding {
    const CHECK: &str = "eviction";
    let fix = "set maxmemory-policy noeviction, in redis.conf and with CONFIG SET";
    match (info.policy.as_deref(), info.max_memory) {
        (Some("noeviction"), _) => {
            Finding::ok(CHECK, "noeviction: what does not fit is refused, and nothing thrown away")
        }
        (Some(policy), Some(0)) => {
            Finding::warn(CHECK, format!("{policy}, which throws data away as soon as maxmemory is set"), fix)
        }
        (Some(policy), _) => {
            Finding::fail(CHECK, format!("{policy}: logs and presence are thrown away when memory is short"), fix)
        }
        (None, _) => Finding::note(CHECK, "it does not say", fix),
    }
}

fn memory(info: &ServerInfo) -> Finding {
    const CHECK: &str = "memory";
    let fix = "raise maxmemory, or lower history.max_entries; docs/operations.md has the formula";
    match (info.used_memory, info.max_memory) {
        (Some(used), Some(limit)) if limit > 0 => {
            let percent = used.saturating_mul(100) / limit;
            let what = format!("{percent} % of {} MB are used", limit >> 20);
            match percent {
                percent if percent >= MEMORY_PERCENT.1 => Finding::fail(CHECK, what, fix),
                percent if percent >= MEMORY_PERCENT.0 => Finding::warn(CHECK, what, fix),
                _ => Finding::ok(CHECK, what),
            }
        }
        (_, Some(0)) => Finding::warn(
            CHECK,
            "maxmemory is not set: when the machine is full the system ends Redis",
            "set maxmemory; docs/operations.md has the formula",
        ),
        _ => Finding::note(CHECK, "it does not say", fix),
    }
}

fn persistence(info: &ServerInfo) -> Vec<Finding> {
    const CHECK: &str = "append-only file";
    let mut found = vec![match info.aof_enabled {
        Some(true) => Finding::ok(CHECK, "on: what was answered survives the end of Redis"),
        Some(false) => Finding::fail(
            CHECK,
            "off: acked messages are lost when Redis ends",
            "set appendonly yes, in redis.conf and with CONFIG SET",
        ),
        None => Finding::note(CHECK, "it does not say", "set appendonly yes"),
    }];
    if info.aof_write_ok == Some(false) {
        let fix = "look at its log and the disk: writes are refused (MISCONF) until it can write again";
        found.push(Finding::fail("disk of Redis", "its last write to the file failed", fix));
    }
    found
}

fn clock(offset: Option<ClockOffset>) -> Option<Finding> {
    const CHECK: &str = "clock";
    let ClockOffset { offset_ms, within_ms } = offset?;
    let what = format!("{offset_ms:+} ms from that of this machine, within {within_ms} ms");
    // What the way there and back may have cost is not held against it.
    Some(if offset_ms.unsigned_abs() > CLOCK_OK_MS + within_ms {
        let fix =
            "let both follow one time (chrony, systemd-timesyncd): tokens end early or late, times jump in an outage";
        Finding::warn(CHECK, what, fix)
    } else {
        Finding::ok(CHECK, what)
    })
}

fn settings(settings: &RedisSettings, has_file: bool) -> Vec<Finding> {
    let mut found = Vec::new();
    let fsync = "appendfsync";
    let fsynced = match settings.appendfsync.as_deref() {
        Some("everysec") => Finding::ok(fsync, "everysec: a host that fails loses a second, which instances put back"),
        Some("always") => {
            Finding::ok(fsync, "always: nothing is lost with the host, and each write waits for the disk")
        }
        Some(other) => {
            Finding::warn(fsync, format!("{other}: a host that fails loses half a minute"), "set appendfsync everysec")
        }
        None => Finding::note(fsync, "it does not say", "set appendfsync everysec"),
    };
    // Without a file it says nothing.
    found.extend(has_file.then_some(fsynced));
    found.push(buffers(settings.pubsub_buffer));
    found.push(match settings.timeout {
        Some(0) => Finding::ok("timeout", "0: idle connections stay"),
        Some(seconds) => Finding::warn(
            "timeout",
            format!("{seconds} s: idle connections are closed, which shows as a short outage"),
            "set timeout 0 and tcp-keepalive 60",
        ),
        None => Finding::note("timeout", "it does not say", "set timeout 0"),
    });
    found
}

fn buffers(limits: Option<(u64, u64)>) -> Finding {
    const CHECK: &str = "output buffers";
    let fix = "set client-output-buffer-limit pubsub 64mb 16mb 60";
    let Some((hard, soft)) = limits else { return Finding::note(CHECK, "it does not say", fix) };
    let shown = |bytes: u64| if bytes == 0 { "none".into() } else { format!("{} KB", bytes >> 10) };
    let what = format!("of a subscriber: {} hard, {} soft", shown(hard), shown(soft));
    // 0 is no limit.
    let least = |(least_hard, least_soft)| (hard == 0 || hard >= least_hard) && (soft == 0 || soft >= least_soft);
    if least(BUFFERS) {
        Finding::ok(CHECK, what)
    } else if least(DEFAULT_BUFFERS) {
        Finding::note(CHECK, format!("{what}: an instance that is busy for a moment may be cut off"), fix)
    } else {
        Finding::warn(CHECK, format!("{what}: an instance that is busy for a moment is cut off"), fix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    fn good() -> ServerInfo {
        ServerInfo {
            version: "7.0.15".into(),
            valkey: None,
            role: Some("master".into()),
            policy: Some("noeviction".into()),
            max_memory: Some(1 << 30),
            used_memory: Some(1 << 20),
            aof_enabled: Some(true),
            aof_write_ok: Some(true),
            clients: Some(9),
            max_clients: Some(10_000),
        }
    }

    fn settings_of(appendfsync: &str, pubsub_buffer: (u64, u64), timeout: u64) -> RedisSettings {
        RedisSettings {
            appendfsync: Some(appendfsync.into()),
            pubsub_buffer: Some(pubsub_buffer),
            timeout: Some(timeout),
        }
    }

    /// The checks that are worse than a note.
    fn bad(found: &[Finding]) -> Vec<(&str, Level)> {
        found.iter().filter(|one| one.level > Level::Note).map(|one| (one.check, one.level)).collect()
    }

    #[test]
    fn one_that_is_set_up_as_shipped_is_well() {
        let seen = Inspection {
            own_user: true,
            info: Some(good()),
            rights: Ok(()),
            clock: Some(ClockOffset { offset_ms: -3, within_ms: 1 }),
            settings: Ok(settings_of("everysec", BUFFERS, 0)),
            instances: Some(Vec::new()),
        };
        assert!(judge(&seen, None).iter().all(|one| one.level == Level::Ok), "{:?}", judge(&seen, None));
        let blind = Inspection { settings: Err("NOPERM".into()), ..seen };
        assert_eq!(bad(&judge(&blind, None)), []);
        assert!(judge(&blind, None).iter().any(|one| one.check == "settings" && one.level == Level::Note));
        let refused = judge(&blind, Some("WRONGPASS"));
        assert_eq!(bad(&refused), [("administrator of Redis", Level::Warn)]);
        assert!(refused.iter().all(|one| one.check != "settings"), "said once");
    }

    #[test]
    fn each_fault_is_named() {
        for (fault, check, level) in [
            (ServerInfo { version: "6.2.14".into(), ..good() }, "version", Level::Fail),
            (ServerInfo { role: Some("slave".into()), ..good() }, "role", Level::Fail),
            (ServerInfo { policy: Some("allkeys-lru".into()), ..good() }, "eviction", Level::Fail),
            (ServerInfo { used_memory: Some(800 << 20), ..good() }, "memory", Level::Warn),
            (ServerInfo { used_memory: Some(1 << 30), ..good() }, "memory", Level::Fail),
            (ServerInfo { max_memory: Some(0), ..good() }, "memory", Level::Warn),
            (ServerInfo { aof_enabled: Some(false), ..good() }, "append-only file", Level::Fail),
            (ServerInfo { aof_write_ok: Some(false), ..good() }, "disk of Redis", Level::Fail),
            (ServerInfo { clients: Some(8_000), ..good() }, "connections", Level::Warn),
        ] {
            assert_eq!(bad(&server(&fault)), [(check, level)]);
        }
        let valkey = ServerInfo { version: "7.2.4".into(), valkey: Some("8.0.1".into()), ..good() };
        assert_eq!((version(&valkey).level, version(&valkey).what), (Level::Ok, "Valkey 8.0.1".to_owned()));
        let lax = settings(&settings_of("no", (64 << 10, 32 << 10), 300), true);
        let warned = [("appendfsync", Level::Warn), ("output buffers", Level::Warn), ("timeout", Level::Warn)];
        assert_eq!(bad(&lax), warned);
        assert_eq!(settings(&settings_of("no", BUFFERS, 0), false).len(), 2, "nothing of a file that is not");
        assert_eq!((user(true).level, user(false).level), (Level::Ok, Level::Warn));
        assert_eq!(buffers(Some(DEFAULT_BUFFERS)).level, Level::Note);
        assert_eq!(buffers(Some((0, 0))).level, Level::Ok);
    }

    #[test]
    fn a_clock_is_not_blamed_for_a_slow_way() {
        let level = |offset_ms, within_ms| clock(Some(ClockOffset { offset_ms, within_ms })).map(|found| found.level);
        assert_eq!(level(900, 1), Some(Level::Ok));
        assert_eq!(level(-5_000, 10), Some(Level::Warn));
        assert_eq!(level(1_500, 800), Some(Level::Ok));
        assert_eq!(clock(None), None);
    }

    #[test]
    fn who_is_not_let_in_is_told_so() {
        assert!(unreachable("WRONGPASS invalid username-password pair").fix.unwrap().contains("users.acl"));
        assert!(unreachable("Connection refused").fix.unwrap().contains("ping"));
    }
}
