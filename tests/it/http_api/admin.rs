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
}
