//! The web client's files.

use reqwest::Method;

use crate::support::*;

#[tokio::test]
async fn the_page_comes_with_its_headers() {
    let server = Server::start();
    let page = server.get("/").await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.text.contains("<title>Hubbub</title>"));
    let policy = page.header("content-security-policy");
    for part in ["default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"] {
        assert!(policy.contains(part), "{part} in {policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert!(!page.header("referrer-policy").is_empty());

    let admin = server.get("/admin").await;
    assert_eq!((admin.status, admin.header("content-security-policy")), (200, policy));
    assert!(
        admin.header("content-type").starts_with("text/html") && admin.text.contains("<title>Hubbub admin</title>")
    );

    let tag = page.header("etag").to_owned();
    let again = web::send(server.request(Method::GET, "/").header("if-none-match", tag)).await;
    assert_eq!((again.status, again.text.as_str()), (304, ""));
    for (path, kind) in
        [("/js/app.js", "text/javascript"), ("/css/app.css", "text/css"), ("/favicon.svg", "image/svg+xml")]
    {
        let file = server.get(path).await;
        assert_eq!(file.status, 200, "{path}");
        assert!(file.header("content-type").starts_with(kind), "{path}");
    }
    // They are parts of the page, which has said it for them; a picture can be a page of its own.
    for (path, said) in [("/js/app.js", false), ("/css/app.css", false), ("/favicon.svg", true), ("/api/rooms", true)] {
        assert_eq!(!server.get(path).await.header("content-security-policy").is_empty(), said, "{path}");
    }
    let zipped = web::send(server.request(Method::GET, "/js/app.js").header("accept-encoding", "gzip")).await;
    assert_eq!(zipped.header("content-encoding"), "gzip");
}

#[tokio::test]
async fn the_files_can_come_from_a_folder() {
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::write(folder.path().join("index.html"), "mine").unwrap();
    std::fs::write(folder.path().join(".secret"), "hidden").unwrap();
    let server = Server::setup().arg("--static-dir").arg(folder.path().to_str().unwrap()).start();
    assert_eq!(server.get("/").await.text, "mine");
    std::fs::write(folder.path().join("index.html"), "changed").unwrap();
    assert_eq!(server.get("/").await.text, "changed");
    assert_eq!(server.get("/.secret").await.status, 404);
}
