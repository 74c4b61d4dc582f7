//! A chat client that remembers everything it was told.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{io::BufStream, net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        protocol::{CloseFrame, Role, frame::coding::CloseCode},
    },
};

use super::{Dial, PATIENCE};

/// A connected client.
pub(crate) struct Client {
    address: SocketAddr,
    socket: WebSocketStream<BufStream<TcpStream>>,
    /// The first event.
    pub(crate) welcome: Value,
    /// The subprotocol the server chose.
    pub(crate) protocol: Option<String>,
    /// The `Set-Cookie` of the handshake.
    pub(crate) cookie: Option<String>,
    /// Everything received, in order.
    pub(crate) received: Vec<Value>,
    /// What no [`Client::expect`] has taken yet.
    unseen: VecDeque<Value>,
    next_id: u64,
    close_code: Option<u16>,
}

impl Client {
    /// Takes over a stream behind its handshake, and the welcome on it.
    pub(crate) async fn arrive(
        address: SocketAddr,
        stream: BufStream<TcpStream>,
        protocol: Option<String>,
        cookie: Option<String>,
    ) -> Self {
        Self::try_arrive(address, stream, protocol, cookie).await.expect("a welcome")
    }

    /// The same, if the connection does not end before the welcome.
    pub(crate) async fn try_arrive(
        address: SocketAddr,
        stream: BufStream<TcpStream>,
        protocol: Option<String>,
        cookie: Option<String>,
    ) -> Option<Self> {
        let socket = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
        let (received, unseen, welcome) = (Vec::new(), VecDeque::new(), Value::Null);
        let mut client =
            Self { address, socket, welcome, protocol, cookie, received, unseen, next_id: 1, close_code: None };
        client.welcome = client.next().await?;
        assert_eq!(client.welcome["type"], "welcome");
        Some(client)
    }

    pub(crate) fn id(&self) -> String {
        self.welcome["user"]["id"].as_str().unwrap().into()
    }

    pub(crate) fn resume_token(&self) -> String {
        self.welcome["resumeToken"].as_str().unwrap().into()
    }

    /// The same guest, in a connection that is yet to be made.
    pub(crate) fn again(&self) -> Dial {
        Dial::new(self.address).subprotocol(&self.resume_token())
    }

    /// Sends any text.
    pub(crate) async fn say_raw(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// Sends any text that the server may refuse to read to its end.
    pub(crate) async fn try_say(&mut self, text: &str) -> Result<(), Error> {
        self.socket.send(Message::text(text)).await
    }

    /// Sends a binary frame.
    pub(crate) async fn say_bytes(&mut self, bytes: &[u8]) {
        self.socket.send(Message::binary(bytes.to_vec())).await.unwrap();
    }

    pub(crate) async fn say(&mut self, command: Value) {
        self.say_raw(&command.to_string()).await;
    }

    /// Sends without waiting for the answer, and gives the `id` it will have.
    pub(crate) async fn begin(&mut self, mut command: Value) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        command["id"] = id.into();
        self.say(command).await;
        id
    }

    /// Sends and waits for the answer.
    pub(crate) async fn ask(&mut self, command: Value) -> Value {
        let id = self.begin(command).await;
        self.expect(|event| event["id"] == id).await
    }

    /// Sends what must be acked.
    pub(crate) async fn acked(&mut self, command: Value) -> Value {
        let answer = self.ask(command).await;
        assert_eq!(answer["type"], "ack", "{answer}");
        answer
    }

    /// Sends what must be refused, and gives the code.
    pub(crate) async fn refused(&mut self, command: Value) -> String {
        let answer = self.ask(command).await;
        assert_eq!(answer["type"], "error", "{answer}");
        assert!(answer["message"].as_str().is_some_and(|text| !text.is_empty()), "a sentence for a person: {answer}");
        answer["code"].as_str().unwrap().into()
    }

    pub(crate) async fn join(&mut self, room: &str) -> Value {
        let joined = self.ask(json!({"type": "join", "room": room})).await;
        assert_eq!(joined["type"], "joined", "{joined}");
        joined
    }

    /// Joins from a position on.
    pub(crate) async fn join_since(&mut self, room: &str, epoch: &Value, seq: u64) -> Value {
        let since = json!({"epoch": epoch, "seq": seq});
        self.ask(json!({"type": "join", "room": room, "since": since})).await
    }

