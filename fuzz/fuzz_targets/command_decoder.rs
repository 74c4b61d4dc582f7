//! Any text frame of a client: the decoder never panics, refuses with the codes it may refuse with, and what it takes it
//! takes again in the same way when written anew.
#![no_main]

use hubbub::protocol::{
    command::{Request, decode},
    error::ErrorCode,
};
use libfuzzer_sys::fuzz_target;

const REFUSALS: [ErrorCode; 5] = [
    ErrorCode::Malformed,
    ErrorCode::UnknownType,
    ErrorCode::InvalidArgument,
    ErrorCode::InvalidRoom,
    ErrorCode::InvalidText,
];

fuzz_target!(|frame: &str| {
    match decode(frame) {
        Ok(request) => {
            let Request { id, command } = &request;
            let mut written = serde_json::to_value(command).expect("a command is JSON");
            if let Some(id) = id {
                written["id"] = serde_json::to_value(id).expect("an id is JSON");
            }
            assert_eq!(decode(&written.to_string()), Ok(request));
        }
        Err(rejection) => {
            assert!(REFUSALS.contains(&rejection.refusal.code), "{rejection:?}");
            assert!(!rejection.refusal.message.is_empty());
        }
    }
});
