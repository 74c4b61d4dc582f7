//! The page as axe-core judges it, in what states it has, in both colour schemes.

use std::{fs, path::Path};

use fantoccini::key::Key;

use super::person::Person;
use crate::support::{browser::Driver, *};

/// Where `npm ci` puts it.
const AXE: &str = "node_modules/axe-core/axe.min.js";

/// Runs axe-core in the page, and gives what it finds serious or worse: rule, and where.
const JUDGE: &str = "
    const done = arguments[0];
    axe.run(document, { resultTypes: ['violations'] }).then(
        ({ violations }) => done(violations
            .filter(({ impact }) => impact === 'serious' || impact === 'critical')
            .flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id} at ${target}: ${failureSummary}`))),
        (error) => done([String(error)]))";

/// Runs axe-core.
pub(super) struct Judge {
    axe: String,
}

impl Judge {
    pub(super) fn new() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(AXE);
        let axe = fs::read_to_string(path).expect("the accessibility tests need axe-core: `make tools`, or `npm ci`");
        Self { axe }
    }

    /// Fails with what is wrong with the page as it is, in both schemes.
    pub(super) async fn judge(&self, person: &Person, when: &str) {
        // Nothing may move while it is looked at.
        person.waits_for("document.getAnimations().every(({ playState }) => playState !== 'running')").await;
        if person.script("return typeof axe").await == "undefined" {
            person.script(&self.axe).await;
        }
        for scheme in ["light", "dark"] {
            person.browser.scheme(scheme).await;
            let dark = scheme == "dark";
            person.waits_for(&format!("matchMedia('(prefers-color-scheme: dark)').matches === {dark}")).await;
            person.waits_for("document.getAnimations().every(({ playState }) => playState !== 'running')").await;
            let found = person.browser.page.execute_async(JUDGE, Vec::new()).await.unwrap();
            assert_eq!(found, json!([]), "{when}, {scheme}: {found:#}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn axe_finds_nothing_serious_in_a_conversation() {
    let server = Server::with_jwt().start();
    let driver = Driver::start();
    let judge = Judge::new();
    let ana = Person::arrive(&driver, &server, "Ana").await;
    judge.judge(&ana, "an empty room").await;

    let mut root = server.dial().bearer(&token::admin()).enter().await;
    let asked = root.send_acked("global", "Who brings cake?").await;
    let like = json!({"type": "react", "messageId": asked["messageId"], "emoji": "🎂", "on": true});
    root.ask(like).await;
    ana.act("Who brings cake?", "reply").await;
    ana.say("Me. See https://example.org/cake and `bake()`").await;
    ana.waits_for("document.querySelectorAll('#log > li[data-id]').length === 2").await;
    ana.say("gone").await;
    ana.waits_for("document.querySelectorAll('#log > li[data-id]').length === 3").await;
    ana.delete("gone").await;
    ana.waits_for("document.querySelector('#log > li[data-deleted]')").await;
    judge.judge(&ana, "a conversation").await;
    ana.act("Who brings cake?", "react").await;
    ana.waits_for("document.querySelector('#picker').open").await;
    judge.judge(&ana, "picking a reaction").await;
    ana.press(&char::from(Key::Escape).to_string()).await;
    ana.waits_for("!document.querySelector('#picker').open").await;

    ana.rest_of_page().await;
    ana.find("#text").await.send_keys("@").await.unwrap();
    ana.waits_for("document.querySelector('#text').role === 'combobox'").await;
    judge.judge(&ana, "naming somebody").await;
    ana.press(&format!("{}{}", char::from(Key::Escape), char::from(Key::Backspace))).await;

    ana.browser.screen(390, 844, true).await;
    ana.waits_for("innerWidth === 390").await;
    judge.judge(&ana, "a phone").await;
    for (button, panel) in [("#show-rooms", "#rooms-panel"), ("#show-people", "#people-panel")] {
        ana.click(button).await;
        ana.waits_for(&format!("document.querySelector('{button}').ariaExpanded === 'true'")).await;
        judge.judge(&ana, panel).await;
        ana.press(&char::from(Key::Escape).to_string()).await;
        ana.waits_for(&format!("document.querySelector('{button}').ariaExpanded === 'false'")).await;
    }
    ana.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn axe_finds_nothing_serious_in_dialogs_and_outages() {
    let mut server = Server::start();
    let driver = Driver::start();
    let judge = Judge::new();
    let ana = Person::arrive(&driver, &server, "Ana").await;
    for (button, dialog) in [("#account", "#login"), ("#show-settings", "#settings"), ("#show-help", "#help")] {
        ana.click(button).await;
        ana.waits_for(&format!("document.querySelector('{dialog}').open")).await;
        judge.judge(&ana, dialog).await;
        ana.press(&char::from(Key::Escape).to_string()).await;
        ana.waits_for(&format!("!document.querySelector('{dialog}').open")).await;
    }
    server.kill9();
    ana.offline().await;
    ana.say("kept").await;
    ana.waits_with("kept").await;
    judge.judge(&ana, "an outage").await;
    ana.leave().await;
}
