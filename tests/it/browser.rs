//! The web client in real browsers, two people at a time.

use fantoccini::{Locator, key::Key};

use crate::support::{
    browser::{Browser, Driver},
    *,
};

/// A page of a person who chats.
struct Person {
    browser: Browser,
}

impl Person {
    async fn arrive(driver: &Driver, server: &Server, name: &str) -> Self {
        let browser = driver.browser().await;
        browser.page.goto(&server.url("/")).await.unwrap();
        let person = Self { browser };
        person.online().await;
        person.type_into("#name", name).await;
        until("the name to be taken", async || {
            (person.script("return document.querySelector('#state').dataset.status").await == "online"
                && person.script("return document.querySelector('#name').value").await == name)
                .then_some(())
        })
        .await;
        person
    }

    /// Runs JavaScript in the page.
    async fn script(&self, code: &str) -> Value {
        self.browser.page.execute(code, Vec::new()).await.unwrap()
    }

    async fn online(&self) {
        let code = "return document.querySelector('#state')?.textContent";
        until("the page to be connected", async || (self.script(code).await == "Connected").then_some(())).await;
    }

    async fn type_into(&self, field: &str, text: &str) {
        let field = self.browser.page.find(Locator::Css(field)).await.unwrap();
        // As a person would: all that is there is selected and written over.
        let [control, release, enter] = [Key::Control, Key::Null, Key::Enter].map(char::from);
        field.send_keys(&format!("{control}a{release}{text}{enter}")).await.unwrap();
    }

    async fn say(&self, text: &str) {
        self.type_into("#text", text).await;
    }

    /// The texts in the log, in order.
    async fn texts(&self) -> Vec<String> {
        let code = "return [...document.querySelectorAll('#log > li .text')].map((each) => each.textContent)";
        serde_json::from_value(self.script(code).await).unwrap()
    }

    /// Waits until the log shows just these, and nothing waits to be sent.
    async fn sees(&self, texts: &[&str]) {
        let pending = "return document.querySelectorAll('#pending > li').length";
        until(&format!("{texts:?} to be shown"), async || {
            (self.texts().await == texts && self.script(pending).await == 0).then_some(())
        })
        .await;
    }

    async fn leave(self) {
        self.browser.page.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_chat_and_the_server_dies_in_between() {
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

    let markup = "<script>document.title = 'broken'</script><img src=x onerror=\"document.title='broken'\">";
    ana.say(markup).await;
    for person in [&ana, &bob] {
        person.sees(&["hello", "hi Ana", markup]).await;
        assert_eq!(person.script("return document.querySelectorAll('#log script, #log img').length").await, 0);
        assert_ne!(person.script("return document.title").await, "broken");
    }

    server.kill9();
    let waits = "return document.querySelector('#state').dataset.status";
    until("the loss to be noticed", async || (ana.script(waits).await != "online").then_some(())).await;
    // Said while nobody listens: kept, and sent once the server is back.
    ana.say("said in between").await;
    server.restart();
    for person in [&ana, &bob] {
        person.online().await;
        person.sees(&["hello", "hi Ana", markup, "said in between"]).await;
    }
    bob.say("all here").await;
    for person in [&ana, &bob] {
        person.sees(&["hello", "hi Ana", markup, "said in between", "all here"]).await;
    }
    let mut reader = server.dial().rooms("").enter().await;
    assert_eq!(reader.join("global").await["seq"], 5, "nothing lost, nothing doubled");
    ana.leave().await;
    bob.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_breaks_no_rule_of_its_own_policy() {
    let server = Server::start();
    let driver = Driver::start();
    let ana = Person::arrive(&driver, &server, "Ana").await;
    ana.say("hello").await;
    ana.sees(&["hello"]).await;
    let handles = "return [...document.querySelectorAll('#log .actions button')].map((each) => each.dataset.action)";
    let actions: Vec<String> = serde_json::from_value(ana.script(handles).await).unwrap();
    assert_eq!(actions, ["like", "reply", "edit", "delete"]);
    // Inline code is refused by the policy, wherever it comes from.
    let inline = "const s = document.createElement('script'); \
                  try { s.textContent = 'window.ran = true'; document.head.append(s); } catch {} return window.ran ?? false";
    assert_eq!(ana.script(inline).await, false);
    ana.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_log_in_and_out_over_the_page() {
    let server = Server::start();
    server.register("carol").await;
    let driver = Driver::start();
    let person = Person::arrive(&driver, &server, "Someone").await;
    person.browser.page.find(Locator::Css("#account")).await.unwrap().click().await.unwrap();
    let field = async |css: &str| person.browser.page.find(Locator::Css(css)).await.unwrap();
    field("#username").await.send_keys("carol").await.unwrap();
    field("#password").await.send_keys(web::PASSWORD).await.unwrap();
    field("#login button[value=login]").await.click().await.unwrap();
    let role = "return document.querySelector('#role').textContent + ' ' + document.querySelector('#name').value";
    until("to be logged in", async || (person.script(role).await == "member carol").then_some(())).await;
    person.online().await;
    person.say("as a member").await;
    person.sees(&["as a member"]).await;
    person.browser.page.refresh().await.unwrap();
    person.online().await;
    until("to be logged in still", async || (person.script(role).await == "member carol").then_some(())).await;
    field("#account").await.click().await.unwrap();
    until("to be a guest again", async || {
        (person.script("return document.querySelector('#role').textContent").await == "guest").then_some(())
    })
    .await;
    person.leave().await;
}
