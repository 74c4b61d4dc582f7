//! Plain HTTP against a server.

use reqwest::{Method, RequestBuilder, Response, header::SET_COOKIE};
use serde_json::{Value, json};

use super::Server;

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
    /// The text as JSON, or null.
    pub(crate) json: Value,
}

impl Answer {
    async fn read(response: Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Self { status, headers, text, json }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// The code of a refusal.
    pub(crate) fn code(&self) -> &str {
        self.json["error"]["code"].as_str().unwrap_or_default()
    }

    /// The value of the cookie `session` that was set.
    pub(crate) fn session(&self) -> Option<String> {
        let cookies = self.headers.get_all(SET_COOKIE).iter().map(|value| value.to_str().unwrap());
        cookies.filter_map(|cookie| cookie.strip_prefix("session=")).map(|rest| first(rest).to_owned()).next()
    }
}

fn first(cookie: &str) -> &str {
    cookie.split(';').next().unwrap_or_default()
}

/// Sends a request that was built.
pub(crate) async fn send(request: RequestBuilder) -> Answer {
    Answer::read(request.send().await.unwrap()).await
}

impl Server {
    /// A request that is yet to be sent, with the `Origin` of the server's own pages.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let origin = format!("http://{}", self.address);
        reqwest::Client::new().request(method, self.url(path)).header("origin", origin).timeout(super::PATIENCE)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn get_as(&self, path: &str, token: &str) -> Answer {
        send(self.request(Method::GET, path).bearer_auth(token)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::POST, path).json(&body)).await
    }

    pub(crate) async fn post_as(&self, path: &str, token: &str, body: Value) -> Answer {
        send(self.request(Method::POST, path).bearer_auth(token).json(&body)).await
    }

    pub(crate) async fn delete_as(&self, path: &str, token: &str) -> Answer {
        send(self.request(Method::DELETE, path).bearer_auth(token)).await
    }

    /// Registers an account and gives the value of its cookie.
    pub(crate) async fn register(&self, name: &str) -> String {
        let answer = self.post("/api/register", json!({"username": name, "password": PASSWORD})).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.session().unwrap()
    }

    /// The value of one series of `/metrics/prometheus`; 0 when it is not there yet.
    pub(crate) async fn metric(&self, token: &str, series: &str) -> f64 {
        let page = self.get_as("/metrics/prometheus", token).await;
        assert_eq!(page.status, 200, "{}", page.text);
        let line = page.text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.trim().parse().unwrap())
    }
}

/// Good enough for everybody here.
pub(crate) const PASSWORD: &str = "correct horse battery";