    pub(crate) async fn send_acked(&mut self, room: &str, text: &str) -> Value {
        self.acked(json!({"type": "message", "room": room, "text": text})).await
    }

    /// The first event that matches and that was not taken yet; others stay for later.
    #[track_caller]
    pub(crate) fn expect(&mut self, matches: impl FnMut(&Value) -> bool) -> impl Future<Output = Value> {
        self.expect_for(PATIENCE, matches)
    }

    #[track_caller]
    pub(crate) fn expect_for(
        &mut self,
        patience: Duration,
        mut matches: impl FnMut(&Value) -> bool,
    ) -> impl Future<Output = Value> {
        let caller = std::panic::Location::caller();
        async move {
            if let Some(at) = self.unseen.iter().position(&mut matches) {
                return self.unseen.remove(at).unwrap();
            }
            let start = Instant::now();
            loop {
                let left = patience.saturating_sub(start.elapsed());
                match timeout(left, self.receive()).await {
                    Ok(Some(event)) if matches(&event) => return event,
                    Ok(Some(event)) => self.unseen.push_back(event),
                    Ok(None) => panic!("{caller}: closed with {:?}; unseen: {:#?}", self.close_code, self.unseen),
                    Err(_) => panic!("{caller}: waited in vain; unseen: {:#?}", self.unseen),
                }
            }
        }
    }

    /// The first event of a type.
    #[track_caller]
    pub(crate) fn expect_type(&mut self, kind: &str) -> impl Future<Output = Value> {
        self.expect(move |event| event["type"] == kind)
    }

    /// Collects events until the answer to a ping: everything said before by the connection itself has come.
    pub(crate) async fn settle(&mut self) {
        self.ask(json!({"type": "ping"})).await;
    }

    /// Takes and gives everything that was not taken yet.
    pub(crate) fn take_unseen(&mut self) -> Vec<Value> {
        self.unseen.drain(..).collect()
    }

    /// The next event, however it looks; `None` at the end of the connection.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        if let Some(event) = self.unseen.pop_front() {
            return Some(event);
        }
        timeout(PATIENCE, self.receive()).await.expect("an event or the end")
    }

    /// The next event, whenever it comes; none at the end of the connection. Nothing is lost when it is given up, and
    /// nothing is remembered: for those who hear very much.
    pub(crate) async fn hear(&mut self) -> Option<Value> {
        if let Some(event) = self.unseen.pop_front() {
            return Some(event);
        }
        let event = self.receive().await;
        self.received.clear();
        event
    }

    /// The code of the close frame that came, if one did.
    pub(crate) fn close_code(&self) -> Option<u16> {
        self.close_code
    }

    /// Reads up to an event that matches; false when the connection ends before.
    pub(crate) async fn reads_until(&mut self, mut matches: impl FnMut(&Value) -> bool) -> bool {
        while let Some(event) = self.next().await {
            if matches(&event) {
                return true;
            }
        }
        false
    }

    /// Reads to the end of the connection; gives the code of the close frame, 1006 when there was none.
    #[track_caller]
    pub(crate) fn closed(&mut self) -> impl Future<Output = u16> {
        let caller = std::panic::Location::caller();
        async move {
            let start = Instant::now();
            loop {
                let left = PATIENCE.saturating_sub(start.elapsed());
                match timeout(left, self.receive()).await {
                    Ok(Some(event)) => self.unseen.push_back(event),
                    Ok(None) => return self.close_code.unwrap_or(1006),
                    Err(_) => panic!("{caller}: it stays open; unseen: {:#?}", self.unseen),
                }
            }
        }
    }

    /// Says goodbye.
    pub(crate) async fn close(mut self) {
        self.try_close().await.unwrap();
        self.closed().await;
    }

    /// Says goodbye to a server that may not listen.
    pub(crate) async fn try_close(&mut self) -> Result<(), Error> {
        self.socket.close(Some(CloseFrame { code: CloseCode::Normal, reason: "".into() })).await
    }

    /// Is gone without a word.
    pub(crate) fn vanish(self) {
        drop(self.socket);
    }

    async fn receive(&mut self) -> Option<Value> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    let event: Value = serde_json::from_str(&text).expect("JSON");
                    self.received.push(event.clone());
                    return Some(event);
                }
                Some(Ok(Message::Close(frame))) => {
                    self.close_code = frame.map(|frame| frame.code.into()).or(Some(1005));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }
}
