//! Loading: defaults < files, in the order given < environment < flags. Nothing unknown passes.

use std::path::PathBuf;

use config::{Config, File, FileFormat, Value, ValueKind};

use super::{
    Settings,
    environment::{self, Environment, Given},
};
use crate::auth::config::InvalidSetting;

/// The file read when it is there.
pub const USUAL_FILE: &str = "config/hubbub.toml";

/// Where settings come from beside their defaults.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// A file that may be missing, read before the others.
    pub usual_file: Option<PathBuf>,
    /// Files that must be there; a later one wins.
    pub files: Vec<PathBuf>,
    /// Variables.
    pub environment: Environment,
    /// Flags.
    pub flags: Vec<Given>,
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file that is not there or is no TOML.
    #[error("{0}")]
    File(#[from] config::ConfigError),
    /// A key that is unknown, or a value that is not allowed.
    #[error("{0}")]
    Setting(#[from] InvalidSetting),
    /// The defaults cannot be written as TOML.
    #[error("{0}")]
    Defaults(#[from] toml::ser::Error),
}

/// Loads and checks the settings.
///
/// # Errors
/// What is wrong, by the name of the file or key, and what is allowed.
pub fn load(sources: &Sources) -> Result<Settings, SettingsError> {
    let defaults = toml::Table::try_from(Settings::default())?;
    let mut given = environment::collect(&sources.environment);
    given.extend(sources.flags.iter().cloned());
    for empty in environment::empty_long_names(&sources.environment) {
        check_key(empty)?;
    }

    let mut layers = Config::builder();
    if let Some(file) = &sources.usual_file {
        layers = layers.add_source(File::from(file.as_path()).format(FileFormat::Toml).required(false));
    }
    for file in &sources.files {
        layers = layers.add_source(File::from(file.as_path()).format(FileFormat::Toml));
    }
    for Given { key, text, origin } in &given {
        let unreadable = |_| InvalidSetting::new(origin.clone(), "is no name of a key; keys are HUBBUB__SECTION__KEY");
        let value = Value::new(Some(origin), typed(key, text, &defaults));
        layers = layers.set_override(key, value).map_err(unreadable)?;
    }

    // The crate layers well, but its own decoding takes "yes" for a number and does not say which values are allowed.
    let table: toml::Table = layers.build()?.try_deserialize()?;
    let settings: Settings = table.try_into().map_err(|error| explain(&error, &given))?;
    let settings = settings.without_empty();
    settings.validate()?;
    Ok(settings)
}

/// Refuses a key that is none. Whether it is one only the decoding knows, so it decodes a file of that key alone.
fn check_key(given: Given) -> Result<(), InvalidSetting> {
    let empty = toml::Value::String(String::new());
    let nested = given
        .key
        .rsplit('.')
        .fold(empty, |inner, part| toml::Value::Table(toml::Table::from_iter([(part.to_owned(), inner)])));
    match nested.try_into::<Settings>() {
        // What is wrong with a key that is one is only that it is empty, and a key within a value is none.
        Err(error) if ["unknown field", "invalid type: map"].iter().any(|why| error.message().starts_with(why)) => {
            Err(explain(&error, &[given]))
        }
        _ => Ok(()),
    }
}

/// A text as what the default of its key is; what does not read as that stays text, for the decoding to refuse by name.
fn typed(key: &str, text: &str, defaults: &toml::Table) -> ValueKind {
    let mut parts = key.split('.');
    let first = parts.next().and_then(|part| defaults.get(part));
    let default = parts.fold(first, |value, part| value?.get(part));
    let kind = match default {
        Some(toml::Value::Integer(_)) => text.parse().ok().map(ValueKind::I64),
        Some(toml::Value::Float(_)) => text.parse().ok().map(ValueKind::Float),
        Some(toml::Value::Boolean(_)) => match text {
            "true" | "1" => Some(ValueKind::Boolean(true)),
            "false" | "0" => Some(ValueKind::Boolean(false)),
            _ => None,
        },
        _ => None,
    };
    kind.unwrap_or_else(|| ValueKind::String(text.into()))
}

/// The key a value was refused for, with the name of the variable or flag if it came by one.
fn explain(error: &toml::de::Error, given: &[Given]) -> InvalidSetting {
    let whole = error.to_string();
    let section = whole.lines().find_map(|line| line.strip_prefix("in `")?.strip_suffix('`')).unwrap_or_default();
    let unknown = error.message().strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
    let key = match unknown {
        Some(field) if section.is_empty() => field.into(),
        Some(field) => format!("{section}.{field}"),
        None => section.to_owned(),
    };
    let origin = given.iter().rev().find(|given| given.key == key || given.key.starts_with(&format!("{key}.")));
    let name = match origin {
        Some(given) => format!("{key} ({})", given.origin),
        None => key,
    };
    InvalidSetting::new(name, error.message().to_owned())
}
