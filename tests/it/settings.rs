//! The settings as an operator meets them: the documented defaults, the layers, and what a mistake is answered with.

use std::{collections::BTreeSet, path::PathBuf, process::Command};

use hubbub::settings::{
    Settings,
    environment::{Given, SHORT_NAMES},
    load::{Sources, load},
    server::Port,
};

const DOCUMENTED: &str = include_str!("../../config/default.toml");

fn with_environment(pairs: &[(&str, &str)]) -> Result<Settings, String> {
    let environment = pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    load(&Sources { environment, ..Sources::default() }).map_err(|error| error.to_string())
}

fn with_file(text: &str) -> Result<Settings, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("some.toml");
    std::fs::write(&file, text).unwrap();
    load(&Sources { files: vec![file], ..Sources::default() }).map_err(|error| error.to_string())
}

/// The keys of a table and of those in it, dotted.
fn keys(prefix: &str, table: &toml::Table) -> BTreeSet<String> {
    let of_key = |(key, value): (&String, &toml::Value)| match value {
        toml::Value::Table(inner) => keys(&format!("{prefix}{key}."), inner),
        _ => BTreeSet::from([format!("{prefix}{key}")]),
    };
    table.iter().flat_map(of_key).collect()
}

/// Every key there is: those with a default, and those without, which each section names when it meets an unknown one.
fn known_keys() -> BTreeSet<String> {
    fn probe(path: &[&str], known: &mut BTreeSet<String>) {
        let mut text = path.iter().map(|part| format!("{part}.")).collect::<String>();
        text.push_str("no_such_key = 1");
        let error = toml::from_str::<Settings>(&text).unwrap_err();
        let Some((_, names)) = error.message().split_once("expected ") else { return };
        if !error.message().starts_with("unknown field") {
            return;
        }
        let prefix: String = path.iter().map(|part| format!("{part}.")).collect();
        for name in names.split('`').skip(1).step_by(2) {
            let mut inner = path.to_vec();
            inner.push(name);
            let before = known.len();
            probe(&inner, known);
            if known.len() == before {
                known.insert(format!("{prefix}{name}"));
            }
        }
    }
    let mut known = BTreeSet::new();
    probe(&[], &mut known);
    known
}

#[test]
fn the_documented_defaults_are_the_defaults() {
    let loaded = with_file(DOCUMENTED).unwrap();
    assert_eq!(loaded.to_toml().unwrap(), Settings::default().to_toml().unwrap());
}

#[test]
fn every_key_is_documented_and_no_other() {
    let documented = keys("", &toml::from_str(DOCUMENTED).unwrap());
    assert_eq!(documented, known_keys());
}

#[test]
fn every_short_name_sets_a_key_and_is_documented() {
    let known = known_keys();
    for (name, key) in SHORT_NAMES {
        assert!(known.contains(key), "{name} sets {key}");
        assert!(DOCUMENTED.contains(name), "{name} is not documented");
    }
}

#[test]
fn files_give_way_to_the_environment_and_that_to_flags() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let mut sources = Sources {
        usual_file: Some(file("usual.toml", "server.port = 1\nserver.workers = 1\npresence.debounce_ms = 10")),
        files: vec![file("a.toml", "server.port = 2\nserver.workers = 2"), file("b.toml", "server.port = 3")],
        ..Sources::default()
    };
    let settings = load(&sources).unwrap();
    assert_eq!((settings.server.port, settings.server.workers), (Port::Number(3), 2));
    assert_eq!((settings.presence.debounce_ms, settings.presence.detail_limit), (10, 200));

    sources.environment.insert("PORT".into(), "4".into());
    assert_eq!(load(&sources).unwrap().server.port, Port::Number(4));
    sources.environment.insert("HUBBUB__SERVER__PORT".into(), "5".into());
    assert_eq!(load(&sources).unwrap().server.port, Port::Number(5));
    sources.flags.push(Given::new("server.port", "auto", "--port"));
    assert_eq!(load(&sources).unwrap().server.port, Port::Auto);

    sources.usual_file = Some("no/such/file.toml".into());
    assert_eq!(load(&sources).unwrap().presence.debounce_ms, 500);
    sources.files.push("no/such/file.toml".into());
    assert!(load(&sources).unwrap_err().to_string().contains("no/such/file.toml"));
}

#[test]
fn the_environment_is_read_as_what_the_key_is() {
    let digits = "12345678901234567890123456789012";
    let settings = with_environment(&[
        ("JWT_SECRET", digits),
        ("ADMIN_USERNAME", "007"),
        ("ADMIN_PASSWORD", "00000000"),
        ("TRUSTED_PROXIES", "10.0.0.1, 10.1.0.0/16"),
        ("HUBBUB__AUTH__GUESTS", "false"),
        ("ENABLE_DISTRIBUTED_CHAT", "0"),
        ("INSTANCE_ID", "42"),
        ("SESSION_SECRET", ""),
        ("HUBBUB__SERVER__WORKERS", ""),
        ("HUBBUB__AUTH__JWT_SECRET", ""),
        ("HUBBUB__AUTH__TRUSTED_PROXIES", ""),
        ("UNRELATED", "x"),
    ])
    .unwrap();
    assert_eq!(settings.auth.jwt_secret.unwrap().expose(), digits);
    assert_eq!(settings.auth.admin_username.unwrap(), "007");
    assert_eq!(settings.auth.admin_password.unwrap().expose(), "00000000");
    assert_eq!(settings.auth.trusted_proxies, ["10.0.0.1", "10.1.0.0/16"]);
    assert!(!settings.auth.guests && settings.auth.session_secret.is_none());
    assert_eq!(settings.server.instance_id.unwrap().as_str(), "42");
}

