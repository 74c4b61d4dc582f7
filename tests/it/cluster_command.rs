//! `hubbub cluster`: a real Redis, real replicas and a real nginx, as an operator runs them.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};

use tempfile::TempDir;

use crate::support::{
    checker::{Checker, Plan},
    process::{free_port, signal},
    server::program,
    *,
};

/// Settings of the replicas: those that a test can wait for, and none of the limits that would stop a driver.
const SETTINGS: [(&str, &str); 8] = [
    ("INSTANCE_TTL_MS", "2500"),
    ("HUBBUB__REDIS__HEARTBEAT_MS", "750"),
    ("HUBBUB__REDIS__PRESENCE_TTL_MS", "3000"),
    ("HUBBUB__REDIS__PRESENCE_REFRESH_MS", "1000"),
    ("HUBBUB__PRESENCE__GRACE_MS", "500"),
    ("HUBBUB__LIMITS__CONNECTS_PER_SECOND", "0"),
    ("HUBBUB__LIMITS__COMMANDS_PER_SECOND", "0"),
    ("HUBBUB__LIMITS__MESSAGES_PER_SECOND", "0"),
];

/// A folder that commands are given in. What runs is stopped when it is dropped; its logs are shown when its test failed.
struct Operator {
    folder: TempDir,
    port: u16,
    /// The first of the ports of its replicas: those of another test come and go.
    first: u16,
}

impl Operator {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), port: free_port(), first: free_port() }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = program(self.folder.path());
        command.env("PATH", std::env::var_os("PATH").unwrap()).envs(SETTINGS).arg("cluster").args(args);
        command.env("PORT_RANGE_START", self.first.to_string()).env("PORT_RANGE_END", (self.first + 50).to_string());
        command
    }

    fn run(&self, args: &[&str]) -> Done {
        Done::of(self.command(args).output().unwrap())
    }

    /// What must go well.
    #[track_caller]
    fn ok(&self, args: &[&str]) -> Done {
        let done = self.run(args);
        assert_eq!(done.code, Some(0), "{args:?}: {}\n{}", done.out, done.err);
        done
    }

    /// `up`, on the port of this test.
    fn up(&self, args: &[&str]) -> Done {
        let port = self.port.to_string();
        self.ok(&[&["up", "--port", &port], args].concat())
    }

    fn status(&self) -> Value {
        self.ok(&["status", "--json"]).json()
    }

    fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("data/cluster")
    }

    /// What is remembered of the cluster; null while nothing is.
    fn remembered(&self) -> Value {
        let text = fs::read_to_string(self.dir().join("cluster.json")).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- the logs of the cluster ----\n{}", self.run(&["logs", "-n", "40"]).out);
        }
        let done = self.run(&["down", "--purge", "--drain-timeout", "5"]);
        assert!(done.code == Some(0) || std::thread::panicking(), "{}", done.err);
    }
}

/// A command that ended.
struct Done {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Done {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

fn part<'a>(status: &'a Value, name: &str) -> &'a Value {
    let part = status["parts"].as_array().unwrap().iter().find(|part| part["name"] == name);
    part.unwrap_or_else(|| panic!("no {name} in {status}"))
}

fn names(status: &Value) -> Vec<&str> {
    status["parts"].as_array().unwrap().iter().map(|part| part["name"].as_str().unwrap()).collect()
}

fn pids(status: &Value) -> Vec<u32> {
    let pids = status["parts"].as_array().unwrap().iter().filter_map(|part| part["pid"].as_u64());
    pids.map(|pid| pid.try_into().unwrap()).collect()
}

