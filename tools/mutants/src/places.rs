//! The places of a file where a mutant can be switched, and the switches.

use proc_macro2::LineColumn;
use std::collections::BTreeMap;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Arm, BinOp, Block, Expr, ExprBinary, ExprStruct, ExprUnary, Signature, UnOp};

use crate::text::Insertion;
use crate::{Genre, Position};

/// The begin and the end of a part of a file.
type Range = (Position, Position);

/// A part of the code, and its mutants: their numbers and replacements.
struct Place {
    what: What,
    mutants: Vec<(usize, String)>,
}

enum What {
    /// The first statement of a function that runs.
    Body,
    /// A binary operator: the range of the operand before it and of the one after it, and itself.
    Binary { left: Range, right: Range, operator: String },
    /// A prefix: the operand behind it.
    Unary { operand: Range, operator: char },
    /// An arm: the end of its pattern, and the range of its guard.
    Arm { pattern_end: Position, guard: Option<Range> },
    /// A field of a struct with a base: its name, the type, the base, and the range of its value unless that is its name.
    Field { name: String, structure: String, base: String, value: Option<Range>, end: Position },
}

/// The places of a file.
pub struct Places {
    by_start: BTreeMap<(Position, Genre), Place>,
    /// By the start of a guard, the start of its arm.
    arms: BTreeMap<Position, Position>,
}

impl Places {
    pub fn of(file: &syn::File) -> Self {
        let mut places = Self { by_start: BTreeMap::new(), arms: BTreeMap::new() };
        places.visit_file(file);
        places
    }

    /// Notes a mutant. Returns whether its place has a switch.
    pub fn switch(
        &mut self,
        genre: Genre,
        start: Position,
        number: usize,
        replacement: &str,
    ) -> bool {
        let key = match (genre, self.arms.get(&start)) {
            (Genre::MatchArmGuard, Some(arm)) => (*arm, Genre::MatchArm),
            _ => (start, genre),
        };
        let Some(place) = self.by_start.get_mut(&key) else { return false };
        place.mutants.push((number, replacement.to_owned()));
        true
    }

    pub fn into_insertions(self) -> Vec<Insertion> {
        let mut insertions = Insertions(Vec::new());
        for ((start, _), Place { what, mutants }) in self.by_start {
            if !mutants.is_empty() {
                insertions.add(start, what, &mutants);
            }
        }
        insertions.0
    }

    fn add(&mut self, start: Position, what: What) {
        let genre = match what {
            What::Body => Genre::FnValue,
            What::Binary { .. } => Genre::BinaryOperator,
            What::Unary { .. } => Genre::UnaryOperator,
            What::Arm { .. } => Genre::MatchArm,
            What::Field { .. } => Genre::StructField,
        };
        self.by_start.insert((start, genre), Place { what, mutants: Vec::new() });
    }

    fn add_body(&mut self, signature: &Signature, block: &Block) {
        if let (None, Some(first)) = (signature.constness, block.stmts.first()) {
            self.add(range(first).0, What::Body);
        }
    }
}

impl<'a> Visit<'a> for Places {
    fn visit_item_fn(&mut self, function: &'a syn::ItemFn) {
        visit::visit_item_fn(self, function);
        self.add_body(&function.sig, &function.block);
    }

    fn visit_impl_item_fn(&mut self, function: &'a syn::ImplItemFn) {
        visit::visit_impl_item_fn(self, function);
        self.add_body(&function.sig, &function.block);
    }

    fn visit_trait_item_fn(&mut self, function: &'a syn::TraitItemFn) {
        visit::visit_trait_item_fn(self, function);
        if let Some(block) = &function.default {
            self.add_body(&function.sig, block);
        }
    }

    fn visit_expr_binary(&mut self, expression: &'a ExprBinary) {
        let operator = text_of(&expression.op);
        let is_assignment = operator.ends_with('=') && !is_comparison(&operator);
        if !is_assignment && !has_let(&expression.left) && !has_let(&expression.right) {
            let (left, right) = (range(&*expression.left), range(&*expression.right));
            self.add(range(&expression.op).0, What::Binary { left, right, operator });
        }
        visit::visit_expr_binary(self, expression);
    }

    fn visit_expr_unary(&mut self, expression: &'a ExprUnary) {
        let operator = match expression.op {
            UnOp::Not(_) => '!',
            UnOp::Neg(_) => '-',
            _ => return visit::visit_expr_unary(self, expression),
        };
        self.add(range(expression).0, What::Unary { operand: range(&*expression.expr), operator });
        visit::visit_expr_unary(self, expression);
    }

    fn visit_arm(&mut self, arm: &'a Arm) {
        let start = range(&arm.pat).0;
        let guard = arm.guard.as_ref().map(|(_, guard)| range(&**guard));
        if let Some((guard, _)) = guard {
            self.arms.insert(guard, start);
        }
        self.add(start, What::Arm { pattern_end: range(&arm.pat).1, guard });
        visit::visit_arm(self, arm);
    }

    fn visit_expr_struct(&mut self, expression: &'a ExprStruct) {
        if let Some(base) = &expression.rest {
            for field in &expression.fields {
                let what = What::Field {
                    name: text_of(&field.member),
                    structure: text_of(&expression.path),
                    base: text_of(&**base),
                    value: field.colon_token.map(|_| range(&field.expr)),
                    end: range(field).1,
                };
                self.add(range(field).0, what);
            }
        }
        visit::visit_expr_struct(self, expression);
    }
}

/// Insertions, of which the outer ones open before the inner ones and close after them.
struct Insertions(Vec<Insertion>);

