//! nginx in front: whether its configuration lets sockets live, tells who is there, and has room.

mod conf;

use std::path::Path;

use self::conf::{Conf, Directive};
use super::{Plan, finding::Finding};
use crate::protocol::ids::Millis;

/// Where the sockets are.
const SOCKETS: &str = "/chat";

/// What nginx does when nothing is set (ngx_http_proxy_module, ngx_core_module).
const DEFAULT_TIMEOUT_MS: Millis = 60_000;
const DEFAULT_CONNECTIONS: u64 = 512;
/// What most systems give a process.
const DEFAULT_FILES: u64 = 1_024;

/// A replica that does not answer within this keeps a newcomer waiting for too long.
const CONNECT_MS: Millis = 5_000;

/// Fewer clients a worker than this are few.
const FEW_CLIENTS: u64 = 1_000;

/// What the configuration is held against.
struct Wanted {
    heartbeat_ms: Millis,
    /// Whether any proxy is believed.
    believes: bool,
}

/// Reads a configuration and judges it.
pub(super) fn look(file: &Path, plan: &Plan) -> Vec<Finding> {
    match conf::load(file) {
        Ok(conf) => {
            let believes = !plan.auth.trusted_proxies.is_empty();
            let mut found = judge(&conf, &Wanted { heartbeat_ms: plan.heartbeat_ms, believes });
            let what = format!("{} is read", file.display());
            found.insert(0, Finding::ok("configuration", what));
            found
        }
        Err(why) => vec![Finding::fail("configuration", why, "name nginx.conf, or the file that holds its http block")],
    }
}

fn judge(conf: &Conf, wanted: &Wanted) -> Vec<Finding> {
    let mut found: Vec<_> = conf
        .missing
        .iter()
        .map(|file| {
            let what = format!("{} is included, and cannot be read", file.display());
            Finding::note("included file", what, "what it says is not judged")
        })
        .collect();
    let top = conf.directives.as_slice();
    // The file of a site has no http block around it.
    let http = block(top, "http").unwrap_or(top);
    let servers = http.iter().filter(|directive| directive.name == "server" && !directive.block.is_empty());
    let (unread, read): (Vec<_>, Vec<_>) = servers.partition(|server| by_expression(&server.block));
    for server in &unread {
        let what = format!("{} passes {SOCKETS} on by a regular expression", name_of(&server.block));
        let fix = format!("regular expressions are not judged: write `location = {SOCKETS}`");
        found.push(Finding::note("sockets", what, fix));
    }
    let mut sites: Vec<_> = read.into_iter().filter_map(|server| Site::new(http, &server.block)).collect();
    // Where one names the path, others with a location for everything are not Hubbub's.
    if !unread.is_empty() || sites.iter().any(|site| site.own) {
        sites.retain(|site| site.own);
    }
    if sites.is_empty() && unread.is_empty() {
        let fix = "add `location /chat { proxy_pass http://hubbub; }`, as in nginx/nginx.conf";
        found.push(Finding::fail("sockets", format!("no server passes {SOCKETS} on"), fix));
    }
    for site in &sites {
        let mut judged = site.judge(wanted);
        if sites.len() > 1 {
            judged.iter_mut().for_each(|one| one.what = format!("{}: {}", site.name, one.what));
        }
        found.extend(judged);
    }
    found.push(room(top));
    found
}

fn block<'a>(directives: &'a [Directive], name: &str) -> Option<&'a [Directive]> {
    directives.iter().find(|directive| directive.name == name).map(|directive| directive.block.as_slice())
}

/// What counts for the sockets of a server, from the outside in.
struct Site<'a> {
    name: &'a str,
    /// Whether the path has a location of its own.
    own: bool,
    levels: [&'a [Directive]; 3],
}

impl<'a> Site<'a> {
    /// None of a server that does not pass the sockets on.
    fn new(http: &'a [Directive], server: &'a [Directive]) -> Option<Self> {
        let location = location_of(server)?;
        let own = location.args.last().is_some_and(|path| path.trim_start_matches('=') == SOCKETS);
        let site = Self { name: name_of(server), own, levels: [http, server, &location.block] };
        passes_on(location).then_some(site)
    }