#[test]
fn a_mistake_is_named_with_what_is_allowed() {
    for (file, said) in [
        ("[server]\nprot = 1", &["server.prot", "`port`"][..]),
        ("[sevrer]\nport = 1", &["sevrer", "`server`"]),
        ("[server]\nport = 'x'", &["server.port", "0 to 65535", "auto"]),
        ("[server]\nport = 70000", &["server.port", "0 to 65535"]),
        ("[server]\nhost = 'here'", &["server.host"]),
        ("[server]\nworkers = '3'", &["server.workers", "usize"]),
        ("[log]\nformat = 'xml'", &["log.format", "`text`", "`json`"]),
        ("[log]\nfilter = 'hubbub=loud'", &["RUST_LOG"]),
        ("[presence]\ndebounce_ms = 9", &["presence.debounce_ms", "10 to 60000"]),
        ("[drain]\ngrace_ms = 600001", &["drain.grace_ms", "0 to 600000"]),
        ("[drain]\nmax_ms = 3600001", &["drain.max_ms", "0 to 3600000"]),
        ("[drain]\nper_second = 0", &["drain.per_second", "nonzero"]),
        ("[auth]\njwt_secret = 'short'", &["JWT_SECRET", "32"]),
        ("[distributed]\nenabled = true", &["REDIS_URL", "is needed"]),
        ("[distributed]\nredis_url = 'redis-cluster://h'", &["REDIS_URL", "Cluster is not supported"]),
        ("[redis]\nheartbeat_ms = 6000", &["redis.heartbeat_ms", "distributed.instance_ttl_ms"]),
        ("[[rooms]]\nmatch = 'a*b'", &["rooms[0].match", "'*'"]),
        ("[[rooms]]\nmatch = 'a'\njoin = 'king'", &["rooms", "`guest`", "`member`", "`admin`"]),
        ("[[api_keys]]\nname = 'a'\nsha256 = 'b'\nscopes = ['read']", &["api_keys[0].sha256", "64 hexadecimal"]),
        ("server = ", &["some.toml"]),
    ] {
        let error = with_file(file).unwrap_err();
        assert!(said.iter().all(|part| error.contains(part)), "{file}: {error}");
    }
    for (name, value, said) in [
        ("PORT", "x", &["server.port (PORT)", "auto"][..]),
        ("HUBBUB__SERVER__PROT", "1", &["server.prot (HUBBUB__SERVER__PROT)", "`port`"]),
        ("HUBBUB__NONSENSE", "1", &["nonsense (HUBBUB__NONSENSE)", "`server`"]),
        ("HUBBUB__SERVER__PROT", "", &["server.prot (HUBBUB__SERVER__PROT)", "`port`"]),
        ("HUBBUB__NONSENSE", "", &["nonsense (HUBBUB__NONSENSE)", "`server`"]),
        ("HUBBUB__SERVER__PORT__X", "", &["HUBBUB__SERVER__PORT__X"]),
        ("HUBBUB__", "1", &["HUBBUB__"]),
        ("HUBBUB__SERVER__", "1", &["HUBBUB__SERVER__"]),
        ("HUBBUB__AUTH__GUESTS", "maybe", &["auth.guests (HUBBUB__AUTH__GUESTS)", "boolean"]),
        ("MAX_SESSIONS", "many", &["server.max_sessions (MAX_SESSIONS)"]),
        ("INSTANCE_ID", "a b", &["server.instance_id (INSTANCE_ID)", "letters"]),
        ("HUBBUB__ROOMS", "a", &["rooms (HUBBUB__ROOMS)"]),
    ] {
        let error = with_environment(&[(name, value)]).unwrap_err();
        assert!(said.iter().all(|part| error.contains(part)), "{name}={value}: {error}");
    }
}

/// The program itself, with nothing in its environment but what is given.
fn program(arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_hubbub"))
        .args(arguments)
        .current_dir(folder.path())
        .env_clear()
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_mistake_stops_the_start_with_exit_2() {
    for arguments in [&["serve"][..], &[], &["check-config"]] {
        let (code, _, said) = program(arguments, &[("HUBBUB__SERVER__PROT", "1")]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("server.prot"), "{said}");
    }
    let (code, _, said) = program(&["--prot", "1"], &[]);
    assert_eq!(code, Some(2), "{said}");
}

#[test]
fn check_config_prints_what_is_in_effect_and_no_secret() {
    let secret = "a-very-secret-secret-of-32-letters";
    let (code, printed, said) = program(&["check-config", "--port", "7"], &[("JWT_SECRET", secret), ("HOST", "::1")]);
    assert_eq!(code, Some(0), "{said}");
    assert!(!printed.contains(secret) && printed.contains("jwt_secret = \"***\""), "{printed}");
    let effective: toml::Table = toml::from_str(&printed).unwrap();
    assert_eq!(effective["server"]["port"].as_integer(), Some(7));
    assert_eq!(effective["server"]["host"].as_str(), Some("::1"));
}

#[test]
fn token_makes_keys_that_the_settings_take() {
    let (code, printed, said) = program(&["token", "--api-key", "backup", "--scope", "read", "--scope", "post"], &[]);
    assert_eq!(code, Some(0), "{said}");
    let entry = printed.split_once("[[api_keys]]").map(|(_, entry)| format!("[[api_keys]]{entry}")).unwrap();
    assert_eq!(with_file(&entry).unwrap().api_keys[0].name, "backup");

    let (code, printed, said) = program(&["token", "--jwt", "ana"], &[("JWT_SECRET", &"s".repeat(32))]);
    assert_eq!((code, printed.trim().matches('.').count()), (Some(0), 2), "{said}");
    let (code, _, said) = program(&["token", "--jwt", "ana"], &[]);
    assert_eq!(code, Some(1));
    assert!(said.contains("JWT_SECRET"), "{said}");
}
