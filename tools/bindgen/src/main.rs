//! `postern-bindgen MODULE FOLDER`: reads the wasm module that rustc compiled, and writes the JavaScript for it as
//! `index.js` and the processed module as `index_bg.wasm` into the folder.

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
        // `src/cloudflare/recovery.rs` needs both.
        .reset_state_function(true)
        .force_enable_abort_handler(true)
        .generate(folder)
}