    /// The directives of a name that count: those of the innermost level that has any.
    fn all(&self, name: &str) -> Vec<&'a Directive> {
        let of = |level: &&'a [Directive]| level.iter().filter(|directive| directive.name == name).collect::<Vec<_>>();
        self.levels.iter().rev().map(of).find(|found| !found.is_empty()).unwrap_or_default()
    }

    fn time(&self, name: &str) -> Millis {
        self.all(name).last().and_then(|directive| millis(directive.arg())).unwrap_or(DEFAULT_TIMEOUT_MS)
    }

    /// What a header is set to for the replica.
    fn header(&self, name: &str) -> Option<&'a str> {
        let set = self.all("proxy_set_header");
        let of_name = set.iter().filter(|directive| directive.arg().eq_ignore_ascii_case(name));
        of_name.filter_map(|directive| directive.args.get(1)).next_back().map(String::as_str)
    }

    fn judge(&self, wanted: &Wanted) -> Vec<Finding> {
        vec![
            self.read_timeout(wanted.heartbeat_ms),
            self.connect_timeout(),
            self.upgrade(),
            self.host(),
            self.forwarded(wanted.believes),
            self.strategy(),
        ]
    }

    fn read_timeout(&self, heartbeat_ms: Millis) -> Finding {
        const CHECK: &str = "proxy_read_timeout";
        let ms = self.time(CHECK);
        let what = format!("{} s; a quiet client is pinged every {} s", ms / 1_000, heartbeat_ms / 1_000);
        let fix = format!("set proxy_read_timeout 1h for {SOCKETS}: both ends watch over each other themselves");
        match ms {
            ms if ms <= heartbeat_ms => Finding::fail(CHECK, format!("{what}: it is cut off before"), fix),
            ms if ms < 2 * heartbeat_ms => {
                Finding::warn(CHECK, format!("{what}: one ping that is late cuts it off"), fix)
            }
            _ => Finding::ok(CHECK, what),
        }
    }

    fn connect_timeout(&self) -> Finding {
        const CHECK: &str = "proxy_connect_timeout";
        let ms = self.time(CHECK);
        if ms > CONNECT_MS {
            let what = format!("{} s: newcomers wait that long for a replica that is gone", ms / 1_000);
            Finding::warn(CHECK, what, "set proxy_connect_timeout 2s, and proxy_next_upstream")
        } else {
            Finding::ok(CHECK, format!("{ms} ms"))
        }
    }

    fn upgrade(&self) -> Finding {
        const CHECK: &str = "upgrade";
        let version = self.all("proxy_http_version").last().is_some_and(|version| version.arg() == "1.1");
        let (upgrade, connection) = (self.header("Upgrade"), self.header("Connection"));
        if version && upgrade == Some("$http_upgrade") && connection.is_some_and(|value| !value.is_empty()) {
            return Finding::ok(CHECK, "is passed on");
        }
        Finding::fail(
            CHECK,
            "is not passed on: no WebSocket comes through",
            "set proxy_http_version 1.1, and the headers Upgrade $http_upgrade and Connection, as in nginx/nginx.conf",
        )
    }

    fn host(&self) -> Finding {
        const CHECK: &str = "Host";
        let fix = "set proxy_set_header Host $http_host";
        match self.header(CHECK) {
            Some("$http_host") => Finding::ok(CHECK, "is passed on as it came"),
            Some("$host") => {
                Finding::note(CHECK, "is passed on without its port: pages on another port are refused", fix)
            }
            Some(other) => {
                let fix = format!("{fix}, or name the page's origin in auth.allowed_origins");
                Finding::warn(CHECK, format!("is set to {other}, which has to be the page's own"), fix)
            }
            None => Finding::fail(CHECK, "is the upstream's name: pages are refused as of a foreign origin", fix),
        }
    }

    fn forwarded(&self, believes: bool) -> Finding {
        const CHECK: &str = "X-Forwarded-For";
        match (self.header(CHECK).filter(|value| !value.is_empty()), believes) {
            (Some(_), true) => Finding::ok(CHECK, "is set, and TRUSTED_PROXIES says whom to believe"),
            (Some(_), false) => Finding::warn(
                CHECK,
                "is set, and TRUSTED_PROXIES is not: all clients share the limits of nginx' address",
                "set TRUSTED_PROXIES to the address of nginx for the instances",
            ),
            (None, _) => Finding::warn(
                CHECK,
                "is not set: all clients share the limits of nginx' address",
                "set proxy_set_header X-Forwarded-For $remote_addr, and TRUSTED_PROXIES",
            ),
        }
    }

    fn strategy(&self) -> Finding {
        const CHECK: &str = "strategy";
        let target = self.levels[2].iter().find(|directive| directive.name == "proxy_pass");
        let name = target.and_then(|pass| pass.arg().split("://").nth(1)).map(|rest| rest.trim_end_matches('/'));
        let mut upstreams = self.levels[0].iter().filter(|directive| directive.name == "upstream");
        let Some(upstream) = upstreams.find(|upstream| Some(upstream.arg()) == name) else {
            return Finding::ok(CHECK, "one server, without an upstream block");
        };
        let strategies = ["ip_hash", "least_conn", "random", "hash"];
        match strategies.iter().find(|strategy| block(&upstream.block, strategy).is_some()) {
            Some(&"ip_hash") => Finding::note(
                CHECK,
                "ip_hash, which sees three octets of an address: an office, or a load test, goes to one replica",
                "nothing with clients from all over; else least_conn (no stickiness is needed)",
            ),
            strategy => Finding::ok(CHECK, *strategy.unwrap_or(&"round robin")),
        }
    }
}

