//! What operators start Hubbub with: the image, the stacks, the unit, and every snippet of docs/deploy.md.
//!
//! Whether they are well-formed is said by the programs that read them (Compose, nginx, bash); what they promise (limits,
//! and time for a drain) is held against the server's own settings. Running them takes a Docker engine, which CI has not.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use hubbub::{
    drain::LAST_HANDSHAKES,
    settings::{Settings, environment::SHORT_NAMES},
};
use serde_yaml_ng::Value as Yaml;
use tempfile::TempDir;

use crate::support::{
    process::{free_port, signal},
    resp::{self, Reply},
    server::run,
    *,
};

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

fn text(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The documents of a YAML file, with their merge keys (`<<`) carried out.
fn documents(yaml: &str) -> Vec<Yaml> {
    let documents = serde_yaml_ng::Deserializer::from_str(yaml);
    let read = |document| -> Result<Yaml, serde_yaml_ng::Error> {
        let mut value: Yaml = serde::Deserialize::deserialize(document)?;
        value.apply_merge()?;
        Ok(value)
    };
    documents.map(|document| read(document).unwrap_or_else(|error| panic!("{error} in:\n{yaml}"))).collect()
}

fn stack(file: &str) -> Yaml {
    documents(&text(file)).pop().unwrap()
}

fn seconds(text: &Yaml) -> u64 {
    let text = text.as_str().unwrap_or_else(|| panic!("{text:?} is no time"));
    text.strip_suffix('s').unwrap_or_else(|| panic!("{text} is no number of seconds")).parse().unwrap()
}

/// How long a drain with default settings may take, in milliseconds.
fn longest_drain_ms() -> u64 {
    let drain = Settings::default().drain;
    drain.grace_ms + drain.max_ms + LAST_HANDSHAKES.as_millis() as u64
}

#[track_caller]
fn ok(output: &Output, what: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {said}{}", String::from_utf8_lossy(&output.stdout));
}

/// Compose's own reading of a file; it needs no engine for this.
fn compose(file: &str, env: &[(&str, &str)]) -> Output {
    let folder = TempDir::new().unwrap();
    // An .env of the developer decides nothing.
    let nothing = folder.path().join("env");
    fs::write(&nothing, "").unwrap();
    let mut command = Command::new("docker-compose");
    command.args(["-f", file, "--env-file"]).arg(&nothing).args(["config", "--quiet"]).current_dir(root());
    command.env_remove("REDIS_PASSWORD").envs(env.iter().copied());
    command.output().unwrap_or_else(|error| panic!("docker-compose: {error}; `make tools` installs it"))
}

const PASSWORD: (&str, &str) = ("REDIS_PASSWORD", "a-password-of-the-tests");

#[test]
fn compose_reads_every_stack_and_asks_for_the_password() {
    for file in ["docker-compose.yml", "docker-compose.traefik.yml"] {
        ok(&compose(file, &[PASSWORD]), file);
        let refused = compose(file, &[]);
        assert!(!refused.status.success());
        assert!(String::from_utf8_lossy(&refused.stderr).contains("REDIS_PASSWORD"), "{file}: {refused:?}");
    }
    ok(&compose("deploy/swarm.yml", &[]), "swarm.yml");
}

/// The settings a container is given exist.
#[track_caller]
fn assert_settings<'a>(names: impl Iterator<Item = &'a str>) {
    let known: Vec<&str> = SHORT_NAMES.iter().map(|(name, _)| *name).collect();
    for name in names {
        assert!(known.contains(&name) || name.starts_with("HUBBUB__"), "{name} is no setting");
    }
}

fn keys(mapping: &Yaml) -> impl Iterator<Item = &str> {
    mapping.as_mapping().unwrap().keys().map(|key| key.as_str().unwrap())
}

