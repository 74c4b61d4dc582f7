//! The page without a mouse.

use std::collections::HashSet;

use fantoccini::key::Key;

use super::person::Person;
use crate::support::{browser::Driver, *};

/// Where the focus is: what it is called, whether it can be seen, and a name of its own for each element.
const FOCUS: &str = "
    const at = document.activeElement;
    if (at === null || at === document.body) return null;
    at.dataset.stop ??= String(document.querySelectorAll('[data-stop]').length);
    const style = getComputedStyle(at);
    const box = at.getBoundingClientRect();
    const name = at.ariaLabel || at.labels?.[0]?.textContent || at.textContent || at.title || at.placeholder || '';
    return {
        stop: at.dataset.stop,
        what: `${at.tagName}#${at.id}`,
        named: name.trim() !== '' || at.hasAttribute('aria-labelledby'),
        seen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0 || style.boxShadow !== 'none',
        shown: box.width > 0 && box.height > 0,
    }";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_without_a_mouse_chats() {
    let server = Server::start();
    let driver = Driver::start();
    let ana = Person::arrive(&driver, &server, "Ana").await;
    let [tab, enter, up] = [Key::Tab, Key::Enter, Key::Up].map(char::from);

    // One stop of the page skips what stands before the message box.
    until("the focus to be on the skip link", async || {
        ana.press(&tab.to_string()).await;
        (ana.script("return document.activeElement.getAttribute('href')").await == "#text").then_some(())
    })
    .await;
    ana.press(&enter.to_string()).await;
    ana.waits_for("document.activeElement.id === 'text'").await;

    ana.press(&format!("helo{enter}")).await;
    ana.sees(&["helo"]).await;
    // The last own message is edited with the arrow up.
    ana.press(&up.to_string()).await;
    ana.waits_for("document.querySelector('#text').value === 'helo'").await;
    let back = char::from(Key::Backspace);
    ana.press(&format!("{back}lo{enter}")).await;
    ana.sees(&["hello"]).await;
    ana.waits_for("document.activeElement.id === 'text'").await;
    ana.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_answered_and_rooms_changed_by_keys() {
    let server = Server::start();
    let driver = Driver::start();
    let ana = Person::arrive(&driver, &server, "Ana").await;
    ana.say("first").await;
    ana.say("second").await;
    ana.sees(&["first", "second"]).await;
    let [alt, release, enter, up] = [Key::Alt, Key::Null, Key::Enter, Key::Up].map(char::from);
    ana.press(&format!("{alt}m{release}")).await;
    ana.waits_for("document.activeElement.querySelector('.text')?.textContent === 'second'").await;
    ana.press(&up.to_string()).await;
    ana.waits_for("document.activeElement.querySelector('.text')?.textContent === 'first'").await;
    ana.press("r").await;
    ana.waits_for("document.activeElement.id === 'text'").await;
    ana.press(&format!("third{enter}")).await;
    ana.sees(&["first", "second", "third"]).await;
    ana.waits_for("document.querySelector('#log > li:last-child .quote').textContent.includes('first')").await;

    ana.press(&format!("{}k{release}", char::from(Key::Control))).await;
    ana.waits_for("document.activeElement.id === 'room'").await;
    ana.press(&format!("tea{enter}")).await;
    ana.waits_for("document.querySelector('#rooms [aria-current]')?.dataset.room === 'tea'").await;
    ana.sees(&[]).await;
    ana.press(&format!("{alt}{up}{release}")).await;
    ana.waits_for("document.querySelector('#rooms [aria-current]')?.dataset.room === 'global'").await;
    ana.sees(&["first", "second", "third"]).await;

    ana.press(&format!("{alt}m{release}")).await;
    ana.press("?").await;
    ana.waits_for("document.querySelector('#help').open").await;
    ana.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_stop_of_the_keyboard_is_named_and_seen_and_none_is_a_trap() {
    let server = Server::start();
    let driver = Driver::start();
    let ana = Person::arrive(&driver, &server, "Ana").await;
    ana.say("hello").await;
    ana.sees(&["hello"]).await;
    let tab = char::from(Key::Tab).to_string();
    let mut stops: Vec<Value> = Vec::new();
    let mut known = HashSet::new();
    // A hundred stops are more than the page has: who has not been all around by then is caught.
    let around = async {
        for _ in 0..100 {
            ana.press(&tab).await;
            let stop = ana.script(FOCUS).await;
            if stop.is_null() {
                continue; // the browser's own bar, between the last stop and the first
            }
            if !known.insert(stop["stop"].as_str().unwrap().to_owned()) {
                return true;
            }
            stops.push(stop);
        }
        false
    }
    .await;
    assert!(around, "{stops:#?}");
    for stop in &stops {
        assert!(stop["named"] == true && stop["seen"] == true && stop["shown"] == true, "{stop}");
    }
    let reached: Vec<_> = stops.iter().map(|stop| stop["what"].as_str().unwrap()).collect();
    for wanted in ["TEXTAREA#text", "INPUT#room", "INPUT#name", "BUTTON#account"] {
        assert!(reached.contains(&wanted), "{wanted} in {reached:?}");
    }
    ana.leave().await;
}
