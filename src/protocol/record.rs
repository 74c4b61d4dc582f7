//! What an admin should see of the last while without reading logs, as data: refusals, failed proofs of identity, faults.

use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{
    error::ErrorCode,
    ids::{Millis, UserId},
};

/// Longest `detail`, in characters; the rest is cut.
pub const MAX_DETAIL_CHARS: usize = 200;

/// What kind of thing was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Somebody was refused something.
    Refusal,
    /// A password, key or token that proved nothing.
    Authentication,
    /// Something of the server's own went wrong.
    Fault,
}

impl Kind {
    /// How many there are.
    pub const COUNT: usize = 3;
}

/// Something to record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// What kind.
    pub kind: Kind,
    /// The code that was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<ErrorCode>,
    /// Who, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// From where, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// A sentence for a person. Never a secret.
    pub detail: Box<str>,
}

impl Note {
    /// A note of a kind with a sentence; the other fields are empty.
    pub fn new(kind: Kind, detail: impl AsRef<str>) -> Self {
        let detail = detail.as_ref().chars().take(MAX_DETAIL_CHARS).collect::<String>().into();
        Self { kind, code: None, user: None, address: None, detail }
    }

    /// With the code that was answered.
    #[must_use]
    pub fn code(mut self, code: ErrorCode) -> Self {
        self.code = Some(code);
        self
    }

    /// With who it was.
    #[must_use]
    pub fn user(mut self, user: UserId) -> Self {
        self.user = Some(user);
        self
    }

    /// With where it came from.
    #[must_use]
    pub fn address(mut self, address: IpAddr) -> Self {
        self.address = Some(address);
        self
    }
}

/// A note, when it was made and how often in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The last time.
    pub ts: Millis,
    /// The first time.
    pub first_ts: Millis,
    /// How often.
    pub count: u64,
    /// What.
    #[serde(flatten)]
    pub note: Note,
}