/// Whether a process runs; one that nobody waited for does not.
fn runs(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// A child that is killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_is_started_repaired_scaled_and_stopped() {
    let operator = Operator::new();
    assert_eq!(operator.run(&["status"]).code, Some(1));
    assert_eq!(operator.run(&["scale", "3"]).code, Some(1));
    assert_eq!(operator.run(&["up", "--replicas", "0"]).code, Some(2));

    // Two at once: one starts all, the other finds all started.
    let port = operator.port.to_string();
    let up = ["up", "--port", &port, "--replicas", "2", "--strategy", "round_robin", "--json"];
    let other = operator.command(&up).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let one = operator.ok(&up).json();
    let other = Done::of(other.wait_with_output().unwrap());
    assert_eq!(other.code, Some(0), "{}", other.err);
    assert_eq!(pids(&one), pids(&other.json()));
    assert_eq!(names(&one), ["redis", "hubbub-1", "hubbub-2", "nginx"]);
    assert_eq!((&one["healthy"], &one["strategy"]), (&json!(true), &json!("round_robin")));
    assert!(operator.up(&[]).err.contains("running already"));

    // What opens it is its owner's.
    let state = operator.dir().join("cluster.json");
    assert_eq!(fs::metadata(&state).unwrap().permissions().mode() & 0o777, 0o600);
    let remembered = operator.remembered();
    let all = operator.ok(&["logs"]).out + &operator.ok(&["status"]).out;
    for secret in remembered["secrets"].as_object().unwrap().values() {
        assert!(!all.contains(secret.as_str().unwrap()), "a secret is shown");
    }

    // They are one chat.
    let mut ana = Dial::new(operator.address()).query("name=Ana").enter().await;
    let mut ben = Dial::new(operator.address()).query("name=Ben").enter().await;
    assert_ne!(ana.welcome["instance"], ben.welcome["instance"]);
    ana.send_acked("global", "through nginx").await;
    ben.expect(|event| event["text"] == "through nginx").await;
    let status = operator.status();
    let clients = |name| part(&status, name)["clients"].as_u64().unwrap();
    assert_eq!((clients("hubbub-1"), clients("hubbub-2")), (1, 1));
    assert!(part(&status, "hubbub-1")["heartbeatAgeMs"].is_u64() && part(&status, "redis")["memoryBytes"].is_u64());
    let table = operator.ok(&["health"]).out;
    assert!(table.starts_with("NAME ") && table.contains(&format!("http://localhost:{port}")), "{table}");
    ana.vanish();
    ben.vanish();

    // A replica is lost, then Redis, then nginx.
    for lost in ["hubbub-2", "redis", "nginx"] {
        let pid = part(&operator.status(), lost)["pid"].clone();
        lose(&operator, lost).await;
        let health = operator.run(&["health", "--json"]);
        assert_eq!((health.code, &part(&health.json(), lost)["state"]), (Some(1), &json!("dead")));
        let repaired = operator.up(&["--json"]).json();
        assert!(repaired["healthy"] == true && part(&repaired, lost)["pid"] != pid, "{repaired}");
    }

    // More, fewer.
    let kept = part(&operator.status(), "hubbub-1")["pid"].clone();
    assert_eq!(names(&operator.ok(&["start", "--replicas", "3", "--json"]).json()).len(), 5);
    let smaller = operator.ok(&["scale", "1", "--json"]).json();
    assert_eq!((names(&smaller), &part(&smaller, "hubbub-1")["pid"]), (vec!["redis", "hubbub-1", "nginx"], &kept));
    let room = operator.ok(&["scale", "--json"]).json();
    assert_eq!((&room["replicas"][0]["name"], &room["total"]["clients"]), (&json!("hubbub-1"), &json!(0)));
    let most = room["replicas"][0]["maxClients"].as_u64().unwrap();
    assert_eq!(room["total"]["headroom"], json!(most), "nobody is there: {room}");
    let restarted = operator.ok(&["restart", "hubbub-1", "--json"]).json();
    assert_eq!((&restarted[0]["name"], &restarted[0]["killed"]), (&json!("hubbub-1"), &json!(false)));
    assert_ne!(part(&operator.status(), "hubbub-1")["pid"], kept);

    // A restart that cannot go well is over with the first replica, and what it brought is forgotten.
    let failed = Done::of(operator.command(&["restart"]).env("JWT_SECRET", "short").output().unwrap());
    assert!(failed.code == Some(1) && failed.err.contains("JWT_SECRET"), "{}", failed.err);
    assert_eq!(operator.up(&["--json"]).json()["healthy"], true);

    // Its end, and what stays.
    let pids = pids(&operator.status());
    operator.ok(&["stop"]);
    assert!(!pids.iter().any(|pid| runs(*pid)));
    assert_eq!(operator.run(&["health"]).code, Some(1));
    assert_eq!(operator.run(&["restart"]).code, Some(1));
    operator.up(&[]);
    let mut ana = Dial::new(operator.address()).enter().await;
    let joined = ana.join("global").await;
    assert!(joined["entries"].as_array().unwrap().iter().any(|entry| entry["text"] == "through nginx"), "{joined}");
    ana.vanish();
    operator.ok(&["down", "--purge"]);
    assert!(!operator.dir().exists());
}

