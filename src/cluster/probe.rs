//! Short questions to the parts of a cluster, over connections of their own: HTTP, and whether Redis answers.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::Value;

/// How long an answer may take: by then a part that was asked hangs.
const PATIENCE: Duration = Duration::from_secs(3);

/// The longest answer that is read, in bytes.
const LONGEST: u64 = 4 * 1024 * 1024;

/// An answer over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// The body as it came.
    pub(crate) body: String,
}

impl Answer {
    /// The body as JSON; null if it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// What a Redis that answers says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RedisAnswer {
    /// Its connections, this one not counted.
    pub(super) clients: Option<usize>,
}

/// `GET` of a path of a server, with a key if it needs one.
///
/// # Errors
/// If nothing answers there in 3 s, or not in HTTP.
pub(crate) fn get(address: SocketAddr, path: &str, bearer: Option<&str>) -> io::Result<Answer> {
    let key = bearer.map(|key| format!("Authorization: Bearer {key}\r\n")).unwrap_or_default();
    let asked = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{key}Connection: close\r\n\r\n");
    answer_in(&call(address, &asked)?).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no answer in HTTP"))
}

/// Whether a Redis of this machine takes commands of `user`.
///
/// # Errors
/// If nothing answers there in 3 s, or it does not take them: it is loading, or the password is wrong.
pub(super) fn redis(port: u16, user: &str, password: &str) -> io::Result<RedisAnswer> {
    // Simple enough for its inline form: a user's name and hexadecimal digits.
    let asked = format!("AUTH {user} {password}\r\nPING\r\nINFO clients\r\nQUIT\r\n");
    let said = call((Ipv4Addr::LOCALHOST, port).into(), &asked)?;
    if !said.lines().any(|line| line == "+PONG") {
        let refusal = said.lines().find(|line| line.starts_with('-')).unwrap_or("no answer of a Redis");
        return Err(io::Error::other(refusal.trim_start_matches('-').to_owned()));
    }
    let clients = said.lines().find_map(|line| line.strip_prefix("connected_clients:")?.parse::<usize>().ok());
    Ok(RedisAnswer { clients: clients.map(|clients| clients.saturating_sub(1)) })
}

/// Sends, and reads until the other end closes.
fn call(address: SocketAddr, asked: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(asked.as_bytes())?;
    let mut said = Vec::new();
    stream.take(LONGEST).read_to_end(&mut said)?;
    Ok(String::from_utf8_lossy(&said).into_owned())
}

fn answer_in(said: &str) -> Option<Answer> {
    let (head, body) = said.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
    Some(Answer { status, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread};

    use super::*;

    /// Answers one question with `said`, and gives what was asked.
    fn one_answer(said: &'static str) -> (SocketAddr, thread::JoinHandle<String>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let asked = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 1024];
            let read = stream.read(&mut asked).unwrap();
            stream.write_all(said.as_bytes()).unwrap();
            String::from_utf8_lossy(&asked[..read]).into_owned()
        });
        (address, asked)
    }

    #[test]
    fn an_answer_has_a_status_and_a_body() {
        let (address, asked) = one_answer("HTTP/1.1 503 Service Unavailable\r\nX: y\r\n\r\n{\"ready\":false}");
        let answer = get(address, "/ready", Some("key")).unwrap();
        assert_eq!((answer.status, answer.json()["ready"].as_bool()), (503, Some(false)));
        let asked = asked.join().unwrap();
        assert!(asked.starts_with("GET /ready HTTP/1.1\r\n") && asked.contains("Bearer key\r\n"), "{asked}");
        assert_eq!(answer_in("+PONG"), None);
    }

    #[test]
    fn a_redis_that_is_loading_does_not_answer() {
        let (address, _asked) = one_answer("+OK\r\n-LOADING Redis is loading\r\n+OK\r\n");
        let error = redis(address.port(), "u", "p").unwrap_err();
        assert!(error.to_string().starts_with("LOADING"), "{error}");
        let (address, _asked) = one_answer("+OK\r\n+PONG\r\n$33\r\n# Clients\r\nconnected_clients:4\r\n\r\n+OK\r\n");
        assert_eq!(redis(address.port(), "u", "p").unwrap(), RedisAnswer { clients: Some(3) });
    }
}
