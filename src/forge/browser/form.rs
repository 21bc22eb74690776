//! Forms of a page, as far as hidden fields go. No more of HTML is understood than templates that escape every value
//! produce; what is not understood is not guessed.

use std::collections::BTreeMap;

/// A form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::forge) struct Form {
    /// Where it is sent to.
    pub(in crate::forge) action: String,
    /// `post`, or anything else.
    pub(in crate::forge) method: String,
    /// Its hidden fields.
    pub(in crate::forge) fields: BTreeMap<String, String>,
}

/// Every form of a page.
///
/// # Errors
/// A form with two hidden fields of one name, or one inside of another.
pub(in crate::forge) fn forms(page: &str) -> Result<Vec<Form>, String> {
    let mut found: Vec<Form> = Vec::new();
    let mut open: Option<Form> = None;
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        rest = rest.get(at..).unwrap_or_default();
        if let Some(comment) = rest.strip_prefix("<!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        let Some((tag, after)) = tag(rest) else { break };
        rest = after;
        match tag.name.as_str() {
            // What a script or a style holds is no page.
            name @ ("script" | "style" | "textarea" | "title" | "template" | "noscript") => {
                rest = past(rest, &format!("</{name}"));
            }
            "form" if open.is_some() => return Err("a form is inside of another one".to_owned()),
            "form" => {
                let (action, method) = (tag.of("action"), tag.of("method").to_ascii_lowercase());
                open = Some(Form { action, method, fields: BTreeMap::new() });
            }
            "/form" => found.extend(open.take()),
            "input" if tag.of("type").eq_ignore_ascii_case("hidden") => {
                let Some(form) = &mut open else { continue };
                let name = tag.of("name");
                if form.fields.insert(name.clone(), tag.of("value")).is_some() {
                    return Err(format!("a form has two fields `{}`", name.escape_default()));
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

/// What follows an end tag, whatever its case.
fn past<'p>(page: &'p str, end: &str) -> &'p str {
    let bytes = page.as_bytes().windows(end.len());
    let at = bytes.enumerate().find(|(_, window)| window.eq_ignore_ascii_case(end.as_bytes()));
    at.and_then(|(at, _)| page.get(at..)).unwrap_or_default()
}

#[derive(Default)]
struct Tag {
    name: String,
    attributes: BTreeMap<String, String>,
}

impl Tag {
    fn of(&self, attribute: &str) -> String {
        self.attributes.get(attribute).cloned().unwrap_or_default()
    }
}

/// The tag that `text` begins with, and what follows it; `None` where it does not end.
fn tag(text: &str) -> Option<(Tag, &str)> {
    let rest = text.strip_prefix('<')?;
    let end = rest.find(|c: char| c.is_ascii_whitespace() || c == '>')?;
    let (name, mut rest) = rest.split_at(end);
    let mut tag = Tag { name: name.trim_end_matches('/').to_ascii_lowercase(), ..Tag::default() };
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        if let Some(after) = rest.strip_prefix('>') {
            return Some((tag, after));
        }
        let end = rest.find(|c: char| c.is_ascii_whitespace() || matches!(c, '=' | '>' | '/'))?;
        let (name, after) = rest.split_at(end.max(1));
        let value = after.trim_start();
        let Some(value) = value.strip_prefix('=') else {
            tag.attributes.entry(name.to_ascii_lowercase()).or_default();
            rest = after;
            continue;
        };
        let value = value.trim_start();
        let (value, after) = match value.chars().next()? {
            quote @ ('"' | '\'') => value.get(1..)?.split_once(quote)?,
            _ => value.split_at(value.find(|c: char| c.is_ascii_whitespace() || c == '>')?),
        };
        // The first one counts, as in a browser.
        tag.attributes.entry(name.to_ascii_lowercase()).or_insert_with(|| unescaped(value));
        rest = after;
    }
}

/// The text that an attribute stands for; a name that is not known stays as it is.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let entity = after.split_once(';').and_then(|(name, after)| Some((character(name)?, after)));
        rest = if let Some((character, after)) = entity {
            out.push(character);
            after
        } else {
            out.push('&');
            after
        };
    }
    out + rest
}

fn character(entity: &str) -> Option<char> {
    if let Some(number) = entity.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        };
        return char::from_u32(code.ok()?);
    }
    Some(match entity {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_fields_are_read_with_what_was_escaped() {
        let page = r#"<!doctype html><body><form method="POST" action="/login/oauth/grant">
            <input type="hidden" name="_csrf" value="a&#43;b&amp;c&#x2f;&lt;&unknown;">
            <input name=client_id type=hidden value=abc>
            <INPUT TYPE='hidden' NAME='state' VALUE='it "is"'/>
            <input type="text" name="shown" value="x"><button name="granted" value="true">yes</button></form>"#;
        let forms = forms(page).unwrap();
        assert_eq!(forms.len(), 1);
        assert_eq!((forms[0].method.as_str(), forms[0].action.as_str()), ("post", "/login/oauth/grant"));
        let fields: Vec<(&str, &str)> =
            forms[0].fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(fields, [("_csrf", "a+b&c/<&unknown;"), ("client_id", "abc"), ("state", "it \"is\"")]);
    }

    #[test]
    fn an_attack_by_a_form_that_no_browser_sees_is_none() {
        let hidden = r#"<form method="post" action="/x"><input type="hidden" name="a" value="1"></form>"#;
        for page in [
            format!("<!-- {hidden} -->"),
            format!("<script>var x = '{hidden}'</script>"),
            format!("<textarea>{hidden}</TEXTAREA>"),
            format!("<p title='{hidden}'>"),
        ] {
            assert_eq!(forms(&page).unwrap(), [], "{page}");
        }
        assert_eq!(forms(&format!("<p>{hidden}")).unwrap().len(), 1);
    }

    #[test]
    fn an_attack_by_a_second_field_of_the_same_name_is_refused() {
        let two = r#"<input type="hidden" name="client_id" value="1">"#;
        assert!(forms(&format!("<form>{two}{two}</form>")).is_err());
        assert!(forms("<form><form></form></form>").is_err());
    }

    #[test]
    fn a_page_that_breaks_off_has_no_form() {
        let page = r#"<form method="post" action="/x"><input type="hidden" name="a" value="1"></form>"#;
        for end in 0..page.len() {
            assert_eq!(forms(&page[..end]).unwrap(), [], "{end}");
        }
        for odd in ["<", "<>", "< a", "<a =", "<a b=", "<a b='", "<é ü=ö>", "<a/b>", "<a '>"] {
            assert_eq!(forms(odd).unwrap(), [], "{odd}");
        }
    }
}
