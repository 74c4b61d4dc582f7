//! The library on a page that is not ours: `examples/embed.html`, from a host of its own.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

use crate::support::{browser::Driver, *};

const EXAMPLE: &str = include_str!("../../../examples/embed.html");

/// Where the example says that the chat is.
const PLACE: &str = "localhost:3001";

/// A host with one page, whatever is asked for.
struct Host {
    serving: JoinHandle<()>,
}

impl Host {
    fn start(listener: TcpListener, page: String) -> Self {
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{page}",
            page.len()
        );
        let serving = tokio::spawn(async move {
            while let Ok((mut visitor, _)) = listener.accept().await {
                let answer = answer.clone();
                // A visitor who goes too early is none of ours.
                tokio::spawn(async move {
                    let mut asked = Vec::new();
                    while !asked.ends_with(b"\r\n\r\n") && visitor.read_buf(&mut asked).await.is_ok_and(|n| n > 0) {}
                    drop(visitor.write_all(answer.as_bytes()).await);
                });
            }
        });
        Self { serving }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_smallest_page_chats() {
    let (listener, address) = listen().await;
    let server = Server::setup().env("HUBBUB__AUTH__ALLOWED_ORIGINS", format!("http://{address}")).start();
    assert!(EXAMPLE.contains(PLACE));
    let _host = Host::start(listener, EXAMPLE.replace(PLACE, &server.address.to_string()));
    let mut bob = server.guest("Bob").await;
    bob.send_acked("global", "<b>welcome</b>").await;

    let driver = Driver::start();
    let browser = driver.browser().await;
    let page = &browser.page;
    page.goto(&format!("http://{address}/")).await.unwrap();
    let shows = async |wanted: &[&str]| {
        let code = "return [...document.querySelectorAll('li')].map((each) => each.textContent)";
        until(&format!("{wanted:?}"), async || {
            let lines: Vec<String> = serde_json::from_value(page.execute(code, Vec::new()).await.unwrap()).unwrap();
            (lines == wanted).then_some(())
        })
        .await;
    };
    shows(&["Bob (guest): <b>welcome</b>"]).await;
    let field = page.find(fantoccini::Locator::Css("input")).await.unwrap();
    field.send_keys(&format!("thanks{}", char::from(fantoccini::key::Key::Enter))).await.unwrap();
    let heard = bob.expect(|event| event["type"] == "message" && event["text"] == "thanks").await;
    let name = heard["from"]["name"].as_str().unwrap().to_owned();
    shows(&["Bob (guest): <b>welcome</b>", &format!("{name} (guest): thanks")]).await;
    browser.page.close().await.unwrap();
}
