//! The page says what there is, and whatever a name holds stays a name.

use std::collections::BTreeMap;

use super::*;

fn run() -> Run {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    Run {
        repository: "team/app".to_owned(),
        pull: 12,
        comment: 55,
        comment_url: "https://git.example.org/team/app/pulls/12#issuecomment-55".to_owned(),
        user: "maria".to_owned(),
        asked: "run",
        parameters: BTreeMap::from([("RECIPE".to_owned(), "nextcloud".to_owned())]),
        commit: Some("a".repeat(40)),
        state: "done",
        result: Some("success".to_owned()),
        build: Some(4),
        build_url: Some("https://ci.example.org/team/app/4".to_owned()),
        commented: at("2026-03-01T10:00:00Z"),
        accepted: at("2026-03-01T10:00:00.340Z"),
        queued: Some(at("2026-03-01T10:00:01.540Z")),
        // Drone's clock knows seconds, and runs a little behind.
        picked_up: Some(at("2026-03-01T10:00:01Z")),
        ended: Some(at("2026-03-01T10:01:05Z")),
        done: Some(at("2026-03-01T10:01:06.240Z")),
    }
}

fn page(runs: &[Run]) -> String {
    let now = "2026-03-01T10:02:00Z".parse().unwrap();
    html(&Head { trigger: "!testme", missing: &[], now, most: 100 }, runs)
}

#[test]
fn a_run_is_told_with_its_links_and_what_each_step_took() {
    let mut busy = run();
    (busy.state, busy.result, busy.picked_up, busy.done) = ("building", None, None, None);
    let page = page(&[busy, run()]);
    for part in [
        "1 under way.",
        "<a href=\"https://git.example.org/team/app/pulls/12#issuecomment-55\">team/app#12</a>",
        "<a href=\"https://ci.example.org/team/app/4\">4</a>",
        "run RECIPE=nextcloud by maria",
        "<code title=\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\">aaaaaaaaaaaa</code>",
        "<td class=\"state busy\">building</td>",
        "comment → accepted <b>0.3 s</b> → queued <b>1.2 s</b></td>",
        "→ picked up <b>0.0 s</b> → done <b>1 min 4 s</b></td>",
    ] {
        assert!(page.contains(part), "{part} is not in\n{page}");
    }
}

#[test]
fn what_others_named_stays_text() {
    let evil = "\"><script>alert(1)</script>\u{202e}'&<b x=\"";
    let mut bad = run();
    for field in [&mut bad.repository, &mut bad.user] {
        evil.clone_into(field);
    }
    bad.result = Some(evil.to_owned());
    bad.commit = Some(evil.to_owned());
    bad.parameters = BTreeMap::from([(evil.to_owned(), evil.to_owned())]);
    bad.build_url = Some("javascript:alert(1)".to_owned());
    bad.comment_url = format!("https://git.example.org/{evil}");
    let (good, page) = (page(&[run()]), page(&[bad]));
    assert!(
        !page.contains("<script") && !page.contains("javascript:") && !page.contains('\u{202e}'),
        "{page}"
    );
    let tags = |page: &str| page.matches('<').count();
    // One link less: the one that led to no page.
    assert_eq!(tags(&page), tags(&good) - 2, "{page}");
}

#[test]
fn the_policy_allows_the_style_that_is_there_and_nothing_else() {
    let page = page(&[]);
    let style = page.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    let hash = STANDARD.encode(Sha256::digest(style));
    assert_eq!(
        policy(),
        format!(
            "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
    );
    assert!(page.contains("Nobody has asked"));
    assert!(!page.contains("style=") && !page.contains("src="), "{page}");
}
