//! Rooms, messages and presence over HTTP.

use reqwest::Method;

use crate::support::*;

#[tokio::test]
async fn posting_answers_with_the_place_in_the_log() {
    let server = Server::with_jwt().start();
    let mut reader = server.dial().rooms("a").enter().await;
    let ana = token::of("ana", "member");
    let first = server.post_as("/api/rooms/a/messages", &ana, json!({"text": " hello "})).await;
    assert_eq!(first.status, 201);
    let event = reader.expect_type("message").await;
    assert_eq!(first.json, json!({"messageId": event["id"], "seq": 1, "ts": event["ts"], "duplicate": false}));
    assert_eq!((&event["text"], &event["from"]["id"]), (&json!("hello"), &json!("j:ana")));
    let reply = json!({"text": "re", "replyTo": first.json["messageId"]});
    assert_eq!(server.post_as("/api/rooms/a/messages", &ana, reply).await.json["seq"], 2);
    assert_eq!(reader.expect(|event| event["seq"] == 2).await["replyTo"], first.json["messageId"]);
}

#[tokio::test]
async fn an_idempotency_key_makes_retries_harmless() {
    let server = Server::with_jwt().start();
    let ana = token::of("ana", "member");
    let post = |text: &str| {
        let request = server.request(Method::POST, "/api/rooms/a/messages").bearer_auth(&ana);
        web::send(request.header("idempotency-key", "k").json(&json!({"text": text})))
    };
    let first = post("once").await;
    let again = post("twice").await;
    assert_eq!((first.status, again.status), (201, 200));
    assert_eq!(again.json["duplicate"], true);
    for field in ["messageId", "seq", "ts"] {
        assert_eq!(first.json[field], again.json[field], "{field}");
    }
    // The key of a socket is the same key.
    let mut client = server.dial().bearer(&ana).rooms("a").enter().await;
    let ack = client.acked(json!({"type": "message", "room": "a", "text": "x", "key": "k"})).await;
    assert_eq!((&ack["duplicate"], &ack["messageId"]), (&json!(true), &first.json["messageId"]));
}

#[tokio::test]
async fn who_may_not_post_is_told() {
    let server = Server::with_jwt().config("[[rooms]]\nmatch = \"news\"\njoin = \"guest\"\npost = \"admin\"\n").start();
    let ana = token::of("ana", "member");
    let say = json!({"text": "hi"});
    assert_eq!(server.post("/api/rooms/a/messages", say.clone()).await.status, 401, "guests have no proof");
    for (path, body, status, code) in [
        ("/api/rooms/news/messages", say.clone(), 403, "forbidden"),
        ("/api/rooms/No/messages", say.clone(), 400, "invalid_room"),
        ("/api/rooms/a/messages", json!({"text": ""}), 400, "invalid_text"),
        ("/api/rooms/a/messages", json!({}), 400, "malformed"),
        ("/api/rooms/a/messages", json!({"text": "x", "replyTo": "none"}), 404, "not_found"),
    ] {
        let answer = server.post_as(path, &ana, body).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{path}");
    }
    assert_eq!(server.post_as("/api/rooms/news/messages", &token::admin(), say).await.status, 201);
}

#[tokio::test]
async fn messages_are_read_as_history() {
    let server = Server::with_jwt().start();
    let mut client = server.dial().rooms("a").enter().await;
    for n in 1..=5 {
        client.send_acked("a", &format!("{n}")).await;
    }
    for query in ["", "?before=3", "?after=2&limit=2", "?limit=200"] {
        let over_http = server.get(&format!("/api/rooms/a/messages{query}")).await;
        assert_eq!(over_http.status, 200);
        let mut command = json!({"type": "history", "room": "a"});
        for pair in query.trim_start_matches('?').split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap();
            command[name] = value.parse::<u64>().unwrap().into();
        }
        let over_socket = client.ask(command).await;
        for field in ["room", "entries", "more"] {
            assert_eq!(over_http.json[field], over_socket[field], "{query}: {field}");
        }
    }
    for bad in ["?limit=0", "?limit=201", "?before=1&after=1", "?before=x"] {
        let answer = server.get(&format!("/api/rooms/a/messages{bad}")).await;
        assert_eq!((answer.status, answer.code()), (400, "invalid_argument"), "{bad}");
    }
}

#[tokio::test]
async fn the_list_holds_rooms_with_members_or_entries_that_one_may_join() {
    let rules = "[[rooms]]\nmatch = \"staff.*\"\njoin = \"member\"\npost = \"member\"\n";
    let server = Server::with_jwt().config(rules).start();
    let ana = token::of("ana", "member");
    server.post_as("/api/rooms/staff.a/messages", &ana, json!({"text": "hi"})).await;
    let posted = server.post_as("/api/rooms/logged/messages", &ana, json!({"text": "hi"})).await;
    let _client = server.dial().rooms("lively").enter().await;
    let list = until("the presence to be collected", async || {
        let list = server.get("/api/rooms").await.json;
        (list["rooms"].as_array()?.len() == 2).then_some(list)
    })
    .await;
    assert_eq!(
        list,
        json!({"rooms": [{"room": "lively", "members": 1, "lastTs": null},
                         {"room": "logged", "members": 0, "lastTs": posted.json["ts"]}], "more": false})
    );
    let of_member = server.get_as("/api/rooms?prefix=staff.", &ana).await.json;
    assert_eq!(of_member["rooms"][0]["room"], "staff.a");
    let page = server.get("/api/rooms?limit=1").await.json;
    assert_eq!((page["rooms"].as_array().unwrap().len(), &page["more"]), (1, &json!(true)));
    assert_eq!(server.get("/api/rooms/staff.a/messages").await.status, 403);
    assert_eq!(server.get("/api/rooms/staff.a/presence").await.status, 403);
}