/// Loses a part for good.
async fn lose(operator: &Operator, name: &str) {
    let pid = part(&operator.status(), name)["pid"].as_u64().unwrap() as u32;
    signal(pid, "KILL");
    until("its end", async || (!runs(pid)).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scaling_keeps_who_lives_and_what_nginx_did_not_take_is_not_done() {
    let operator = Operator::new();
    let up = operator.up(&["--replicas", "3", "--strategy", "round_robin", "--json"]).json();
    let pid = |status: &Value, name| part(status, name)["pid"].clone();
    lose(&operator, "hubbub-1").await;
    let scaled = operator.ok(&["scale", "2", "--json"]).json();
    assert_eq!((names(&scaled), &scaled["healthy"]), (vec!["redis", "hubbub-2", "hubbub-3", "nginx"], &json!(true)));
    for kept in ["hubbub-2", "hubbub-3"] {
        assert_eq!(pid(&scaled, kept), pid(&up, kept), "{kept}");
    }
    lose(&operator, "hubbub-2").await;
    let scaled = operator.ok(&["scale", "2", "--json"]).json();
    assert_eq!((names(&scaled), &scaled["healthy"]), (vec!["redis", "hubbub-2", "hubbub-3", "nginx"], &json!(true)));
    assert_eq!(pid(&scaled, "hubbub-3"), pid(&up, "hubbub-3"));

    // Another program has one of the addresses of a port.
    let taken = free_port();
    if let Ok(_held) = TcpListener::bind(("::1", taken)) {
        let refused = operator.run(&["up", "--port", &taken.to_string()]);
        assert_eq!(refused.code, Some(2), "{}", refused.err);
        assert_eq!(operator.remembered()["port"], operator.port);
    }
    // Its files cannot be written.
    let nginx = operator.dir().join("nginx");
    let in_the_way = nginx.join("strategies/random.conf");
    fs::create_dir(&in_the_way).unwrap();
    assert_eq!(operator.run(&["up", "--strategy", "random"]).code, Some(1));
    assert_eq!(operator.status()["strategy"], "round_robin");
    fs::remove_dir(&in_the_way).unwrap();
    // They are written, and nginx was never told: who wrote them was killed.
    let url = format!("http://{}/nginx/upstream", operator.address());
    let told = async || reqwest::get(&url).await.unwrap().json::<Value>().await.unwrap()["strategy"].clone();
    operator.up(&["--strategy", "random"]);
    let written = fs::read(nginx.join("nginx.conf")).unwrap();
    operator.up(&["--strategy", "round_robin"]);
    assert_eq!(told().await, "round_robin");
    fs::write(nginx.join("nginx.conf"), written).unwrap();
    operator.up(&["--strategy", "random"]);
    assert_eq!(told().await, "random");
}

#[test]
fn a_purge_removes_what_an_early_end_left_and_nothing_that_is_no_clusters() {
    let operator = Operator::new();
    fs::create_dir_all(operator.dir().join("nginx")).unwrap();
    assert_eq!(operator.ok(&["down", "--purge", "--json"]).json(), json!([]));
    assert!(operator.dir().join("nginx").exists());
    fs::write(operator.dir().join("lock"), "").unwrap();
    assert_eq!(operator.ok(&["down", "--purge", "--json"]).json(), json!([]));
    assert!(!operator.dir().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarting_and_scaling_under_load_lose_and_double_nothing() {
    let operator = Operator::new();
    operator.up(&["--replicas", "3", "--strategy", "round_robin"]);
    let checker = Checker::start(vec![operator.address()], Plan::new(9, 2)).await;
    checker.acks(100).await;
    let restarted = tokio::task::block_in_place(|| operator.ok(&["restart", "--json"])).json();
    println!("{restarted:#}");
    assert_eq!(restarted.as_array().unwrap().len(), 3);
    for replica in restarted.as_array().unwrap() {
        assert_eq!((&replica["killed"], &replica["clientsBefore"]), (&json!(false), &json!(9)), "{replica}");
        assert!(replica["clientsBackMs"].is_u64(), "{replica}");
    }
    checker.acks(100).await;
    for (replicas, parts) in [("5", 7), ("2", 4)] {
        let scaled = tokio::task::block_in_place(|| operator.ok(&["scale", replicas, "--json"])).json();
        assert_eq!(names(&scaled).len(), parts);
        checker.acks(100).await;
    }
    let counts = checker.keeps_its_promises().await;
    assert!(counts.acked >= 400 && counts.reconnects >= 9, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_and_a_closed_terminal_take_back_what_was_started() {
    for signal in ["INT", "HUP"] {
        an_up_that_gets(signal).await;
    }
}

async fn an_up_that_gets(name: &str) {
    let operator = Operator::new();
    let mut up = operator.command(&["up", "--replicas", "2", "--port", &operator.port.to_string()]);
    let mut up = Running(up.stderr(Stdio::piped()).spawn().unwrap());
    let mut said = BufReader::new(up.0.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(said.any(|line| line == "starting hubbub-2"));
    let redis = until("a replica to be remembered", async || {
        let remembered = operator.remembered();
        remembered["replicas"][1]["process"]["pid"].as_u64()?;
        remembered["redis"]["process"]["pid"].as_u64()
    })
    .await as u32;
    assert!(runs(redis));
    signal(up.0.id(), name);
    assert!(said.any(|line| line.contains("taking back")));
    assert_eq!(up.0.wait().unwrap().code(), Some(1));
    assert!(!runs(redis));
    let status = operator.status();
    assert_eq!((names(&status), pids(&status)), (vec!["redis", "nginx"], Vec::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_whose_command_was_killed_while_they_started_are_repaired() {
    let operator = Operator::new();
    let up = operator.up(&["--replicas", "2", "--json"]).json();
    let mut left = part(&up, "hubbub-2")["pid"].as_u64().unwrap() as u32;
    for command in [&["up", "--json"][..], &["scale", "2", "--json"]] {
        // As it is remembered from its launch until it has said where it listens.
        let mut state = operator.remembered();
        (state["replicas"][1]["port"], state["replicas"][1]["inRotation"]) = (Value::Null, json!(false));
        fs::write(operator.dir().join("cluster.json"), state.to_string()).unwrap();
        let repaired = operator.ok(command).json();
        let again = part(&repaired, "hubbub-2")["pid"].as_u64().unwrap() as u32;
        assert!(repaired["healthy"] == true && again != left && !runs(left), "{command:?}: {repaired}");
        left = again;
    }
    // As it is remembered when only nginx was still to be told.
    let mut state = operator.remembered();
    state["replicas"][1]["inRotation"] = json!(false);
    fs::write(operator.dir().join("cluster.json"), state.to_string()).unwrap();
    let repaired = operator.ok(&["scale", "2", "--json"]).json();
    assert_eq!((&repaired["healthy"], &part(&repaired, "hubbub-2")["pid"]), (&json!(true), &json!(left)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_metrics_key_is_taken_over_one_replica_at_a_time() {
    let operator = Operator::new();
    operator.up(&["--replicas", "2"]);
    let with = |key: &str, args: &[&str]| {
        let done = Done::of(operator.command(args).env("METRICS_API_KEY", key).output().unwrap());
        assert_eq!(done.code, Some(0), "{args:?}: {}\n{}", done.out, done.err);
        done
    };
    let opens = async |name: &str, key: &str| {
        let port = part(&operator.status(), name)["port"].clone();
        let asked = reqwest::Client::new().get(format!("http://127.0.0.1:{port}/metrics")).bearer_auth(key);
        asked.send().await.unwrap().status() == 200
    };
    let [first, second, third] = ["1", "2", "3"].map(|digit| digit.repeat(32));
    // Those that run go on with the key that they have, and are asked with it.
    assert!(with(&first, &["up"]).err.contains("Other settings were taken over"));
    with(&second, &["restart", "hubbub-1"]);
    assert_eq!((opens("hubbub-1", &second).await, opens("hubbub-2", &second).await), (true, false));
    operator.ok(&["restart"]);
    assert!(opens("hubbub-1", &second).await && opens("hubbub-2", &second).await);

    // By its file: it counts where the environment says nothing (empty is what forgets it).
    fs::create_dir(operator.folder.path().join("config")).unwrap();
    fs::write(operator.folder.path().join("config/hubbub.toml"), format!("[auth]\nmetrics_api_key = \"{third}\"\n"))
        .unwrap();
    with("", &["restart"]);
    assert!(opens("hubbub-1", &third).await && opens("hubbub-2", &third).await);
    assert_eq!(operator.ok(&["health", "--json"]).json()["healthy"], true);

    let short = Done::of(operator.command(&["restart"]).env("METRICS_API_KEY", "short").output().unwrap());
    assert!(short.code == Some(1) && short.err.contains("METRICS_API_KEY"), "{}", short.err);
    operator.up(&[]);
}

#[test]
fn what_is_wrong_is_named_before_anything_is_started() {
    let operator = Operator::new();
    let missing = Done::of(operator.command(&["up"]).env("PATH", "").output().unwrap());
    assert_eq!(missing.code, Some(2));
    assert!(
        missing.err.contains("redis-server is missing") && missing.err.contains("apt-get install"),
        "{}",
        missing.err
    );
    assert!(!operator.dir().exists());

    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let held = TcpListener::bind(("127.0.0.1", taken)).unwrap();
    let refused = operator.run(&["up", "--port", &taken.to_string()]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.err.contains(&taken.to_string()), "{}", refused.err);
    assert!(operator.remembered().is_null());
    drop(held);

    let help = operator.ok(&["--help"]).out;
    assert!(help.contains("Exit codes") && help.contains("restart"), "{help}");
}

#[test]
fn a_replica_that_does_not_start_is_shown_with_its_log_and_nothing_is_left() {
    let operator = Operator::new();
    let up = operator.command(&["up", "--port", &operator.port.to_string()]).env("JWT_SECRET", "short").output();
    let failed = Done::of(up.unwrap());
    assert_eq!(failed.code, Some(1));
    assert!(failed.err.contains("hubbub-1 ended") && failed.err.contains("JWT_SECRET"), "{}", failed.err);
    assert!(pids(&operator.status()).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_are_shown_as_they_come() {
    let operator = Operator::new();
    operator.up(&["--replicas", "1"]);
    assert!(operator.ok(&["logs", "hubbub-1"]).out.contains("is ready at"));
    assert!(operator.ok(&["logs", "-n", "1"]).out.lines().any(|line| line.starts_with("hubbub-1 | ")));
    assert_eq!(operator.run(&["logs", "nobody"]).code, Some(2));
    let mut follow = operator.command(&["logs", "-f", "access", "-n", "0"]);
    let mut follow = Running(follow.stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(follow.0.stdout.take().unwrap()).lines();
    let asking = tokio::spawn({
        let url = format!("http://{}/api/instance", operator.address());
        async move {
            loop {
                reqwest::get(&url).await.unwrap();
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    });
    let line =
        tokio::task::block_in_place(|| lines.find_map(|line| line.ok().filter(|line| line.contains("/api/instance"))));
    asking.abort();
    assert!(serde_json::from_str::<Value>(&line.unwrap()).unwrap()["replica"].is_string());
}
