//! The table of all routes. `docs/openapi.yaml` describes each; a test holds the two together.

use std::{collections::BTreeMap, fmt};

use actix_web::{
    Error, HttpMessage, HttpRequest, Route as Handler,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    guard,
    http::{
        Method,
        header::{self, AcceptEncoding, Encoding},
    },
    middleware::{Compress, Next, from_fn},
    web::{self, Data, PathConfig, QueryConfig, ServiceConfig},
};

use super::{
    accounts, admin, assets, bans, chat, health, instances, metrics, reply::HttpError, rooms, state::AppState,
};

/// Where WebSockets are opened.
const CHAT: &str = "/chat";

/// One route.
pub struct Route {
    /// The method; GET answers HEAD too, but at `/chat`.
    pub method: Method,
    /// The path in the router's syntax.
    pub path: &'static str,
    handler: fn() -> Handler,
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

impl Route {
    /// The path as OpenAPI writes it: `{asset:.*}` is `{asset}`.
    pub fn template(&self) -> String {
        self.path.replace(":.*}", "}")
    }

    /// Whether HEAD is answered as GET. A WebSocket is opened with GET only (RFC 6455 section 4.1).
    fn answers_head(&self) -> bool {
        self.path != CHAT
    }

    /// The route with the guard for its method.
    fn service(&self) -> Handler {
        let handler = (self.handler)();
        match self.method {
            Method::GET if self.answers_head() => handler.guard(guard::Any(guard::Get()).or(guard::Head())),
            _ => handler.guard(guard::Method(self.method.clone())),
        }
    }
}

macro_rules! routes {
    ($($method:ident $path:expr => $handler:path;)*) => {
        /// Every route; where paths overlap the first wins.
        pub static ROUTES: &[Route] =
            &[$(Route { method: Method::$method, path: $path, handler: || web::to($handler) },)*];
    };
}

routes! {
    GET "/health" => health::health;
    GET "/api/health" => health::health;
    GET "/ready" => health::ready;
    GET "/api/instance" => health::instance;
    GET CHAT => chat::chat;
    GET "/api/connect" => chat::connect;
    GET "/metrics" => metrics::metrics;
    GET "/metrics/prometheus" => metrics::prometheus;
    POST "/api/register" => accounts::register;
    POST "/api/login" => accounts::login;
    POST "/api/logout" => accounts::logout;
    GET "/api/me" => accounts::me;
    GET "/api/rooms" => rooms::list;
    GET "/api/rooms/{room}/messages" => rooms::messages;
    POST "/api/rooms/{room}/messages" => rooms::post;
    GET "/api/rooms/{room}/presence" => rooms::presence;
    GET "/api/sessions" => admin::sessions;
    GET "/api/sessions/stats" => admin::stats;
    DELETE "/api/users/{id}/connections" => admin::disconnect;
    GET "/api/bans" => bans::list;
    DELETE "/api/users/{id}/ban" => bans::lift;
    GET "/api/instances" => instances::list;
    POST "/api/instances/{id}/drain" => admin::drain;
    GET "/api/events" => admin::events;
    GET "/admin" => assets::asset;
    GET "/" => assets::asset;
    GET "/{asset:.*}" => assets::asset;
}

/// The pattern as it stands in the table, for a label that lives as long as the program.
pub fn label(pattern: &str) -> Option<&'static str> {
    ROUTES.iter().map(|route| route.path).find(|path| *path == pattern)
}

/// Registers every route, what answers a wrong method, and what is said of paths and queries that cannot be read.
pub fn configure(service: &mut ServiceConfig) {
    service
        .app_data(QueryConfig::default().error_handler(|error, _| HttpError::from(error).into()))
        .app_data(PathConfig::default().error_handler(|error, _| HttpError::from(error).into()));
    // Not a map by path alone: the order of the table decides between "/chat" and "/{asset:.*}".
    let mut paths: BTreeMap<&str, Vec<&Route>> = BTreeMap::new();
    let mut order = Vec::new();
    for route in ROUTES {
        let routes = paths.entry(route.path).or_default();
        if routes.is_empty() {
            order.push(route.path);
        }
        routes.push(route);
    }
    for path in order {
        let routes = paths.remove(path).unwrap_or_default();
        let allow = allowed(&routes);
        let is_file = path == "/" || path == "/admin" || path.starts_with("/{");
        let wrong_method = move |request: HttpRequest, state: Data<AppState>| {
            let allow = allow.clone();
            async move {
                // Whatever is no other path may be a file's.
                let known = !is_file || assets::exists(&request, &state).await;
                let error = if known { HttpError::method_not_allowed(allow) } else { assets::missing() };
                Err::<&str, _>(error)
            }
        };
        let resource = routes.into_iter().fold(web::resource(path), |resource, route| resource.route(route.service()));
        let resource = resource.default_service(web::to(wrong_method));
        // Only files: compressing what an API says costs more than it saves, and leaks lengths of what is secret.
        if is_file {
            service.service(resource.wrap(Compress::default()).wrap(from_fn(accept_some_encoding)));
        } else {
            service.service(resource);
        }
    }
}

/// Who takes none of our encodings, the plain one included, gets the plain one rather than a 406 (RFC 9110 section
/// 12.5.3 leaves the choice): a page that is read after all serves better.
async fn accept_some_encoding(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let ours = [Encoding::identity(), Encoding::gzip(), Encoding::deflate()];
    let wanted = request.get_header::<AcceptEncoding>();
    if wanted.is_some_and(|wanted| wanted.negotiate(ours.iter()).is_none()) {
        request.headers_mut().remove(header::ACCEPT_ENCODING);
    }
    next.call(request).await
}

fn allowed(routes: &[&Route]) -> String {
    let names = routes.iter().map(|route| match route.method {
        Method::GET if route.answers_head() => "GET, HEAD",
        Method::GET => "GET",
        Method::DELETE => "DELETE",
        _ => "POST",
    });
    names.collect::<Vec<_>>().join(", ")
}
