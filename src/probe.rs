//! `hubbub health`: asks a running server how it is. Container images have no curl, so the program checks itself.

use std::{
    io::{self, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    thread,
    time::{Duration, Instant},
};

use actix_web::http::Uri;

/// How long connecting, and each step of the answer, may take: below the 3 s a container's health check gives it.
const PATIENCE: Duration = Duration::from_secs(2);

/// Between two questions of who waits.
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// Most bytes of an answer that are read; `/health` has some 200.
const MAX_ANSWER: u64 = 16 * 1024;

/// The status of a server that serves, degraded or not.
const WELL: u16 = 200;

/// What a server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status: of `/health` 200, and 503 while it drains.
    pub status: u16,
    /// As it came; of `/health` JSON.
    pub body: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// No address that can be asked.
    #[error("'{0}' is no address like http://127.0.0.1:3001/health")]
    Url(String),
    /// Nobody is there, or nothing came in time.
    #[error("{url} does not answer: {source}")]
    Silent {
        /// Who was asked.
        url: String,
        /// What the system says.
        source: io::Error,
    },
    /// It answers, and says that it does not serve: 503 while it drains.
    #[error("{url} answers {status}: {body}")]
    Unwell {
        /// Who was asked.
        url: String,
        /// The HTTP status.
        status: u16,
        /// As it came.
        body: String,
    },
    /// What came is no HTTP.
    #[error("{0} answers, but not with HTTP")]
    Garbled(String),
}

/// Sends a GET to `http://host[:port][/path]`; without a path it is `/health`. Takes 2 s for each step at most.
///
/// # Errors
/// If `url` is none, or nothing that is HTTP comes back. Any status is an answer.
pub fn get(url: &str) -> Result<Answer, ProbeError> {
    let (authority, path) = parts(url).ok_or_else(|| ProbeError::Url(url.into()))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    let answer = exchange(&authority, &request).map_err(|source| ProbeError::Silent { url: url.into(), source })?;
    read(&answer).ok_or_else(|| ProbeError::Garbled(url.into()))
}

/// Asks until the status is 200, for so long; once if there is no time. Gives the body.
///
/// # Errors
/// Those of [`get`], or the last answer when it was another.
pub fn wait(url: &str, patience: Duration) -> Result<String, ProbeError> {
    let start = Instant::now();
    loop {
        let refused = match get(url) {
            Ok(Answer { status: WELL, body }) => return Ok(body),
            Ok(Answer { status, body }) => ProbeError::Unwell { url: url.into(), status, body },
            Err(error @ ProbeError::Url(_)) => return Err(error),
            Err(error) => error,
        };
        if start.elapsed() >= patience {
            return Err(refused);
        }
        thread::sleep(ASK_AGAIN);
    }
}

/// Host and port, and path with query.
fn parts(url: &str) -> Option<(String, String)> {
    let uri: Uri = url.parse().ok()?;
    let (Some("http"), Some(host)) = (uri.scheme_str(), uri.host()) else { return None };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let path = if path == "/" { "/health" } else { path };
    Some((format!("{host}:{}", uri.port_u16().unwrap_or(80)), path.into()))
}

fn exchange(authority: &str, request: &str) -> io::Result<Vec<u8>> {
    let mut refused = io::Error::other("its name has no address");
    for address in authority.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(mut stream) => {
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                stream.write_all(request.as_bytes())?;
                let mut answer = Vec::new();
                stream.take(MAX_ANSWER).read_to_end(&mut answer)?;
                return Ok(answer);
            }
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

/// `HTTP/1.1 200 OK`, headers, an empty line, the body.
fn read(answer: &[u8]) -> Option<Answer> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut first = head.lines().next()?.split(' ');
    if !first.next()?.starts_with("HTTP/1.") {
        return None;
    }
    Some(Answer { status: first.next()?.parse().ok()?, body: body.trim_end().to_owned() })
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader},
        net::TcpListener,
        thread,
    };

    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        let parts = |url| parts(url).map(|(authority, path)| format!("{authority}{path}"));
        assert_eq!(parts("http://127.0.0.1:3001").as_deref(), Some("127.0.0.1:3001/health"));
        assert_eq!(parts("http://chat.test/ready?x=1").as_deref(), Some("chat.test:80/ready?x=1"));
        assert_eq!(parts("http://[::1]:9/").as_deref(), Some("[::1]:9/health"));
        for bad in ["", "/health", "localhost:3001", "https://localhost", "ws://localhost:1"] {
            assert!(matches!(get(bad), Err(ProbeError::Url(_))), "{bad}");
        }
    }

    #[test]
    fn any_status_is_an_answer_and_anything_else_is_none() {
        let said = |text: &'static str| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("http://{}/x", listener.local_addr().unwrap());
            let server = thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let asked: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
                stream.write_all(text.as_bytes()).unwrap();
                asked
            });
            let answer = get(&url);
            assert_eq!(server.join().unwrap()[0], "GET /x HTTP/1.1");
            answer
        };
        let answer = said("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy").unwrap();
        assert_eq!(answer, Answer { status: 503, body: "busy".into() });
        for garbled in ["", "-ERR unknown command\r\n\r\n", "HTTP/1.1 many\r\n\r\n", "HTTP/1.1 200 OK\r\n"] {
            assert!(matches!(said(garbled), Err(ProbeError::Garbled(_))), "{garbled}");
        }
    }

    #[test]
    fn who_waits_asks_until_it_is_well() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            for status in ["503 Service Unavailable", "200 OK"] {
                let (mut stream, _) = listener.accept().unwrap();
                let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                assert!(lines.map_while(Result::ok).any(|line| line.is_empty()));
                stream.write_all(format!("HTTP/1.1 {status}\r\n\r\nas it is").as_bytes()).unwrap();
            }
            listener
        });
        let unwell = wait(&url, Duration::ZERO).unwrap_err().to_string();
        assert!(unwell.contains("503") && unwell.contains("as it is"), "{unwell}");
        assert_eq!(wait(&url, Duration::from_secs(30)).unwrap(), "as it is");
        drop(server.join().unwrap());
    }

    #[test]
    fn nobody_there_is_said_with_the_address() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = get(&format!("http://{free}")).unwrap_err().to_string();
        assert!(error.contains(&free.to_string()), "{error}");
    }
}
