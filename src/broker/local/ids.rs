//! How the file finds a message by its id.

use ulid::Ulid;

/// The half of an id that it is found by in the file: of a ULID the half that holds the time. All ids made here read as
/// ULIDs; for any other this is 0 and finds nothing.
pub(super) fn id_half(id: &str) -> i64 {
    Ulid::from_string(id).map_or(0, |id| ((id.0 >> 64) as u64).cast_signed())
}
