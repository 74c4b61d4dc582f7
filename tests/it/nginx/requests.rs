//! What replicas, the log and strangers get to see.

use std::{
    io::Write,
    net::SocketAddr,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU16, AtomicUsize, Ordering},
    },
};

use hubbub::cluster::nginx::Strategy;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::nobody;
use crate::support::{
    nginx::{Nginx, source},
    process::free_port,
    web::{Answer, PASSWORD, send},
    *,
};

#[tokio::test]
async fn a_client_cannot_choose_its_address_or_scheme() {
    let server = Server::with_jwt().env("TRUSTED_PROXIES", "127.0.0.1").start();
    let nginx = Nginx::start(Strategy::IpHash, &[server.address]);
    let forged = |dial: Dial| {
        let dial = dial.header("x-forwarded-for", "203.0.113.7").header("x-forwarded-proto", "https");
        dial.header("forwarded", "for=203.0.113.7").header("x-real-ip", "203.0.113.7")
    };
    let _eve = forged(nginx.dial(8)).enter().await;
    let sessions = server.get_as("/api/sessions", &token::admin()).await.json;
    assert_eq!(sessions["sessions"][0]["address"], source(8).to_string(), "{sessions}");

    // The page is the balancer's, port and all, and so is its origin; the cookie is for http, which the client spoke.
    let request = reqwest::Client::new().post(format!("http://{}/api/register", nginx.address));
    let request = request.header("origin", format!("http://{}", nginx.address)).header("x-forwarded-proto", "https");
    let answer = send(request.json(&json!({"username": "ana", "password": PASSWORD}))).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert!(!answer.header("set-cookie").contains("Secure"), "{}", answer.header("set-cookie"));
}

#[tokio::test]
async fn the_log_is_json_and_keeps_no_query() {
    let server = Server::start();
    let nginx = Nginx::start(Strategy::IpHash, &[server.address]);
    let client = nginx.dial(1).query("room=secret-room").header("user-agent", "secret-agent").enter().await;
    nginx.get("/health?secret=1").await;
    nginx.get("/a%22b%0A?secret=2").await;
    drop(client);
    let accesses =
        until("three requests in the log", async || Some(nginx.accesses()).filter(|all| all.len() == 3)).await;
    let seen: Vec<_> = accesses.iter().map(|each| (each["path"].as_str().unwrap(), each["status"].as_u64())).collect();
    assert_eq!(seen, [("/health", Some(200)), ("/a\"b\n", Some(404)), ("/chat", Some(101))]);
    let chat = &accesses[2];
    assert_eq!((&chat["client"], &chat["method"]), (&json!(source(1).to_string()), &json!("GET")));
    assert_eq!(chat["replica"], server.address.to_string());
    assert!(chat["sent"].as_u64() > Some(100) && chat["seconds"].is_number(), "{chat}");
    let text = std::fs::read_to_string(nginx.layout.access_log()).unwrap();
    assert!(!text.contains("secret"), "{text}");
}

#[tokio::test]
async fn only_private_addresses_see_what_nginx_does() {
    let nginx = Nginx::start(Strategy::LeastConn, &nobody(2));
    let status = nginx.get("/nginx/status").await;
    assert_eq!(status.status, 200);
    assert!(status.text.starts_with("Active connections: "), "{}", status.text);
    let upstream = nginx.get("/nginx/upstream").await;
    assert_eq!((upstream.status, upstream.header("content-type")), (200, "application/json"));
    assert_eq!(upstream.json, json!({"strategy": "least_conn", "replicas": ["127.0.0.1:1", "127.0.0.1:2"]}));

    // This machine, were it a public one.
    let nginx = Nginx::start_changed(Strategy::LeastConn, &nobody(2), |config| {
        assert_eq!(config.matches("        127.0.0.0/8 0;\n").count(), 1);
        config.replace("        127.0.0.0/8 0;\n", "")
    });
    for path in ["/nginx/status", "/nginx/upstream"] {
        assert_eq!(nginx.get(path).await.status, 403, "{path}");
    }
}

#[tokio::test]
async fn nobody_being_there_is_told_as_clients_know_it() {
    let nginx = Nginx::start(Strategy::IpHash, &nobody(3));
    for path in ["/", "/api/connect", "/api/rooms", "/chat"] {
        let answer = nginx.get(path).await;
        assert_eq!((answer.status, answer.code()), (503, "unavailable"), "{path}: {}", answer.text);
        assert_eq!((answer.header("retry-after"), &answer.json["error"]["retryAfterMs"]), ("2", &json!(2000)));
    }
    let answer = post(&nginx).await;
    assert_eq!((answer.status, answer.code()), (503, "unavailable"), "{}", answer.text);
    assert!(answer.text.contains("no server is there"), "nobody has heard of it: {}", answer.text);
}

