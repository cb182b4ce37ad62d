//! What the author may have meant.

use crate::functions;

/// Names that Sprig or Helm have and templates here have not, with what to do instead.
const LEFT_OUT: &[(&[&str], &str)] = &[
    (
        &["env", "expandenv"],
        "templates do not read the environment; use a variable (.vars)",
    ),
    (
        &["getHostByName"],
        "templates do not use the network; use a variable (.vars)",
    ),
    (
        &[
            "genPrivateKey",
            "genCA",
            "genCAWithKey",
            "genSelfSignedCert",
            "genSelfSignedCertWithKey",
            "genSignedCert",
            "genSignedCertWithKey",
            "buildCustomCert",
        ],
        "templates make no keys or certificates; mount a Secret, or let cert-manager issue one",
    ),
    (
        &[
            "derivePassword",
            "bcrypt",
            "htpasswd",
            "encryptAES",
            "decryptAES",
            "randBytes",
        ],
        "templates make no passwords; mount a Secret",
    ),
    (
        &["include"],
        "that is Helm's: use {{ template \"name\" . }}, or define what is shared as a variable",
    ),
    (
        &["tpl"],
        "that is Helm's: a template does not render texts as templates",
    ),
    (
        &["lookup"],
        "that is Helm's: templates do not read the cluster; use a variable (.vars)",
    ),
    (&["fail_if", "Files"], "that is Helm's"),
];

/// A hint for a function that is not there.
pub(super) fn function(name: &str) -> Option<String> {
    if let Some((_, why)) = LEFT_OUT.iter().find(|(names, _)| names.contains(&name)) {
        return Some(String::from(*why));
    }
    nearest(name, functions::names().chain(["and", "or"]))
        .map(|near| format!("did you mean {near:?}?"))
}

/// The name that is most like `name`, if one is like it.
pub(super) fn nearest<'n>(name: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    // Longer words are not worth the comparison: nobody mistypes that much.
    let length = name.chars().count();
    if length > 40 {
        return None;
    }
    let most = (length / 3).clamp(1, 3);
    names
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edits between two words: letters inserted, removed, replaced; a letter in the other case is half of nothing.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().flat_map(char::to_lowercase).collect();
    if right.len() > 60 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (place, char) in left.chars().flat_map(char::to_lowercase).enumerate() {
        let mut diagonal = place;
        let mut before = place + 1;
        if let Some(first) = row.first_mut() {
            *first = before;
        }
        for (other, slot) in right.iter().zip(row.iter_mut().skip(1)) {
            let replaced = diagonal + usize::from(*other != char);
            diagonal = *slot;
            before = replaced.min(before + 1).min(*slot + 1);
            *slot = before;
        }
    }
    row.last().copied().unwrap_or(usize::MAX)
}
