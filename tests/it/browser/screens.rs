//! Screens of all sizes, and both colour schemes.

use fantoccini::key::Key;

use super::person::Person;
use crate::support::{browser::Driver, *};

/// Whether all of an element is on the screen.
fn on_screen(css: &str) -> String {
    format!(
        "(({{top, bottom, left, right, width, height}}) => width > 0 && height > 0 && top >= 0 && left >= 0 && \
         bottom <= innerHeight + 1 && right <= innerWidth + 1)(document.querySelector('{css}').getBoundingClientRect())"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_chats_on_a_phone_a_tablet_and_a_desktop() {
    let server = Server::start();
    let driver = Driver::start();
    let ana = Person::arrive(&driver, &server, "Ana").await;
    let mut said = Vec::new();
    let long = "w".repeat(120);
    for (width, height, phone) in [(1280, 800, false), (820, 1180, true), (390, 844, true), (320, 568, true)] {
        ana.browser.screen(width, height, phone).await;
        ana.waits_for(&format!("innerWidth === {width}")).await;
        let text = format!("{width} {long}");
        ana.say(&text).await;
        said.push(text);
        ana.sees(&said.iter().map(String::as_str).collect::<Vec<_>>()).await;
        // Nothing to be scrolled sideways, what one writes with and what was said last in view.
        ana.waits_for("document.scrollingElement.scrollWidth <= innerWidth").await;
        for css in ["#text", "#state", "#log > li:last-child"] {
            ana.waits_for(&on_screen(css)).await;
        }
    }
    ana.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reaction_is_picked_where_nothing_hovers_by_tap_and_by_keys() {
    let server = Server::start();
    let driver = Driver::start();
    let ana = Person::arrive(&driver, &server, "Ana").await;
    ana.say("hello").await;
    ana.sees(&["hello"]).await;
    ana.browser.screen(390, 844, true).await;
    ana.waits_for("matchMedia('(hover: none)').matches").await;

    ana.act("hello", "react").await;
    // The search would bring up a keyboard.
    ana.waits_for("document.activeElement.id === 'emojis'").await;
    ana.click("#emojis [data-emoji='🎉']").await;
    ana.waits_for("document.querySelector('#log .reactions')?.textContent.includes('🎉')").await;

    // Who has a keyboard types all the same.
    ana.act("hello", "react").await;
    ana.waits_for("document.activeElement.id === 'emojis'").await;
    ana.press("rocket").await;
    ana.waits_for("document.querySelector('#emoji').value === 'rocket'").await;
    ana.press(&char::from(Key::Enter).to_string()).await;
    ana.waits_for("!document.querySelector('#picker').open").await;
    ana.waits_for("document.querySelector('#log .reactions')?.textContent.includes('🚀')").await;
    ana.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_follows_the_colours_of_the_system() {
    let server = Server::start();
    let driver = Driver::start();
    let ana = Person::arrive(&driver, &server, "Ana").await;
    // How bright the ground is, 0 to 255.
    let ground = "(() => { const paint = new OffscreenCanvas(1, 1).getContext('2d'); \
        paint.fillStyle = getComputedStyle(document.body).backgroundColor; paint.fillRect(0, 0, 1, 1); \
        return Math.max(...paint.getImageData(0, 0, 1, 1).data.slice(0, 3)); })()";
    for (scheme, wanted) in [("dark", "< 80"), ("light", "> 200"), ("dark", "< 80")] {
        ana.browser.scheme(scheme).await;
        ana.waits_for(&format!("{ground} {wanted}")).await;
    }
    ana.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drawer_takes_the_focus_and_gives_it_back() {
    let server = Server::start();
    let driver = Driver::start();
    let ana = Person::arrive(&driver, &server, "Ana").await;
    ana.browser.screen(390, 844, true).await;
    ana.click("#show-rooms").await;
    ana.click("#rooms [aria-current]").await;
    ana.waits_for("!document.querySelector('#rooms-panel').classList.contains('open')").await;
    for (button, panel) in [("#show-rooms", "#rooms-panel"), ("#show-people", "#people-panel")] {
        ana.click(button).await;
        ana.waits_for(&format!("document.querySelector('{panel}').classList.contains('open')")).await;
        if panel == "#rooms-panel" {
            ana.waits_for(&format!("document.querySelector('{panel}').contains(document.activeElement)")).await;
        }
        ana.press(&char::from(Key::Escape).to_string()).await;
        ana.waits_for(&format!("!document.querySelector('{panel}').classList.contains('open')")).await;
        ana.waits_for(&format!("document.activeElement === document.querySelector('{button}')")).await;
    }
    ana.leave().await;
}
