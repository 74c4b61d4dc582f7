//! `hubbub doctor` beside the real things: well, badly set up, and not there.

use std::{fs, net::TcpListener, path::Path, process::Output};

use tempfile::TempDir;

use super::promtool::shipped;
use crate::support::{Redis, Server, Value, cluster::Cluster, process::free_port, redis::LOGIN_IN_URL, server::run};

/// What the tests' own Redis lets in, and nothing that is printed may hold.
const SECRETS: [&str; 3] = ["p@ss/w", "p%40ss", "admin-of-the-tests"];

/// Examines `folder`, and gives the exit code and what was found: area, check, level, what and fix.
fn examine(folder: &Path, args: &[&str], env: &[(&str, &str)]) -> (i32, Vec<[String; 5]>) {
    let text = said(&run(folder, &[&["doctor"], args].concat(), env));
    let output = run(folder, &[&["doctor", "--json"], args].concat(), env);
    let json = said(&output);
    for secret in SECRETS.iter().chain(&[LOGIN_IN_URL]) {
        assert!(!text.contains(secret) && !json.contains(secret), "{secret} is shown");
    }
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {json}"));
    let of = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    let found: Vec<_> = findings.map(|one| ["area", "check", "level", "what", "fix"].map(|key| of(one, key))).collect();
    for [_, check, level, what, fix] in &found {
        assert!(text.contains(check) && !what.is_empty(), "{check} is in the text too");
        assert_eq!(fix.is_empty(), level == "ok", "{check}: what is not well has its fix");
    }
    (output.status.code().unwrap(), found)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

/// The checks of a level.
fn of_level<'a>(found: &'a [[String; 5]], wanted: &str) -> Vec<&'a str> {
    found.iter().filter(|[_, _, level, ..]| level == wanted).map(|[_, check, ..]| check.as_str()).collect()
}

#[track_caller]
fn one<'a>(found: &'a [[String; 5]], wanted: &str) -> [&'a str; 3] {
    let one = found.iter().find(|[_, check, ..]| check == wanted);
    let [_, _, level, what, fix] = one.unwrap_or_else(|| panic!("no {wanted} in {found:#?}"));
    [level, what, fix]
}

fn admin_url(redis: &Redis) -> String {
    format!("redis://admin:admin-of-the-tests@{}", redis.address())
}

