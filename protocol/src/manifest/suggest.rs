//! "Did you mean": the nearest of the words that would have been right.

/// `; did you mean "x"?`, or nothing if no word is near.
#[must_use]
pub fn did_you_mean<'a>(given: &str, words: impl Iterator<Item = &'a str>) -> String {
    nearest_word(given, words)
        .map(|word| format!("; did you mean {word:?}?"))
        .unwrap_or_default()
}

/// Longest word that is compared: nobody mistypes a longer one so that another is near.
const MAX_LENGTH: usize = 63;

/// The word that is most like the given one, if one is near.
#[must_use]
pub fn nearest_word<'a>(given: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if given.len() > MAX_LENGTH {
        return None;
    }
    // A third of the letters may be wrong: closer than chance, far enough for swapped letters and a lost plural.
    let tolerance = (given.len() / 3).clamp(1, 3);
    words
        .filter(|word| word.len().abs_diff(given.len()) <= tolerance)
        .map(|word| (distance(&given.to_lowercase(), &word.to_lowercase()), word))
        .filter(|(distance, _)| *distance <= tolerance)
        .min()
        .map(|(_, word)| word)
}

/// Insertions, deletions, replacements and swaps of neighbours that lead from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let from: Vec<char> = from.chars().collect();
    let to: Vec<char> = to.chars().collect();
    let mut rows: Vec<Vec<usize>> = vec![(0..=to.len()).collect()];
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let cell = |rows: &[Vec<usize>], i: usize, j: usize| {
                rows.get(i)
                    .and_then(|r| r.get(j))
                    .copied()
                    .unwrap_or(usize::MAX / 2)
            };
            let replaced = cell(&rows, i, j) + usize::from(a != b);
            let deleted = cell(&rows, i, j + 1) + 1;
            let inserted = row.last().copied().unwrap_or_default() + 1;
            let is_swap = i > 0 && j > 0 && from.get(i - 1) == Some(b) && to.get(j - 1) == Some(a);
            let swapped = if is_swap {
                cell(&rows, i - 1, j - 1) + 1
            } else {
                usize::MAX
            };
            row.push(replaced.min(deleted).min(inserted).min(swapped));
        }
        rows.push(row);
    }
    rows.last()
        .and_then(|row| row.last())
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_word_or_nothing() {
        let words = ["groups", "users", "clusters", "clusterSelector"];
        for (given, meant) in [
            ("group", "; did you mean \"groups\"?"),
            ("gruops", "; did you mean \"groups\"?"),
            ("Users", "; did you mean \"users\"?"),
            ("clusterselector", "; did you mean \"clusterSelector\"?"),
            ("foo", ""),
            ("", ""),
        ] {
            assert_eq!(did_you_mean(given, words.into_iter()), meant, "{given}");
        }
    }
}
