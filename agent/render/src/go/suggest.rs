//! What the author may have meant.

use breakglass_protocol::manifest::nearest_word;

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
    nearest_word(name, functions::names().chain(["and", "or"]))
        .map(|near| format!("did you mean {near:?}?"))
}
