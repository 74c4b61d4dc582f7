//! `kick` and bans.

use crate::support::*;

#[tokio::test]
async fn only_admins_kick() {
    let server = Server::with_jwt().start();
    let mut member = server.dial().bearer(&token::of("bob", "member")).enter().await;
    assert_eq!(member.refused(json!({"type": "kick", "userId": "g:1"})).await, "forbidden");
}

#[tokio::test]
async fn a_kick_closes_every_connection_and_bans() {
    let server = Server::with_jwt().start();
    let mut admin = server.dial().bearer(&token::admin()).enter().await;
    let mut first = server.guest("Eve").await;
    let mut second = first.again().enter().await;
    let mut other = server.guest("Ana").await;
    admin.expect(|event| event["type"] == "entered" && event.to_string().contains(&first.id())).await;
    let ack = admin.acked(json!({"type": "kick", "userId": first.id(), "reason": "spam"})).await;
    assert_eq!(ack["closed"], 2);
    assert_eq!((first.closed().await, second.closed().await), (4403, 4403));
    let left = admin.expect_type("left").await;
    assert_eq!(left["reason"], "kicked");
    let refused = first.again().refused().await;
    assert_eq!((refused.status, refused.code()), (403, "forbidden"));
    other.settle().await;
}

#[tokio::test]
async fn the_longest_ban_ends_when_numbers_do() {
    let server = Server::with_jwt().start();
    let mut admin = server.dial().bearer(&token::admin()).enter().await;
    let longest = (1_u64 << 53) - 1;
    admin.acked(json!({"type": "kick", "userId": "g:eve", "banMs": longest})).await;
    let bans = server.get_as("/api/bans", &token::admin()).await;
    assert_eq!(bans.json["bans"][0]["until"], longest);
}

#[tokio::test]
async fn a_kick_without_a_ban_only_closes() {
    let server = Server::with_jwt().start();
    let mut admin = server.dial().bearer(&token::admin()).enter().await;
    let mut eve = server.guest("Eve").await;
    let ack = admin.acked(json!({"type": "kick", "userId": eve.id(), "banMs": 0})).await;
    assert_eq!(ack["closed"], 1);
    assert_eq!(eve.closed().await, 4403);
    eve.again().enter().await;
    let nobody = admin.acked(json!({"type": "kick", "userId": "g:nobody", "banMs": 0})).await;
    assert_eq!(nobody["closed"], 0);
}

#[tokio::test]
async fn a_ban_ends_and_outlives_the_server() {
    let mut server = Server::with_jwt().start();
    let mut admin = server.dial().bearer(&token::admin()).enter().await;
    let eve = server.guest("Eve").await;
    admin.acked(json!({"type": "kick", "userId": eve.id(), "banMs": 2_500})).await;
    server.kill9();
    server.restart();
    assert_eq!(eve.again().refused().await.status, 403);
    until("the ban to end", async || eve.again().open().await.ok()).await;
}

#[tokio::test]
async fn who_kicks_oneself_is_answered_first() {
    let server = Server::with_jwt().start();
    let mut admin = server.dial().bearer(&token::admin()).enter().await;
    let ack = admin.acked(json!({"type": "kick", "userId": admin.id(), "banMs": 0})).await;
    assert_eq!(ack["closed"], 1);
    assert_eq!(admin.closed().await, 4403);
}

#[tokio::test]
async fn a_kick_within_the_grace_says_so() {
    let server = Server::with_jwt().start();
    let mut admin = server.dial().bearer(&token::admin()).enter().await;
    let eve = server.guest("Eve").await;
    let id = eve.id();
    admin.expect(|event| event["type"] == "entered" && event.to_string().contains(&id)).await;
    let again = eve.again();
    eve.vanish();
    let mut eve = again.enter().await;
    admin.acked(json!({"type": "kick", "userId": id, "banMs": 0})).await;
    eve.closed().await;
    assert_eq!(admin.expect_type("left").await["reason"], "kicked");
}