#[tokio::test]
async fn an_address_has_its_share_of_sockets_and_no_more() {
    let server = Server::start();
    let nginx = Nginx::start_changed(Strategy::IpHash, &[server.address], |config| {
        assert_eq!(config.matches(" limit_conn addresses 5000;\n").count(), 1);
        config.replace(" limit_conn addresses 5000;\n", " limit_conn addresses 2;\n")
    });
    let first = nginx.dial(1).enter().await;
    let _second = nginx.dial(1).enter().await;
    let is_let_in = async || nginx.dial(1).attempt(PATIENCE).await.is_some();
    assert!(!is_let_in().await, "a third of the same address");
    let _other = nginx.dial(2).enter().await;
    drop(first);
    until("the place of who left", async || is_let_in().await.then_some(())).await;
    let refused = nginx.accesses().into_iter().find(|each| each["status"] == 429).unwrap();
    assert_eq!((&refused["path"], &refused["replica"]), (&json!("/chat"), &json!("")));
}

/// A replica that counts the requests it reads, and answers all with one status; with none it dies before it answers.
struct Stub {
    address: SocketAddr,
    taken: Arc<AtomicUsize>,
    /// 0 for none.
    status: Arc<AtomicU16>,
}

impl Stub {
    async fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stub = Self { address, taken: Arc::default(), status: Arc::new(status.into()) };
        let (count, status) = (stub.taken.clone(), stub.status.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                if stream.read(&mut [0; 4_096]).await.is_ok_and(|bytes| bytes > 0) {
                    count.fetch_add(1, Ordering::Relaxed);
                    let status = status.load(Ordering::Relaxed);
                    if status > 0 {
                        let answer = format!("HTTP/1.1 {status} Stub\r\nContent-Length: 0\r\n\r\n");
                        // Who asked may be gone.
                        let _ = stream.write_all(answer.as_bytes()).await;
                    }
                }
            }
        });
        stub
    }
}

/// Something that is not to be done twice.
async fn post(nginx: &Nginx) -> Answer {
    let request = reqwest::Client::new().post(format!("http://{}/api/login", nginx.address));
    send(request.json(&json!({"username": "ana", "password": PASSWORD}))).await
}

#[tokio::test]
async fn what_may_have_been_done_is_not_sent_twice() {
    let replicas = [Stub::start(0).await, Stub::start(0).await, Stub::start(0).await];
    let nginx = Nginx::start(Strategy::RoundRobin, &replicas.each_ref().map(|replica| replica.address));
    let taken = || replicas.iter().map(|replica| replica.taken.load(Ordering::Relaxed)).sum::<usize>();
    let answer = post(&nginx).await;
    assert_eq!((answer.status, answer.code(), taken()), (503, "unavailable", 1), "{}", answer.text);
    assert!(answer.text.contains("may have been done") && answer.header("retry-after") == "2", "{}", answer.text);
    // What only asks is tried everywhere: by the strategy, and then by all who are left.
    let answer = nginx.get("/api/rooms").await;
    assert_eq!((answer.status, answer.code(), taken()), (503, "unavailable", 1 + 3 + 3), "{}", answer.text);
    assert!(answer.text.contains("no server is there"), "{}", answer.text);
}

#[tokio::test]
async fn what_was_sent_to_nobody_is_sent_to_who_serves_again() {
    // As replicas answer whom they cannot let in while Redis is away.
    let replicas = [Stub::start(503).await, Stub::start(503).await, Stub::start(503).await];
    let nginx = Nginx::start(Strategy::RoundRobin, &replicas.each_ref().map(|replica| replica.address));
    let taken = || replicas.iter().map(|replica| replica.taken.load(Ordering::Relaxed)).sum::<usize>();
    let all = |status| replicas.iter().for_each(|replica| replica.status.store(status, Ordering::Relaxed));
    let given_up = |access: &Value| access["replica"].as_str().unwrap().starts_with("hubbub");
    until("all to be given up", async || {
        nginx.get("/api/connect").await;
        nginx.accesses().iter().any(given_up).then_some(())
    })
    .await;
    all(201);
    let before = taken();
    let answer = post(&nginx).await;
    assert_eq!((answer.status, taken() - before), (201, 1), "{}", answer.text);
    // The first that is asked then dies of it.
    all(0);
    let answer = post(&nginx).await;
    assert_eq!((answer.status, taken() - before), (503, 2), "{}", answer.text);
    assert!(answer.text.contains("may have been done") && answer.header("retry-after") == "2", "{}", answer.text);
    assert!(nginx.accesses().iter().filter(|access| access["method"] == "POST").all(given_up), "for 30 s");
}

