//! The command line and the settings, as an operator meets them.

use std::process::Output;

use tempfile::TempDir;

use crate::support::{server::run, *};

fn run_here(args: &[&str], env: &[(&str, &str)]) -> Output {
    run(TempDir::new().unwrap().path(), args, env)
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn bad_settings_end_the_start_with_2_and_the_name_of_the_key() {
    for (name, value, said) in [
        ("PORT", "many", "PORT"),
        ("PORT", "70000", "PORT"),
        ("HOST", "nowhere", "HOST"),
        ("INSTANCE_ID", "a b", "INSTANCE_ID"),
        ("JWT_SECRET", "short", "JWT_SECRET"),
        ("SESSION_SECRET", "short", "SESSION_SECRET"),
        ("METRICS_API_KEY", "short", "METRICS_API_KEY"),
        ("HEARTBEAT_INTERVAL_MS", "0", "HEARTBEAT_INTERVAL_MS"),
        ("TRUSTED_PROXIES", "everyone", "TRUSTED_PROXIES"),
        ("ADMIN_USERNAME", "root", "ADMIN_PASSWORD"),
        ("LOG_FORMAT", "xml", "LOG_FORMAT"),
        ("REDIS_URL", "http://localhost", "REDIS_URL"),
        ("HUBBUB__NO__SUCH", "1", "HUBBUB__NO__SUCH"),
        ("HUBBUB__LIMITS__COMMANDS_BURST", "0", "limits.commands_burst"),
        ("HUBBUB__LIMITS__COMMANDS_PER_SECOND", "fast", "HUBBUB__LIMITS__COMMANDS_PER_SECOND"),
    ] {
        let output = run_here(&["serve"], &[("PORT", "0"), (name, value)]);
        let said = said.to_lowercase();
        assert_eq!(output.status.code(), Some(2), "{name}={value}: {}", err(&output));
        let text = err(&output).to_lowercase();
        assert!(text.contains(&said) || text.contains(&name.to_lowercase()), "{name}={value}: {text}");
    }
}

#[test]
fn an_unknown_key_in_a_file_is_refused() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("mine.toml"), "[server]\nprot = 3001\n").unwrap();
    let output = run(folder.path(), &["serve", "--config", "mine.toml"], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("prot"), "{}", err(&output));
    let missing = run(folder.path(), &["serve", "--config", "none.toml"], &[]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(err(&missing).contains("none.toml"), "{}", err(&missing));
}

#[test]
fn flags_win_over_the_environment_and_that_over_files() {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("config")).unwrap();
    std::fs::write(folder.path().join("config/hubbub.toml"), "[server]\nport = 1\ninstance_id = \"file\"\n").unwrap();
    let effective = |args: &[&str], env: &[(&str, &str)]| {
        let output = run(folder.path(), &[&["check-config"], args].concat(), env);
        assert!(output.status.success(), "{}", err(&output));
        let table: toml::Table = out(&output).parse().unwrap();
        (table["server"]["port"].as_integer().unwrap(), table["server"]["instance_id"].as_str().unwrap().to_owned())
    };
    assert_eq!(effective(&[], &[]), (1, "file".into()));
    assert_eq!(effective(&[], &[("PORT", "2")]), (2, "file".into()));
    assert_eq!(effective(&["--port", "3"], &[("PORT", "2"), ("INSTANCE_ID", "env")]), (3, "env".into()));
}

#[test]
fn check_config_masks_secrets() {
    let secrets = [
        ("JWT_SECRET", "jwt-jwt-jwt-jwt-jwt-jwt-jwt-jwt-jwt"),
        ("SESSION_SECRET", "ses-ses-ses-ses-ses-ses-ses-ses-ses"),
        ("METRICS_API_KEY", "met-met-met-met-met-met-met-met-met"),
        ("ADMIN_USERNAME", "boss"),
        ("ADMIN_PASSWORD", "adm-adm-adm-adm-adm"),
        ("REDIS_URL", "redis://user:red-red-red@host"),
    ];
    let output = run_here(&["check-config"], &secrets);
    assert!(output.status.success(), "{}", err(&output));
    let text = out(&output);
    for (name, secret) in secrets.iter().filter(|(name, _)| *name != "ADMIN_USERNAME") {
        assert!(!text.contains(secret), "{name} is shown");
    }
    assert!(text.contains("***") && text.contains("boss"));
}

