//! The switch of a mutant. This file is compiled as a part of the tested crate.

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::LazyLock;
use std::{env, fs, thread};

/// The number of the mutant that is switched on.
static ACTIVE: LazyLock<Option<u32>> =
    LazyLock::new(|| env::var("MUTANT").ok().and_then(|number| number.parse().ok()));

/// The folder for the numbers that each test reaches.
static REACHED_BY: LazyLock<Option<String>> = LazyLock::new(|| env::var("MUTANTS_REACHED").ok());

/// The switches that this thread has reached. libtest runs each test in a thread with the test's name.
struct Reached(RefCell<HashSet<u32>>);

impl Drop for Reached {
    fn drop(&mut self) {
        let (Some(folder), Some(name)) = (&*REACHED_BY, thread::current().name().map(str::to_owned)) else { return };
        let mut numbers: Vec<_> = self.0.borrow().iter().map(u32::to_string).collect();
        numbers.sort_unstable();
        let _ = fs::write(format!("{folder}/{name}"), numbers.join(" "));
    }
}

thread_local! {
    static REACHED: Reached = Reached(RefCell::default());
}

/// Whether this mutant is switched on.
pub fn is(number: u32) -> bool {
    if REACHED_BY.is_some() {
        // Fails while the thread ends.
        let _ = REACHED.try_with(|reached| reached.0.borrow_mut().insert(number));
    }
    *ACTIVE == Some(number)
}
