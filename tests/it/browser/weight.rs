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

/// All files of a folder, by their paths in it.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            found.extend(files(&entry.path()).into_iter().map(|path| format!("{name}/{path}")));
        } else {
            found.push(name);
        }
    }
    found
}

fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// The client with its scripts as they are sent, in a folder like the source's, with their tests.
async fn sent(server: &Server) -> TempDir {
    let folder = TempDir::new().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    write(&folder.path().join("package.json"), r#"{"type": "module"}"#);
    for name in files(&source.join("static")) {
        let path = folder.path().join("static").join(&name);
        if !name.ends_with(".js") {
            write(&path, &fs::read_to_string(source.join("static").join(&name)).unwrap());
            continue;
        }
        let asked = server.request(Method::GET, &format!("/{name}")).header("accept-encoding", "gzip");
        let answer = asked.send().await.unwrap();
        assert_eq!(answer.headers().get("content-encoding").unwrap(), "gzip", "{name}");
        let mut script = String::new();
        GzDecoder::new(&answer.bytes().await.unwrap()[..]).read_to_string(&mut script).unwrap();
        assert!(!script.contains("/**"), "{name} has its comments");
        write(&path, &script);
    }
    for name in files(&source.join("tests/js")) {
        let test = fs::read_to_string(source.join("tests/js").join(&name)).unwrap();
        write(&folder.path().join("tests/js").join(&name), &test);
    }
    folder
}

#[tokio::test]
async fn the_scripts_do_the_same_without_their_comments() {
    let server = Server::setup().env("HUBBUB__LIMITS__API_PER_SECOND", 0).start();
    let folder = sent(&server).await;
    let tests = fs::read_dir(folder.path().join("tests/js")).unwrap().map(|file| file.unwrap().path());
    // The others are of the load tests.
    let tests = tests.filter(|path| {
        path.to_str().unwrap().ends_with(".test.js") && fs::read_to_string(path).unwrap().contains("../static/")
    });
    let node = Command::new("node").arg("--test").args(tests).current_dir(folder.path()).output();
    let output = node.expect("Node.js is needed: `make tools`");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
