//! What ends a proof while its connection is open: 4401.

use reqwest::Method;

use crate::support::*;

#[tokio::test]
async fn a_jwt_that_ends_closes_its_connection() {
    let server = Server::with_jwt().start();
    // 30 s of leeway: two seconds are left.
    let exp = token::now() - 28;
    let mut brief = server.dial().bearer(&token::jwt(json!({"sub": "ana", "exp": exp}))).enter().await;
    let mut long = server.dial().bearer(&token::of("ana", "member")).enter().await;
    assert_eq!(brief.closed().await, 4401);
    long.settle().await;
}

#[tokio::test]
async fn logging_out_closes_what_that_session_opened() {
    let server = Server::start();
    let first = server.register("carol").await;
    let login = server.post("/api/login", json!({"username": "carol", "password": web::PASSWORD})).await;
    let second = login.session().unwrap();
    let mut tabs = [server.dial().cookie(&first).enter().await, server.dial().cookie(&first).enter().await];
    let mut elsewhere = server.dial().cookie(&second).enter().await;
    let mut guest = server.guest("Ana").await;

    let logout = server.request(Method::POST, "/api/logout").header("cookie", format!("session={first}"));
    let answer = web::send(logout).await;
    assert!((200..300).contains(&answer.status), "{}", answer.text);
    assert!(answer.header("set-cookie").starts_with("session=;"), "{}", answer.header("set-cookie"));
    for tab in &mut tabs {
        assert_eq!(tab.closed().await, 4401);
    }
    elsewhere.send_acked("global", "still here").await;
    guest.settle().await;
    let back = server.dial().cookie(&first).enter().await;
    assert_eq!(back.welcome["user"]["role"], "guest", "the session is over");
}