#[test]
fn compose_has_three_replicas_with_limits_and_time_to_drain() {
    let stack = stack("docker-compose.yml");
    let nginx_conf = text("nginx/nginx.conf");
    let nginx = &stack["services"]["nginx"];
    let hosts: Vec<&str> =
        nginx["extra_hosts"].as_sequence().unwrap().iter().map(|host| host.as_str().unwrap()).collect();
    let names: Vec<&str> = keys(&stack["services"]).filter(|name| name.starts_with("hubbub-")).collect();
    assert_eq!(names, ["hubbub-1", "hubbub-2", "hubbub-3"]);
    for name in names {
        let replica = &stack["services"][name];
        assert_eq!((&replica["mem_limit"], &replica["cpus"]), (&"512m".into(), &0.5.into()), "{name}");
        assert!(seconds(&replica["stop_grace_period"]) * 1_000 >= longest_drain_ms(), "{name}");
        assert_eq!(replica["depends_on"]["redis"]["condition"], "service_healthy");
        assert_eq!(replica["environment"]["INSTANCE_ID"], name);
        assert_settings(keys(&replica["environment"]));
        // Where nginx looks for it is where it is.
        let address = replica["networks"]["default"]["ipv4_address"].as_str().unwrap();
        assert!(hosts.contains(&format!("{name}:{address}").as_str()), "{hosts:?}");
        assert!(nginx_conf.contains(&format!("server {name}:3001")));
        // Its word counts.
        assert_eq!(replica["environment"]["TRUSTED_PROXIES"], nginx["networks"]["default"]["ipv4_address"]);
    }
    assert_eq!(nginx["ports"][0], "${HUBBUB_PORT:-3001}:3001");
    assert!(nginx_conf.contains("listen 3001"));
    for (name, profile) in [("prometheus", "observability"), ("grafana", "observability"), ("k6", "load")] {
        assert_eq!(stack["services"][name]["profiles"][0], profile, "{name}");
    }
    let without: Vec<&str> =
        keys(&stack["services"]).filter(|name| stack["services"][*name].get("profiles").is_none()).collect();
    assert_eq!(without, ["hubbub-1", "hubbub-2", "hubbub-3", "redis", "nginx"]);
    mounts_exist("docker-compose.yml", &stack, Path::new("."));
}

/// What is mounted from here is here; where it goes decides nothing.
#[track_caller]
fn mounts_exist(file: &str, stack: &Yaml, base: &Path) {
    let mut found = 0;
    for (name, service) in stack["services"].as_mapping().unwrap() {
        for volume in service.get("volumes").and_then(Yaml::as_sequence).into_iter().flatten() {
            let from = volume.as_str().unwrap().split(':').next().unwrap();
            if from.starts_with('.') {
                assert!(root().join(base).join(from).exists(), "{file}, {name:?}: {from} is not there");
                found += 1;
            }
        }
    }
    assert!(found > 0, "{file} mounts something");
}

#[test]
fn traefik_finds_replicas_that_drain_in_time_and_asks_whether_they_are_ready() {
    let stack = stack("docker-compose.traefik.yml");
    let replica = &stack["services"]["hubbub"];
    assert_eq!((&replica["mem_limit"], &replica["cpus"]), (&"512m".into(), &0.5.into()));
    assert!(seconds(&replica["stop_grace_period"]) * 1_000 >= longest_drain_ms());
    // With either, `--scale` has no second replica.
    for fixed in ["ports", "container_name"] {
        assert!(replica.get(fixed).is_none(), "{fixed}");
    }
    assert!(replica["environment"].get("INSTANCE_ID").is_none());
    assert_settings(keys(&replica["environment"]));
    assert_eq!(replica["labels"]["traefik.http.services.hubbub.loadbalancer.healthcheck.path"], "/ready");
    assert_eq!(replica["labels"]["traefik.http.services.hubbub.loadbalancer.server.port"], "3001");
    mounts_exist("docker-compose.traefik.yml", &stack, Path::new("."));
}

#[test]
fn a_swarm_starts_the_new_before_the_old_drains_and_takes_a_bad_update_back() {
    let stack = stack("deploy/swarm.yml");
    let replica = &stack["services"]["hubbub"];
    assert!(seconds(&replica["stop_grace_period"]) * 1_000 >= longest_drain_ms());
    assert!(replica["environment"].get("INSTANCE_ID").is_none(), "two tasks of a slot would have one name");
    assert_settings(keys(&replica["environment"]));
    let deploy = &replica["deploy"];
    assert_eq!(deploy["replicas"], 3);
    assert_eq!(deploy["resources"]["limits"]["memory"], "512M");
    assert_eq!(deploy["resources"]["limits"]["cpus"], "0.5");
    let update = &deploy["update_config"];
    assert_eq!((&update["parallelism"], &update["order"]), (&1.into(), &"start-first".into()));
    assert_eq!(update["failure_action"], "rollback");
    // The settings file is where the program looks without being told.
    assert_eq!(replica["secrets"][0]["target"], "/var/lib/hubbub/config/hubbub.toml");
    assert!(text("Dockerfile").contains("\nWORKDIR /var/lib/hubbub\n"));
    for (name, config) in stack["configs"].as_mapping().unwrap() {
        let file = root().join("deploy").join(config["file"].as_str().unwrap());
        assert!(file.exists(), "{name:?}: {}", file.display());
    }
}

