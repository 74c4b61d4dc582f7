//! Reads a configuration of nginx: directives with their arguments, and blocks of them.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Files that include each other are followed so deep.
const DEPTH: usize = 8;

/// A directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directive {
    /// Its first word.
    pub(super) name: String,
    /// The others.
    pub(super) args: Vec<String>,
    /// What stands in its braces.
    pub(super) block: Vec<Directive>,
}

impl Directive {
    /// The first argument; empty when there is none.
    pub(super) fn arg(&self) -> &str {
        self.args.first().map_or("", String::as_str)
    }
}

/// A configuration, and the files it includes that could not be read.
#[derive(Debug, Default)]
pub(super) struct Conf {
    /// What stands at the top.
    pub(super) directives: Vec<Directive>,
    /// Named by `include`, and not there.
    pub(super) missing: Vec<PathBuf>,
}

/// Reads a file, and those that it includes: their names are relative to its folder, and may end in `*.conf`.
///
/// # Errors
/// A sentence, when the file cannot be read or is no configuration.
pub(super) fn load(file: &Path) -> Result<Conf, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    let mut conf = Conf { directives: parse(&text)?, missing: Vec::new() };
    let folder = file.parent().unwrap_or(Path::new("."));
    let directives = std::mem::take(&mut conf.directives);
    conf.directives = follow(directives, folder, &mut conf.missing, DEPTH);
    Ok(conf)
}

fn follow(directives: Vec<Directive>, folder: &Path, missing: &mut Vec<PathBuf>, depth: usize) -> Vec<Directive> {
    let mut followed = Vec::with_capacity(directives.len());
    for mut directive in directives {
        if directive.name != "include" {
            directive.block = follow(directive.block, folder, missing, depth);
            followed.push(directive);
            continue;
        }
        for file in files(&folder.join(directive.arg())) {
            match fs::read_to_string(&file).ok().and_then(|text| parse(&text).ok()) {
                Some(included) if depth > 0 => followed.extend(follow(included, folder, missing, depth - 1)),
                _ => missing.push(file),
            }
        }
    }
    followed
}

/// The files that a name means: itself, or those of its folder that begin and end as it does around a `*`.
fn files(name: &Path) -> Vec<PathBuf> {
    let parts = name.file_name().and_then(|last| last.to_str()).and_then(|last| last.split_once('*'));
    let (Some((start, end)), Some(folder)) = (parts, name.parent()) else { return vec![name.to_owned()] };
    let there = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let meant = |file: &PathBuf| {
        let name = file.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(start) && name.ends_with(end))
    };
    let mut files: Vec<_> = there.filter(meant).collect();
    files.sort();
    files
}

/// Reads a text.
///
/// # Errors
/// A sentence, when braces or quotes are not closed.
pub(super) fn parse(text: &str) -> Result<Vec<Directive>, String> {
    // The blocks that are open, outermost first, and the words since the last end.
    let mut open: Vec<Vec<Directive>> = vec![Vec::new()];
    let mut names: Vec<Vec<String>> = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => {}
            '#' => while chars.next_if(|c| *c != '\n').is_some() {},
            ';' => end(&mut open, &mut words, Vec::new()),
            '{' => {
                names.push(std::mem::take(&mut words));
                open.push(Vec::new());
            }
            '}' => {
                let (Some(mut name), Some(block)) = (names.pop(), open.pop()) else {
                    return Err("a } closes nothing".into());
                };
                end(&mut open, &mut name, block);
            }
            quote @ ('"' | '\'') => words.push(quoted(&mut chars, quote)?),
            first => {
                let mut word = String::from(first);
                while let Some(next) = chars.next_if(|c| !c.is_whitespace() && !matches!(c, ';' | '{')) {
                    word.push(next);
                    // `${name}` is a part of the word.
                    if next == '$' || (first == '$' && word.len() == 1) {
                        variable(&mut chars, &mut word);
                    }
                }
                if first == '$' && word.len() == 1 {
                    variable(&mut chars, &mut word);
                }
                words.push(word);
            }
        }
    }
    match (open.pop(), names.is_empty() && words.is_empty()) {
        (Some(top), true) => Ok(top),
        _ => Err("a { or ; is missing at the end".into()),
    }
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn variable(chars: &mut Chars<'_>, word: &mut String) {
    if chars.peek() == Some(&'{') {
        for c in chars.by_ref() {
            word.push(c);
            if c == '}' {
                break;
            }
        }
    }
}

fn quoted(chars: &mut Chars<'_>, quote: char) -> Result<String, String> {
    let mut word = String::new();
    while let Some(c) = chars.next() {
        match c {
            c if c == quote => return Ok(word),
            '\\' => word.extend(chars.next()),
            c => word.push(c),
        }
    }
    Err(format!("a {quote} is not closed"))
}

fn end(open: &mut [Vec<Directive>], words: &mut Vec<String>, block: Vec<Directive>) {
    let mut words = std::mem::take(words).into_iter();
    if let (Some(name), Some(level)) = (words.next(), open.last_mut()) {
        level.push(Directive { name, args: words.collect(), block });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_blocks_comments_and_quotes_are_read() {
        let text = "user www; # who\nhttp {\n  map $a \"x y\" { default '{\"k\":1}'; '' close; }\n  \
                    server { listen 80; location = /chat { proxy_pass http://${up}; } }\n}\n";
        let conf = parse(text).unwrap();
        assert_eq!((conf[0].name.as_str(), conf[0].arg()), ("user", "www"));
        let [map, server] = &conf[1].block[..] else { panic!("{conf:?}") };
        assert_eq!(map.args, ["$a", "x y"]);
        assert_eq!((map.block[0].arg(), map.block[1].name.as_str()), ("{\"k\":1}", ""));
        let location = &server.block[1];
        assert_eq!(location.args, ["=", "/chat"]);
        assert_eq!(location.block[0].arg(), "http://${up}");
    }

    #[test]
    fn what_is_not_closed_is_no_configuration() {
        for text in ["http {", "}", "a 'b", "a b"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse(" # nothing\n"), Ok(Vec::new()));
    }

    #[test]
    fn included_files_are_read_where_they_stand() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("nginx.conf", "http { include parts/*.conf; include none.conf; }");
        fs::create_dir(folder.path().join("parts")).unwrap();
        write("parts/a.conf", "include b.inc;");
        write("parts/c.txt", "no;");
        write("b.inc", "ip_hash;");
        let conf = load(&folder.path().join("nginx.conf")).unwrap();
        assert_eq!(conf.directives[0].block[0].name, "ip_hash");
        assert_eq!(conf.missing, [folder.path().join("none.conf")]);
        write("b.inc", "include b.inc;");
        assert_eq!(load(&folder.path().join("nginx.conf")).unwrap().missing.len(), 2, "it ends");
    }
}
