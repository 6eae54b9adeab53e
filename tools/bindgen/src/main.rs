//! `postern-bindgen MODULE FOLDER`: generates the JavaScript for a module that Rust compiled, and writes both into a
//! folder as `index.js` and `index_bg.wasm`.

use anyhow::{Context, Result};
use std::env;
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let mut arguments = env::args_os().skip(1);
    let module = arguments.next().context("the first argument must be the module")?;
    let folder = arguments.next().context("the second argument must be the folder")?;
    Bindgen::new()
        .input_path(module)
        .out_name("index")
        .module(true)?
        // The recovery after a panic needs both.
        .reset_state_function(true)
        .force_enable_abort_handler(true)
        .generate(folder)
}
