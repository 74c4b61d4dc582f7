//! JavaScript without its comments: they explain the client to those who read its source, and are a third of what a
//! visitor would download.
//!
//! No parser, but enough of ECMAScript's lexical grammar (ECMA-262, section 12) to know text from code: strings,
//! templates, regular expressions. Where a slash could be two things, the file stays as it is.

/// Words after which an expression begins: a slash there begins a regular expression.
const BEFORE_EXPRESSION: [&str; 10] =
    ["return", "typeof", "instanceof", "in", "new", "delete", "void", "throw", "case", "else"];

/// Words that are names in some places: a slash after them can be either.
const EITHER: [&str; 5] = ["of", "yield", "await", "async", "do"];

/// Words whose parentheses are followed by a statement, which may begin with a regular expression.
const BEFORE_CONDITION: [&str; 4] = ["if", "while", "for", "with"];

/// The same program with each comment gone, and the space at the ends of lines; none if it cannot be told for certain
/// what is a comment. Line breaks stay, so that errors name the same lines, and semicolons that are left out are found
/// in the same places.
pub(super) fn without_comments(source: &str) -> Option<String> {
    // Comments by other names (ECMA-262, section B.1.1), and line breaks that no editor shows.
    let strange = ["<!--", "-->", "\r", "\u{2028}", "\u{2029}"];
    if source.starts_with("#!") || strange.iter().any(|text| source.contains(text)) {
        return None;
    }
    let mut lexer =
        Lexer { source, at: 0, out: String::with_capacity(source.len()), slash: Slash::Regex, open: vec![] };
    lexer.run()?;
    Some(lexer.out)
}

/// What a slash would be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slash {
    Division,
    Regex,
    Unknown,
}

/// What was opened and is to be closed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Parenthesis {
        condition: bool,
    },
    Brace,
    /// `${` of a template.
    Substitution,
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    out: String,
    slash: Slash,
    open: Vec<Open>,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.source[self.at..]
    }

    /// Passes on the next `length` bytes.
    fn keep(&mut self, length: usize) {
        self.out.push_str(&self.source[self.at..self.at + length]);
        self.at += length;
    }

    fn run(&mut self) -> Option<()> {
        let mut word = "";
        while let Some(next) = self.rest().chars().next() {
            let rest = self.rest();
            let before = word;
            word = "";
            match next {
                ' ' | '\t' | '\n' => {
                    word = before;
                    self.space(next);
                }
                '/' if rest.starts_with("//") => {
                    word = before;
                    self.at += rest.find('\n').unwrap_or(rest.len());
                }
                '/' if rest.starts_with("/*") => {
                    word = before;
                    self.block_comment()?;
                }
                '/' => self.slash()?,
                '"' | '\'' => {
                    let length = quoted(rest, next)?;
                    self.operand(length);
                }
                '`' => self.template(1)?,
                '}' if self.open.last() == Some(&Open::Substitution) => {
                    self.open.pop();
                    self.template(1)?;
                }
                _ if is_word(next) => {
                    let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                    word = &self.source[self.at..self.at + length];
                    self.word(word);
                }
                _ => self.punctuator(next, before)?,
            }
        }
        self.open.is_empty().then_some(())
    }

    /// None at the beginning or the end of a line.
    fn space(&mut self, next: char) {
        self.at += 1;
        if next == '\n' {
            self.line_break();
        } else if !self.out.is_empty() && !self.out.ends_with('\n') {
            self.out.push(next);
        }
    }

    fn line_break(&mut self) {
        self.out.truncate(self.out.trim_end_matches([' ', '\t']).len());
        self.out.push('\n');
    }

    /// A comment is a space, or a line break if it has one (ECMA-262, section 12.4).
    fn block_comment(&mut self) -> Option<()> {
        let length = self.rest()[2..].find("*/")? + 4;
        let breaks = self.rest()[..length].matches('\n').count();
        self.at += length;
        if breaks == 0 {
            self.out.push(' ');
        }
        (0..breaks).for_each(|_| self.line_break());
        Some(())
    }

    fn operand(&mut self, length: usize) {
        self.keep(length);
        self.slash = Slash::Division;
    }

    fn slash(&mut self) -> Option<()> {
        match self.slash {
            Slash::Unknown => return None,
            Slash::Regex => {
                let length = regex(self.rest())?;
                self.operand(length);
            }
            Slash::Division => {
                self.keep(1);
                self.slash = Slash::Regex;
            }
        }
        Some(())
    }

    fn word(&mut self, word: &str) {
        // The name of a property may be any word; `...` is followed by an expression.
        let property = self.out.ends_with('.') && !self.out.ends_with("...") || self.out.ends_with("?.");
        self.keep(word.len());
        self.slash = if property {
            Slash::Division
        } else if BEFORE_EXPRESSION.contains(&word) {
            Slash::Regex
        } else if EITHER.contains(&word) {
            Slash::Unknown
        } else {
            Slash::Division
        };
    }

    /// From a back tick, or the end of a substitution, to the next of either.
    fn template(&mut self, begun: usize) -> Option<()> {
        let mut escaped = false;
        let rest = self.rest();
        for (at, character) in rest.char_indices().skip(begun) {
            if escaped {
                escaped = false;
            } else if character == '\\' {
                escaped = true;
            } else if character == '`' {
                self.operand(at + 1);
                return Some(());
            } else if rest[at..].starts_with("${") {
                self.keep(at + 2);
                self.open.push(Open::Substitution);
                self.slash = Slash::Regex;
                return Some(());
            }
        }
        None
    }

    fn punctuator(&mut self, next: char, before: &str) -> Option<()> {
        let twice = next == '+' || next == '-';
        let again = twice && self.out.ends_with(next);
        self.keep(next.len_utf8());
        self.slash = match next {
            '(' => {
                self.open.push(Open::Parenthesis { condition: BEFORE_CONDITION.contains(&before) });
                Slash::Regex
            }
            ')' => match self.open.pop()? {
                Open::Parenthesis { condition: true } => Slash::Regex,
                Open::Parenthesis { condition: false } => Slash::Division,
                _ => return None,
            },
            ']' => Slash::Division,
            '{' => {
                self.open.push(Open::Brace);
                Slash::Regex
            }
            // The end of a block, or of an object.
            '}' => (self.open.pop()? == Open::Brace).then_some(Slash::Unknown)?,
            // After a name or before one.
            _ if again => Slash::Unknown,
            _ => Slash::Regex,
        };
        Some(())
    }
}

