//! The SQL texts in the source: the evaluated argument of each `Statement::new`.
//!
//! An argument is a literal, a constant of the same file, a macro of `src/store`, or a `concat!` of those. Anything else
//! is a failure that names its place.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use crate::floors::rust_files;

/// A statement in the source.
#[derive(Debug, PartialEq)]
pub struct StatementText {
    /// Its file and line.
    pub place: String,
    pub sql: String,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Sign(char),
    Text(String),
    Word(String),
}

/// A macro that expands to a text.
struct Macro {
    parameters: Vec<String>,
    body: Vec<Token>,
}

/// What an argument may refer to.
#[derive(Default)]
struct Definitions {
    macros: HashMap<String, Macro>,
    constants: HashMap<String, Vec<Token>>,
}

/// Every statement of the crate.
///
/// # Panics
/// If the text of a statement cannot be evaluated.
pub fn statement_texts() -> Vec<StatementText> {
    let mut files = Vec::new();
    rust_files(Path::new("src"), &mut files);
    let sources: Vec<_> = files
        .iter()
        .map(|file| (file.to_str().unwrap(), fs::read_to_string(file).unwrap()))
        .collect();
    evaluate_all(&sources).unwrap_or_else(|fault| panic!("{fault}"))
}

fn evaluate_all(sources: &[(&str, String)]) -> Result<Vec<StatementText>, String> {
    let mut definitions = Definitions::default();
    for (_, source) in sources {
        definitions.macros.extend(macros(source));
    }
    let mut texts = Vec::new();
    for (path, source) in sources {
        definitions.constants = constants(source);
        for (start, name) in source.match_indices("Statement::new") {
            let place = format!("{path}:{}", source[..start].matches('\n').count() + 1);
            let argument = enclosed(&source[start + name.len()..], '(').unwrap_or_default();
            let sql = match parts(&argument)[..] {
                [text] => definitions.evaluate(text, &HashMap::new()),
                _ => None,
            };
            let sql =
                sql.ok_or(format!("{place}: not a text that statement_texts.rs evaluates"))?;
            texts.push(StatementText { place, sql });
        }
    }
    Ok(texts)
}

/// Reads the next token, and returns it with the rest. Fails at a literal that is neither a plain text nor a number.
fn token(source: &str) -> Option<(Token, &str)> {
    let source = source.trim_start();
    if source.starts_with("//") {
        return token(source.split_once('\n')?.1);
    }
    let first = source.chars().next()?;
    if first == '"' {
        return text(&source[1..]);
    }
    let end = source.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(source.len());
    if end > 0 {
        let is_raw = source[end..].starts_with(['"', '#']);
        return (!is_raw).then(|| (Token::Word(source[..end].into()), &source[end..]));
    }
    Some((Token::Sign(first), &source[first.len_utf8()..]))
}

/// Reads the rest of a literal after its quotation mark.
fn text(source: &str) -> Option<(Token, &str)> {
    let mut value = String::new();
    let mut rest = source;
    loop {
        let end = rest.find(['"', '\\'])?;
        value.push_str(&rest[..end]);
        let escaped = rest[end..].strip_prefix('\\');
        let Some(escaped) = escaped else { return Some((Token::Text(value), &rest[end + 1..])) };
        let sign = escaped.chars().next()?;
        rest = match sign {
            '\n' => escaped.trim_start(),
            '"' | '\\' | '\'' => {
                value.push(sign);
                &escaped[1..]
            }
            _ => return None,
        };
    }
}

fn closing(opening: char) -> Option<char> {
    match opening {
        '(' => Some(')'),
        '[' => Some(']'),
        '{' => Some('}'),
        _ => None,
    }
}

/// The tokens between a bracket, which must come next, and the one that closes it.
fn enclosed(source: &str, opening: char) -> Option<Vec<Token>> {
    let (first, mut rest) = token(source)?;
    if first != Token::Sign(opening) {
        return None;
    }
    let (mut tokens, mut open) = (Vec::new(), vec![closing(opening)?]);
    loop {
        let (next, after) = token(rest)?;
        rest = after;
        if let Token::Sign(sign) = next {
            open.extend(closing(sign));
            if open.last() == Some(&sign) {
                open.pop();
            }
            if open.is_empty() {
                return Some(tokens);
            }
        }
        tokens.push(next);
    }
}

