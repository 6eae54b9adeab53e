//! The variables, secrets and bindings of wrangler.toml.

use js_sys::JSON;
use wasm_bindgen::prelude::*;
use worker::{Env, EnvBinding};

use crate::error::Internal;

#[wasm_bindgen]
extern "C" {
    /// A binding of any type. `Env::var` and `Env::d1` throw for null, which a wrangler.json can contain.
    type Value;
}

impl EnvBinding for Value {
    // Unused, because `get` does not check the type.
    const TYPE_NAME: &'static str = "";

    fn get(value: JsValue) -> worker::Result<Self> {
        Ok(value.unchecked_into())
    }
}

/// Returns a binding of any type. `worker` knows the type of KV too, but its KV needs an executor of futures, which would
/// be a tenth of what a new isolate compiles.
pub fn value(env: &Env, name: &str) -> worker::Result<JsValue> {
    env.get_binding::<Value>(name).map(JsValue::from)
}

/// Returns the text of a variable or secret. A value that is not a text, such as a table, is returned as JSON.
pub fn variable(env: &Env, name: &str) -> Option<String> {
    let value = env.get_binding::<Value>(name).ok()?;
    if value.is_null() {
        return None;
    }
    value.as_string().or_else(|| JSON::stringify(&value).ok()?.as_string())
}

/// Why a binding cannot be used.
#[derive(Clone, Copy)]
enum BindingError {
    Missing,
    OtherType,
}

impl BindingError {
    const fn description(self) -> &'static str {
        match self {
            Self::Missing => "not bound in wrangler.toml",
            Self::OtherType => "wrangler.toml binds another type of resource to this name",
        }
    }
}

/// A binding. It is looked up once per isolate, because a look-up needs several calls of JavaScript.
pub struct Binding<T> {
    name: &'static str,
    found: Result<T, BindingError>,
}

impl<T> Binding<T> {
    /// Looks up a binding with `look_up`, for example [`Env::d1`].
    pub fn find(
        env: &Env,
        name: &'static str,
        look_up: impl FnOnce(&Env, &str) -> worker::Result<T>,
    ) -> Self {
        let is_bound = env.get_binding::<Value>(name).is_ok_and(|value| value.is_truthy());
        let found = if is_bound {
            look_up(env, name).map_err(|_| BindingError::OtherType)
        } else {
            Err(BindingError::Missing)
        };
        Self { name, found }
    }

    /// Returns the binding. Fails if it is missing or has another type.
    pub fn get(&self) -> Result<&T, Internal> {
        self.found.as_ref().map_err(|reason| self.unavailable(reason.description().to_owned()))
    }

    /// Returns the error for a call of this binding that failed. `detail` is the message of JavaScript's error.
    pub fn unavailable(&self, detail: String) -> Internal {
        Internal::Unavailable { what: self.name, detail }
    }
}