#[tokio::test]
async fn the_log_is_json_when_asked_for() {
    let server = Server::setup().env("LOG_FORMAT", "json").start();
    server.get("/health").await;
    let log = until("something to be logged", async || {
        Some(server.log()).filter(|log| log.lines().any(|line| line.starts_with('{')))
    })
    .await;
    for line in log.lines().filter(|line| !line.starts_with("Hubbub is ready")) {
        let record: Value = serde_json::from_str(line).unwrap();
        assert!(record["timestamp"].is_string() && record["level"].is_string(), "{line}");
    }
}

#[tokio::test]
async fn tokens_of_the_command_line_let_in() {
    let made = run_here(&["token", "--api-key", "ci", "--scope", "read", "--scope", "post"], &[]);
    assert!(made.status.success(), "{}", err(&made));
    let text = out(&made);
    let key = text.lines().find(|line| line.starts_with("hubbub_")).unwrap().to_owned();
    let entry = text.split_once("[[api_keys]]").unwrap().1;
    let server = Server::with_jwt().config(&format!("[[api_keys]]{entry}")).start();
    let posted = server.post_as("/api/rooms/global/messages", &key, json!({"text": "from the bot"})).await;
    assert_eq!(posted.status, 201, "{}", posted.text);

    let env = [("JWT_SECRET", token::JWT_SECRET)];
    let made = run_here(&["token", "--jwt", "ana", "--name", "Ana", "--role", "admin", "--ttl", "60"], &env);
    assert!(made.status.success(), "{}", err(&made));
    let client = server.dial().bearer(out(&made).trim()).enter().await;
    assert_eq!(client.welcome["user"], json!({"id": "j:ana", "name": "Ana", "role": "admin"}));
}

#[tokio::test]
async fn port_auto_takes_the_first_that_is_free() {
    // A range of its own: other tests and programs may hold the usual one.
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let first = held.local_addr().unwrap().port();
    let server = Server::setup()
        .env("PORT", "auto")
        .env("PORT_RANGE_START", first)
        .env("PORT_RANGE_END", first.saturating_add(50))
        .start();
    assert!(server.address.port() > first);
    assert_eq!(server.get("/health").await.status, 200);
}

#[test]
fn a_port_that_is_taken_is_named() {
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port().to_string();
    let output = run_here(&["serve", "--port", &port], &[]);
    assert!(output.status.code().is_some_and(|code| code != 0));
    assert!(err(&output).contains(&port), "{}", err(&output));
}

#[test]
fn a_second_process_on_the_same_store_ends_with_2_and_names_file_and_process() {
    let server = Server::start();
    let output = run(server.folder(), &["serve"], &[("PORT", "0")]);
    let said = err(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("data/hubbub.db") && said.contains(&server.pid().to_string()), "{said}");
}

#[tokio::test]
async fn a_new_epoch_goes_on_under_another_name() {
    let mut server = Server::start();
    let mut client = server.guest("Ana").await;
    client.send_acked("global", "one").await;
    let epoch = client.join("global").await["epoch"].clone();
    server.term();
    assert_eq!(server.exit_code(), Some(0));
    server.restart_with(|setup| setup.arg("--new-epoch"));
    let mut client = server.dial().rooms("").enter().await;
    let joined = client.join_since("global", &epoch, 1).await;
    assert_ne!(joined["epoch"], epoch);
    assert_eq!(joined["recovered"], false);
    assert_eq!(joined["entries"][0]["text"], "one");
}

#[tokio::test]
async fn a_deleted_store_has_other_epochs() {
    let mut server = Server::start();
    let mut client = server.guest("Ana").await;
    client.send_acked("global", "one").await;
    let epoch = client.join("global").await["epoch"].clone();
    server.kill9();
    std::fs::remove_dir_all(server.folder().join("data")).unwrap();
    server.restart();
    let mut client = server.dial().rooms("").enter().await;
    let joined = client.join_since("global", &epoch, 1).await;
    assert_ne!(joined["epoch"], epoch);
    assert_eq!((&joined["recovered"], &joined["seq"], &joined["entries"]), (&json!(false), &json!(0), &json!([])));
}
