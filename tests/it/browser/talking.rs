//! Two people, and what each sees of the other.

use fantoccini::key::Key;

use super::person::{Person, stored};
use crate::support::{browser::Driver, *};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_see_what_the_other_does() {
    let server = Server::start();
    let driver = Driver::start();
    let ana = Person::arrive(&driver, &server, "Ana").await;
    let bob = Person::arrive(&driver, &server, "Bob").await;
    for person in [&ana, &bob] {
        person.waits_for("document.querySelectorAll('#people [data-user]').length === 2").await;
    }
    ana.say("helo").await;
    bob.sees(&["helo"]).await;

    bob.find("#text").await.send_keys("hi").await.unwrap();
    ana.waits_for("document.querySelector('#typing').textContent.includes('Bob')").await;

    bob.react("helo", "thumbs up").await;
    for (person, mine) in [(&ana, false), (&bob, true)] {
        person
            .waits_for(&format!(
                "document.querySelector('#log .reactions [aria-pressed={mine}]')?.textContent.includes('👍')"
            ))
            .await;
    }

    ana.act("helo", "edit").await;
    ana.say("hello").await;
    for person in [&ana, &bob] {
        person.sees(&["hello"]).await;
        person.waits_for("document.querySelector('#log .note').textContent.includes('edited')").await;
    }

    bob.act("hello", "reply").await;
    bob.say("hi Ana").await;
    for person in [&ana, &bob] {
        person.sees(&["hello", "hi Ana"]).await;
        person.waits_for("document.querySelector('#log .quote').textContent.includes('hello')").await;
    }
    // What somebody says ends that they are typing.
    ana.waits_for("document.querySelector('#typing').textContent === ''").await;

    bob.delete("hi Ana").await;
    for person in [&ana, &bob] {
        person.waits_for("document.querySelectorAll('#log > li[data-deleted]').length === 1").await;
        assert!(!person.texts().await.iter().any(|text| text == "hi Ana"));
    }
    assert_eq!(stored(&server, "global").await, ["hello", ""]);
    ana.leave().await;
    bob.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_typed_is_never_markup() {
    let server = Server::start();
    let driver = Driver::start();
    let ana = Person::arrive(&driver, &server, "<b>Ana</b>").await;
    let bob = Person::arrive(&driver, &server, "Bob").await;
    let markup = "<script>document.title = 'broken'</script><img src=x onerror=\"document.title='broken'\">";
    ana.say(markup).await;
    for person in [&ana, &bob] {
        person.sees(&[markup]).await;
        person.waits_for("document.querySelector('#people').textContent.includes('<b>Ana</b>')").await;
        assert_eq!(person.script("return document.querySelectorAll('#log script, #log img').length").await, 0);
        assert_ne!(person.script("return document.title").await, "broken");
    }
    // Inline code is refused by the policy, wherever it comes from.
    let inline = "const s = document.createElement('script'); \
                  try { s.textContent = 'window.ran = true'; document.head.append(s); } catch {} return window.ran ?? false";
    assert_eq!(ana.script(inline).await, false);
    ana.leave().await;
    bob.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_comes_back_to_the_box() {
    let mut server = Server::start();
    let driver = Driver::start();
    let ana = Person::arrive(&driver, &server, "Ana").await;
    ana.say("helo").await;
    ana.sees(&["helo"]).await;
    let [enter, back, escape] = [Key::Enter, Key::Backspace, Key::Escape].map(|key| char::from(key).to_string());
    // Pasted, since nobody types that much; in bytes it is more than a frame may have.
    let paste = "const [text] = arguments; const box = document.querySelector('#text'); box.focus(); box.value = text; \
        box.dispatchEvent(new Event('input', { bubbles: true }))";
    let most = "é".repeat(4_000);
    let long = "é".repeat(40_000);
    let problem = |says: &str| format!("document.querySelector('#problem').textContent.includes('{says}')");

    ana.script_with(paste, vec![json!(long)]).await;
    ana.press(&enter).await;
    ana.waits_for(&problem("40000")).await;
    ana.waits_for("document.querySelector('#text').value.length === 40000").await;
    ana.script_with(paste, vec![json!(format!("{most}é"))]).await;
    ana.press(&enter).await;
    ana.waits_for(&problem("4001")).await;
    // As it came back it can be shortened.
    ana.press(&format!("{back}{enter}")).await;
    ana.sees(&["helo", &most]).await;
    ana.waits_for("document.querySelector('#text').value === ''").await;

    let edited = |length: usize| {
        format!("!document.querySelector('#mode').hidden && document.querySelector('#text').value.length === {length}")
    };
    ana.act("helo", "edit").await;
    ana.script_with(paste, vec![json!(long)]).await;
    ana.press(&enter).await;
    ana.waits_for(&problem("40000")).await;
    ana.waits_for(&edited(40_000)).await;
    ana.press(&escape).await;
    ana.waits_for("document.querySelector('#text').value === ''").await;
    // A server that is away takes no edit either.
    server.kill9();
    ana.offline().await;
    ana.act("helo", "edit").await;
    ana.say("hello").await;
    ana.waits_for(&problem("onnect")).await;
    ana.waits_for(&edited(5)).await;
    server.restart();
    ana.online().await;
    ana.press(&enter).await;
    ana.sees(&["hello", &most]).await;
    ana.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_in_another_room_is_counted_there() {
    let server = Server::start();
    let driver = Driver::start();
    let mut bob = server.dial().query("name=Bob").rooms("global,tea,cake").enter().await;
    let ana = Person::arrive(&driver, &server, "Ana").await;
    ana.enter("tea").await;
    ana.say("any biscuits?").await;
    ana.sees(&["any biscuits?"]).await;
    ana.enter("global").await;
    // Numbers must not take a room from under the hand.
    ana.waits_for("window.offered = document.querySelector('#known [href=\"#cake\"]')").await;
    ana.script("offered.focus()").await;
    bob.send_acked("tea", "two left").await;
    bob.send_acked("tea", "@Ana one left").await;
    ana.waits_for("document.querySelector('#rooms [data-room=tea] .unread')?.textContent === '2'").await;
    ana.waits_for("document.querySelector('#rooms [data-room=tea] .called')?.textContent === '1'").await;
    ana.waits_for("document.title.includes('2') || document.title.includes('1')").await;
    assert_eq!(ana.script("return offered === document.activeElement").await, true);
    ana.sees(&[]).await;
    // What is read as it comes is never counted.
    let counted = "window.counted = 0; const rooms = document.querySelector('#rooms'); \
        const look = () => (counted += rooms.querySelectorAll('[aria-current] .unread').length); \
        new MutationObserver(look).observe(rooms, { childList: true, subtree: true });";
    ana.script(counted).await;
    bob.send_acked("global", "hello").await;
    ana.sees(&["hello"]).await;
    bob.send_acked("tea", "none left").await;
    ana.waits_for("document.querySelector('#rooms [data-room=tea] .unread')?.textContent === '3'").await;
    assert_eq!(ana.script("return counted").await, 0);
    ana.click("#rooms [data-room=tea]").await;
    ana.sees(&["any biscuits?", "two left", "@Ana one left", "none left"]).await;
    // A line stands where reading stopped.
    ana.waits_for("document.querySelector('#log .first-unread .text')?.textContent === 'two left'").await;
    ana.waits_for("document.querySelector('#rooms [data-room=tea] .unread') === null").await;
    ana.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_that_is_refused_shows_nothing_of_another() {
    let server = Server::setup().config("[[rooms]]\nmatch = \"staff\"\njoin = \"member\"\npost = \"member\"\n").start();
    let driver = Driver::start();
    let ana = Person::arrive(&driver, &server, "Ana").await;
    ana.say("for everybody").await;
    ana.sees(&["for everybody"]).await;
    ana.script("location.hash = 'staff'").await;
    ana.waits_for("document.querySelector('#title').textContent === '# staff'").await;
    ana.waits_for("document.querySelector('#problem').textContent !== ''").await;
    ana.sees(&[]).await;
    ana.enter("global").await;
    ana.sees(&["for everybody"]).await;
    ana.leave().await;
}
