//! Which names two lists of globs both match, as globs again. For names of namespaces (RFC 1123 labels): what else a glob
//! could match does not count.

use std::collections::BTreeSet;

use super::MAX_PATTERNS;

/// Steps of one search: a thousand pairs of honest globs. What stars upon stars would give beyond is left out.
const MAX_STEPS: usize = 200_000;
/// The characters of such names, in their order.
const ALPHABET: &[u8; 37] = b"-0123456789abcdefghijklmnopqrstuvwxyz";
/// A run in a class is written `a-e` from here on.
const MIN_RUN: usize = 3;

/// Globs that together match the names that are matched by a glob of each list. At most [`MAX_PATTERNS`]; of more than
/// that, some: whatever it gives, both lists match. A text that is no glob matches nothing.
#[must_use]
pub fn overlap(one: &[String], other: &[String]) -> Vec<String> {
    let mut search = Search {
        steps: 0,
        path: Vec::new(),
        found: BTreeSet::new(),
        dead: BTreeSet::new(),
    };
    let other = expanded(other);
    let mut all = BTreeSet::new();
    for a in expanded(one) {
        for b in &other {
            search.found.clear();
            search.dead.clear();
            search.meet(&a, b);
            // No name is empty, and no glob is.
            search.found.remove(&Vec::new());
            // Where all of one glob's names are the other's too, it says so in one.
            let whole = [&a, b].into_iter().find(|g| search.found.contains(*g));
            match whole {
                Some(glob) => drop(all.insert(written(glob))),
                None => all.extend(search.found.iter().map(|glob| written(glob))),
            }
            if search.is_over() || all.len() >= MAX_PATTERNS {
                return all.into_iter().take(MAX_PATTERNS).collect();
            }
        }
    }
    all.into_iter().collect()
}

/// One character of [`ALPHABET`] out of a set, or any text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Token {
    /// A bit for each place in the alphabet.
    One(u64),
    Many,
}

const ANY: u64 = (1 << ALPHABET.len()) - 1;

struct Search {
    steps: usize,
    path: Vec<Token>,
    found: BTreeSet<Vec<Token>>,
    /// Lengths of two rests that have nothing in common.
    dead: BTreeSet<(usize, usize)>,
}

impl Search {
    fn is_over(&self) -> bool {
        self.steps >= MAX_STEPS || self.found.len() >= MAX_PATTERNS
    }

    /// Finds what both rests match, behind the path so far.
    fn meet(&mut self, a: &[Token], b: &[Token]) -> Met {
        let place = (a.len(), b.len());
        if self.is_over() || self.dead.contains(&place) {
            return Met::Never;
        }
        self.steps += 1;
        let met = match (a.split_first(), b.split_first()) {
            (None, None) => {
                self.found.insert(self.path.clone());
                Met::Some
            }
            (None, Some((Token::Many, rest))) => self.meet(a, rest),
            (Some((Token::Many, rest)), None) => self.meet(rest, b),
            (None, Some((Token::One(_), _))) | (Some((Token::One(_), _)), None) => Met::Never,
            (Some((Token::One(x), a_rest)), Some((Token::One(y), b_rest))) if x & y != 0 => {
                self.behind(Token::One(x & y), a_rest, b_rest)
            }
            (Some((Token::One(_), _)), Some((Token::One(_), _))) => Met::Never,
            (Some((Token::One(x), a_rest)), Some((Token::Many, b_rest))) => self
                .behind(Token::One(*x), a_rest, b)
                .or(self.meet(a, b_rest)),
            (Some((Token::Many, a_rest)), Some((Token::One(y), b_rest))) => self
                .behind(Token::One(*y), a, b_rest)
                .or(self.meet(a_rest, b)),
            // One of the two texts is the shorter.
            (Some((Token::Many, a_rest)), Some((Token::Many, b_rest))) => {
                let shorter = self.behind(Token::Many, a_rest, b);
                shorter.or(self.behind(Token::Many, a, b_rest))
            }
        };
        if met == Met::Never && !self.is_over() {
            self.dead.insert(place);
        }
        met
    }

    fn behind(&mut self, token: Token, a: &[Token], b: &[Token]) -> Met {
        // Any text behind any text is any text.
        let is_new = token != Token::Many || self.path.last() != Some(&Token::Many);
        if is_new {
            self.path.push(token);
        }
        let met = self.meet(a, b);
        if is_new {
            self.path.pop();
        }
        met
    }
}

