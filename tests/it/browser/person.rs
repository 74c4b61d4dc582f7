//! A person who chats, and where on the page they find things.

use fantoccini::{Locator, elements::Element, key::Key};

use crate::support::{
    browser::{Browser, Driver},
    *,
};

/// The modules that come after the first page, once there is nothing else to do.
pub(super) const REST_OF_PAGE: [&str; 7] =
    ["completion", "naming", "dialogs", "picker", "emojis", "settings", "notify"];

/// The page in the hands of a person. Close it with [`Person::leave`].
pub(super) struct Person {
    pub(super) browser: Browser,
}

impl Person {
    /// Opens the page of a server in a fresh browser, and takes a name.
    pub(super) async fn arrive(driver: &Driver, server: &Server, name: &str) -> Self {
        Self::arrive_at(driver, &server.url("/"), name).await
    }

    /// The same, where a server is reached by way of something else.
    pub(super) async fn arrive_at(driver: &Driver, url: &str, name: &str) -> Self {
        let person = Self::open(driver, url).await;
        person.type_into("#name", name).await;
        let taken = json!(["online", name]);
        let code = "return [document.querySelector('#state').dataset.status, document.querySelector('#name').value]";
        until("the name to be taken", async || (person.script(code).await == taken).then_some(())).await;
        person
    }

    /// Opens the page in a fresh browser, as whoever the server says.
    pub(super) async fn open(driver: &Driver, url: &str) -> Self {
        Self::open_in(driver.browser().await, url).await
    }

    /// The same in a certain browser.
    pub(super) async fn open_in(browser: Browser, url: &str) -> Self {
        browser.page.goto(url).await.unwrap();
        let person = Self { browser };
        person.online().await;
        person
    }

    /// Runs JavaScript in the page.
    pub(super) async fn script(&self, code: &str) -> Value {
        self.script_with(code, Vec::new()).await
    }

    /// The same with `arguments`.
    pub(super) async fn script_with(&self, code: &str, arguments: Vec<Value>) -> Value {
        self.browser.page.execute(code, arguments).await.unwrap()
    }

    /// Waits until a JavaScript expression is true.
    pub(super) async fn waits_for(&self, expression: &str) {
        let code = format!("return Boolean({expression})");
        until(expression, async || (self.script(&code).await == true).then_some(())).await;
    }

    /// Waits until the parts are there that come after the first page.
    pub(super) async fn rest_of_page(&self) {
        for name in REST_OF_PAGE {
            let loaded =
                format!("performance.getEntriesByName(new URL('js/{name}.js', location).href)[0]?.responseEnd > 0");
            self.waits_for(&loaded).await;
        }
    }

    /// Waits until the page says that it is connected to a server that has all it needs.
    pub(super) async fn online(&self) {
        self.state("online").await;
    }

    /// Waits until the page shows this state of the connection.
    pub(super) async fn state(&self, status: &str) {
        self.waits_for(&format!("document.querySelector('#state')?.dataset.status === '{status}'")).await;
    }

    /// Waits until the page no longer says that it is connected.
    pub(super) async fn offline(&self) {
        self.waits_for("document.querySelector('#state').dataset.status !== 'online'").await;
    }

    pub(super) async fn find(&self, css: &str) -> Element {
        self.browser.page.find(Locator::Css(css)).await.unwrap_or_else(|error| panic!("{css}: {error}"))
    }

    /// Clicks on what may just now be drawn anew.
    pub(super) async fn click(&self, css: &str) {
        until(&format!("{css} to be clicked"), async || {
            let found = self.browser.page.find(Locator::Css(css)).await.ok()?;
            found.click().await.ok()
        })
        .await;
    }

    /// Presses keys where the focus is.
    pub(super) async fn press(&self, keys: &str) {
        self.browser.page.active_element().await.unwrap().send_keys(keys).await.unwrap();
    }

    /// Writes over all that is in a field, as a person would, and presses Enter.
    pub(super) async fn type_into(&self, css: &str, text: &str) {
        // The second time it is let go.
        let [control, enter] = [Key::Control, Key::Enter].map(char::from);
        self.find(css).await.send_keys(&format!("{control}a{control}{text}{enter}")).await.unwrap();
    }

    pub(super) async fn say(&self, text: &str) {
        self.type_into("#text", text).await;
    }

    /// Puts the focus on a message, and presses a button of its toolbar: `react`, `reply`, `edit`, `delete`.
    pub(super) async fn act(&self, on: &str, action: &str) {
        let code = "const [text, action] = arguments; \
            const item = [...document.querySelectorAll('#log > li')].find((each) => each.querySelector('.text')?.textContent === text); \
            item?.focus(); \
            const button = item?.querySelector(`.actions [data-action='${action}']`); \
            button?.click(); \
            return Boolean(button);";
        // A message that has just changed may be about to be drawn anew.
        until(&format!("{action} on {on:?}"), async || {
            (self.script_with(code, vec![json!(on), json!(action)]).await == true).then_some(())
        })
        .await;
    }

    /// Picks a reaction to a message by its name.
    pub(super) async fn react(&self, on: &str, name: &str) {
        self.act(on, "react").await;
        self.waits_for("document.querySelector('#picker').open").await;
        self.find("#emoji").await.send_keys(&format!("{name}{}", char::from(Key::Enter))).await.unwrap();
        self.waits_for("!document.querySelector('#picker').open").await;
    }

    /// Deletes a message, and means it.
    pub(super) async fn delete(&self, text: &str) {
        self.act(text, "delete").await;
        self.waits_for("document.querySelector('#confirm').open").await;
        self.click("#confirm button[value=yes]").await;
    }

    /// The texts in the log, in order.
    pub(super) async fn texts(&self) -> Vec<String> {
        let code = "return [...document.querySelectorAll('#log > li[data-id] .text')].map((each) => each.textContent)";
        serde_json::from_value(self.script(code).await).unwrap()
    }

    /// Waits until the log shows just these, all of them stored, and nothing waits to be sent.
    pub(super) async fn sees(&self, texts: &[&str]) {
        let open = "return document.querySelectorAll('#pending > li, #log > li[data-provisional]').length";
        until(&format!("{texts:?} to be shown"), async || {
            (self.texts().await == texts && self.script(open).await == 0).then_some(())
        })
        .await;
    }

    /// Waits until a message is shown as one that is not stored yet.
    pub(super) async fn waits_with(&self, text: &str) {
        let code = "return [...document.querySelectorAll('#pending > li .text, #log > li[data-provisional] .text')]\
            .map((each) => each.textContent)";
        until(&format!("{text:?} to wait"), async || {
            let waiting: Vec<String> = serde_json::from_value(self.script(code).await).unwrap();
            waiting.iter().any(|each| each == text).then_some(())
        })
        .await;
    }

    /// Goes to a room, which is joined when it was not.
    pub(super) async fn enter(&self, room: &str) {
        self.type_into("#room", room).await;
        self.waits_for(&format!("document.querySelector('#rooms [aria-current]')?.dataset.room === '{room}'")).await;
    }

    pub(super) async fn leave(self) {
        self.browser.page.close().await.unwrap();
    }
}

/// What a room holds, as a newcomer is told: nothing lost, nothing doubled.
pub(super) async fn stored(server: &Server, room: &str) -> Vec<String> {
    let mut reader = server.dial().rooms("").enter().await;
    let joined = reader.join(room).await;
    let entries = joined["entries"].as_array().unwrap().iter();
    entries.map(|entry| entry["text"].as_str().unwrap().to_owned()).collect()
}
