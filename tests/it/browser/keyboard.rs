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
    let room = "return [location.hash, document.querySelector('#rooms [aria-current]').dataset.room]";
    assert_eq!(ana.script(room).await, json!(["", "global"]), "it leads to no other room");

    ana.press(&format!("helo{enter}")).await;
    ana.sees(&["helo"]).await;
    // The last own message is edited with the arrow up.
    ana.press(&up.to_string()).await;
    ana.waits_for("document.querySelector('#text').value === 'helo'").await;
    let back = char::from(Key::Backspace);
    ana.press(&format!("{back}lo{enter}")).await;
    ana.sees(&["hello"]).await;
    ana.waits_for("document.activeElement.id === 'text'").await;
    // The Enter that takes what an input method offers, as Safari tells of it.
    ana.press("kana").await;
    let taken = "const box = document.querySelector('#text'); \
        box.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', keyCode: 229, bubbles: true, cancelable: true })); \
        return box.value";
    assert_eq!(ana.script(taken).await, "kana");
    ana.press(&enter.to_string()).await;
    ana.sees(&["hello", "kana"]).await;
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
    // A touch that became a scroll points at no message: keys are shortcuts there all the same.
    let touch = "for (const type of ['pointerdown', 'pointercancel']) \
        document.querySelector('#log > li').dispatchEvent(new PointerEvent(type, { bubbles: true }))";
    ana.script(touch).await;
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
async fn the_focus_stays_among_the_messages() {
    let server = Server::setup().without_limits().start();
    let mut bob = server.guest("Bob").await;
    let driver = Driver::start();
    let ana = Person::arrive(&driver, &server, "Ana").await;
    let sent = bob.send_acked("global", "first").await;
    let react = async |bob: &mut Client, emoji: &str| {
        let on = json!({"type": "react", "messageId": sent["messageId"], "emoji": emoji, "on": true});
        assert_eq!(bob.ask(on).await["type"], "ack");
        ana.waits_for(&format!("document.querySelector('#log [data-emoji=\"{emoji}\"]')")).await;
    };
    react(&mut bob, "👍").await;
    react(&mut bob, "🎂").await;
    let [alt, release, tab, end] = [Key::Alt, Key::Null, Key::Tab, Key::End].map(char::from);
    let text = "document.activeElement.closest('#log > li')?.querySelector('.text').textContent";
    ana.press(&format!("{alt}m{release}")).await;
    ana.waits_for(&format!("{text} === 'first'")).await;
    ana.press(&format!("{tab}{tab}")).await;
    let on_cake = "document.activeElement.dataset.emoji === '🎂'";
    ana.waits_for(on_cake).await;
    // A message that changes is built anew, with what was focused in it and all that can be tabbed to.
    react(&mut bob, "🚀").await;
    ana.waits_for(on_cake).await;
    ana.press(&tab.to_string()).await;
    ana.waits_for("document.activeElement.dataset.emoji === '🚀'").await;

    // Of those that are followed the old ones leave the page.
    ana.press(&format!("{alt}m{release}")).await;
    ana.waits_for(&format!("{text} === 'first'")).await;
    for number in 1..=130 {
        bob.send_acked("global", &format!("number {number}")).await;
    }
    ana.waits_for("document.querySelector('#log > li:last-child .text').textContent === 'number 130'").await;
    ana.waits_for("!document.querySelector('#log').textContent.includes('first')").await;
    ana.waits_for(&format!("{text}?.startsWith('number ')")).await;
    ana.press(&end.to_string()).await;
    ana.waits_for(&format!("{text} === 'number 130'")).await;
    ana.leave().await;
}

/// The names that are offered to the box, as a screen reader is told of them: the one marked first, then all.
const OFFERED: &str = "(() => {
    const box = document.querySelector('#text');
    const list = document.getElementById(box.getAttribute('aria-controls'));
    if (box.role !== 'combobox' || box.ariaExpanded !== 'true' || list?.role !== 'listbox' || list.hidden) return [];
    const options = [...list.querySelectorAll('[role=option]')];
    const name = (option) => option.querySelector('bdi').textContent;
    const marked = document.getElementById(box.getAttribute('aria-activedescendant'));
    return [marked?.ariaSelected === 'true' ? name(marked) : null, ...options.map(name)];
})()";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_are_completed_by_keys() {
    let server = Server::start();
    let driver = Driver::start();
    let ana = Person::arrive(&driver, &server, "Ana").await;
    let mut bob = server.guest("Bob").await;
    let _bo = server.guest("Bo%20Peep").await;
    bob.send_acked("global", "hi").await;
    ana.sees(&["hi"]).await;
    ana.waits_for("document.querySelectorAll('#people [data-user]').length === 3").await;
    ana.rest_of_page().await;
    let [enter, tab, down, escape] = [Key::Enter, Key::Tab, Key::Down, Key::Escape].map(char::from);
    let offers = async |wanted: Value| {
        until(&format!("{wanted} to be offered"), async || {
            (ana.script(&format!("return {OFFERED}")).await == wanted).then_some(())
        })
        .await;
    };
    let box_has =
        async |text: &str| ana.waits_for(&format!("document.querySelector('#text').value === '{text}'")).await;

    // Who spoke last is the first; oneself is not among them.
    ana.click("#text").await;
    ana.press("so @").await;
    offers(json!(["Bob", "Bob", "Bo Peep"])).await;
    ana.press(&down.to_string()).await;
    offers(json!(["Bo Peep", "Bob", "Bo Peep"])).await;
    ana.press(&tab.to_string()).await;
    box_has("so @Bo Peep ").await;
    offers(json!([])).await;
    ana.waits_for("document.activeElement.id === 'text' && document.activeElement.role === null").await;

    ana.press("and @bO").await;
    offers(json!(["Bob", "Bob", "Bo Peep"])).await;
    ana.press(&enter.to_string()).await;
    box_has("so @Bo Peep and @Bob ").await;
    // What is a name already is sent as it is.
    ana.press(&format!("@Bob{enter}")).await;
    ana.sees(&["hi", "so @Bo Peep and @Bob @Bob"]).await;

    // Who wants no list has none, until the next name.
    ana.press("a@b @b").await;
    offers(json!(["Bob", "Bob", "Bo Peep"])).await;
    ana.press(&format!("{escape}o")).await;
    offers(json!([])).await;
    ana.press(&enter.to_string()).await;
    ana.sees(&["hi", "so @Bo Peep and @Bob @Bob", "a@b @bo"]).await;
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