/// Whether two rests have a name in common.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Met {
    Some,
    Never,
}

impl Met {
    fn or(self, other: Self) -> Self {
        match self {
            Self::Some => Self::Some,
            Self::Never => other,
        }
    }
}

/// Every glob of a list without its choices, and without what no name has.
fn expanded(globs: &[String]) -> Vec<Vec<Token>> {
    let mut all = Vec::new();
    for glob in globs {
        let mut text = Text {
            rest: glob.chars().collect::<Vec<_>>().into_iter().peekable(),
        };
        let mut read = text.sequence(Depth::Outside).unwrap_or_default();
        read.retain(|tokens| !tokens.contains(&Token::One(0)));
        all.extend(read);
        all.truncate(MAX_PATTERNS);
    }
    all
}

/// Whether a `,` or `}` ends what is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Outside,
    InChoice,
}

struct Text {
    rest: std::iter::Peekable<std::vec::IntoIter<char>>,
}

impl Text {
    /// Everything that one branch can be; `None` if it is no glob.
    fn sequence(&mut self, depth: Depth) -> Option<Vec<Vec<Token>>> {
        let mut all = vec![Vec::new()];
        while let Some(&next) = self.rest.peek() {
            if depth == Depth::InChoice && (next == ',' || next == '}') {
                return Some(all);
            }
            self.rest.next();
            match next {
                '?' => append(&mut all, Token::One(ANY)),
                '*' => append(&mut all, Token::Many),
                '[' => append(&mut all, Token::One(self.class()?)),
                '{' => all = joined(&all, &self.choice()?),
                '}' => return None,
                '\\' => {
                    let literal = self.rest.next()?;
                    append(&mut all, Token::One(bits(literal, literal)));
                }
                literal => append(&mut all, Token::One(bits(literal, literal))),
            }
        }
        (depth == Depth::Outside).then_some(all)
    }

    /// Behind `{`. Empty branches do not count.
    fn choice(&mut self) -> Option<Vec<Vec<Token>>> {
        let mut branches = Vec::new();
        loop {
            let branch = self.sequence(Depth::InChoice)?;
            branches.extend(branch.into_iter().filter(|tokens| !tokens.is_empty()));
            branches.truncate(MAX_PATTERNS);
            if self.rest.next()? == '}' {
                break;
            }
        }
        if branches.is_empty() {
            branches.push(Vec::new());
        }
        Some(branches)
    }

    /// Behind `[`: the characters that it means.
    fn class(&mut self) -> Option<u64> {
        let is_negated = self.rest.next_if(|c| matches!(c, '!' | '^')).is_some();
        let (mut set, mut first) = (0, None);
        let mut is_empty = true;
        loop {
            let next = self.rest.next()?;
            if next == ']' && !is_empty {
                break;
            }
            let is_range = next == '-' && first.is_some() && self.rest.peek() != Some(&']');
            if is_range {
                let last = self.rest.next()?;
                set |= bits(first?, last);
                first = Some(last);
            } else {
                set |= bits(next, next);
                first = Some(next);
            }
            is_empty = false;
        }
        Some(if is_negated { ANY & !set } else { set })
    }
}

fn append(all: &mut [Vec<Token>], token: Token) {
    for tokens in all {
        if token != Token::Many || tokens.last() != Some(&Token::Many) {
            tokens.push(token);
        }
    }
}

fn joined(heads: &[Vec<Token>], tails: &[Vec<Token>]) -> Vec<Vec<Token>> {
    let pairs = heads
        .iter()
        .flat_map(|head| tails.iter().map(move |tail| (head, tail)));
    pairs
        .take(MAX_PATTERNS)
        .map(|(head, tail)| {
            let mut one = vec![head.clone()];
            tail.iter().for_each(|token| append(&mut one, *token));
            one.concat()
        })
        .collect()
}

/// The characters of names from one to the other; 0 if no name has one of them.
fn bits(first: char, last: char) -> u64 {
    let is_in = |c: &u8| (first..=last).contains(&char::from(*c));
    let places = ALPHABET.iter().enumerate().filter(|(_, c)| is_in(c));
    places.fold(0, |set, (place, _)| set | 1 << place)
}

