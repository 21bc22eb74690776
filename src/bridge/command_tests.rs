//! What is a command, what only looks like one, and that nothing else ever becomes one.

use proptest::prelude::*;

use super::*;
use crate::manifest::Range;

const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

fn declared() -> BTreeMap<String, BridgeParameter> {
    let recipes = ["nextcloud", "gitea"].map(str::to_owned).to_vec();
    BTreeMap::from([
        ("RECIPE".to_owned(), BridgeParameter { one_of: recipes, ..BridgeParameter::default() }),
        (
            "COUNT".to_owned(),
            BridgeParameter { integer: Some(Range { min: 1, max: 20 }), ..BridgeParameter::default() },
        ),
        ("BASE".to_owned(), BridgeParameter { commit: true, ..BridgeParameter::default() }),
    ])
}

fn said(comment: &str) -> Said {
    read(comment, "!testme", &declared())
}

fn ran(commit: Option<&str>, parameters: &[(&str, &str)]) -> Said {
    let parameters =
        parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Said::Command(Command::Run { commit: commit.map(|sha| Commit::new(sha).unwrap()), parameters })
}

#[test]
fn commands_are_read() {
    for bare in ["!testme", " !testme\n", "!testme\r\n", "\t!testme  "] {
        assert_eq!(said(bare), ran(None, &[]), "{bare:?}");
    }
    assert_eq!(said(&format!("!testme {SHA}")), ran(Some(SHA), &[]));
    assert_eq!(
        said(&format!("!testme  RECIPE=gitea {SHA} COUNT=20 BASE={SHA}")),
        ran(Some(SHA), &[("RECIPE", "gitea"), ("COUNT", "20"), ("BASE", SHA)])
    );
    assert_eq!(said("!testme cancel"), Said::Command(Command::Cancel));
    assert_eq!(said("!testme rerun"), Said::Command(Command::Rerun));
}

#[test]
fn most_comments_are_none() {
    for nothing in [
        "",
        " ",
        "looks good",
        "> !testme",
        ">!testme",
        "`!testme`",
        "please !testme",
        "!testmenow",
        "!testme,",
        "!TESTME",
        "! testme",
        "testme",
        "!\u{200b}",
        "\\!testme",
        "!test",
        "#!testme",
    ] {
        assert_eq!(said(nothing), Said::Nothing, "{nothing:?}");
    }
}

#[test]
fn what_only_looks_like_a_command_is_refused_by_name() {
    for (comment, why) in [
        ("!testme\u{200b}", Misread::Invisible),
        ("\u{feff}!testme", Misread::Invisible),
        ("!test\u{ad}me", Misread::Invisible),
        ("!testme\u{a0}rerun", Misread::Invisible),
        ("!testme \u{202e}lecnac", Misread::Invisible),
        ("!testme\tcancel", Misread::Invisible),
        ("!testme RECIPE=gite\u{430}", Misread::Invisible),
        ("!testme\0", Misread::Invisible),
        ("!testme\u{8}\u{8}x", Misread::Invisible),
        ("!testme\r\n!testme cancel", Misread::Lines),
        ("!testme\nthanks", Misread::Lines),
        ("!testme\rcancel", Misread::Lines),
        ("!testme please", Misread::Word),
        ("!testme cancel now", Misread::Word),
        ("!testme main", Misread::Word),
        ("!testme 0123456", Misread::Word),
        ("!testme PATH=/tmp", Misread::Parameter),
        ("!testme recipe=gitea", Misread::Parameter),
        ("!testme =gitea", Misread::Parameter),
        ("!testme RECIPE=", Misread::Value("RECIPE".to_owned())),
        ("!testme RECIPE=$(id)", Misread::Value("RECIPE".to_owned())),
        ("!testme RECIPE=gitea=1", Misread::Value("RECIPE".to_owned())),
        ("!testme COUNT=21", Misread::Value("COUNT".to_owned())),
        ("!testme COUNT=+2", Misread::Value("COUNT".to_owned())),
        ("!testme COUNT=02", Misread::Value("COUNT".to_owned())),
        ("!testme COUNT=-2", Misread::Value("COUNT".to_owned())),
        ("!testme COUNT=1 COUNT=2", Misread::Twice),
        (&format!("!testme {SHA} {SHA}"), Misread::Twice),
        (&format!("!testme BASE={}", SHA.to_uppercase()), Misread::Value("BASE".to_owned())),
        (&format!("!testme {}", "a".repeat(1000)), Misread::Long),
    ] {
        assert_eq!(said(comment), Said::Misread(why), "{comment:?}");
    }
}

proptest! {
    /// Whatever is written, what a build would be given is made of characters that no shell and no query gives a meaning.
    #[test]
    fn nothing_dangerous_comes_out(comment in "(!testme)?[ \t\r\n]?.{0,40}", tail in "( [A-Z]{1,6}=.{0,12}){0,3}") {
        if let Said::Command(Command::Run { parameters, .. }) = said(&format!("{comment}{tail}")) {
            for (name, value) in parameters {
                prop_assert!(declared().contains_key(&name));
                prop_assert!(value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{value:?}");
            }
        }
    }

    /// The trigger anywhere but in front is no command.
    #[test]
    fn only_a_comment_that_begins_with_the_trigger_is_a_command(front in "[!-~]{1,10}", tail in "[ -~]{0,20}") {
        prop_assume!(!front.starts_with("!testme"));
        prop_assert_eq!(said(&format!("{front} !testme {tail}")), Said::Nothing);
    }
}
