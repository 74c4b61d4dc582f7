//! Servers that die, drain and lose Redis, networks that go away, pages that are closed too early: the page says what
//! is, and what was said arrives once.

use std::time::{Duration, Instant};

use fantoccini::key::Key;

use super::person::{Person, stored};
use crate::support::{browser::Driver, cluster::Cluster, proxy::Proxy, *};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_dies_and_comes_back() {
    let mut server = Server::start();
    let driver = Driver::start();
    let ana = Person::arrive(&driver, &server, "Ana").await;
    let bob = Person::arrive(&driver, &server, "Bob").await;
    ana.say("hello").await;
    bob.sees(&["hello"]).await;
    bob.say("hi Ana").await;
    for person in [&ana, &bob] {
        person.sees(&["hello", "hi Ana"]).await;
    }

    server.kill9();
    ana.offline().await;
    // Said while nobody listens: kept, and sent once the server is back.
    ana.say("said in between").await;
    ana.waits_with("said in between").await;
    server.restart();
    for person in [&ana, &bob] {
        person.online().await;
        person.sees(&["hello", "hi Ana", "said in between"]).await;
    }
    bob.say("all here").await;
    for person in [&ana, &bob] {
        person.sees(&["hello", "hi Ana", "said in between", "all here"]).await;
    }
    assert_eq!(stored(&server, "global").await, ["hello", "hi Ana", "said in between", "all here"]);
    ana.leave().await;
    bob.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_page_could_not_fetch_comes_when_the_server_is_back() {
    let mut server = Server::start();
    let driver = Driver::start();
    let bob = Person::arrive(&driver, &server, "Bob").await;
    bob.say("hello").await;
    let ana = Person::open(&driver, &server.url("/")).await;
    ana.sees(&["hello"]).await;
    server.kill9();
    let asked = "performance.getEntriesByName(new URL('js/completion.js', location).href)";
    ana.waits_for(&format!("{asked}.length > 0")).await;
    assert_eq!(ana.script(&format!("return {asked}[0].transferSize")).await, 0, "it was there before");
    server.restart();
    ana.online().await;
    ana.find("#text").await.send_keys("@bo").await.unwrap();
    ana.waits_for("document.querySelector('#names').textContent.includes('Bob')").await;
    ana.leave().await;
    bob.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_kept_for_the_back_button_is_not_there_until_it_is_shown_again() {
    let server = Server::start();
    let driver = Driver::start();
    let ana = Person::arrive(&driver, &server, "Ana").await;
    let bob = Person::arrive(&driver, &server, "Bob").await;
    let people = |count| format!("document.querySelectorAll('#people [data-user]').length === {count}");
    bob.waits_for(&people(2)).await;
    ana.script("addEventListener('pageshow', ({ persisted }) => (window.kept = persisted)); location.href = 'admin'")
        .await;
    bob.waits_for(&people(1)).await;
    bob.say("are you there?").await;
    ana.browser.page.back().await.unwrap();
    ana.waits_for("window.kept").await;
    ana.sees(&["are you there?"]).await;
    bob.waits_for(&people(2)).await;
    ana.leave().await;
    bob.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_keeps_the_focus_and_every_part_of_the_page_opens_without_a_server() {
    let mut server = Server::start();
    let driver = Driver::start();
    let ana = Person::arrive(&driver, &server, "Ana").await;
    ana.say("hello").await;
    ana.sees(&["hello"]).await;
    ana.rest_of_page().await;
    // The server takes no message with a bell in it.
    ana.script(
        "document.querySelector('#text').value = 'x\\u0007x'; document.querySelector('#composer').requestSubmit()",
    )
    .await;
    ana.waits_for("document.querySelector('#pending [data-state=failed]')").await;
    server.kill9();
    ana.offline().await;

    ana.script("(window.held = document.querySelector('#pending [data-action=retry]')).focus()").await;
    // Something else comes into the list, while the focus is in it.
    ana.script("document.querySelector('#text').value = 'kept'; document.querySelector('#composer').requestSubmit()")
        .await;
    ana.waits_with("kept").await;
    assert_eq!(ana.script("return document.activeElement === held && held.isConnected").await, true);
    ana.press(&char::from(Key::Enter).to_string()).await;
    // It waits again, and has no buttons: one goes on writing.
    ana.waits_for("!held.isConnected && document.activeElement.id === 'text'").await;

    let escape = char::from(Key::Escape).to_string();
    for (button, dialog) in [("#show-settings", "#settings"), ("#show-help", "#help")] {
        ana.click(button).await;
        ana.waits_for(&format!("document.querySelector('{dialog}').open")).await;
        ana.press(&escape).await;
        ana.waits_for(&format!("!document.querySelector('{dialog}').open")).await;
    }
    ana.act("hello", "react").await;
    ana.waits_for("document.querySelector('#picker').open").await;
    ana.press(&escape).await;
    ana.act("hello", "delete").await;
    ana.waits_for("document.querySelector('#confirm').open").await;
    ana.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drained_server_is_announced_and_come_back_to() {
    let mut server = Server::setup().env("HUBBUB__DRAIN__GRACE_MS", 100).start();
    let driver = Driver::start();
    let ana = Person::arrive(&driver, &server, "Ana").await;
    ana.say("before").await;
    ana.sees(&["before"]).await;
    // The notice and the close may come within one frame: what is looked at is all that the page has said.
    let listen = "window.said = []; const state = document.querySelector('#state'); \
        new MutationObserver(() => said.push(state.textContent)).observe(state, { childList: true, characterData: true, subtree: true })";
    ana.script(listen).await;
    server.term();
    ana.waits_for("said.some((each) => each.startsWith('The server restarts'))").await;
    ana.offline().await;
    assert_eq!(server.exit_code(), Some(0));
    ana.say("in between").await;
    ana.waits_with("in between").await;
    server.restart();
    ana.online().await;
    ana.sees(&["before", "in between"]).await;
    assert_eq!(stored(&server, "global").await, ["before", "in between"]);
    ana.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_taken_away_and_given_back() {
    let mut cluster = Cluster::start(2).await;
    let driver = Driver::start();
    let ana = Person::arrive(&driver, cluster.server(1), "Ana").await;
    let bob = Person::arrive(&driver, cluster.server(2), "Bob").await;
    ana.say("together").await;
    bob.sees(&["together"]).await;

    cluster.redis.kill9();
    for person in [&ana, &bob] {
        person.state("degraded").await;
        person.waits_for("!document.querySelector('#banner').hidden").await;
    }
    ana.say("alone").await;
    ana.waits_with("alone").await;
    bob.sees(&["together"]).await;

    cluster.redis.restart();
    for person in [&ana, &bob] {
        person.online().await;
        person.sees(&["together", "alone"]).await;
    }
    assert_eq!(stored(cluster.server(2), "global").await, ["together", "alone"]);
    ana.leave().await;
    bob.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_goes_away_and_comes_back() {
    let server = Server::start();
    let network = Proxy::start(server.address).await;
    let driver = Driver::start();
    let ana = Person::arrive_at(&driver, &format!("http://{}/", network.address()), "Ana").await;
    ana.say("before").await;
    ana.sees(&["before"]).await;

    network.blackhole(true);
    ana.browser.network(false).await;
    network.reset();
    ana.offline().await;
    ana.say("in a tunnel").await;
    ana.waits_with("in a tunnel").await;
    let mut bob = server.guest("Bob").await;
    bob.send_acked("global", "you are missed").await;

    network.blackhole(false);
    ana.browser.network(true).await;
    ana.online().await;
    ana.sees(&["before", "you are missed", "in a tunnel"]).await;
    assert_eq!(stored(&server, "global").await, ["before", "you are missed", "in a tunnel"]);
    ana.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_sent_outlives_the_page() {
    let mut server = Server::start();
    let driver = Driver::start();
    let ana = Person::arrive(&driver, &server, "Ana").await;
    ana.say("before").await;
    ana.sees(&["before"]).await;
    server.kill9();
    ana.offline().await;
    for text in ["first", "second"] {
        ana.say(text).await;
        ana.waits_with(text).await;
    }
    // The page is gone before the server is back: only what it stored can send them.
    ana.browser.page.goto("about:blank").await.unwrap();
    server.restart();
    ana.browser.page.goto(&server.url("/")).await.unwrap();
    ana.online().await;
    ana.sees(&["before", "first", "second"]).await;
    // Nor are they sent anew by the next page.
    ana.browser.page.refresh().await.unwrap();
    ana.online().await;
    ana.sees(&["before", "first", "second"]).await;
    assert_eq!(stored(&server, "global").await, ["before", "first", "second"]);
    ana.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_old_to_be_sent_by_itself_is_asked_about() {
    // The server forgets keys after two seconds.
    let mut server = Server::setup().env("HUBBUB__STORE__IDEMPOTENCY_MS", 2_000).start();
    let driver = Driver::start();
    let ana = Person::arrive(&driver, &server, "Ana").await;
    server.kill9();
    ana.offline().await;
    for text in ["old news", "older news"] {
        ana.say(text).await;
        ana.waits_with(text).await;
    }
    let written = Instant::now();
    until("the server to have forgotten", async || (written.elapsed() > Duration::from_secs(3)).then_some(())).await;
    server.restart();
    ana.online().await;
    ana.waits_for("document.querySelectorAll('#pending > li[data-state=asks]').length === 2").await;
    assert_eq!(stored(&server, "global").await, [""; 0]);
    ana.click("#pending > li:nth-child(1) [data-action=retry]").await;
    ana.click("#pending > li[data-state=asks] [data-action=discard]").await;
    ana.sees(&["old news"]).await;
    assert_eq!(stored(&server, "global").await, ["old news"]);
    ana.leave().await;
}