/// Whether a character may be in a name, a keyword or a number.
fn is_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '$' | '#' | '\\') || !character.is_ascii()
}

/// The length of the string that a text begins with.
fn quoted(text: &str, mark: char) -> Option<usize> {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            '\n' if !escaped => return None,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == mark => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The length of the regular expression that a text begins with, its flags not included: they are a word.
fn regex(text: &str) -> Option<usize> {
    let (mut escaped, mut class) = (false, false);
    for (at, character) in text.char_indices().skip(1) {
        match character {
            '\n' => return None,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => class = true,
            ']' => class = false,
            '/' if !class => return Some(at + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn comments_go_and_nothing_else() {
        let cases = [
            ("a; // b\nc", "a;\nc"),
            ("/** what\n * it is */\nlet a;", "\n\nlet a;"),
            ("a/* b */c", "a c"),
            ("  a  \n\t b", "a\nb"),
            ("'// a' + \"/* b */\" // c", "'// a' + \"/* b */\" "),
            (r"'it\'s // a'", r"'it\'s // a'"),
            ("`// ${ /* a */ `/* ${1}  ` /* b */ } \\` // \n  c`", "`// ${   `/* ${1}  `   } \\` // \n  c`"),
            ("/[/*]\\/\\/* /g.test(a) // b", "/[/*]\\/\\/* /g.test(a) "),
            ("if (a) /'/.test(b) // '", "if (a) /'/.test(b) "),
            ("(a) / b / c // '", "(a) / b / c "),
            ("a.return / b // '/", "a.return / b "),
            ("return /'/ // a", "return /'/ "),
            ("(a, /'/) // b", "(a, /'/) "),
            ("{ a: `${{}}` } // b", "{ a: `${{}}` } "),
        ];
        for (source, expected) in cases {
            assert_eq!(without_comments(source).as_deref(), Some(expected), "{source}");
        }
    }

    #[test]
    fn what_is_not_certain_stays() {
        let unclear = [
            "} /a/ // b",
            "a++ / b",
            "of / 1",
            "await /a/",
            "a <!-- b",
            "\r",
            "'a\nb'",
            "/* a",
            "`a",
            "`${a",
            "(",
            ")",
            "#!a",
        ];
        for source in unclear {
            assert_eq!(without_comments(source), None, "{source}");
        }
    }

    /// An operand as it is written and as it is to be left, both without white space.
    fn operand() -> impl Strategy<Value = (&'static str, &'static str)> {
        prop::sample::select(vec![
            ("a", "a"),
            ("60_000", "60_000"),
            ("é", "é"),
            ("this.#b", "this.#b"),
            ("'//\\''", "'//\\''"),
            ("\"/*\\\"'`\"", "\"/*\\\"'`\""),
            ("`//${a}/*'`", "`//${a}/*'`"),
            ("`\\`${/*c*/'}'/*`*/}`", "`\\`${'}'}`"),
            ("`${`//${'`'}`}*/`", "`${`//${'`'}`}*/`"),
            ("/'/", "/'/"),
            ("/[/*]\\/\"/gu", "/[/*]\\/\"/gu"),
            ("(/`/)", "(/`/)"),
            ("[/*d*/a]", "[a]"),
        ])
    }

    proptest! {
        #[test]
        fn tokens_come_through_whatever_stands_between(
            parts in prop::collection::vec((
                operand(),
                prop::sample::select(vec!["+", "/", "=", ",", ";", "&&", "?", "=>", "*"]),
                prop::sample::select(vec![" ", "\n", "/*a*/", "/* ' ` \n / */", "//'`/*\n", "/**/"]),
                prop::sample::select(vec![" ", "\n", "/*a*/", "/* ' ` \n / */", "//'`/*\n", "/**/"]),
            ), 0..20)
        ) {
            let source: String = parts.iter().map(|((a, _), b, one, two)| format!("{a} {one}{b} {two}")).collect();
            let expected: String = parts.iter().map(|((_, a), b, ..)| format!("{a}{b}")).collect();
            let bare = without_comments(&source).unwrap();
            prop_assert_eq!(bare.replace([' ', '\n'], ""), expected, "{}", source);
            prop_assert_eq!(bare.matches('\n').count(), source.matches('\n').count());
            prop_assert_eq!(without_comments(&bare), Some(bare));
        }

        #[test]
        fn no_text_does_it_harm(source in ".*", marks in "[/*'`\"${}()\\[\\]\\\\a\n ]*") {
            for text in [source, marks] {
                if let Some(bare) = without_comments(&text) {
                    prop_assert!(bare.len() <= text.len());
                }
            }
        }
    }
}
