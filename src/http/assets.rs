//! The web client's files: from the program itself, or from a folder while one works on them.

use std::{borrow::Cow, path::Path};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, EntityTag, Header, IfNoneMatch},
    web::{self, Data},
};
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

use super::{
    packing,
    reply::{Answer, HttpError},
    state::AppState,
};

/// What the browser may do with our pages: only what comes from here, and nothing inline.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'; require-trusted-types-for 'script'";

#[derive(RustEmbed)]
#[folder = "static/"]
struct Embedded;

/// A file and its SHA-256.
struct Asset {
    bytes: Cow<'static, [u8]>,
    hash: [u8; 32],
}

impl Asset {
    fn embedded(path: &str) -> Option<Self> {
        let file = Embedded::get(path)?;
        Some(Self { hash: file.metadata.sha256_hash(), bytes: file.data })
    }

    fn on_disk(folder: &Path, path: &str) -> Option<Self> {
        let bytes = std::fs::read(folder.join(path)).ok()?;
        Some(Self { hash: Sha256::digest(&bytes).into(), bytes: bytes.into() })
    }

    /// Weak, since the bytes sent depend on the encoding agreed on (RFC 9110 section 8.8.1).
    fn tag(&self) -> EntityTag {
        EntityTag::new_weak(self.hash.iter().take(12).map(|byte| format!("{byte:02x}")).collect())
    }
}

/// `GET /`, `GET /admin` and `GET /{path}`: a file of the web client. `/admin/` leads to `/admin`.
pub async fn asset(request: HttpRequest, state: Data<AppState>) -> Answer {
    let path = file_of(&request);
    if path == "admin/" {
        // From there the relative paths of the page would lead nowhere. Relative itself: the server may be below a path.
        return Ok(HttpResponse::PermanentRedirect().insert_header((header::LOCATION, "../admin")).finish());
    }
    let asset = find(path, &state).await.ok_or_else(missing)?;
    let tag = asset.tag();
    let mut response = if knows(&request, &tag) { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    // The names carry no version, so the browser asks each time; mostly the answer is 304.
    response.insert_header((header::CACHE_CONTROL, "no-cache")).insert_header((header::ETAG, tag.to_string()));
    if knows(&request, &tag) {
        return Ok(response.finish());
    }
    response.insert_header((header::CONTENT_TYPE, media_type(path)));
    if state.static_dir.is_none()
        && packing::wanted(&request)
        && let Some(packed) = packing::packed(path, &asset.bytes, asset.hash)
    {
        response.insert_header((header::CONTENT_ENCODING, "gzip")).insert_header((header::VARY, "accept-encoding"));
        return Ok(response.body(packed));
    }
    Ok(match asset.bytes {
        Cow::Borrowed(bytes) => response.body(bytes),
        Cow::Owned(bytes) => response.body(bytes),
    })
}

/// Whether there is a file at the path of a request.
pub(super) async fn exists(request: &HttpRequest, state: &AppState) -> bool {
    find(file_of(request), state).await.is_some()
}

/// The answer where there is none.
pub(super) fn missing() -> HttpError {
    HttpError::not_found("there is nothing at this path")
}

fn file_of(request: &HttpRequest) -> &str {
    match request.path().trim_start_matches('/') {
        "" => "index.html",
        "admin" => "admin.html",
        path => path,
    }
}

async fn find(path: &str, state: &AppState) -> Option<Asset> {
    match (is_plain(path), &state.static_dir) {
        (false, _) => None,
        (true, None) => Asset::embedded(path),
        (true, Some(folder)) => {
            let (folder, path) = (folder.clone(), path.to_owned());
            web::block(move || Asset::on_disk(&folder, &path)).await.ok().flatten()
        }
    }
}

/// Whether a path has only plain names: nothing hidden, nothing that leads upwards, whatever the system's separator.
fn is_plain(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    path.split('/').all(|name| !name.is_empty() && !name.starts_with('.') && name.chars().all(plain))
}

/// Whether the browser has this version already.
fn knows(request: &HttpRequest, tag: &EntityTag) -> bool {
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(tag)),
        Err(_) => false,
    }
}

/// The type by the name's ending; texts are UTF-8.
fn media_type(path: &str) -> String {
    let guess = mime_guess::from_path(path).first_or_octet_stream();
    match guess.type_() {
        mime_guess::mime::TEXT => format!("{guess}; charset=utf-8"),
        _ => guess.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::http::comments::without_comments;

    #[test]
    fn only_plain_paths_are_looked_up() {
        for good in ["index.html", "js/app.js", "css/a_b-c.1.css"] {
            assert!(is_plain(good), "{good}");
        }
        for bad in ["", "/etc/passwd", "a//b", "../a", "a/../b", ".git/config", "a\\b", "C:", "a%2e", "a/"] {
            assert!(!is_plain(bad), "{bad}");
        }
    }

    #[test]
    fn every_script_of_the_program_is_sent_without_its_comments() {
        for path in Embedded::iter().filter(|path| path.ends_with(".js")) {
            let file = Embedded::get(&path).unwrap();
            let source = str::from_utf8(&file.data).unwrap();
            let bare = without_comments(source).unwrap_or_else(|| panic!("{path}: what is a comment there?"));
            assert_eq!(bare.lines().count(), source.lines().count(), "{path}");
            assert!(!bare.contains("/**"), "{path}");
        }
    }

    #[test]
    fn types_follow_names() {
        assert_eq!(media_type("app.js"), "text/javascript; charset=utf-8");
        assert_eq!(media_type("favicon.svg"), "image/svg+xml");
        assert_eq!(media_type("what"), "application/octet-stream");
    }

    proptest! {
        #[test]
        fn no_plain_path_leaves_its_folder(path in "[a./_-]{0,12}") {
            if is_plain(&path) {
                prop_assert!(Path::new(&path).components().all(|part| matches!(part, std::path::Component::Normal(_))));
            }
        }
    }
}
