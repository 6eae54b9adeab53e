//! Insertions into a text.

use crate::Position;

/// A text to be inserted, or put in the place of `replaced` characters.
pub struct Insertion {
    pub at: Position,
    pub replaced: usize,
    /// The order among the insertions at one position.
    pub order: (isize, isize),
    pub text: String,
}

/// Returns the source with the insertions.
pub fn with(source: &str, mut insertions: Vec<Insertion>) -> String {
    insertions.sort_by_key(|insertion| (insertion.at, insertion.order));
    let mut insertions = insertions.into_iter().peekable();
    let mut result = String::new();
    for (index, line) in source.split_inclusive('\n').enumerate() {
        let mut left_out = 0;
        for (column, character) in line.chars().enumerate() {
            let here = Position { line: index + 1, column: column + 1 };
            while let Some(insertion) = insertions.next_if(|insertion| insertion.at == here) {
                result.push_str(&insertion.text);
                left_out = left_out.max(insertion.replaced);
            }
            if left_out == 0 {
                result.push(character);
            } else {
                left_out -= 1;
            }
        }
    }
    result
}
