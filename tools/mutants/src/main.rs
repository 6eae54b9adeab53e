//! `postern-mutants FOLDER < mutants.json > numbers.json`: puts the mutants of `cargo mutants --list --json` into the
//! sources below FOLDER, each behind a switch, so that one compilation serves all. Each has a `number` in addition.
//! Prints the numbers of the mutants that got a switch.
//!
//! A switch is a call of `crate::mutant::is`, whose source is `mutant.rs` beside this file: it is true for the number in
//! the variable `MUTANT`. No operand is written twice, so switches may be inside each other.

#![allow(clippy::disallowed_methods, reason = "the list is written by cargo-mutants")]

use anyhow::{Context, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::{env, fs, io};

mod places;
mod text;

use places::Places;

/// A line and a column of a file, both from 1. Columns count characters.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
pub struct Position {
    line: usize,
    column: usize,
}

#[derive(Deserialize)]
struct Span {
    start: Position,
}

/// The part of the code that a mutant changes.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
pub enum Genre {
    BinaryOperator,
    FnValue,
    MatchArm,
    MatchArmGuard,
    StructField,
    UnaryOperator,
    #[serde(other)]
    Other,
}

/// A mutant as cargo-mutants lists it, with a number.
#[derive(Deserialize)]
struct Mutant {
    number: usize,
    file: String,
    genre: Genre,
    replacement: String,
    span: Span,
}

fn main() -> Result<()> {
    let folder = env::args_os().nth(1).context("the first argument must be the folder")?;
    let folder = Path::new(&folder);
    let mutants: Vec<Mutant> = serde_json::from_reader(io::stdin())?;
    let mut by_file: BTreeMap<&str, Vec<&Mutant>> = BTreeMap::new();
    for mutant in &mutants {
        by_file.entry(&mutant.file).or_default().push(mutant);
    }

    let mut switched = Vec::new();
    for (file, mutants) in by_file {
        let path = folder.join(file);
        let source = fs::read_to_string(&path).with_context(|| file.to_owned())?;
        let mut places = Places::of(&syn::parse_file(&source).with_context(|| file.to_owned())?);
        for Mutant { number, genre, replacement, span, .. } in mutants {
            if places.switch(*genre, span.start, *number, replacement) {
                switched.push(*number);
            }
        }
        fs::write(&path, text::with(&source, places.into_insertions()))?;
    }

    // The crate gets the switch.
    fs::write(folder.join("src/mutant.rs"), include_str!("mutant.rs"))?;
    let library = folder.join("src/lib.rs");
    fs::write(
        &library,
        fs::read_to_string(&library)?.replacen(
            "pub mod bounded_map;",
            "pub mod bounded_map;\npub mod mutant;",
            1,
        ),
    )?;
    serde_json::to_writer(io::stdout(), &switched)?;
    Ok(())
}
