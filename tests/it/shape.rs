//! Limits on the shape of the source: files, functions, parameters and errors.

use std::path::Path;

use crate::floors::rust_files;

/// A function in a source.
struct Function {
    name: String,
    parameters: usize,
    lines: usize,
}

/// The sources of the crate, by path.
fn sources() -> Vec<(String, String)> {
    let mut files = Vec::new();
    rust_files(Path::new("src"), &mut files);
    let source = |file: std::path::PathBuf| {
        let text = std::fs::read_to_string(&file).unwrap();
        (file.to_str().unwrap().to_owned(), text)
    };
    files.into_iter().map(source).collect()
}

fn without_tests(source: &str) -> &str {
    source.split("#[cfg(test)]\nmod tests").next().unwrap()
}

/// The functions of a source in rustfmt's format, where a function ends with a brace at its own indentation.
fn functions(source: &str) -> Vec<Function> {
    let lines: Vec<_> = source.lines().collect();
    let mut functions = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some((before, after)) = line.split_once("fn ") else { continue };
        let is_item = before.trim().split(' ').all(|word| {
            word.is_empty() || word.starts_with("pub") || ["async", "const"].contains(&word)
        });
        if !is_item {
            continue;
        }
        // A method without a body, which a trait declares.
        let ends_with = |sign: char| lines[start..].iter().position(|line| line.ends_with(sign));
        if ends_with(';').is_some_and(|end| ends_with('{').is_none_or(|body| end < body)) {
            continue;
        }
        let end = format!("{}}}", " ".repeat(line.len() - line.trim_start().len()));
        let length = lines[start..].iter().position(|line| *line == end).unwrap_or(0);
        let text = lines[start..].join("\n");
        let name = after.split(['(', '<']).next().unwrap().to_owned();
        functions.push(Function { name, parameters: parameters(&text), lines: length + 1 });
    }
    functions
}

/// The number of parameters of a function, without `self`.
fn parameters(text: &str) -> usize {
    let (mut depth, mut angle, mut list) = (0, 0, String::new());
    let start = text.find('(').unwrap();
    let mut previous = ' ';
    for c in text[start..].chars() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            '<' => angle += 1,
            '>' if previous != '-' => angle -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        list.push(if c == ',' && depth == 1 && angle == 0 { '\n' } else { c });
        previous = c;
    }
    let list: Vec<_> = list[1..].lines().map(str::trim).filter(|text| !text.is_empty()).collect();
    let joined = list.join(" ");
    let count = joined.matches(": ").count().min(list.len().max(1));
    let is_self = |text: &&&str| ["self", "&self", "&mut self", "mut self"].contains(&text.trim());
    if joined.is_empty() { 0 } else { count.max(list.len()) - list.iter().filter(is_self).count() }
}

#[test]
fn no_function_has_more_than_five_parameters() {
    let mut found = Vec::new();
    for (path, source) in sources() {
        for function in functions(&source).into_iter().filter(|function| function.parameters > 5) {
            found.push(format!("{path}: {} takes {}", function.name, function.parameters));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn no_function_is_longer_than_76_lines() {
    let mut found = Vec::new();
    for (path, source) in sources() {
        for function in functions(without_tests(&source)).into_iter().filter(|one| one.lines > 76) {
            found.push(format!("{path}: {} has {} lines", function.name, function.lines));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn no_file_is_longer_than_400_lines() {
    let long = |(path, source): &(String, String)| {
        let lines = source.lines().count();
        (lines > 400).then(|| format!("{path} has {lines} lines"))
    };
    let found: Vec<_> = sources().iter().filter_map(long).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The type arguments of each `Result` in a source: its value and its error.
fn results(source: &str) -> Vec<(String, String)> {
    let code: String = source.split_whitespace().collect();
    let after = code.match_indices("Result<").map(|(index, name)| &code[index + name.len()..]);
    let types = |rest: &str| {
        let (mut depth, mut comma, mut previous) = (0, None, ' ');
        for (index, c) in rest.char_indices() {
            match c {
                '<' | '(' | '[' => depth += 1,
                '>' if previous == '-' => {}
                '>' | ')' | ']' if depth == 0 => {
                    let end = comma.unwrap_or(index);
                    let error = rest[end..index].trim_matches(',');
                    return Some((rest[..end].to_owned(), error.to_owned()));
                }
                '>' | ')' | ']' => depth -= 1,
                ',' if depth == 0 => comma = comma.or(Some(index)),
                _ => {}
            }
            previous = c;
        }
        None
    };
    after.filter_map(types).collect()
}

fn is_bare(error: &str) -> bool {
    error == "String"
        || error.starts_with('&') && error.ends_with("str")
        || error.starts_with("Cow<")
}

#[test]
fn no_error_is_a_string_and_no_result_is_nested() {
    let mut found = Vec::new();
    for (path, source) in sources() {
        for (value, error) in results(without_tests(&source)) {
            if is_bare(&error) || value.starts_with("Result<") {
                found.push(format!("{path}: Result<{value}, {error}>"));
            }
        }
    }
    assert!(found.is_empty(), "{} such errors:\n{}", found.len(), found.join("\n"));
}

#[test]
fn results_are_parsed_across_line_breaks() {
    let source = "-> Result<\n    Vec<(u8, u8)>,\n    &'static str,\n>; Result<Map<String, String>, E>; Result<()>";
    let pair = |value: &str, error: &str| (value.to_owned(), error.to_owned());
    assert_eq!(
        results(source),
        [pair("Vec<(u8,u8)>", "&'staticstr"), pair("Map<String,String>", "E"), pair("()", "")]
    );
    assert!(is_bare("&'staticstr") && is_bare("String") && !is_bare("E"));
}

#[test]
fn functions_parameters_and_lines_are_counted() {
    let source = "pub async fn a(&self, b: &[(u8, u8)], c: Option<Result<A, B>>) -> X {\n    y\n}\nfn e() {\n}\n";
    let functions = functions(source);
    let counted: Vec<_> =
        functions.iter().map(|f| (f.name.as_str(), f.parameters, f.lines)).collect();
    assert_eq!(counted, [("a", 2, 3), ("e", 0, 2)]);
}
