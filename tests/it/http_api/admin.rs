//! What admins see and do.

use crate::support::*;

#[tokio::test]
async fn sessions_are_listed_by_page() {
    let server = Server::with_jwt().env("INSTANCE_ID", "api-1").start();
    let ana = server.dial().rooms("a,b").enter().await;
    let _bob = server.dial().bearer(&token::of("bob", "member")).rooms("").enter().await;
    let _boss = server.dial().bearer(&token::admin()).enter().await;
    let admin = token::admin();
    let all = server.get_as("/api/sessions", &admin).await.json;
    let sessions = all["sessions"].as_array().unwrap();
    assert_eq!((sessions.len(), &all["more"]), (3, &json!(false)));
    let first = &sessions[0];
    assert_eq!(
        *first,
        json!({"session": ana.welcome["session"], "user": ana.welcome["user"], "instance": "api-1", "rooms": ["a", "b"],
               "connectedAt": first["connectedAt"], "address": "127.0.0.1"})
    );
    assert!(first["connectedAt"].as_i64().is_some_and(|ts| (ts / 1_000 - token::now()).abs() < 60));

    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server.get_as(&format!("/api/sessions?limit=1{cursor}"), &admin).await.json;
        seen.push(page["sessions"][0]["session"].clone());
        match page["cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, sessions.iter().map(|each| each["session"].clone()).collect::<Vec<_>>());
    let stats = server.get_as("/api/sessions/stats", &admin).await.json;
    assert_eq!(stats, json!({"total": 3, "byInstance": {"api-1": 3}, "byRole": {"guest": 1, "member": 1, "admin": 1}}));
    assert_eq!(server.get_as("/api/sessions?cursor=nonsense", &admin).await.status, 400);
}

#[tokio::test]
async fn sessions_are_found_by_what_admins_know_of_them() {
    let server = Server::with_jwt().env("INSTANCE_ID", "api-1").start();
    let ana = server.dial().query("name=Ana").rooms("tea,cake").enter().await;
    let _bob = server.dial().bearer(&token::of("bob", "member")).rooms("tea").enter().await;
    let found = async |q: &str| {
        let page = server.get_as(&format!("/api/sessions?q={q}"), &token::admin()).await;
        assert_eq!((page.status, &page.json["missing"]), (200, &json!([])), "{}", page.text);
        let names = page.json["sessions"].as_array().unwrap().iter();
        names.map(|session| session["user"]["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let id = ana.id();
    for (q, names) in [
        ("aNA", &["Ana"][..]),
        (&id, &["Ana"]),
        ("cake", &["Ana"]),
        ("tea", &["Ana", "bob"]),
        ("127.0.0", &["Ana", "bob"]),
        ("API-1", &["Ana", "bob"]),
        ("%20", &["Ana", "bob"]),
        ("nobody", &[]),
    ] {
        assert_eq!(found(q).await, names, "{q}");
    }
    let first = server.get_as("/api/sessions?q=tea&limit=1", &token::admin()).await.json;
    let next = format!("/api/sessions?q=tea&limit=1&cursor={}", first["cursor"].as_str().unwrap());
    let second = server.get_as(&next, &token::admin()).await.json;
    assert_eq!((&first["more"], &second["more"]), (&json!(true), &json!(false)));
    assert_eq!(second["sessions"][0]["user"]["name"], "bob");
    assert_eq!(server.get_as(&format!("/api/sessions?q={}", "q".repeat(101)), &token::admin()).await.status, 400);
}

#[tokio::test]
async fn an_instance_says_how_it_does_to_admins_only() {
    let server = Server::with_jwt().env("INSTANCE_ID", "api-1").start();
    assert_eq!(server.get("/api/instances").await.status, 401);
    assert_eq!(server.get_as("/api/instances", &token::of("bob", "member")).await.status, 403);
    let mut ana = server.guest("Ana").await;
    ana.send_acked("global", "hello").await;
    let answer = server.get_as("/api/instances", &token::admin()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let list = answer.json;
    assert_eq!(
        (&list["instanceId"], &list["distributedMode"], &list["isDegraded"]),
        (&json!("api-1"), &json!(false), &json!(false))
    );
    let [only] = &list["instances"].as_array().unwrap()[..] else { panic!("{list:#}") };
    let vitals = &only["vitals"];
    assert_eq!((&only["instanceId"], &only["connectedClients"]), (&json!("api-1"), &json!(1)));
    assert_eq!((&vitals["status"], &vitals["messagesPublished"]), (&json!("healthy"), &json!(1)));
    assert!(vitals["latencyCount"].as_u64() >= Some(1) && vitals["latencySumMs"].as_f64() > Some(0.0), "{vitals:#}");
    assert!(vitals["memoryBytes"].as_u64() > Some(1_000_000) && vitals["cpuSeconds"].is_number(), "{vitals:#}");
    assert!(only["heartbeatAgeMs"].as_u64() < Some(60_000), "{only:#}");
}

#[tokio::test]
async fn an_admin_ends_a_users_connections() {
    let server = Server::with_jwt().start();
    let mut eve = server.guest("Eve").await;
    let mut tab = eve.again().enter().await;
    let path = format!("/api/users/{}/connections", eve.id());
    assert_eq!(server.delete_as(&path, &token::of("bob", "member")).await.status, 403);
    let answer = server.delete_as(&format!("{path}?banMs=0"), &token::admin()).await;
    assert_eq!((answer.status, &answer.json["closed"]), (200, &json!(2)));
    assert_eq!((eve.closed().await, tab.closed().await), (4403, 4403));
    let mut back = eve.again().enter().await;
    let answer = server.delete_as(&path, &token::admin()).await;
    assert_eq!(answer.json["closed"], 1);
    assert_eq!(back.closed().await, 4403);
    let refused = eve.again().refused().await;
    assert_eq!((refused.status, refused.code()), (403, "forbidden"));
}

#[tokio::test]
async fn a_ban_is_listed_until_it_is_lifted() {
    let server = Server::with_jwt().start();
    let (bob, admin) = (token::of("bob", "member"), token::admin());
    let bans = async || server.get_as("/api/bans", &admin).await.json;
    assert_eq!(bans().await, json!({"bans": [], "more": false}));
    let eve = server.guest("Eve").await;
    let mal = server.guest("Mal").await;
    for (who, ms) in [(&eve, 3_600_000), (&mal, 60_000)] {
        let path = format!("/api/users/{}/connections?banMs={ms}", who.id());
        assert_eq!(server.delete_as(&path, &admin).await.status, 200);
    }
    let listed = bans().await;
    let ids: Vec<&Value> = listed["bans"].as_array().unwrap().iter().map(|ban| &ban["userId"]).collect();
    assert_eq!((ids, &listed["more"]), (vec![&json!(eve.id()), &json!(mal.id())], &json!(false)));
    let until = listed["bans"][0]["until"].as_i64().unwrap() / 1_000;
    assert!((until - token::now() - 3_600).abs() < 60, "{listed}");
    let first = server.get_as("/api/bans?limit=1", &admin).await.json;
    assert_eq!((first["bans"].as_array().unwrap().len(), &first["more"]), (1, &json!(true)));
    assert_eq!(server.get_as("/api/bans?limit=0", &admin).await.status, 400);
    assert_eq!(server.get_as("/api/bans", &bob).await.status, 403);

    let path = format!("/api/users/{}/ban", eve.id());
    assert_eq!(server.delete_as(&path, &bob).await.status, 403);
    assert_eq!(eve.again().refused().await.status, 403);
    // Lifting what is lifted is no mistake.
    for _ in 0..2 {
        assert_eq!(server.delete_as(&path, &admin).await.status, 204);
    }
    eve.again().enter().await;
    let left = bans().await;
    assert_eq!((left["bans"].as_array().unwrap().len(), &left["bans"][0]["userId"]), (1, &json!(mal.id())));
    assert_eq!(server.delete_as("/api/users/!/ban", &admin).await.status, 400);
}

#[tokio::test]
async fn refusals_and_failed_proofs_are_on_record() {
    let server = Server::with_jwt().start();
    server.post("/api/login", json!({"username": "nobody", "password": "a wrong password"})).await;
    server.get_as("/metrics", "a key that nobody was given, ever").await;
    let answer = server.get_as("/api/events", &token::admin()).await;
    assert_eq!(answer.status, 200);
    let events = answer.json["events"].as_array().unwrap();
    let failed = events.iter().filter(|event| event["kind"] == "authentication").count();
    assert!(failed >= 2, "{events:#?}");
    assert!(!answer.text.contains("a wrong password") && !answer.text.contains("a key that nobody"));
    let all = server.get_as("/api/events?all=true&limit=1", &token::admin()).await.json;
    assert_eq!((&all["missing"], &all["events"]), (&json!([]), &json!([events[0]])));
    for path in ["/api/events?limit=0", "/api/events?all=maybe"] {
        assert_eq!(server.get_as(path, &token::admin()).await.status, 400, "{path}");
    }
}