/// What a server is told apart by: its first name, else where it listens.
fn name_of(server: &[Directive]) -> &str {
    let find = |name: &str| server.iter().find(|directive| directive.name == name).map(Directive::arg);
    find("server_name").or_else(|| find("listen")).unwrap_or("the server without a name")
}

/// Unlike other directives, this one is not handed down.
fn passes_on(location: &Directive) -> bool {
    location.block.iter().any(|directive| directive.name == "proxy_pass")
}

/// Whether a regular expression of a server seems to lead the sockets' path to a replica. nginx takes it before any prefix
/// but one with `^~`.
fn by_expression(server: &[Directive]) -> bool {
    let expression = |location: &Directive| match &location.args[..] {
        [kind, text] if kind == "~" || kind == "~*" => text.contains(SOCKETS),
        [text] => text.starts_with('~') && text.contains(SOCKETS),
        _ => false,
    };
    let firm = location_of(server).and_then(|location| location.args.first());
    let firm = firm.is_some_and(|first| first.starts_with('=') || first == "^~");
    let mut locations = server.iter().filter(|directive| directive.name == "location");
    !firm && locations.any(|location| expression(location) && passes_on(location))
}

/// The location of a server that the sockets' path leads to. Regular expressions are left out.
fn location_of(server: &[Directive]) -> Option<&Directive> {
    let prefix = |location: &Directive| match &location.args[..] {
        [exact, path] if exact == "=" => (path == SOCKETS).then_some(usize::MAX),
        [exact] if exact.starts_with('=') => (&exact[1..] == SOCKETS).then_some(usize::MAX),
        [first, path] if first == "^~" => SOCKETS.starts_with(path.as_str()).then_some(path.len()),
        [path] => SOCKETS.starts_with(path.as_str()).then_some(path.len()),
        _ => None,
    };
    let locations = server.iter().filter(|directive| directive.name == "location");
    locations
        .filter_map(|location| Some((prefix(location)?, location)))
        .max_by_key(|(length, _)| *length)
        .map(|found| found.1)
}

/// Whether it has connections and files for its clients: each takes two of both, its own and the one to a replica.
fn room(top: &[Directive]) -> Finding {
    const CHECK: &str = "room";
    let number = |directives: &[Directive], name: &str| {
        directives.iter().rfind(|directive| directive.name == name).and_then(|found| found.arg().parse::<u64>().ok())
    };
    let Some(events) = block(top, "events") else {
        return Finding::note(CHECK, "cannot be seen: this file has no events block", "give the main nginx.conf");
    };
    let connections = number(events, "worker_connections").unwrap_or(DEFAULT_CONNECTIONS);
    let files = number(top, "worker_rlimit_nofile");
    let clients = connections.min(files.unwrap_or(DEFAULT_FILES)) / 2;
    let what = format!("for {clients} clients a worker");
    let fix = "set worker_rlimit_nofile 65536 and worker_connections 40000";
    match files {
        Some(files) if files < connections => {
            Finding::warn(CHECK, format!("{what}: worker_rlimit_nofile {files} is less than worker_connections"), fix)
        }
        None if connections > DEFAULT_FILES => {
            Finding::warn(CHECK, format!("{what} where 1024 files are the limit: worker_rlimit_nofile is not set"), fix)
        }
        _ if clients < FEW_CLIENTS => Finding::warn(CHECK, what, fix),
        _ => Finding::ok(CHECK, what),
    }
}

