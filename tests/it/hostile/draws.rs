//! Pseudo-random numbers that are the same in every run (xorshift64).

pub struct Draws(u64);

impl Draws {
    pub fn new() -> Self {
        Self(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    pub fn one_of<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.below(list.len())]
    }

    /// Replaces, inserts, removes or swaps one to `most` characters of the text.
    pub fn mutilate(&mut self, text: &str, most: usize, pool: &[&str]) -> String {
        let mut pieces: Vec<String> = text.chars().map(String::from).collect();
        for _ in 0..=self.below(most) {
            let at = self.below(pieces.len());
            match self.below(4) {
                0 => pieces[at] = self.one_of(pool).into(),
                1 => pieces.insert(at, self.one_of(pool).into()),
                2 if pieces.len() > 1 => drop(pieces.remove(at)),
                _ => {
                    let other = self.below(pieces.len());
                    pieces.swap(at, other);
                }
            }
        }
        pieces.concat()
    }
}
