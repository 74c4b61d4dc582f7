//! What it costs to open the page, and that what is sent is what was written.

use std::{fs, io::Read, path::Path, process::Command};

use flate2::read::GzDecoder;
use reqwest::Method;
use tempfile::TempDir;

use super::person::{Person, REST_OF_PAGE};
use crate::support::{browser::Driver, *};

/// Most bytes of the first page and all that it loads, packed for the wire, headers included.
const MOST: u64 = 60_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_page_is_light() {
    let server = Server::start();
    let driver = Driver::start();
    let ana = Person::open_in(driver.counting_browser().await, &server.url("/")).await;
    ana.say("hello").await;
    ana.sees(&["hello"]).await;
    let loaded = ana.browser.received().await;
    for wanted in ["/", "/favicon.svg", "/css/app.css", "/js/early.js", "/js/app.js", "/js/client.js", "/api/rooms"] {
        let size = loaded.iter().find(|(path, _)| path == wanted).map(|(_, size)| *size);
        assert!(size.is_some_and(|size| size > 100), "{wanted} in {loaded:#?}");
    }
    // What comes later may have come by now.
    let later = |path: &str| REST_OF_PAGE.iter().any(|name| path == format!("/js/{name}.js"));
    let first = loaded.iter().filter(|(path, _)| !later(path));
    let total: u64 = first.map(|(_, size)| size).sum();
    assert!(total <= MOST, "{total} bytes: {loaded:#?}");
    ana.rest_of_page().await;
    ana.leave().await;
}

/// The scripts as they are sent, in a folder like the source's.
async fn sent(server: &Server) -> TempDir {
    let folder = TempDir::new().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let [to, tests] = ["static/js", "tests/js"].map(|name| folder.path().join(name));
    for made in [&to, &tests, &folder.path().join("static/css")] {
        fs::create_dir_all(made).unwrap();
    }
    fs::write(folder.path().join("package.json"), r#"{"type": "module"}"#).unwrap();
    for file in fs::read_dir(source.join("static/js")).unwrap().map(Result::unwrap).filter(|file| file.path().is_file())
    {
        let name = file.file_name().into_string().unwrap();
        let path = format!("/js/{name}");
        let asked = server.request(Method::GET, &path).header("accept-encoding", "gzip");
        let answer = asked.send().await.unwrap();
        assert_eq!(answer.headers().get("content-encoding").unwrap(), "gzip", "{path}");
        let mut script = String::new();
        GzDecoder::new(&answer.bytes().await.unwrap()[..]).read_to_string(&mut script).unwrap();
        assert!(!script.contains("/**"), "{path} has its comments");
        fs::write(to.join(name), script).unwrap();
    }
    for file in fs::read_dir(source.join("tests/js")).unwrap().map(Result::unwrap) {
        fs::copy(file.path(), tests.join(file.file_name())).unwrap();
    }
    // It looks at the sources.
    fs::remove_file(tests.join("page.test.js")).unwrap();
    folder
}

#[tokio::test]
async fn the_scripts_do_the_same_without_their_comments() {
    let server = Server::setup().env("HUBBUB__LIMITS__API_PER_SECOND", 0).start();
    let folder = sent(&server).await;
    let tests = fs::read_dir(folder.path().join("tests/js")).unwrap().map(|file| file.unwrap().path());
    let tests = tests.filter(|path| path.to_str().unwrap().ends_with(".test.js"));
    let node = Command::new("node").arg("--test").args(tests).current_dir(folder.path()).output();
    let output = node.expect("Node.js is needed: `make tools`");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
