//! Who one is on the page.

use super::person::Person;
use crate::support::{browser::Driver, *};

const ROLE: &str = "document.querySelector('#role').textContent";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_log_in_and_out_over_the_page() {
    let server = Server::start();
    server.register("carol").await;
    let driver = Driver::start();
    let person = Person::arrive(&driver, &server, "Someone").await;
    person.click("#account").await;
    person.find("#username").await.send_keys("carol").await.unwrap();
    person.find("#password").await.send_keys(web::PASSWORD).await.unwrap();
    person.click("#login button[value=login]").await;
    let member = format!("{ROLE} === 'member' && document.querySelector('#name').value === 'carol'");
    person.waits_for(&member).await;
    person.online().await;
    person.say("as a member").await;
    person.sees(&["as a member"]).await;
    person.browser.page.refresh().await.unwrap();
    person.online().await;
    person.waits_for(&member).await;
    person.click("#account").await;
    person.waits_for(&format!("{ROLE} === 'guest'")).await;
    person.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_is_the_same_person_in_a_second_tab_and_after_a_reload() {
    let server = Server::start();
    let driver = Driver::start();
    let ana = Person::arrive(&driver, &server, "Ana").await;
    ana.say("from the first").await;
    ana.sees(&["from the first"]).await;
    let page = &ana.browser.page;
    let second = page.new_window(true).await.unwrap();
    page.switch_to_window(second.handle).await.unwrap();
    page.goto(&server.url("/")).await.unwrap();
    ana.online().await;
    ana.sees(&["from the first"]).await;
    ana.waits_for("document.querySelector('#name').value === 'Ana'").await;
    ana.waits_for("document.querySelectorAll('#log > li[data-own]').length === 1").await;
    ana.say("from the second").await;
    ana.sees(&["from the first", "from the second"]).await;
    page.refresh().await.unwrap();
    ana.online().await;
    ana.sees(&["from the first", "from the second"]).await;
    ana.waits_for("document.querySelectorAll('#log > li[data-own]').length === 2").await;
    ana.waits_for("document.querySelectorAll('#people [data-user]').length === 1").await;
    ana.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_kept_out_by_a_name_a_token_or_an_address_that_is_none() {
    let server = Server::start();
    let driver = Driver::start();
    let ana = Person::arrive_at(&driver, &server.url("/#50%"), "Ana").await;
    let name = "document.querySelector('#name').value";
    let kept = "localStorage.getItem('hubbub.name')";
    ana.type_into("#name", "Zero\u{200B}width").await;
    ana.waits_for("document.querySelector('#problem').textContent.includes('zero-width')").await;
    ana.online().await;
    ana.waits_for(&format!("{name} === 'Ana' && {kept} === 'Ana'")).await;

    // As an earlier version of the page may have left them.
    ana.script("localStorage.setItem('hubbub.name', 'Zero\\u200bwidth')").await;
    ana.browser.page.refresh().await.unwrap();
    ana.online().await;
    ana.waits_for(&format!("{name} === 'Ana' && {kept} === null")).await;
    ana.script("localStorage.setItem('hubbub.token', 'two words')").await;
    ana.browser.page.refresh().await.unwrap();
    ana.online().await;
    ana.waits_for(&format!("{name} !== 'Ana' && {ROLE} === 'guest'")).await;
    ana.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_removed_is_told_and_not_taken_back() {
    let server = Server::with_jwt().start();
    let driver = Driver::start();
    let eve = Person::arrive(&driver, &server, "Eve").await;
    let mut admin = server.dial().bearer(&token::admin()).enter().await;
    // The page says the name that was typed a moment before its new connection does.
    let id = until("Eve to be there by that name", async || {
        let who = admin.ask(json!({"type": "who"})).await;
        who["users"].as_array()?.iter().find(|user| user["name"] == "Eve").map(|user| user["id"].clone())
    })
    .await;
    admin.acked(json!({"type": "kick", "userId": id})).await;
    eve.state("stopped").await;
    eve.waits_for("document.querySelector('#state').textContent.includes('removed')").await;
    // Whoever tries again is refused, and told so.
    eve.click("#retry").await;
    eve.waits_for("performance.getEntriesByType('resource').some(({ name }) => name.includes('/api/connect'))").await;
    eve.state("stopped").await;
    eve.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_ends_in_one_tab_ends_in_the_other() {
    let server = Server::start();
    server.register("carol").await;
    let driver = Driver::start();
    let person = Person::open(&driver, &server.url("/")).await;
    let page = &person.browser.page;
    let first = page.window().await.unwrap();
    let second = page.new_window(true).await.unwrap().handle;
    page.switch_to_window(second.clone()).await.unwrap();
    page.goto(&server.url("/")).await.unwrap();
    person.online().await;
    person.click("#account").await;
    person.find("#username").await.send_keys("carol").await.unwrap();
    person.find("#password").await.send_keys(web::PASSWORD).await.unwrap();
    person.click("#login button[value=login]").await;
    for tab in [&second, &first] {
        page.switch_to_window(tab.clone()).await.unwrap();
        person.waits_for(&format!("{ROLE} === 'member'")).await;
        person.online().await;
    }
    person.click("#account").await;
    for tab in [&first, &second] {
        page.switch_to_window(tab.clone()).await.unwrap();
        person.waits_for(&format!("{ROLE} === 'guest'")).await;
        person.online().await;
    }
    person.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_a_guest_again_unawares_is_told() {
    let mut server = Server::start();
    server.register("carol").await;
    let driver = Driver::start();
    let carol = Person::open(&driver, &server.url("/")).await;
    carol.click("#account").await;
    carol.find("#username").await.send_keys("carol").await.unwrap();
    carol.find("#password").await.send_keys(web::PASSWORD).await.unwrap();
    carol.click("#login button[value=login]").await;
    carol.waits_for(&format!("{ROLE} === 'member'")).await;
    server.kill9();
    carol.offline().await;
    // A session that has run out meanwhile is a cookie that is no good any more.
    carol.browser.page.delete_all_cookies().await.unwrap();
    server.restart();
    carol.online().await;
    carol.waits_for(&format!("{ROLE} === 'guest'")).await;
    carol.waits_for("document.querySelector('#problem').textContent.includes('session has ended')").await;
    assert_eq!(carol.script("return document.querySelector('#account').textContent").await, "Log in");
    carol.leave().await;
}