impl Insertions {
    fn add(&mut self, start: Position, what: What, mutants: &[(usize, String)]) {
        match what {
            What::Body => {
                let line = |(number, value): &(usize, String)| {
                    format!("\nif {} {{ return {value}; }}\n", is(*number))
                };
                self.insert(start, mutants.iter().map(line).collect());
            }
            What::Unary { operand, operator: '!' } => {
                self.0.push(Insertion {
                    at: start,
                    replaced: 1,
                    order: (order(operand), 0),
                    text: "((".to_owned(),
                });
                self.close(operand, format!(") ^ !{})", is(mutants[0].0)));
            }
            What::Unary { operand, .. } => {
                self.0.push(Insertion {
                    at: start,
                    replaced: 1,
                    order: (order(operand), 0),
                    text: "(match (".to_owned(),
                });
                self.close(
                    operand,
                    format!(
                        ") {{ value => if {} {{ value }} else {{ -value }} }})",
                        is(mutants[0].0)
                    ),
                );
            }
            What::Binary { left, right, operator } => {
                self.add_binary(start, left, right, &operator, mutants);
            }
            What::Arm { pattern_end, guard } => self.add_arm(pattern_end, guard, mutants),
            What::Field { name, structure, base, value, end } => {
                let number = is(mutants[0].0);
                let other = format!(
                    "if {number} {{ let base: {structure} = {base}; base.{name} }} else {{ "
                );
                match value {
                    Some(value) => {
                        self.open(value, other);
                        self.close(value, " }".to_owned());
                    }
                    None => self.insert(end, format!(": {other}{name} }}")),
                }
            }
        }
    }

    fn add_binary(
        &mut self,
        start: Position,
        left: Range,
        right: Range,
        operator: &str,
        mutants: &[(usize, String)],
    ) {
        let whole = (left.0, right.1);
        let first = is(mutants[0].0);
        let (before, between, after) = match operator {
            "&&" => (
                "({ let left: bool = ".to_owned(),
                format!("; if left ^ {first} {{ "),
                " } else { left } })".to_owned(),
            ),
            "||" => (
                "({ let left: bool = ".to_owned(),
                format!("; if left ^ {first} {{ left }} else {{ "),
                " } })".to_owned(),
            ),
            "==" | "!=" => ("((".to_owned(), operator.to_owned(), format!(") ^ {first})")),
            _ => {
                let by = if is_comparison(operator) { "&" } else { "" };
                let others = mutants.iter().map(|(number, other)| {
                    format!("if {} {{ left {other} right }} else ", is(*number))
                });
                let others: String = others.collect();
                (
                    format!("(match ({by}("),
                    format!("), {by}("),
                    format!(")) {{ (left, right) => {others}{{ left {operator} right }} }})"),
                )
            }
        };
        self.open(whole, before);
        self.0.push(Insertion {
            at: start,
            replaced: operator.len(),
            order: (0, 0),
            text: between,
        });
        self.close(whole, after);
    }

    /// The first replacement of a guard is `true`, the second `false`. A deletion has an empty one.
    fn add_arm(
        &mut self,
        pattern_end: Position,
        guard: Option<Range>,
        mutants: &[(usize, String)],
    ) {
        let number = |wanted: &str| {
            let found = mutants.iter().find(|(_, replacement)| replacement == wanted);
            found.map_or("false".to_owned(), |(number, _)| is(*number))
        };
        let (deleted, holds, fails) = (number(""), number("true"), number("false"));
        match guard {
            Some(guard) => {
                self.open(guard, format!("!{deleted} && ({holds} || !{fails} && ("));
                self.close(guard, "))".to_owned());
            }
            None => self.insert(pattern_end, format!(" if !{deleted} ")),
        }
    }

    fn insert(&mut self, at: Position, text: String) {
        self.0.push(Insertion { at, replaced: 0, order: (isize::MIN, 0), text });
    }

    /// Of two that begin together the longer one is first; of two that are the same, the one that is added first.
    fn open(&mut self, whole: Range, text: String) {
        let order = (order(whole), self.0.len().cast_signed());
        self.0.push(Insertion { at: whole.0, replaced: 0, order, text });
    }

    /// The reverse order of `open`, and before anything that opens here.
    fn close(&mut self, whole: Range, text: String) {
        let order = (isize::MIN / 2 - order(whole), -self.0.len().cast_signed());
        self.0.push(Insertion { at: whole.1, replaced: 0, order, text });
    }
}

/// Orders ranges that begin at one position: the longer one first.
fn order((start, end): Range) -> isize {
    let [start, end] = [start, end].map(|at| (at.line * 10_000 + at.column).cast_signed());
    start - end
}

fn is(number: usize) -> String {
    format!("crate::mutant::is({number})")
}

fn is_comparison(operator: &str) -> bool {
    ["==", "!=", "<", "<=", ">", ">="].contains(&operator)
}

/// Whether an operand is a condition of a chain with `let`, which has no value.
fn has_let(expression: &Expr) -> bool {
    match expression {
        Expr::Let(_) => true,
        Expr::Binary(ExprBinary { left, op: BinOp::And(_), right, .. }) => {
            has_let(left) || has_let(right)
        }
        _ => false,
    }
}

fn range(part: &impl Spanned) -> Range {
    (position(part.span().start()), position(part.span().end()))
}

fn position(LineColumn { line, column }: LineColumn) -> Position {
    Position { line, column: column + 1 }
}

/// The source text of a part.
fn text_of(part: &impl Spanned) -> String {
    part.span().source_text().unwrap_or_default()
}
