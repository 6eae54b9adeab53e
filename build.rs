//! Sets for the crate:
//!
//! - `POSTERN_BUILD`: a fingerprint of every file that the build reads. The cache keys of rendered documents contain it,
//!   so that no build serves a document that another build published in KV.
//! - `POSTERN_MIGRATION`: the name of the newest migration, which the status report looks for in D1.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let mut files = vec![PathBuf::from("Cargo.toml"), PathBuf::from("Cargo.lock")];
    for directory in ["src", "templates", "tools"] {
        collect(Path::new(directory), &mut files)?;
        println!("cargo::rerun-if-changed={directory}");
    }
    files.sort();

    // 64 bits are enough to distinguish builds, because nobody gains by a collision.
    let mut hasher = DefaultHasher::new();
    for file in &files {
        println!("cargo::rerun-if-changed={}", file.display());
        fs::read(file)?.hash(&mut hasher);
    }
    for (name, _) in env::vars().filter(|(name, _)| name.starts_with("CARGO_FEATURE_")) {
        name.hash(&mut hasher);
    }
    println!("cargo::rustc-env=POSTERN_BUILD={:016x}", hasher.finish());

    let mut migrations = Vec::new();
    collect(Path::new("migrations"), &mut migrations)?;
    println!("cargo::rerun-if-changed=migrations");
    let newest = migrations.iter().filter_map(|file| file.file_name()).max().unwrap_or_default();
    println!("cargo::rustc-env=POSTERN_MIGRATION={}", newest.display());
    Ok(())
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
