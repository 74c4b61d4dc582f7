//! Headless Chromium, or what `BROWSER` names, driven over WebDriver.

use std::{
    collections::HashMap,
    env,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    thread,
};

use fantoccini::{Client, ClientBuilder, wd::Capabilities};
use hyper_util::client::legacy::connect::HttpConnector;
use tempfile::TempDir;

use super::{PATIENCE, Value, json, process::asked_to_end};

/// Which browser is driven, and by what.
#[derive(Clone, Copy)]
enum Kind {
    Chromium,
    Firefox,
}

impl Kind {
    /// Chromium, if `BROWSER` does not name another.
    fn wanted() -> Self {
        match env::var("BROWSER").as_deref() {
            Err(_) | Ok("chromium") => Self::Chromium,
            Ok("firefox") => Self::Firefox,
            Ok(other) => panic!("BROWSER is chromium or firefox, not '{other}'"),
        }
    }

    /// The program that drives it, and what that says before its port.
    fn driver(self) -> (&'static str, &'static str) {
        match self {
            Self::Chromium => ("chromedriver", "started successfully on port "),
            Self::Firefox => ("geckodriver", "Listening on 127.0.0.1:"),
        }
    }

    fn help(self) -> &'static str {
        match self {
            Self::Chromium => {
                "the browser tests need chromium and chromedriver: `make tools`, or \
                 `apt-get update && apt-get install chromium chromium-driver`"
            }
            Self::Firefox => "`apt-get install firefox-esr` and `cargo install geckodriver` give what this needs",
        }
    }
}

/// What Chromium needs to run as root and to leave the network alone.
const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,800",
];

/// How often a chromedriver is started before there is none.
const STARTS: usize = 4;

/// Starts browsers. Those of Chromium share its chromedriver and end with it; each Firefox has a geckodriver of its own,
/// which can have one only.
pub(crate) struct Driver {
    kind: Kind,
    shared: Option<Process>,
}

/// A WebDriver on a free port; browsers it started end with it.
struct Process {
    child: Child,
    port: u16,
}

impl Process {
    /// Starts one. Now and then the port of a chromedriver is taken after all, since it wants the same one for IPv4 and
    /// IPv6: it then says none.
    fn start(kind: Kind) -> Self {
        (0..STARTS)
            .find_map(|_| Self::try_start(kind))
            .unwrap_or_else(|| panic!("{} does not say its port; {}", kind.driver().0, kind.help()))
    }

