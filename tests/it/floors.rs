//! Imports point downwards: a room imports only from rooms before it in the list. The list is the order in
//! which the crate can be read.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms from the lowest upwards. A file belongs to the room with the longest matching path.
const ROOMS: [&str; 39] = [
    "http",
    "secret",
    "digest",
    "lifetimes",
    "bounded_map",
    "jose",
    "protocol/description",
    "protocol/params",
    "protocol/invalid_field",
    "protocol/json_object",
    "protocol/authority",
    "protocol/own_host",
    "protocol/same_uri",
    "protocol/unseen",
    "protocol/text_forms",
    "protocol/user",
    "protocol/token",
    "protocol/client",
    "protocol/authorization",
    "log",
    "error",
    "config",
    "pages",
    "ports",
    "context",
    "crypto",
    "store",
    "documents",
    "keys",
    "interaction",
    "limits",
    "fetched",
    "routes",
    "provider",
    "grant",
    "maintenance",
    "endpoint",
    "router",
    "lib",
];

/// The order of the rooms within `endpoint`.
const ENDPOINTS: [&str; 5] = [
    "endpoint/support",
    "endpoint/documents",
    "endpoint/user",
    "endpoint/client",
    "endpoint/operator",
];

/// A module of the crate and its imports.
struct Module {
    /// Its path below `src`, without an extension.
    path: String,
    imports: Vec<String>,
}

pub fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The paths below `src` that a module names, except in comments and unit tests. `folder` is the path that
/// `super` means in it.
fn imports(folder: &str, source: &str) -> Vec<String> {
    let code = source.split("#[cfg(test)]\nmod tests").next().unwrap();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(|line| imports_of_line(folder, line)).collect()
}

fn imports_of_line(folder: &str, line: &str) -> Vec<String> {
    let is_path = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    // `pub(crate)` is not a path.
    let words = line.split(|c| !is_path(c)).filter(|word| word.contains("::"));
    words
        .filter_map(|word| {
            let mut path: Vec<_> = word.split("::").filter(|part| !part.is_empty()).collect();
            let supers = path.iter().take_while(|part| **part == "super").count();
            let mut from: Vec<_> = folder.split('/').filter(|part| !part.is_empty()).collect();
            if supers > 0 {
                from.truncate((from.len() + 1).saturating_sub(supers));
            } else if path.first() == Some(&"crate") {
                from.clear();
            } else {
                return None;
            }
            path.drain(..supers.max(1));
            from.extend(path);
            // A list at the root is not split: it counts as an import of the whole crate.
            Some(if from.is_empty() { "lib".into() } else { from.join("/") })
        })
        .collect()
}

/// Every module except `cloudflare`, which is above all rooms.
fn modules() -> Vec<Module> {
    let mut files = Vec::new();
    rust_files(Path::new("src"), &mut files);
    let module = |file: PathBuf| {
        let path = file.strip_prefix("src").unwrap().with_extension("");
        let folder = path.parent().unwrap().to_str().unwrap();
        let folder = if path.ends_with("mod") {
            folder.rsplit_once('/').map_or("", |(above, _)| above)
        } else {
            folder
        };
        let imports = imports(folder, &fs::read_to_string(&file).unwrap());
        Module { path: path.to_str().unwrap().trim_end_matches("/mod").to_owned(), imports }
    };
    let modules = files.into_iter().map(module);
    modules.filter(|module| !module.path.starts_with("cloudflare")).collect()
}

/// The index in `rooms` of a path's room.
fn room_index(path: &str, rooms: &[&str]) -> Option<usize> {
    let contains = |room: &&str| path == *room || path.starts_with(&format!("{room}/"));
    rooms.iter().position(contains)
}

/// The imports that point upwards, each with both rooms and the file.
fn upward(modules: &[Module], rooms: &[&str]) -> Vec<String> {
    let mut upward = Vec::new();
    for Module { path, imports } in modules {
        let Some(own) = room_index(path, rooms) else { continue };
        for import in imports {
            if let Some(other) = room_index(import, rooms).filter(|other| *other > own) {
                upward.push(format!(
                    "{} imports {} (src/{path}.rs: {import})",
                    rooms[own], rooms[other]
                ));
            }
        }
    }
    upward
}

#[test]
fn no_room_imports_from_a_room_above_it() {
    let modules = modules();
    let found = [upward(&modules, &ROOMS), upward(&modules, &ENDPOINTS)].concat();
    assert!(
        found.is_empty(),
        "upward imports:\n{}\nThe order: {ROOMS:?} {ENDPOINTS:?}",
        found.join("\n")
    );
}

#[test]
fn every_file_belongs_to_a_room() {
    let modules = modules();
    let facades = ["protocol", "endpoint"];
    let is_lost = |module: &&Module| {
        room_index(&module.path, &ROOMS).is_none() && !facades.contains(&module.path.as_str())
    };
    let lost: Vec<_> = modules.iter().filter(is_lost).map(|module| &module.path).collect();
    assert!(modules.len() > 100 && lost.is_empty(), "{} modules; {lost:?}", modules.len());
}

#[test]
fn every_form_of_an_upward_import_is_found() {
    let module =
        |path: &str, source: &str| Module { path: path.into(), imports: imports("store", source) };
    for source in [
        "use crate::endpoint::user::login;\n",
        "fn f() {\n    crate::router::answer();\n}\n",
        "use crate::{grant::respond};\n#[cfg(test)]\nmod tests {}\n",
        "use super::super::keys::signer;\n",
    ] {
        assert_eq!(upward(&[module("store/codes", source)], &ROOMS).len(), 1, "{source}");
    }
    for source in [
        "// crate::router\n",
        "use super::grants::Grant;\n",
        "use super::super::jose::json;\n",
        "use crate::ports::Row;\n",
        "#[cfg(test)]\nmod tests {\n use crate::router;\n}",
    ] {
        assert!(upward(&[module("store/codes", source)], &ROOMS).is_empty(), "{source}");
    }
}
