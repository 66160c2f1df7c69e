//! `${NAME}`, `$NAME` and `${NAME:-default}` in paths.
//!
//! What is unknown stays as it is written: these are paths for people and logs,
//! and a wrong guess would be worse. Values are not looked through again.

/// The text with what `look_up` knows put in its places; the names that it does
/// not know are added to `unknown`.
pub fn expand<'e>(
    text: &str,
    look_up: impl Fn(&str) -> Option<&'e str>,
    unknown: &mut Vec<String>,
) -> String {
    let mut made = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        made.push_str(&rest[..at]);
        let reference = &rest[at..];
        let Some((name, default, length)) = reference_at(reference) else {
            made.push('$');
            rest = &reference[1..];
            continue;
        };
        let value = look_up(name);
        // As shells have it, `:-` also stands in for what is empty.
        let value = value.filter(|value| default.is_none() || !value.is_empty());
        match value.or(default) {
            Some(value) => made.push_str(value),
            None => {
                made.push_str(&reference[..length]);
                unknown.push(name.to_owned());
            }
        }
        rest = &reference[length..];
    }
    made + rest
}

/// The name, the default and the length of the reference that begins here.
fn reference_at(text: &str) -> Option<(&str, Option<&str>, usize)> {
    let braced = text.strip_prefix("${");
    let inner = braced.unwrap_or(&text[1..]);
    let length = inner
        .bytes()
        .take_while(|b| b.is_ascii_alphanumeric() || *b == b'_')
        .count();
    let (name, rest) = inner.split_at(length);
    if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        return None;
    }
    if braced.is_none() {
        return Some((name, None, 1 + length));
    }
    if rest.starts_with('}') {
        return Some((name, None, length + 3));
    }
    let default = rest.strip_prefix(":-")?;
    let end = default.find('}')?;
    Some((name, Some(&default[..end]), length + end + 5))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> (String, Vec<String>) {
        let known = |name: &str| match name {
            "HOME" => Some("/home/me"),
            "EMPTY" => Some(""),
            "ODD" => Some("$HOME"),
            _ => None,
        };
        let mut unknown = Vec::new();
        (expand(text, known, &mut unknown), unknown)
    }

    /// H21.
    #[test]
    fn h21_variables_are_replaced_and_what_is_unknown_stays() {
        let is = |text: &str, wanted: &str| assert_eq!(expanded(text).0, wanted, "{text}");
        is("${HOME}/.local", "/home/me/.local");
        is("$HOME/x$HOME", "/home/me/x/home/me");
        is("${NOT_THERE:-/opt}/x", "/opt/x");
        is("${EMPTY:-/opt}/x", "/opt/x");
        is("${EMPTY}/x", "/x");
        is("${HOME:-/opt}", "/home/me");
        is("${ODD}", "$HOME");
        is(
            "5$ ${ $ ${HOME ${1} $1 ${HOME:+x}",
            "5$ ${ $ ${HOME ${1} $1 ${HOME:+x}",
        );
        let (made, unknown) = expanded("${OMARCHY_PATH}/install/$ALSO");
        assert_eq!(made, "${OMARCHY_PATH}/install/$ALSO");
        assert_eq!(unknown, ["OMARCHY_PATH", "ALSO"]);
    }
}