    fn try_start(kind: Kind) -> Option<Self> {
        let (program, before_port) = kind.driver();
        let mut command = Command::new(program);
        let command = command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{error}: {}", kind.help()));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let said = lines.find_map(|line| line.split_once(before_port)?.1.trim_end_matches('.').parse().ok());
        // It would stop at a full pipe.
        thread::spawn(move || lines.for_each(drop));
        if said.is_none() {
            // It may have ended by itself.
            let _ = child.kill();
            child.wait().unwrap();
        }
        said.map(|port| Self { child, port })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Asked, it ends its browsers too.
        if !asked_to_end(&mut self.child) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Driver {
    /// Gets ready to start browsers.
    pub(crate) fn start() -> Self {
        let kind = Kind::wanted();
        Self { kind, shared: matches!(kind, Kind::Chromium).then(|| Process::start(kind)) }
    }

    /// A browser with a fresh profile: a person of its own.
    pub(crate) async fn browser(&self) -> Browser {
        self.browser_that_notes(json!({"browser": "ALL"})).await
    }

    /// One that counts what it receives, for [`Browser::received`].
    pub(crate) async fn counting_browser(&self) -> Browser {
        self.browser_that_notes(json!({"browser": "ALL", "performance": "ALL"})).await
    }

    async fn browser_that_notes(&self, logs: Value) -> Browser {
        let profile = TempDir::new().unwrap();
        let mut wanted = Capabilities::new();
        match self.kind {
            Kind::Chromium => {
                let mut flags: Vec<String> = FLAGS.map(str::to_owned).into();
                flags.push(format!("--user-data-dir={}", profile.path().display()));
                wanted.insert("goog:chromeOptions".into(), json!({"args": flags}));
                wanted.insert("goog:loggingPrefs".into(), logs);
            }
            Kind::Firefox => {
                wanted.insert("moz:firefoxOptions".into(), json!({"args": ["-headless"]}));
            }
        }
        let own = self.shared.is_none().then(|| Process::start(self.kind));
        let port = self.shared.as_ref().or(own.as_ref()).expect("one of them").port;
        let driver = format!("http://127.0.0.1:{port}");
        let connected = ClientBuilder::new(HttpConnector::new()).capabilities(wanted).connect(&driver).await;
        let page = connected.unwrap_or_else(|error| panic!("{error}: {}", self.kind.help()));
        Browser { page, driver, _own: own, _profile: profile }
    }
}

/// A browser and its profile.
pub(crate) struct Browser {
    pub(crate) page: Client,
    driver: String,
    _own: Option<Process>,
    _profile: TempDir,
}

impl Browser {
    /// Sends a command of the Chrome DevTools Protocol: WebDriver has no word for what follows.
    async fn devtools(&self, command: &str, params: Value) {
        let session = self.page.session_id().await.unwrap().unwrap();
        let url = format!("{}/session/{session}/goog/cdp/execute", self.driver);
        let asked = reqwest::Client::new().post(url).json(&json!({"cmd": command, "params": params}));
        let answer = asked.timeout(PATIENCE).send().await.unwrap();
        assert!(answer.status().is_success(), "{command}: {}", answer.text().await.unwrap());
    }

    /// What was received since this was last asked from where the page is from: the path of each answer, and its bytes
    /// as they came, headers included, as Chromium counts them (`encodedDataLength` of `Network.loadingFinished`).
    pub(crate) async fn received(&self) -> Vec<(String, u64)> {
        let session = self.page.session_id().await.unwrap().unwrap();
        let asked = reqwest::Client::new().post(format!("{}/session/{session}/se/log", self.driver));
        let answer = asked.json(&json!({"type": "performance"})).timeout(PATIENCE).send().await.unwrap();
        let noted: Value = answer.json().await.unwrap();
        let page = self.page.current_url().await.unwrap();
        let mut paths = HashMap::new();
        let mut received = Vec::new();
        for entry in noted["value"].as_array().unwrap() {
            let entry: Value = serde_json::from_str(entry["message"].as_str().unwrap()).unwrap();
            let (method, params) = (entry["message"]["method"].as_str().unwrap(), &entry["message"]["params"]);
            let request = params["requestId"].as_str().unwrap_or_default().to_owned();
            match method {
                "Network.requestWillBeSent" => {
                    let url = reqwest::Url::parse(params["request"]["url"].as_str().unwrap()).unwrap();
                    if (url.scheme(), url.port()) == (page.scheme(), page.port()) {
                        paths.insert(request, url.path().to_owned());
                    }
                }
                "Network.loadingFinished" => {
                    let size = params["encodedDataLength"].as_f64().unwrap() as u64;
                    received.extend(paths.remove(&request).map(|path| (path, size)));
                }
                _ => {}
            }
        }
        received
    }

    /// Makes the screen so many CSS pixels wide and high; a touch screen if it is a `phone`.
    pub(crate) async fn screen(&self, width: u32, height: u32, phone: bool) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone});
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
        self.devtools("Emulation.setTouchEmulationEnabled", json!({"enabled": phone})).await;
    }

    /// Makes the system prefer a colour scheme, `light` or `dark`.
    pub(crate) async fn scheme(&self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.devtools("Emulation.setEmulatedMedia", json!({"features": features})).await;
    }

    /// Tells the page that there is a network, or none. Connections that are open stay: who cuts them is a proxy.
    pub(crate) async fn network(&self, there: bool) {
        self.devtools("Network.enable", json!({})).await;
        let conditions = json!({"offline": !there, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1});
        self.devtools("Network.emulateNetworkConditions", conditions).await;
    }
}
