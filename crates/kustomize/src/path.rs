//! Paths within a tree, as kustomize's loader reads them.

/// The segments of a folder, joined by a relative path and normalised; `None` where it leaves the root.
pub(crate) fn join(directory: &str, relative: &str) -> Option<String> {
    let mut segments: Vec<&str> = directory
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    for segment in relative.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop()?;
            }
            name => segments.push(name),
        }
    }
    Some(segments.join("/"))
}

/// Two relative paths joined and normalised; it may lead above where it starts.
pub(crate) fn join_lexically(directory: &str, relative: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in directory.split('/').chain(relative.split('/')) {
        match segment {
            "" | "." => {}
            ".." if segments.last().is_some_and(|last| *last != "..") => {
                segments.pop();
            }
            name => segments.push(name),
        }
    }
    segments.join("/")
}

/// Whether a path is a folder or is in or below it.
pub(crate) fn is_within(path: &str, directory: &str) -> bool {
    directory.is_empty()
        || path
            .strip_prefix(directory)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a segment holds `..` beside other characters: what YAML makes of a list whose entries are indented
/// unevenly (`hasAmbiguousPathSegment` of kustomize's fileloader.go).
pub(crate) fn is_ambiguous(path: &str) -> bool {
    path.split('/')
        .any(|segment| segment != ".." && segment.contains(".."))
}

/// Whether kustomize would fetch it: a URL, or what git would clone (kustomize's repospec.go).
pub(crate) fn is_remote(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let lower = lower.strip_prefix("git::").unwrap_or(&lower);
    let has_scheme = ["ssh://", "https://", "http://", "file://"]
        .iter()
        .any(|scheme| lower.starts_with(scheme));
    let has_user = lower.split_once('@').is_some_and(|(user, _)| {
        user.starts_with(|first: char| first.is_ascii_alphabetic())
            && user
                .chars()
                .all(|character| character.is_ascii_alphanumeric() || character == '-')
    });
    let is_github = ["github.com/", "github.com:"]
        .iter()
        .any(|host| lower.starts_with(host));
    has_scheme || has_user || is_github || lower.contains("?ref=") || lower.contains("://")
}

/// The last segment.
pub(crate) fn file_name(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_and_normalises() {
        for (directory, relative, expected) in [
            ("", "a", Some("a")),
            ("a/b", "../c", Some("a/c")),
            ("a/b", "./c//d/", Some("a/b/c/d")),
            ("a", "..", Some("")),
            ("a", "../..", None),
            ("", "../a", None),
        ] {
            assert_eq!(
                join(directory, relative).as_deref(),
                expected,
                "{directory} + {relative}"
            );
        }
    }

    #[test]
    fn joins_beyond_the_start() {
        for (directory, relative, expected) in [
            ("", "a.yaml", "a.yaml"),
            ("../base", "a.yaml", "../base/a.yaml"),
            ("../base", "../other", "../other"),
            ("a", "../..", ".."),
        ] {
            assert_eq!(
                join_lexically(directory, relative),
                expected,
                "{directory} + {relative}"
            );
        }
    }

    #[test]
    fn knows_what_is_within() {
        assert!(is_within("a/b", "a"));
        assert!(is_within("a", "a"));
        assert!(is_within("a", ""));
        assert!(!is_within("ab", "a"));
        assert!(!is_within("a", "a/b"));
    }

    #[test]
    fn tells_remote_from_local() {
        for remote in [
            "https://example.com/a.yaml",
            "HTTPS://example.com/a.yaml",
            "github.com/org/repo",
            "git@github.com:org/repo.git",
            "git::https://example.com/org/repo",
            "ssh://git@example.com/org/repo",
            "file:///srv/repo",
            "org/repo?ref=v1",
        ] {
            assert!(is_remote(remote), "{remote}");
        }
        for local in ["../base", "./github.com/org", "deploy.yaml", "a b@c", "1@b"] {
            assert!(!is_remote(local), "{local}");
        }
    }

    #[test]
    fn finds_ambiguous_segments() {
        assert!(is_ambiguous("../../base - ../../shared"));
        assert!(!is_ambiguous("../../base"));
    }
}
