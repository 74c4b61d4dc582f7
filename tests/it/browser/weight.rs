//! What it costs to open the page.

use super::person::Person;
use crate::support::{browser::Driver, *};

/// Most bytes of the first page and all that it loads, as packed for the wire, without headers.
const MOST: u64 = 60 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_page_is_light() {
    let server = Server::start();
    let driver = Driver::start();
    let ana = Person::open(&driver, &server.url("/")).await;
    ana.say("hello").await;
    ana.sees(&["hello"]).await;
    let loaded = "return ['navigation', 'resource'].flatMap((type) => performance.getEntriesByType(type))\
        .map(({ name, transferSize, encodedBodySize, decodedBodySize }) => \
            [new URL(name).pathname, transferSize, encodedBodySize, decodedBodySize])";
    let loaded: Vec<(String, u64, u64, u64)> = serde_json::from_value(ana.script(loaded).await).unwrap();
    let total: u64 = loaded.iter().map(|(_, _, encoded, _)| encoded).sum();
    for wanted in ["/", "/css/app.css", "/js/app.js", "/js/client.js"] {
        let found = loaded.iter().find(|(path, ..)| path == wanted);
        let (_, transferred, encoded, decoded) = found.unwrap_or_else(|| panic!("{wanted} in {loaded:#?}"));
        assert!(transferred > encoded, "{wanted} came from a cache");
        assert!(encoded < decoded, "{wanted} is not compressed");
    }
    assert!(total <= MOST, "{total} bytes: {loaded:?}");
    ana.leave().await;
}
