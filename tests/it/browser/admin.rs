//! The admin page.

use fantoccini::key::Key;

use super::{accessibility::Judge, person::Person};
use crate::support::{
    browser::Driver,
    cluster::{Cluster, instance},
    server::Setup,
    *,
};

const NAME: &str = "root";
const PASSWORD: &str = "a password of the tests";

fn with_admin(setup: Setup) -> Setup {
    setup.env("ADMIN_USERNAME", NAME).env("ADMIN_PASSWORD", PASSWORD)
}

/// Opens the page, which asks everybody first to log in.
async fn open(driver: &Driver, server: &Server) -> Person {
    let browser = driver.browser().await;
    browser.page.goto(&server.url("/admin")).await.unwrap();
    let person = Person { browser };
    person.waits_for("document.querySelector('#gate')?.hidden === false").await;
    person
}

async fn log_in(person: &Person, name: &str, password: &str) {
    for (css, text) in [("#username", name), ("#password", password)] {
        let field = person.find(css).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }
    person.click("#login button").await;
}

/// Waits until a list of the page has just so many rows, and everything is as the server says.
async fn rows(person: &Person, list: &str, count: usize) {
    person.online().await;
    person.waits_for(&format!("document.querySelectorAll('#{list} > *').length === {count}")).await;
}

/// Waits until the page says what came of something.
async fn result(person: &Person, words: &str) {
    let quoted = json!(words);
    person.waits_for(&format!("document.querySelector('#result').textContent === {quoted}")).await;
}

