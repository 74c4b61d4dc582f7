//! The layers of the library, held by its own imports: arrows point down only (`src/lib.rs`).

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Every module at the top, with its layer.
const LAYERS: [(&str, u8); 23] = [
    ("protocol", 0),
    ("chat", 1),
    ("clock", 2),
    ("metrics", 2),
    ("lifecycle", 2),
    ("telemetry", 2),
    ("journal", 2),
    ("limits", 3),
    ("auth", 3),
    ("broker", 4),
    ("transport", 5),
    ("actors", 5),
    ("http", 6),
    ("drain", 6),
    ("bench", 6),
    ("import", 6),
    ("probe", 6),
    ("cluster", 6),
    ("doctor", 6),
    ("settings", 7),
    ("app", 7),
    ("cli", 7),
    ("main", 7),
];

/// Above it a file without its tests is to be split by concept.
const MOST_LINES: usize = 500;

/// A source file: the module at the top that it belongs to, and its lines without tests and comments.
struct Source {
    path: PathBuf,
    module: String,
    code: Vec<String>,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    assert!(files.len() > 50, "the sources are there");
    files.into_iter().map(|path| read(&root, path)).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
}

fn read(root: &Path, path: PathBuf) -> Source {
    let text = fs::read_to_string(&path).unwrap();
    let inside = path.strip_prefix(root).unwrap().to_path_buf();
    let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
    let module = first.trim_end_matches(".rs").to_owned();
    // Tests stand at the foot of a file, or in a file of their own.
    let tests_only = inside.file_stem().unwrap().to_str().unwrap().ends_with("tests")
        || inside.file_stem().is_some_and(|stem| stem == "testing");
    let lines = text.lines().take_while(|line| !tests_only && *line != "#[cfg(test)]");
    let code = lines.map(|line| line.split("//").next().unwrap_or_default().trim_end().to_owned()).collect();
    Source { path: inside, module, code }
}

/// The modules at the top that a file names by `crate::`, with groups of imports taken apart.
fn named(code: &[String]) -> Vec<String> {
    let code: String = code.join(" ");
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => found.extend(members(group)),
            None => found.push(word(rest)),
        }
    }
    found
}

/// The first words of the items of a group, whose opening brace is gone already.
fn members(group: &str) -> Vec<String> {
    let (mut depth, mut start, mut found) = (0, true, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => start = true,
            c if start && c.is_alphabetic() => {
                found.push(word(&group[at..]));
                start = false;
            }
            _ => {}
        }
    }
    found
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn groups_of_imports_are_taken_apart() {
    let code = [
        "use crate::{",
        "    actors::{hub::Hub, messages::{A, B}},",
        "    clock::Clock, protocol,",
        "};",
        "crate::auth::x()",
    ];
    let code = code.map(str::to_owned);
    assert_eq!(named(&code), ["actors", "clock", "protocol", "auth"]);
}

#[test]
fn imports_point_down() {
    let layers: BTreeMap<&str, u8> = LAYERS.into();
    let mut wrong = Vec::new();
    for Source { path, module, code } in sources() {
        if module == "lib" {
            continue;
        }
        let Some(own) = layers.get(module.as_str()) else {
            wrong.push(format!("{}: the module '{module}' has no layer; give it one here", path.display()));
            continue;
        };
        for used in named(&code) {
            // Modules of one layer stand side by side, so that only a step up is wrong.
            if layers.get(used.as_str()).is_none_or(|layer| layer > own) {
                wrong.push(format!("{}: '{module}' (layer {own}) uses '{used}'", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_rules_of_a_chat_are_pure() {
    let mut wrong = Vec::new();
    for Source { path, module, code } in sources() {
        let forbidden: &[&str] = match module.as_str() {
            "protocol" => {
                &["tokio::", "actix", "tracing::", "std::time", "SystemTime", "Instant", "std::fs", "std::net"]
            }
            "chat" => &["tokio::", "actix", "tracing::", "SystemTime", "Instant", "std::fs", "std::net", "std::thread"],
            _ => continue,
        };
        let lines = code.iter().filter(|line| forbidden.iter().any(|word| line.contains(word)));
        wrong.extend(lines.map(|line| format!("{}: {}", path.display(), line.trim())));
        if module == "chat" {
            let outside = named(&code).into_iter().filter(|used| used != "protocol" && used != "chat");
            wrong.extend(outside.map(|used| format!("{}: uses '{used}'", path.display())));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn files_are_read_in_a_sitting() {
    let long = sources().into_iter().filter(|source| source.code.len() > MOST_LINES);
    let long: Vec<_> = long.map(|source| format!("{}: {} lines", source.path.display(), source.code.len())).collect();
    assert!(long.is_empty(), "{long:#?}");
}