fn written(glob: &[Token]) -> String {
    glob.iter()
        .map(|token| match token {
            Token::Many => "*".to_owned(),
            Token::One(ANY) => "?".to_owned(),
            Token::One(set) => class_text(*set),
        })
        .collect()
}

/// One character as it is, several as a class.
fn class_text(set: u64) -> String {
    let has = |place: usize| set & (1 << place) != 0;
    let places: Vec<usize> = (0..ALPHABET.len()).filter(|place| has(*place)).collect();
    let char_at = |place: usize| char::from(ALPHABET[place]);
    if let [one] = places.as_slice() {
        return char_at(*one).to_string();
    }
    let mut text = String::from("[");
    // A dash stands first, as itself. Digits and letters do not run into one another.
    let follows = |a: &usize, b: &usize| {
        *b == *a + 1 && char_at(*a).is_ascii_alphanumeric() && char_at(*b) != 'a'
    };
    for run in places.chunk_by(follows) {
        match run {
            [first, .., last] if run.len() >= MIN_RUN => {
                text.extend([char_at(*first), '-', char_at(*last)]);
            }
            few => text.extend(few.iter().map(|place| char_at(*place))),
        }
    }
    text.push(']');
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pattern::PatternSet;

    fn list(globs: &[&str]) -> Vec<String> {
        globs.iter().map(|glob| (*glob).to_owned()).collect()
    }

    #[test]
    fn what_both_match_is_told_in_globs() {
        for (one, other, both) in [
            (&["team-*"][..], &["team-b*"][..], &["team-b*"][..]),
            (&["*"], &["a", "b-*"], &["a", "b-*"]),
            (&["*-prod"], &["team-*"], &["team-*-prod", "team-prod"]),
            (&["team-*"], &["other-*"], &[]),
            (&["{dev,test}-*"], &["test-a", "prod"], &["test-a"]),
            (&["a?"], &["[!ab]?", "[ab]b"], &["ab"]),
            (&["[a-f]1"], &["[c-z]?"], &["[c-f]1"]),
            (&["[-0-9a]x"], &["?x"], &["[-0-9a]x"]),
            (&["a**"], &["a*"], &["a*"]),
            (&["a", "a["], &["*"], &["a"]),
            (&[], &["*"], &[]),
            (&["*"], &["{,}"], &[]),
        ] {
            assert_eq!(overlap(&list(one), &list(other)), both, "{one:?} {other:?}");
        }
    }

    #[test]
    fn stars_upon_stars_end_and_tell_nothing_false() {
        let stars = |of: &str| list(&[&format!("{}*", of.repeat(60))]);
        let (stars, others) = (stars("*a"), stars("*b"));
        let both = overlap(&stars, &others);
        assert!(!both.is_empty() && both.len() <= MAX_PATTERNS);
        let name = both[0].replace('*', "");
        for side in [stars, others] {
            assert!(PatternSet::new(&side).unwrap().matches(&name));
        }
        let many: Vec<String> = (0..2000).map(|n| format!("*{n}*")).collect();
        assert_eq!(overlap(&many, &many).len(), MAX_PATTERNS);
    }

    fn glob() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            4 => "[ab-]",
            2 => Just("*".to_owned()),
            1 => Just("?".to_owned()),
            1 => "\\[!?[ab]-?[bc]?\\]",
            1 => "\\{[ab*]{0,2},[ab?]{0,2}\\}",
            1 => Just("{a,{b,-}*}".to_owned()),
        ];
        prop::collection::vec(part, 1..5).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn a_name_is_in_the_overlap_if_both_lists_match_it(
            one in prop::collection::vec(glob(), 0..3),
            other in prop::collection::vec(glob(), 0..3),
            names in prop::collection::vec("[abc-]{0,6}", 20),
        ) {
            // What is no glob is refused at load.
            if let (Ok(a), Ok(b)) = (PatternSet::new(&one), PatternSet::new(&other)) {
                let told = overlap(&one, &other);
                let both = PatternSet::new(&told).unwrap();
                for name in names.iter().filter(|name| !name.is_empty()) {
                    let wanted = a.matches(name) && b.matches(name);
                    prop_assert_eq!(both.matches(name), wanted, "{} {:?}", name, &told);
                }
            }
        }
    }
}
