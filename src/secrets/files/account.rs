//! Owners and groups by name, as `/etc/passwd` and `/etc/group` have them.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// Names and numbers of this host.
pub(super) struct Accounts {
    users: HashMap<String, u32>,
    groups: HashMap<String, u32>,
}

impl Accounts {
    /// Reads both files below `etc`; one that is absent has no names.
    pub(super) fn load(etc: &Path) -> Self {
        Self { users: table(&etc.join("passwd")), groups: table(&etc.join("group")) }
    }

    /// A user's number, by name or number.
    pub(super) fn user(&self, name: &str) -> Option<u32> {
        number(&self.users, name)
    }

    /// A group's number, by name or number.
    pub(super) fn group(&self, name: &str) -> Option<u32> {
        number(&self.groups, name)
    }
}

/// Both files have the name first and the number third. Bytes that are no text stand in other fields.
fn table(path: &Path) -> HashMap<String, u32> {
    let bytes = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let row = |line: &str| {
        let mut fields = line.split(':');
        Some((fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?))
    };
    text.lines().filter_map(row).collect()
}

fn number(names: &HashMap<String, u32>, name: &str) -> Option<u32> {
    // Root has no name yet where users are still to be made. The last number means "unchanged" to chown.
    let root = (name == "root").then_some(0);
    names.get(name).copied().or(root).or_else(|| name.parse().ok()).filter(|id| *id != u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_resolve_and_strangers_do_not() {
        let etc = tempfile::tempdir().unwrap();
        fs::write(etc.path().join("passwd"), "root:x:0:0::/:/bin/sh\nweb:x:990:980::/:/bin/sh\nbroken\n")
            .unwrap();
        fs::write(etc.path().join("group"), "root:x:0:\nweb:x:980:a,b\n").unwrap();
        let accounts = Accounts::load(etc.path());
        assert_eq!((accounts.user("web"), accounts.group("web")), (Some(990), Some(980)));
        assert_eq!((accounts.user("1234"), accounts.group("0")), (Some(1234), Some(0)));
        assert_eq!(
            (accounts.user("nobody-here"), accounts.user("-1"), accounts.user("4294967295")),
            (None, None, None)
        );
        let none = Accounts::load(Path::new("/nowhere"));
        assert_eq!((none.user("root"), none.group("root"), none.user("web")), (Some(0), Some(0), None));
    }
}