#[test]
fn kubernetes_keeps_three_replicas_and_gives_each_forty_seconds() {
    let documents = documents(&text("deploy/kubernetes.yaml"));
    let find = |kind: &str, name: &str| {
        let is = |it: &&Yaml| it["kind"] == kind && it["metadata"]["name"] == name;
        documents.iter().find(is).unwrap_or_else(|| panic!("{kind} {name}"))
    };
    let spec = &find("Deployment", "hubbub")["spec"];
    assert_eq!(spec["replicas"], 3);
    assert_eq!(spec["strategy"]["rollingUpdate"]["maxUnavailable"], 0);
    assert_eq!(spec["strategy"]["rollingUpdate"]["maxSurge"], 1);
    let pod = &spec["template"]["spec"];
    let container = &pod["containers"][0];
    let pre_stop: u64 = container["lifecycle"]["preStop"]["exec"]["command"][1].as_str().unwrap().parse().unwrap();
    let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
    assert_eq!(grace, 40);
    assert!(grace * 1_000 >= pre_stop * 1_000 + longest_drain_ms());
    assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/ready");
    assert_eq!(container["livenessProbe"]["httpGet"]["path"], "/api/instance", "/health would kill who drains");
    assert_eq!(container["resources"]["limits"]["memory"], "512Mi");
    let names = container["env"].as_sequence().unwrap().iter().map(|variable| variable["name"].as_str().unwrap());
    assert_settings(names);
    // The user of the image, so that what it owns is its own.
    let user = pod["securityContext"]["runAsUser"].as_u64().unwrap();
    assert!(text("Dockerfile").contains(&format!("\nUSER {user}:{user}\n")));
    // The Deployment knows its own from a canary's, for good: its selector cannot be changed. All else takes both.
    let labels = &spec["template"]["metadata"]["labels"];
    assert_eq!((&labels["app"], &labels["track"]), (&"hubbub".into(), &"stable".into()));
    assert_eq!(&spec["selector"]["matchLabels"], labels);
    let any = serde_yaml_ng::from_str::<Yaml>("{app: hubbub}").unwrap();
    assert_eq!(find("Service", "hubbub")["spec"]["selector"], any);
    assert_eq!(find("PodDisruptionBudget", "hubbub")["spec"]["selector"]["matchLabels"], any);
    assert_eq!(pod["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"], any);
    assert_eq!(find("PodDisruptionBudget", "hubbub")["spec"]["maxUnavailable"], 1);
}

#[test]
fn the_unit_lets_a_drain_end_and_allows_as_many_files_as_clients() {
    let unit = text("deploy/hubbub.service");
    let settings = entries(&unit);
    let value = |key: &str| {
        let mut found = settings.iter().filter(|(name, _)| name == key);
        found.next().unwrap_or_else(|| panic!("no {key}")).1.clone()
    };
    assert!(value("TimeoutStopSec").parse::<u64>().unwrap() * 1_000 >= longest_drain_ms());
    assert!(value("LimitNOFILE").parse::<u64>().unwrap() >= 65_536);
    assert_eq!((value("KillSignal"), value("Restart")), ("SIGTERM".into(), "on-failure".into()));
    assert_eq!((value("NoNewPrivileges"), value("ProtectSystem")), ("yes".into(), "strict".into()));
    // What it starts is what the program takes.
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("hubbub.toml"), "").unwrap();
    for key in ["ExecStart", "ExecStartPost"] {
        let mut words =
            value(key).replace("/etc/hubbub/", "").split(' ').skip(1).map(str::to_owned).collect::<Vec<_>>();
        words.push("--help".into());
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        ok(&run(folder.path(), &words, &[]), key);
    }
}

/// `Key=value` below a `[Section]`; anything else is a mistake.
#[track_caller]
fn entries(unit: &str) -> Vec<(String, String)> {
    let mut section = None;
    let mut found = Vec::new();
    for line in unit.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.split_once('=') {
            None => {
                assert!(line.starts_with('[') && line.ends_with(']'), "'{line}' is no line of a unit");
                section = Some(line);
            }
            Some((key, value)) => {
                assert!(section.is_some() && key.chars().all(char::is_alphanumeric), "'{line}' is no line of a unit");
                found.push((key.to_owned(), value.to_owned()));
            }
        }
    }
    found
}

