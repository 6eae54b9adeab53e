//! The functions of `platform.mjs`. Each does all of its work in one call.
//!
//! A [`Promise`](js_sys::Promise) that one of them returns goes to [`wait`](crate::cloudflare::task::wait).

use js_sys::Promise;
use wasm_bindgen::prelude::*;

use crate::cloudflare::task::Task;

#[wasm_bindgen(module = "/src/cloudflare/platform.mjs")]
extern "C" {
    pub fn drive(task: Task, promise: Promise) -> JsValue;

    pub fn head(request: &JsValue) -> String;
    pub fn header(request: &JsValue, name: &str) -> Option<String>;
    pub fn country(request: &JsValue) -> Option<String>;
    pub fn body(request: &JsValue, limit: usize) -> Promise;
    pub fn respond(status: u16, fields: &str, body: Option<&str>, is_recurring: bool) -> JsValue;

    #[wasm_bindgen(js_name = fetchDocument)]
    pub fn fetch_document(
        url: &str,
        accept: &str,
        limit: usize,
        timeout: u32,
        is_binary: bool,
    ) -> Promise;

    #[wasm_bindgen(js_name = postForms)]
    pub fn post_forms(forms: &str, accept: &str, limit: usize, timeout: u32) -> Promise;

    pub fn query(database: &JsValue, is_primary: bool, statement: &str) -> Promise;
    pub fn batch(database: &JsValue, statements: &str) -> Promise;
    #[wasm_bindgen(js_name = readCache)]
    pub fn read_cache(kv: &JsValue, key: &str) -> Promise;
    #[wasm_bindgen(js_name = writeCache)]
    pub fn write_cache(kv: &JsValue, key: &str, text: &str, ttl: u32) -> Promise;
    #[wasm_bindgen(js_name = isWithinLimit)]
    pub fn is_within_limit(limiter: &JsValue, key: &str) -> Promise;

    pub fn sleep(milliseconds: u32) -> Promise;

    pub fn normalize(text: &str, form: &str) -> String;
    #[wasm_bindgen(js_name = nameOfCountry)]
    pub fn name_of_country(code: &str, language: &str) -> Option<String>;

    #[wasm_bindgen(js_name = importKey)]
    pub fn import_key(alg: &str, jwk: &str, usage: &str) -> Promise;
    pub fn sign(key: &JsValue, message: &[u8]) -> Promise;
    pub fn verify(key: &JsValue, signature: &[u8], message: &[u8]) -> Promise;
    #[wasm_bindgen(js_name = generateRsa)]
    pub fn generate_rsa() -> Promise;
}
