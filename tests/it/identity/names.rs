//! What guests are called.

use crate::support::*;

async fn name_of(server: &Server, asked: &str) -> String {
    server.guest(asked).await.welcome["user"]["name"].as_str().unwrap().into()
}

#[tokio::test]
async fn a_guest_without_a_name_gets_one() {
    let server = Server::start();
    let client = server.dial().enter().await;
    let (name, id) = (client.welcome["user"]["name"].as_str().unwrap().to_owned(), client.id());
    assert_eq!(name, format!("guest-{}", &id[2..6]));
}

#[tokio::test]
async fn names_are_in_nfkc() {
    let server = Server::start();
    // Fullwidth letters, and an accent of its own.
    assert_eq!(name_of(&server, "%EF%BC%A1%EF%BC%AE%EF%BC%A1").await, "ANA");
    assert_eq!(name_of(&server, "Jose%CC%81").await, "José");
    assert_eq!(name_of(&server, "Ana%20Maria").await, "Ana Maria");
}

#[tokio::test]
async fn names_that_are_taken_are_set_apart() {
    let server = Server::setup().env("ADMIN_USERNAME", "boss").env("ADMIN_PASSWORD", web::PASSWORD).start();
    server.register("Carol").await;
    for taken in ["carol", "CAROL", "Boss", "admin", "System", "hubbub", "%EF%BC%A1dmin"] {
        let client = server.guest(taken).await;
        let (name, id) = (client.welcome["user"]["name"].as_str().unwrap().to_owned(), client.id());
        let (_, mark) = name.rsplit_once('-').unwrap();
        assert_eq!(mark, &id[2..6], "{name}");
    }
    assert_eq!(name_of(&server, "Dora").await, "Dora");
    assert_eq!(name_of(&server, "Dora").await, "Dora", "guests may share a name");
}

#[tokio::test]
async fn names_against_the_rule_are_refused() {
    let server = Server::start();
    for bad in ["a%07b", "a%E2%80%AEb", "a%E2%80%8Bb", &"x".repeat(33)] {
        let refused = server.dial().query(&format!("name={bad}")).refused().await;
        assert_eq!((refused.status, refused.code()), (400, "invalid_argument"), "{bad}");
    }
    assert_eq!(name_of(&server, &"x".repeat(32)).await.len(), 32);
}