/// The parts of a list between its commas.
fn parts(tokens: &[Token]) -> Vec<&[Token]> {
    let mut depth = 0;
    let parts = tokens.split(|token| {
        match token {
            Token::Sign('(' | '[' | '{') => depth += 1,
            Token::Sign(')' | ']' | '}') => depth -= 1,
            _ => {}
        }
        depth == 0 && *token == Token::Sign(',')
    });
    parts.filter(|part| !part.is_empty()).collect()
}

/// The macros of a source that have one rule.
fn macros(source: &str) -> HashMap<String, Macro> {
    let found = source.split("macro_rules! ").skip(1).filter_map(|definition| {
        let (name, rest) = definition.split_once(' ')?;
        let tokens = enclosed(rest, '{')?;
        let rule = tokens.strip_suffix(&[Token::Sign(';')]).unwrap_or(&tokens);
        let mut sides = rule.splitn(2, |token| *token == Token::Sign('='));
        let (left, right) = (sides.next()?, sides.next()?);
        let parameter = |part: &[Token]| match part {
            [Token::Sign('$'), Token::Word(name), ..] => Some(name.clone()),
            _ => None,
        };
        let [Token::Sign('('), list @ .., Token::Sign(')')] = left else { return None };
        let [Token::Sign('>'), Token::Sign('{'), body @ .., Token::Sign('}')] = right else {
            return None;
        };
        let parameters = parts(list).into_iter().map(parameter).collect::<Option<_>>()?;
        Some((name.to_owned(), Macro { parameters, body: body.to_vec() }))
    });
    found.collect()
}

/// The constants of a source that are texts.
fn constants(source: &str) -> HashMap<String, Vec<Token>> {
    let found = source.split("const ").skip(1).filter_map(|definition| {
        let (name, rest) = definition.split_once(": &str =")?;
        let (value, _) = rest.split_once(";\n")?;
        let is_name =
            name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
        Some((name.to_owned(), is_name.then(|| enclosed(&format!("({value})"), '('))??))
    });
    found.collect()
}

impl Definitions {
    /// Evaluates an expression to its text. `locals` are the arguments of the macro that it is in.
    fn evaluate(&self, tokens: &[Token], locals: &HashMap<&str, String>) -> Option<String> {
        match tokens {
            [Token::Text(text)] => Some(text.clone()),
            [Token::Word(name)] => self.evaluate(self.constants.get(name)?, locals),
            [Token::Sign('$'), Token::Word(name)] => locals.get(name.as_str()).cloned(),
            [
                Token::Word(name),
                Token::Sign('!'),
                Token::Sign('('),
                list @ ..,
                Token::Sign(')'),
            ] => {
                let values = parts(list).into_iter().map(|part| self.evaluate(part, locals));
                let values = values.collect::<Option<Vec<_>>>()?;
                if name == "concat" {
                    return Some(values.concat());
                }
                let Macro { parameters, body } = self.macros.get(name)?;
                let names = parameters.iter().map(String::as_str);
                let is_complete = values.len() == parameters.len();
                is_complete.then(|| self.evaluate(body, &names.zip(values).collect()))?
            }
            _ => None,
        }
    }
}

fn evaluate_source(source: &str) -> Result<Vec<String>, String> {
    let texts = evaluate_all(&[("src/a.rs", source.to_owned())])?;
    Ok(texts.into_iter().map(|text| text.sql).collect())
}

#[test]
fn texts_are_evaluated() {
    let source = r#"
        const ALL: &str = "SELECT \
                           all";
        macro_rules! columns {
            () => {
                "a, \"b\""
            };
        }
        macro_rules! proof {
            ($n:literal, $m:expr) => {
                concat!("c = ", $n, " OR ", $m)
            };
        }
        Statement::new("SELECT 1").bind(a);
        f(Statement::new(ALL), Statement::new(concat!(
            "SELECT ", // the columns
            columns!(),
            " WHERE ",
            proof!("?1", "d = ?2"),
        )));
    "#;
    assert_eq!(
        evaluate_source(source).unwrap(),
        ["SELECT 1", "SELECT all", "SELECT a, \"b\" WHERE c = ?1 OR d = ?2"]
    );
}

#[test]
fn a_text_that_cannot_be_evaluated_is_a_failure() {
    for source in [
        "Statement::new(sql)",
        "Statement::new(&format!(\"SELECT\"))",
        "Statement::new(if a { \"b\" } else { \"c\" })",
        "Statement::new(r\"SELECT\")",
        "Statement::new(unknown!())",
        "texts.map(Statement::new)",
    ] {
        let fault = evaluate_source(&format!("\n{source};\n")).unwrap_err();
        assert!(fault.starts_with("src/a.rs:2: "), "{source}: {fault}");
    }
}