/// An nginx with the snippet that the guide has for one's own, before two replicas.
fn of_the_guide(replicas: &[SocketAddr; 2]) -> Nginx {
    let guide = include_str!("../../../docs/deploy.md");
    let snippet = guide.split("```nginx\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    Nginx::start_changed(Strategy::LeastConn, replicas, |config| {
        let (process, http) = config.split_once("\nhttp {\n").unwrap();
        let files: String = http.lines().filter(|line| line.contains("_temp_path ")).collect();
        let listen = http.lines().find_map(|line| line.trim().strip_prefix("listen ")?.split(' ').next()).unwrap();
        let mut snippet = snippet.replace("listen 80;", &format!("listen {listen};"));
        for (shipped, replica) in ["10.0.0.11:3001", "10.0.0.12:3001"].iter().zip(replicas) {
            assert_eq!(snippet.matches(shipped).count(), 1);
            snippet = snippet.replace(shipped, &replica.to_string());
        }
        format!("{process}\nhttp {{\n{files}\naccess_log off;\n{snippet}\n}}\n")
    })
}

#[tokio::test]
async fn the_nginx_of_the_guide_gives_nobody_up_for_refusals() {
    let replicas = [Stub::start(503).await, Stub::start(503).await];
    let nginx = of_the_guide(&replicas.each_ref().map(|replica| replica.address));
    for _ in 0..10 {
        assert_eq!(nginx.get("/api/connect").await.status, 503);
    }
    assert_eq!(post(&nginx).await.status, 503);
    replicas.iter().for_each(|replica| replica.status.store(201, Ordering::Relaxed));
    assert_eq!((nginx.get("/chat").await.status, post(&nginx).await.status), (201, 201));
    // One that dies is passed over, and what it may have done is not done again.
    replicas[0].status.store(0, Ordering::Relaxed);
    let answers = [post(&nginx).await.status, post(&nginx).await.status, post(&nginx).await.status];
    assert!(answers.contains(&502) && answers.contains(&201), "{answers:?}");
    for _ in 0..4 {
        assert_eq!(nginx.get("/chat").await.status, 201);
    }
}

/// What a server says to a request over TLS, whoever it proves to be.
fn over_tls(port: u16, request: &str) -> String {
    let mut openssl = Command::new("openssl");
    openssl.args(["s_client", "-quiet", "-connect", &format!("127.0.0.1:{port}")]);
    let mut child = openssl
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl: `make tools`");
    child.stdin.take().unwrap().write_all(request.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!said.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_one_line_away() {
    let folder = TempDir::new().unwrap();
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]);
    openssl.args(["-subj", "/CN=chat.example.org", "-keyout", "privkey.pem", "-out", "fullchain.pem"]);
    let made = openssl.current_dir(folder.path()).output().expect("openssl: `make tools` installs it");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

    // As shipped but for its port, and that it is here and not beside the configuration.
    let (port, here) = (free_port(), folder.path().display());
    let tls = include_str!("../../../nginx/tls.conf").replace("listen 443 ", &format!("listen 127.0.0.1:{port} "));
    assert_eq!(tls.matches("\n# add_header Strict-Transport-Security ").count(), 1, "for who has closed 3001");
    let tls = tls.replace("\n# add_header ", "\nadd_header ");
    let tls = tls.replace("listen [::]:443 ", &format!("listen [::1]:{port} "));
    let tls = tls.replace("fullchain.pem;", &format!("{here}/fullchain.pem;"));
    std::fs::write(folder.path().join("tls.conf"), tls.replace("privkey.pem;", &format!("{here}/privkey.pem;")))
        .unwrap();
    let server = Server::setup().env("TRUSTED_PROXIES", "127.0.0.1").start();
    let _nginx = Nginx::start_changed(Strategy::IpHash, &[server.address], |config| {
        assert_eq!(config.matches("        # include tls.conf;\n").count(), 1);
        config.replace("# include tls.conf;", &format!("include {here}/tls.conf;"))
    });

    let body = json!({"username": "ana", "password": PASSWORD}).to_string();
    let post = format!(
        "POST /api/register HTTP/1.1\r\nHost: chat.example.org\r\nOrigin: https://chat.example.org\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = over_tls(port, &post);
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let cookie = answer.lines().find(|line| line.to_ascii_lowercase().starts_with("set-cookie: session=")).unwrap();
    assert!(cookie.contains("Secure"), "the replica knows that it was TLS: {cookie}");
    assert!(answer.contains("Strict-Transport-Security: "), "{answer}");
}