#[test]
fn the_image_is_built_of_what_it_copies_and_runs_as_nobody_in_particular() {
    let image = text("Dockerfile");
    let manifest: toml::Table = text("Cargo.toml").parse().unwrap();
    let rust = manifest["package"]["rust-version"].as_str().unwrap();
    assert!(image.contains(&format!("FROM rust:{rust}-bookworm AS build\n")));
    let last = image.rsplit("\nFROM ").next().unwrap();
    assert!(last.starts_with("debian:bookworm-slim\n"), "the C library of the build");
    for line in ["\nUSER 10001:10001\n", "\nENV HOST=0.0.0.0\n", "\nVOLUME /var/lib/hubbub/data\n", "\nHEALTHCHECK "] {
        assert!(last.contains(line), "{line}");
    }
    // What the build copies passes .dockerignore, and is there.
    let passes: Vec<String> =
        text(".dockerignore").lines().filter_map(|line| Some(line.strip_prefix('!')?.into())).collect();
    for line in image.lines().filter(|line| line.starts_with("COPY ") && !line.contains("--from")) {
        let words: Vec<&str> = line.split(' ').collect();
        for from in &words[1..words.len() - 1] {
            assert!(passes.iter().any(|pass| pass == from), "{from} is ignored");
            assert!(root().join(from).exists(), "{from}");
        }
    }
    // Nothing that the build takes in lies elsewhere.
    let mut files = vec![root().join("src")];
    while let Some(at) = files.pop() {
        if at.is_dir() {
            files.extend(fs::read_dir(&at).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let source = fs::read_to_string(&at).unwrap_or_default();
        let code = source.split("#[cfg(test)]").next().unwrap();
        for part in code.split("include_str!(\"").skip(1).chain(code.split("include_bytes!(\"").skip(1)) {
            let included = at.parent().unwrap().join(part.split('"').next().unwrap()).canonicalize().unwrap();
            let inside = included.strip_prefix(root()).unwrap();
            let copied = passes.iter().any(|pass| inside.starts_with(pass));
            assert!(copied, "{} takes in {}, which .dockerignore keeps out", at.display(), inside.display());
        }
    }
}

#[tokio::test]
async fn the_program_says_how_a_server_is() {
    let folder = TempDir::new().unwrap();
    let mut server = Server::setup().env("HUBBUB__DRAIN__GRACE_MS", 20_000).start();
    let port = server.address.port().to_string();
    let well = run(folder.path(), &["health"], &[("PORT", &port), ("HOST", "0.0.0.0")]);
    ok(&well, "health");
    assert!(String::from_utf8_lossy(&well.stdout).contains(r#""status":"healthy""#), "{well:?}");
    ok(&run(folder.path(), &["health", "--url", &server.url("/ready")], &[]), "ready");

    // Somebody is there, so it takes the time it has.
    let _ana = server.guest("Ana").await;
    server.term();
    let draining = until("the drain", async || {
        let output = run(folder.path(), &["health"], &[("PORT", &port)]);
        (!output.status.success()).then_some(output)
    })
    .await;
    assert_eq!(draining.status.code(), Some(1));
    let said = String::from_utf8_lossy(&draining.stderr);
    assert!(said.contains("503") && said.contains("draining"), "{said}");
    server.kill9();
    let gone = run(folder.path(), &["health", "--wait", "1"], &[("PORT", &port)]);
    assert_eq!(gone.status.code(), Some(1), "{gone:?}");
    let unknown = run(folder.path(), &["health"], &[("PORT", "auto")]);
    assert_eq!(unknown.status.code(), Some(2), "{unknown:?}");
}

/// A process that is ended when dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // Either fails when it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn redis_in_a_container_has_the_shipped_rules_and_the_password_it_is_given() {
    let folder = TempDir::new().unwrap();
    let start = |env: &[(&str, &str)], port: u16| {
        let mut command = Command::new("sh");
        command.arg(root().join("config/redis/start.sh")).args(["--bind", "127.0.0.1", "--port", &port.to_string()]);
        command.env_remove("REDIS_PASSWORD").env("TMPDIR", folder.path()).env("REDIS_DATA", folder.path());
        command.envs(env.iter().copied()).current_dir(folder.path());
        command
    };
    for bad in ["", "with space", "p@ss", "a/b"] {
        let refused = start(&[("REDIS_PASSWORD", bad)], 0).output().unwrap();
        assert_eq!(refused.status.code(), Some(2), "{bad}: {refused:?}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains("REDIS_PASSWORD"));
    }
    let secret = folder.path().join("secret");
    fs::write(&secret, format!("{}\n", PASSWORD.1)).unwrap();
    let port = free_port();
    let mut command = start(&[("REDIS_PASSWORD_FILE", secret.to_str().unwrap())], port);
    let redis = Ended(command.stdout(Stdio::null()).spawn().unwrap());
    let ask = |login, command: &[&str]| resp::call(([127, 0, 0, 1], port).into(), login, command, PATIENCE);
    let chat = Some(("api-chat", PASSWORD.1));
    until("Redis to answer", async || ask(chat, &["PING"]).ok().filter(|reply| !matches!(reply, Reply::Error(_))))
        .await;
    assert!(matches!(ask(chat, &["FLUSHALL"]).unwrap(), Reply::Error(_)), "the shipped rights");
    assert!(matches!(ask(None, &["PING"]).unwrap(), Reply::Error(_)), "nobody without a password");
    assert!(folder.path().join("appendonlydir").is_dir(), "its data is where it was told");
    assert!(!fs::read_to_string(folder.path().join("users.acl")).unwrap().contains(PASSWORD.1));
    signal(redis.0.id(), "TERM");
}

/// A fenced snippet: its language, its text, and the line it begins at.
struct Snippet {
    language: String,
    text: String,
    line: usize,
}

fn snippets(markdown: &str) -> Vec<Snippet> {
    let mut found = Vec::new();
    let mut open: Option<Snippet> = None;
    for (at, line) in markdown.lines().enumerate() {
        match (line.trim_start().strip_prefix("```"), open.take()) {
            (Some(_), Some(snippet)) => found.push(snippet),
            (Some(language), None) => {
                open = Some(Snippet { language: language.into(), text: String::new(), line: at + 1 })
            }
            (None, Some(mut snippet)) => {
                snippet.text.push_str(line);
                snippet.text.push('\n');
                open = Some(snippet);
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a fence is not closed");
    found
}

#[test]
fn every_snippet_of_the_guide_is_what_it_says() {
    let snippets = snippets(&text("docs/deploy.md"));
    assert!(snippets.len() > 10, "the guide has snippets");
    let folder = TempDir::new().unwrap();
    for Snippet { language, text, line } in snippets {
        let what = format!("docs/deploy.md, line {line}");
        let file = folder.path().join(line.to_string());
        fs::write(&file, &text).unwrap();
        match language.as_str() {
            "yaml" => assert!(documents(&text).iter().all(|document| document.is_mapping()), "{what}"),
            "sh" => ok(&Command::new("bash").arg("-n").arg(&file).output().unwrap(), &what),
            "toml" => {
                toml::from_str::<Settings>(&text).unwrap_or_else(|error| panic!("{what}: {error}"));
            }
            "ini" => assert!(!entries(&text).is_empty(), "{what}"),
            "nginx" => nginx_takes(&format!("events {{}}\nhttp {{\n{text}\n}}\n"), &what),
            other => panic!("{what}: '{other}' is read by no test"),
        }
    }
}

#[test]
fn nginx_takes_the_configuration_of_the_swarm() {
    nginx_takes(&text("deploy/swarm-nginx.conf"), "swarm-nginx.conf");
}

#[track_caller]
fn nginx_takes(config: &str, what: &str) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("nginx.conf");
    // It makes its process file even when it only looks.
    fs::write(&file, config.replace("/tmp/nginx.pid", "nginx.pid")).unwrap();
    let mut command = Command::new("nginx");
    command.args(["-t", "-q", "-e", "stderr", "-p"]).arg(folder.path()).arg("-c").arg(&file);
    command.args(["-g", "daemon off;"]);
    ok(&command.output().unwrap_or_else(|error| panic!("nginx: {error}; `make tools` installs it")), what);
}

#[test]
fn the_guide_links_to_what_is_there() {
    let guide = text("docs/deploy.md");
    let links: Vec<&str> = guide.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()).collect();
    let local: Vec<&str> = links.into_iter().filter(|link| !link.is_empty() && !link.contains("://")).collect();
    assert!(local.len() > 5);
    for link in local {
        assert!(root().join("docs").join(link).exists(), "{link}");
    }
}
