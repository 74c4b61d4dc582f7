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
