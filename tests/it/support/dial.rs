//! Connecting: what a client says of itself, and how it is refused.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use reqwest::header::{HeaderMap, HeaderName};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use super::{Client, PATIENCE};

/// A connect that was refused before the upgrade.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Refused {
    pub(crate) fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }
}

/// A client that is yet to connect.
#[derive(Clone)]
pub(crate) struct Dial {
    address: SocketAddr,
    query: Vec<String>,
    headers: Vec<(HeaderName, String)>,
    receive_buffer: Option<u32>,
    source: Option<Ipv4Addr>,
}

impl Dial {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, query: Vec::new(), headers: Vec::new(), receive_buffer: None, source: None }
    }

    /// Adds `name=value` to the query.
    pub(crate) fn query(mut self, pair: &str) -> Self {
        self.query.push(pair.into());
        self
    }

    pub(crate) fn rooms(self, rooms: &str) -> Self {
        self.query(&format!("room={rooms}"))
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((HeaderName::from_static(name), value.into()));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn cookie(self, session: &str) -> Self {
        self.header("cookie", &format!("session={session}"))
    }

    /// Offers the token as browsers do.
    pub(crate) fn subprotocol(self, token: &str) -> Self {
        self.header("sec-websocket-protocol", &format!("hubbub.v1, hubbub.token.{token}"))
    }

    /// Lets the system hold back no more than about so many bytes for this client.
    pub(crate) fn receive_buffer(mut self, bytes: u32) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// Comes from this address of the machine: balancers tell clients apart by it.
    pub(crate) fn source(mut self, source: Ipv4Addr) -> Self {
        self.source = Some(source);
        self
    }

    /// Connects; an answer other than the upgrade is an error.
    pub(crate) async fn open(self) -> Result<Client, Refused> {
        let (head, mut stream) =
            timeout(PATIENCE, self.shake_hands()).await.expect("no answer to the handshake").unwrap();
        if head.status != 101 {
            // Read to the end, which a refusal has: it closes.
            let mut body = Vec::new();
            timeout(PATIENCE, stream.read_to_end(&mut body)).await.expect("the end of a refusal").unwrap();
            let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
            return Err(Refused { status: head.status, headers: head.headers, body });
        }
        let (protocol, cookie) = (head.text("sec-websocket-protocol"), head.text("set-cookie"));
        Ok(Client::arrive(self.address, stream, protocol, cookie).await)
    }

    /// Connects where nobody may be: none if it fails in any way, or takes longer than `patience`.
    pub(crate) async fn attempt(self, patience: Duration) -> Option<Client> {
        let attempt = async {
            let (head, stream) = self.shake_hands().await.ok().filter(|(head, _)| head.status == 101)?;
            let (protocol, cookie) = (head.text("sec-websocket-protocol"), head.text("set-cookie"));
            Client::try_arrive(self.address, stream, protocol, cookie).await
        };
        timeout(patience, attempt).await.ok()?
    }

    async fn shake_hands(&self) -> io::Result<(Head, BufStream<TcpStream>)> {
        let socket = TcpSocket::new_v4()?;
        if let Some(bytes) = self.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(source) = self.source {
            socket.bind((source, 0).into())?;
        }
        let stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        let mut stream = BufStream::new(stream);
        stream.write_all(self.request().as_bytes()).await?;
        stream.flush().await?;
        Ok((Head::read(&mut stream).await?, stream))
    }

    /// Connects and waits to be in the rooms asked for, or in `global`.
    pub(crate) async fn enter(self) -> Client {
        let rooms = match self.query.iter().find_map(|pair| pair.strip_prefix("room=")) {
            Some(rooms) => rooms.split(',').filter(|room| !room.is_empty()).map(str::to_owned).collect(),
            None => vec!["global".to_owned()],
        };
        let mut client = self.open().await.unwrap();
        for room in rooms {
            client.expect(|event| event["type"] == "joined" && event["room"] == room.as_str()).await;
        }
        client
    }

    /// What `GET /api/connect` says to the same query and headers.
    pub(crate) async fn ask(&self) -> Result<(), Refused> {
        let mut request =
            reqwest::Client::new().get(format!("http://{}/api/connect{}", self.address, self.query_string()));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        if status == 204 {
            return Ok(());
        }
        Err(Refused { status, headers, body: answer.json().await.unwrap_or(Value::Null) })
    }

    /// The refusal, which `/api/connect` must give as well.
    pub(crate) async fn refused(self) -> Refused {
        let Err(told) = self.ask().await else { panic!("/api/connect would let it in") };
        let Err(refused) = self.open().await else { panic!("it was let in") };
        assert_eq!((refused.status, refused.code()), (told.status, told.code()));
        refused
    }

    fn query_string(&self) -> String {
        if self.query.is_empty() { String::new() } else { format!("?{}", self.query.join("&")) }
    }

    fn request(&self) -> String {
        let mut request = format!(
            "GET /chat{} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            self.query_string(),
            self.address
        );
        for (name, value) in &self.headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request + "\r\n"
    }
}

/// The head of an answer. Read here, since the library gives of a refusal's body only what came with its head.
struct Head {
    status: u16,
    headers: HeaderMap,
}

impl Head {
    fn text(&self, name: &str) -> Option<String> {
        self.headers.get(name).map(|value| value.to_str().unwrap().to_owned())
    }

    async fn read(stream: &mut BufStream<TcpStream>) -> io::Result<Self> {
        let mut status = String::new();
        stream.read_line(&mut status).await?;
        let strange = || io::Error::new(io::ErrorKind::InvalidData, format!("no status line but {status:?}"));
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(strange)?;
        let mut headers = HeaderMap::new();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        Ok(Self { status, headers })
    }
}