async fn search(person: &Person, text: &str) {
    let field = person.find("#q").await;
    field.clear().await.unwrap();
    field.send_keys(text).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_an_admin_gets_in() {
    let mut server = with_admin(Server::setup()).start();
    server.register("carol").await;
    let driver = Driver::start();
    let person = open(&driver, &server).await;
    let judge = Judge::new();
    judge.judge(&person, "the gate").await;
    person.waits_for("document.querySelector('#board').hidden").await;
    log_in(&person, NAME, "not the password").await;
    person.waits_for("document.querySelector('#login-problem').textContent !== ''").await;
    log_in(&person, "carol", web::PASSWORD).await;
    person
        .waits_for("document.querySelector('#gate-text').textContent.includes('carol, who is no administrator')")
        .await;
    person.waits_for("document.querySelector('#board').hidden").await;
    log_in(&person, NAME, PASSWORD).await;
    rows(&person, "instances-list", 1).await;
    person.waits_for("document.querySelector('#gate').hidden").await;
    // The chat shows the way here to admins, and to nobody else.
    let page = &person.browser.page;
    page.goto(&server.url("/")).await.unwrap();
    person.online().await;
    person.waits_for("document.querySelector('#admin').hidden === false").await;
    person.click("#admin").await;
    rows(&person, "instances-list", 1).await;

    server.kill9();
    person.waits_for("document.querySelector('#state').dataset.status === 'waiting'").await;
    person.waits_for("document.querySelector('#banner-text').textContent.includes('cannot be reached')").await;
    person.waits_for("document.querySelector('#banner-age').textContent !== ''").await;
    judge.judge(&person, "a server that is gone").await;
    person.click("#logout").await;
    result(&person, "You were not logged out: The server cannot be reached.").await;
    server.restart();
    rows(&person, "instances-list", 1).await;
    person.waits_for("document.querySelector('#banner').hidden").await;
    // The server picks what is of a kind.
    let kind = person.find("#kind").await;
    server.post("/api/login", json!({"username": "nobody", "password": "a wrong password"})).await;
    kind.select_by_value("authentication").await.unwrap();
    person.waits_for("document.querySelector('#events-list > [data-kind=authentication]') !== null").await;
    kind.select_by_value("fault").await.unwrap();
    person.waits_for("document.querySelector('#events-sum').textContent === 'None'").await;
    person.click("#logout").await;
    person.waits_for("document.querySelector('#board').hidden && !document.querySelector('#gate').hidden").await;
    person.waits_for("document.querySelector('#result').textContent === ''").await;
    person.waits_for("document.querySelectorAll('#instances-list > *, #sessions-list > *').length === 0").await;
    page.goto(&server.url("/")).await.unwrap();
    person.online().await;
    person.waits_for("document.querySelector('#admin').hidden").await;
    person.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_admin_sees_to_a_cluster() {
    let mut cluster = Cluster::around(Redis::start(), 2, |redis, number| {
        // People here only listen when they are asked to.
        with_admin(instance(number, &redis.url())).env("HEARTBEAT_INTERVAL_MS", 25_000)
    })
    .await;
    let _ana = cluster.server(1).guest("Ana").await;
    let mut eve = cluster.server(2).guest("Eve").await;
    let driver = Driver::start();
    let judge = Judge::new();
    let person = open(&driver, cluster.server(1)).await;
    log_in(&person, NAME, PASSWORD).await;

    // Every instance with its load, as numbers and as lines.
    rows(&person, "instances-list", 2).await;
    for id in ["api-1", "api-2"] {
        let card = format!("document.querySelector('[data-instance={id}]')");
        person.waits_for(&format!("{card}.dataset.status === 'healthy'")).await;
        for of in ["clients", "cpu", "memory"] {
            let shown = format!("{card}.querySelector('[data-of={of}]')");
            person.waits_for(&format!("/^[0-9]/.test({shown}.textContent)")).await;
            person.waits_for(&format!("{shown}.querySelector('path').getAttribute('d') !== ''")).await;
        }
    }
    rows(&person, "sessions-list", 2).await;
    judge.judge(&person, "the board").await;
    person.browser.screen(390, 844, true).await;
    person.waits_for("document.scrollingElement.scrollWidth <= innerWidth").await;
    judge.judge(&person, "the board on a phone").await;
    person.browser.screen(1280, 800, false).await;

    // By keys alone: the button, the dialog, and back to the button.
    let [enter, tab, shift, release] = [Key::Enter, Key::Tab, Key::Shift, Key::Null].map(char::from);
    search(&person, "eVe").await;
    rows(&person, "sessions-list", 1).await;
    person.script("document.querySelector('#sessions-list button').focus()").await;
    person.press(&enter.to_string()).await;
    person.waits_for("document.querySelector('#confirm').open").await;
    person.waits_for("document.querySelector('#confirm-title').textContent === 'Kick Eve?'").await;
    judge.judge(&person, "a dialog").await;
    person.press(&format!("{shift}{tab}{release}")).await;
    person.waits_for("document.activeElement.id === 'confirm-yes'").await;
    person.press(&enter.to_string()).await;
    assert_eq!(eve.closed().await, 4403);
    result(&person, "Eve was kicked: 1 connection closed.").await;
    rows(&person, "sessions-list", 0).await;
    person.waits_for("document.activeElement.id === 'sessions-title'").await;

    // Who was kicked may come back; who is banned may not, and the page shows that it was tried.
    let mut eve = eve.again().enter().await;
    rows(&person, "sessions-list", 1).await;
    person.click("#sessions-list [data-label=Actions] button:nth-of-type(2)").await;
    person.waits_for("document.querySelector('#confirm').open").await;
    person.find("#ban-for").await.select_by_value("3600000").await.unwrap();
    person.click("#confirm-yes").await;
    assert_eq!(eve.closed().await, 4403);
    result(&person, "Eve was banned for 1 h: 1 connection closed.").await;
    let refused = eve.again().refused().await;
    assert_eq!((refused.status, refused.code()), (403, "forbidden"));
    rows(&person, "bans-list", 1).await;
    person
        .waits_for("/^(59|60) min|^1 h/.test(document.querySelector('#bans-list [data-label=For]').textContent)")
        .await;
    let noted = "[...document.querySelectorAll('#events-list > tr')].some((row) => \
        row.dataset.kind === 'refusal' && row.textContent.includes('forbidden') && row.textContent.includes('api-2'))";
    person.waits_for(noted).await;
    person.waits_for("document.querySelector('#rooms-list [data-room=global]') !== null").await;
    // A mistake is taken back, and at once.
    judge.judge(&person, "a ban").await;
    person.click("#bans-list button").await;
    result(&person, &format!("{} may come back.", eve.id())).await;
    rows(&person, "bans-list", 0).await;
    eve.again().enter().await;

    person.click("[data-instance=api-2] button").await;
    person.waits_for("document.querySelector('#confirm').open").await;
    person.click("#confirm button[value=no]").await;
    person.waits_for("!document.querySelector('#confirm').open").await;
    rows(&person, "instances-list", 2).await;
    person.click("[data-instance=api-2] button").await;
    person.waits_for("document.querySelector('#confirm').open").await;
    person.click("#confirm-yes").await;
    result(&person, "api-2 drains.").await;
    assert_eq!(cluster.server(2).exit_code(), Some(0));
    rows(&person, "instances-list", 1).await;

    // Without Redis nobody can prove who they are; that the instance is degraded is shown all the same.
    cluster.redis.kill9();
    person.waits_for("document.querySelector('[data-instance=api-1]').dataset.status === 'degraded'").await;
    person.waits_for("document.querySelector('#banner-text').textContent.startsWith('api-1 is degraded')").await;
    person.leave().await;
}
