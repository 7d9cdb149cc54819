//! `$(NAME)` in a text.

use manifest_yaml::{Number, Value};
use zeroize::Zeroizing;

use crate::scalar::{Text, Visibility, is_text};

/// What a string is once the vars in it have their values; nothing where it is not a string or has none
/// (`DoReplacements` of kustomize's filters/refvar/expand.go).
///
/// A text that is one var and nothing else gets the type of its value. `$$` is a dollar; a name that no var has stays
/// as it is written.
pub(super) fn expand(value: &Value, vars: &[(&str, Value)]) -> Result<Option<Value>, &'static str> {
    if !is_text(value) {
        return Ok(None);
    }
    let template = Text::of(value)?;
    if !template.text.contains('$') {
        return Ok(None);
    }
    let value_of = |name: &str| {
        let found = vars.iter().find(|(var, _)| *var == name);
        found.map(|(_, value)| value)
    };
    if let Some(value) = whole(&template.text).and_then(value_of) {
        return match (template.visibility, value) {
            (Visibility::Plain, value) => Ok(Some(value.share())),
            (Visibility::Sensitive, value) => text_within(value).map(|text| {
                let sensitive = Text {
                    text: text.text,
                    visibility: Visibility::Sensitive,
                };
                Some(sensitive.into_string())
            }),
        };
    }
    let mut text = Zeroizing::new(String::with_capacity(template.text.len()));
    let mut visibility = template.visibility;
    let mut rest = template.text.as_str();
    while let Some((before, after)) = rest.split_once('$') {
        text.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            text.push('$');
            rest = after;
        } else if let Some((name, behind)) = after.strip_prefix('(').and_then(|it| it.split_once(')')) {
            if let Some(value) = value_of(name) {
                let value = text_within(value)?;
                visibility = visibility.and(value.visibility);
                text.push_str(&value.text);
            } else {
                text.push_str("$(");
                text.push_str(name);
                text.push(')');
            }
            rest = behind;
        } else {
            text.push('$');
            rest = after;
        }
    }
    text.push_str(rest);
    Ok(Some(Text { text, visibility }.into_string()))
}

/// The name of the var that a text is, if it is one and nothing else.
fn whole(text: &str) -> Option<&str> {
    let name = text.strip_prefix("$(")?.strip_suffix(')')?;
    (!name.contains(')')).then_some(name)
}

/// A value within a text. Fractions are spelt as Go prints them, however they are written in the file; those that it
/// prints with an exponent are refused.
fn text_within(value: &Value) -> Result<Text, &'static str> {
    match value {
        Value::Number(Number::Float(float)) if (1e-4..1e6).contains(&float.abs()) => {
            Ok(Text::plain(float.to_string()))
        }
        value => Text::of(value),
    }
}

#[cfg(test)]
mod tests {
    use manifest_yaml::Sensitive;

    use super::*;

    fn expanded(text: &str) -> String {
        let vars = [("A", "a".into()), ("N", 8080.into()), ("B", true.into())];
        let value = expand(&text.into(), &vars).unwrap();
        format!("{:?}", value.unwrap_or_else(|| text.into()))
    }

    #[test]
    fn as_kustomize_does() {
        for (text, expected) in [
            ("x", r#""x""#),
            ("$(A)", r#""a""#),
            ("$(N)", "Integer(8080)"),
            ("$(B)", "true"),
            ("$(N)-$(A)", r#""8080-a""#),
            ("$$(A)", r#""$(A)""#),
            ("$(X)", r#""$(X)""#),
            ("$A $( $", r#""$A $( $""#),
            ("$(A", r#""$(A""#),
        ] {
            assert_eq!(expanded(text), expected, "{text}");
        }
    }

    #[test]
    fn what_a_secret_goes_into_is_one() {
        let vars = [("S", Value::Sensitive(Sensitive::string("secret".to_owned())))];
        assert!(expand(&"a $(S) b".into(), &vars).unwrap().unwrap().is_sensitive());
        assert!(expand(&"$(S)".into(), &vars).unwrap().unwrap().is_sensitive());
        let template = Value::Sensitive(Sensitive::string("$(X)".to_owned()));
        let vars = [("X", 1.into())];
        assert!(expand(&template, &vars).unwrap().unwrap().is_sensitive());
    }
}