/// A time as nginx writes it (`90`, `60s`, `1h 30m` in quotes, `500ms`), in milliseconds.
fn millis(text: &str) -> Option<Millis> {
    const UNITS: [(&str, Millis); 7] = [
        ("ms", 1),
        ("s", 1_000),
        ("m", 60_000),
        ("h", 3_600_000),
        ("d", 86_400_000),
        ("w", 604_800_000),
        ("y", 31_536_000_000),
    ];
    let mut rest = text.trim();
    let mut sum: Millis = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: Millis = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let unit = match &rest[..letters] {
            "" => 1_000,
            name => UNITS.iter().find(|(unit, _)| *unit == name)?.1,
        };
        sum = sum.checked_add(number.checked_mul(unit)?)?;
        rest = rest[letters..].trim_start();
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    const GOOD: &str = "
        worker_rlimit_nofile 65536;
        events { worker_connections 40000; }
        http {
            upstream hubbub { least_conn; server a:3001; server b:3001; }
            server { listen 80; return 301 https://$host$request_uri; }
            server {
                proxy_http_version 1.1;
                proxy_connect_timeout 2s;
                proxy_read_timeout 5s;
                proxy_set_header Host $http_host;
                proxy_set_header Upgrade $http_upgrade;
                proxy_set_header Connection $connection_upgrade;
                proxy_set_header X-Forwarded-For $remote_addr;
                location / { proxy_pass http://hubbub; }
                location = /chat { proxy_pass http://hubbub; proxy_read_timeout 1h; }
                location ~ ^/chat.old { return 404; }
            }
        }";

    fn judged(text: &str, believes: bool) -> Vec<Finding> {
        let conf = Conf { directives: conf::parse(text).unwrap(), missing: Vec::new() };
        judge(&conf, &Wanted { heartbeat_ms: 25_000, believes })
    }

    #[test]
    fn a_good_one_is_well() {
        let found = judged(GOOD, true);
        assert!(found.len() > 5 && found.iter().all(|one| one.level == Level::Ok), "{found:#?}");
    }

    #[test]
    fn each_fault_is_named() {
        for (from, to, check, level) in [
            ("proxy_read_timeout 1h", "proxy_read_timeout 20s", "proxy_read_timeout", Level::Fail),
            ("proxy_read_timeout 1h", "proxy_read_timeout 30", "proxy_read_timeout", Level::Warn),
            ("location = /chat", "location = /other", "proxy_read_timeout", Level::Fail),
            ("proxy_connect_timeout 2s;", "", "proxy_connect_timeout", Level::Warn),
            ("proxy_http_version 1.1;", "", "upgrade", Level::Fail),
            ("proxy_set_header Upgrade $http_upgrade;", "", "upgrade", Level::Fail),
            ("proxy_set_header Host $http_host;", "", "Host", Level::Fail),
            ("Host $http_host", "Host $host", "Host", Level::Note),
            ("proxy_set_header X-Forwarded-For $remote_addr;", "", "X-Forwarded-For", Level::Warn),
            ("least_conn", "ip_hash", "strategy", Level::Note),
            ("worker_rlimit_nofile 65536;", "", "room", Level::Warn),
            ("worker_rlimit_nofile 65536", "worker_rlimit_nofile 2048", "room", Level::Warn),
            ("worker_connections 40000;", "", "room", Level::Warn),
            // Headers of a location take the place of those outside of it.
            ("proxy_read_timeout 1h;", "proxy_read_timeout 1h; proxy_set_header A b;", "upgrade", Level::Fail),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let found = judged(&GOOD.replace(from, to), true);
            let one = found.iter().find(|one| one.check == check).unwrap();
            assert_eq!(one.level, level, "{from} → {to}: {one:?}");
        }
        let unbelieved = judged(GOOD, false);
        assert!(unbelieved.iter().any(|one| one.check == "X-Forwarded-For" && one.level == Level::Warn));
        assert!(judged("http { server { listen 80; } }", true).iter().any(|one| one.check == "sockets"));
    }

    #[test]
    fn a_site_that_is_not_ours_is_left_alone() {
        const BLOG: &str = "http { server { server_name blog.example; location / { proxy_pass http://blog; } }";
        let beside = |text: &str| judged(&text.replace("http {", BLOG), true);
        let found = beside(GOOD);
        assert!(found.iter().all(|one| one.level == Level::Ok), "{found:#?}");
        // Without the path, any of them may be meant: each is named.
        let found = beside(&GOOD.replace("location = /chat", "location = /other"));
        let of = |name: &str| found.iter().filter(|one| one.what.starts_with(name)).count();
        assert!(of("blog.example: ") > 4 && of("the server without a name: ") == of("blog.example: "), "{found:#?}");
        for (expression, fails) in
            [("location ~ ^/chat$", false), ("location ~* ^/chats$", false), ("location ~ /x", true)]
        {
            let found = beside(&GOOD.replace("location = /chat", expression));
            assert_eq!(found.iter().any(|one| one.level == Level::Fail), fails, "{found:#?}");
            assert_eq!(
                found.iter().any(|one| one.check == "sockets" && one.level == Level::Note),
                !fails,
                "{found:#?}"
            );
        }
    }

    #[test]
    fn times_are_read_as_nginx_writes_them() {
        for (text, ms) in [("60", 60_000), ("60s", 60_000), ("1h", 3_600_000), ("1h 30m", 5_400_000), ("500ms", 500)] {
            assert_eq!(millis(text), Some(ms), "{text}");
        }
        for text in ["", "$t", "5x", "s"] {
            assert_eq!(millis(text), None, "{text}");
        }
    }
}
