//! A file counts when it said the same at two looks. What is read in the middle of being written (a file cut short can
//! be a good document with a restriction missing), or while an editor replaces it, is never taken in.

use std::collections::BTreeSet;

use super::folder::{Contents, FileContent};

/// What was seen at the look before.
#[derive(Default)]
pub(super) struct Settling {
    before: Option<Contents>,
    /// What was found settled last, and taken in.
    taken: Contents,
}

/// What a look found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Files that say something new, by now for good.
    pub(super) changed: Vec<(String, FileContent)>,
    /// Files that are gone, by now for good.
    pub(super) gone: Vec<String>,
    /// Files that must be seen once more.
    pub(super) moving: BTreeSet<String>,
}

impl Settling {
    /// Takes in a look. `None` for the first one ever: nothing is known for good yet.
    pub(super) fn look(&mut self, now: Contents) -> Option<Found> {
        let before = self.before.replace(now);
        let (Some(before), Some(now)) = (before, &self.before) else {
            return None;
        };
        let mut found = Found::default();
        let known = before.keys().chain(now.keys()).chain(self.taken.keys());
        for file in known.cloned().collect::<BTreeSet<_>>() {
            let content = now.get(&file);
            if content != before.get(&file) {
                found.moving.insert(file);
            } else if content != self.taken.get(&file) {
                match content {
                    Some(content) => {
                        self.taken.insert(file.clone(), content.clone());
                        found.changed.push((file, content.clone()));
                    }
                    None => {
                        self.taken.remove(&file);
                        found.gone.push(file);
                    }
                }
            }
        }
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> Contents {
        files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), FileContent::Text((*text).to_owned())))
            .collect()
    }

    fn moving(files: &[&str]) -> Found {
        Found {
            moving: files.iter().map(|file| (*file).to_owned()).collect(),
            ..Found::default()
        }
    }

    #[test]
    fn only_what_is_seen_twice_counts() {
        let mut settling = Settling::default();
        assert_eq!(settling.look(folder(&[("a", "1")])), None);
        let found = settling.look(folder(&[("a", "1"), ("b", "1")])).unwrap();
        assert_eq!(
            found.changed,
            [("a".to_owned(), FileContent::Text("1".to_owned()))]
        );
        assert_eq!(found.moving, ["b".to_owned()].into());
        // Cut short, whole, cut short: never settled.
        for text in ["", "2", ""] {
            let look = settling.look(folder(&[("a", text)])).unwrap();
            assert!(look.changed.is_empty() && look.gone.is_empty(), "{look:?}");
        }
        let found = settling.look(folder(&[("a", "2")])).unwrap();
        assert_eq!(found, moving(&["a"]));
        let found = settling.look(folder(&[("a", "2")])).unwrap();
        assert_eq!(found.changed.len(), 1);
        assert_eq!(
            settling.look(folder(&[("a", "2")])).unwrap(),
            Found::default()
        );
    }

    #[test]
    fn a_file_is_gone_when_two_looks_miss_it() {
        let mut settling = Settling::default();
        settling.look(folder(&[("a", "1")]));
        settling.look(folder(&[("a", "1")]));
        assert_eq!(settling.look(folder(&[])).unwrap(), moving(&["a"]));
        assert_eq!(
            settling.look(folder(&[("a", "1")])).unwrap(),
            moving(&["a"]),
            "it was only replaced"
        );
        settling.look(folder(&[]));
        assert_eq!(settling.look(folder(&[])).unwrap().gone, ["a"]);
        assert_eq!(settling.look(folder(&[])).unwrap(), Found::default());
    }
}