fn distributed(url: &str) -> [(&'static str, String); 3] {
    [("PORT", "0".into()), ("ENABLE_DISTRIBUTED_CHAT", "true".into()), ("REDIS_URL", url.into())]
}

fn borrowed<'a>(env: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    env.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

#[test]
fn one_that_stands_alone_needs_no_more_than_its_folder() {
    let folder = TempDir::new().unwrap();
    let (code, found) = examine(folder.path(), &[], &[("PORT", "0")]);
    assert_eq!((code, of_level(&found, "fail")), (0, Vec::new()));
    for check in ["open files", "port", "data folder", "data file", "METRICS_API_KEY", "distributed"] {
        one(&found, check);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
    let short = run(folder.path(), &["doctor"], &[("JWT_SECRET", "short")]);
    assert_eq!(short.status.code(), Some(2));
    assert!(said(&short).contains("JWT_SECRET: has 5 characters"), "{}", said(&short));
}

#[tokio::test]
async fn a_server_that_runs_is_seen_and_another_program_in_its_place_too() {
    let server = Server::start();
    let port = server.address.port().to_string();
    let (code, found) = examine(server.folder(), &[], &[("PORT", &port)]);
    assert_eq!(code, 0, "{found:#?}");
    let pid = format!("process {}", server.pid());
    for check in ["port", "data file"] {
        let [level, what, _] = one(&found, check);
        assert!(level == "note" && what.contains(&pid), "{check}: {what}");
    }
    assert!(one(&found, "open files")[1].contains(&pid));

    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port().to_string();
    let (code, found) = examine(server.folder(), &[], &[("PORT", &port)]);
    let [level, what, fix] = one(&found, "port");
    assert_eq!((code, level), (1, "fail"));
    assert!(what.contains(&format!("process {}", std::process::id())) && fix.contains("ss -ltnp"), "{what}: {fix}");
}

#[test]
fn a_redis_set_up_as_shipped_is_well() {
    let redis = Redis::start();
    let folder = TempDir::new().unwrap();
    let env = distributed(&redis.url());
    let (code, found) = examine(folder.path(), &[], &borrowed(&env));
    assert_eq!(code, 0, "{found:#?}");
    assert_eq!(of_level(&found, "warn"), [""; 0]);
    for check in ["reached", "version", "eviction", "memory", "append-only file", "rights", "clock", "connections"] {
        assert_eq!(one(&found, check)[0], "ok", "{check}");
    }
    // Hubbub's own user must not see settings: it is told how an administrator does.
    let [level, what, fix] = one(&found, "settings");
    assert!(level == "note" && what.contains("cannot be seen") && fix.contains("CONFIG GET"), "{what}: {fix}");

    let admin = admin_url(&redis);
    for (args, extra) in [(vec!["--redis-admin-url", &admin], None), (vec![], Some(("REDIS_ADMIN_URL", &*admin)))] {
        let mut env = borrowed(&env);
        env.extend(extra);
        let (code, found) = examine(folder.path(), &args, &env);
        assert_eq!((code, of_level(&found, "warn")), (0, Vec::new()), "{found:#?}");
        for check in ["appendfsync", "output buffers", "timeout"] {
            assert_eq!(one(&found, check)[0], "ok", "{check}");
        }
    }
}

#[test]
fn each_fault_of_a_redis_is_named_with_its_fix() {
    let bad = Redis::setup()
        .set("maxmemory-policy", "allkeys-lru")
        .set("appendonly", "no")
        .set("timeout", 300)
        .set("client-output-buffer-limit", "pubsub 64kb 32kb 60");
    let redis = bad.start();
    redis.command(&["ACL", "SETUSER", "api-chat", "-hset", "-publish"]);
    let folder = TempDir::new().unwrap();
    let admin = admin_url(&redis);
    let env = distributed(&redis.url());
    let (code, found) = examine(folder.path(), &["--redis-admin-url", &admin], &borrowed(&env));
    assert_eq!(code, 1);
    for (check, level, says, advises) in [
        ("eviction", "fail", "allkeys-lru", "noeviction"),
        ("append-only file", "fail", "lost", "appendonly yes"),
        ("rights", "fail", "+hset +publish", "users.acl"),
        ("output buffers", "warn", "64 KB hard, 32 KB soft", "64mb 16mb 60"),
        ("timeout", "warn", "300 s", "timeout 0"),
    ] {
        let [found, what, fix] = one(&found, check);
        assert!(found == level && what.contains(says) && fix.contains(advises), "{check}: {found}: {what}: {fix}");
    }
    assert_eq!(of_level(&found, "fail"), ["eviction", "append-only file", "rights"]);
}

#[test]
fn a_redis_that_is_not_there_or_lets_nobody_in_is_told_apart() {
    let folder = TempDir::new().unwrap();
    let nobody = format!("redis://{LOGIN_IN_URL}@127.0.0.1:{}", free_port());
    let (code, found) = examine(folder.path(), &[], &borrowed(&distributed(&nobody)));
    let [level, what, fix] = one(&found, "reached");
    assert!(code == 1 && level == "fail" && what == "no: Connection refused" && fix.contains("ping"), "{what}: {fix}");

    let redis = Redis::shared();
    let stranger = format!("redis://api-chat:wrong@{}", redis.address());
    let (code, found) = examine(folder.path(), &[], &borrowed(&distributed(&stranger)));
    let [level, what, fix] = one(&found, "reached");
    assert!(code == 1 && level == "fail" && fix.contains("users.acl"), "{what}: {fix}");
}

#[test]
fn an_administrator_who_is_not_let_in_hides_nothing_else() {
    let redis = Redis::shared();
    let folder = TempDir::new().unwrap();
    let env = distributed(&redis.url());
    for admin in [format!("redis://admin:wrong@{}", redis.address()), format!("redis://127.0.0.1:{}", free_port())] {
        let (code, found) = examine(folder.path(), &["--redis-admin-url", &admin], &borrowed(&env));
        assert_eq!((code, of_level(&found, "warn")), (0, vec!["administrator of Redis"]), "{found:#?}");
        let [_, what, fix] = one(&found, "administrator of Redis");
        assert!(what.contains("cannot log in") && fix.contains("REDIS_ADMIN_URL"), "{what}: {fix}");
        for check in ["reached", "eviction", "rights", "clock"] {
            assert_eq!(one(&found, check)[0], "ok", "{check}");
        }
    }
}

#[tokio::test]
async fn the_instances_that_run_are_listed_with_their_clients() {
    let mut cluster = Cluster::start(2).await;
    let url = cluster.redis.url();
    let _client = cluster.server(2).guest("Ana").await;
    let folder = TempDir::new().unwrap();
    let listed = crate::support::until("the registry to know of the client", async || {
        let (code, found) = examine(folder.path(), &[], &borrowed(&distributed(&url)));
        assert_eq!(code, 0, "{found:#?}");
        let [_, what, _] = one(&found, "instances");
        what.contains("api-2 1").then(|| what.to_owned())
    });
    assert_eq!(listed.await, "2 run; clients: api-1 0, api-2 1");
}

#[test]
fn the_shipped_nginx_is_well_and_a_naive_one_is_not() {
    let folder = TempDir::new().unwrap();
    let ours = shipped("../nginx/nginx.conf");
    let ours = ours.to_str().unwrap();
    let env = [("PORT", "0"), ("HOST", "0.0.0.0"), ("TRUSTED_PROXIES", "127.0.0.1")];
    let (code, found) = examine(folder.path(), &["--nginx", ours], &env);
    let (fails, warns) = (of_level(&found, "fail"), of_level(&found, "warn"));
    assert_eq!((code, fails, warns), (0, Vec::new(), Vec::new()), "{found:#?}");
    let [level, what, _] = one(&found, "strategy");
    assert!(level == "note" && what.contains("ip_hash"), "{what}");

    let naive = folder.path().join("naive.conf");
    let text = "events {}\nhttp { server { listen 80; location / { proxy_pass http://127.0.0.1:3001; \
                proxy_read_timeout 20s; } } }\n";
    fs::write(&naive, text).unwrap();
    let (code, found) = examine(folder.path(), &["--nginx", naive.to_str().unwrap()], &[("PORT", "0")]);
    assert_eq!((code, of_level(&found, "fail")), (1, vec!["proxy_read_timeout", "upgrade", "Host"]));
    assert_eq!(one(&found, "X-Forwarded-For")[0], "warn");
    let (code, found) = examine(folder.path(), &["--nginx", "none.conf"], &[("PORT", "0")]);
    assert_eq!((code, of_level(&found, "fail")), (1, vec!["configuration"]));
}
