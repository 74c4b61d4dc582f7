//! What becomes of an error of Redis: it is logged where it happened, the link hears of it, and whoever asked learns only
//! that it was in vain.

use fred::error::{Error, ErrorKind};
use tracing::{debug, warn};

use super::context::Context;
use crate::broker::Unavailable;

impl Context {
    /// Logs that `what` failed, without a value or an address, and tells the link. That Redis is away is the link's to log.
    pub(super) fn unavailable(&self, what: &'static str, error: &Error) -> Unavailable {
        match error.kind() {
            ErrorKind::Timeout | ErrorKind::IO | ErrorKind::Canceled => debug!("{what}: Redis: {}", error.details()),
            _ => warn!("{what}: Redis: {}", error.details()),
        }
        self.failed(error);
        Unavailable
    }
}
