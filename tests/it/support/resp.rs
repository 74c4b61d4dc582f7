//! Redis' protocol (RESP2), as much as one command and its answer need.

use std::{
    fmt,
    io::{self, BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Nil,
    Int(i64),
    Text(String),
    List(Vec<Reply>),
    /// What Redis refused, as it says it.
    Error(String),
}

impl Reply {
    #[track_caller]
    pub(crate) fn int(&self) -> i64 {
        match self {
            Self::Int(number) => *number,
            Self::Text(text) => text.parse().unwrap_or_else(|_| panic!("no number: {text}")),
            other => panic!("no number: {other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            other => panic!("no text: {other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn list(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            other => panic!("no list: {other:?}"),
        }
    }

    /// A list of texts.
    #[track_caller]
    pub(crate) fn texts(&self) -> Vec<&str> {
        self.list().iter().map(Self::text).collect()
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("(nil)"),
            Self::Int(number) => number.fmt(f),
            Self::Text(text) | Self::Error(text) => f.write_str(text),
            Self::List(items) => items.iter().try_for_each(|item| writeln!(f, "{item}")),
        }
    }
}

/// Logs in as a user with a password, sends one command, and reads its answer. Blocks, up to `patience` for each step.
///
/// # Errors
/// If there is no connection, or no answer in time. A refusal is no error, but a [`Reply::Error`].
pub(crate) fn call(
    address: SocketAddr,
    login: Option<(&str, &str)>,
    command: &[&str],
    patience: Duration,
) -> io::Result<Reply> {
    let stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    if let Some((user, password)) = login {
        send(stream.get_mut(), &["AUTH", user, password])?;
        if let refused @ Reply::Error(_) = read(&mut stream)? {
            return Ok(refused);
        }
    }
    send(stream.get_mut(), command)?;
    read(&mut stream)
}

fn send(to: &mut impl Write, command: &[&str]) -> io::Result<()> {
    let mut text = format!("*{}\r\n", command.len());
    for word in command {
        text.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    to.write_all(text.as_bytes())
}

fn read(from: &mut impl BufRead) -> io::Result<Reply> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    let strange = || io::Error::new(io::ErrorKind::UnexpectedEof, format!("no answer but {line:?}"));
    let line = line.strip_suffix("\r\n").ok_or_else(strange)?;
    let (kind, rest) = line.split_at_checked(1).ok_or_else(strange)?;
    let number = || rest.parse::<i64>().map_err(|_| strange());
    Ok(match kind {
        "+" => Reply::Text(rest.into()),
        "-" => Reply::Error(rest.into()),
        ":" => Reply::Int(number()?),
        "$" => match usize::try_from(number()?) {
            Err(_) => Reply::Nil,
            Ok(length) => {
                let mut bytes = vec![0; length + 2];
                from.read_exact(&mut bytes)?;
                bytes.truncate(length);
                Reply::Text(String::from_utf8_lossy(&bytes).into_owned())
            }
        },
        "*" => match usize::try_from(number()?) {
            Err(_) => Reply::Nil,
            Ok(length) => Reply::List((0..length).map(|_| read(from)).collect::<io::Result<_>>()?),
        },
        _ => return Err(strange()),
    })
}

#[test]
fn answers_are_read_as_what_they_are() {
    let read = |text: &str| read(&mut text.as_bytes());
    let text = |text: &str| Reply::Text(text.into());
    assert_eq!(read("+OK\r\n").unwrap(), text("OK"));
    assert_eq!(read("-NOPERM no\r\n").unwrap(), Reply::Error("NOPERM no".into()));
    let nested = "*4\r\n:-7\r\n$4\r\na\r\nb\r\n*1\r\n$-1\r\n*-1\r\n";
    let wanted = Reply::List(vec![Reply::Int(-7), text("a\r\nb"), Reply::List(vec![Reply::Nil]), Reply::Nil]);
    assert_eq!(read(nested).unwrap(), wanted);
    for broken in ["", "+OK", "$5\r\nab\r\n", "*2\r\n:1\r\n", "?\r\n", ":x\r\n"] {
        assert!(read(broken).is_err(), "{broken:?}");
    }
}
