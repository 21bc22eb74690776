//! The plan for people, in the manner of terraform.

use std::fmt::Write as _;

use super::effect::{class_words, effect_words};
use super::paint::{Paint, Style, plain};
use crate::manifest::LeftField;
use crate::plan::{Change, Class, Consequence, Held, Kept, Left, Plan, Stays, Step, Verb};

/// As much of a value is shown.
const VALUE_CAP: usize = 160;
/// What a value is called that only another step can tell.
const LATER: &str = "(known after apply)";

/// The plan: one block per step, what is held back, warnings, and one summary line.
#[must_use]
pub fn plan_text(plan: &Plan, color: bool) -> String {
    let paint = Paint(color);
    let mut out = String::new();
    if !plan.is_empty() {
        out.push_str("Holdfast will do this:\n\n");
        for step in &plan.steps {
            push_step(&mut out, step, paint);
        }
        out.push('\n');
    }
    push_held(&mut out, &plan.held, paint);
    for left in &plan.left {
        let _ = writeln!(out, "{}\n", left_line(left));
    }
    push_kept(&mut out, &plan.kept, paint);
    push_stays(&mut out, &plan.stays, paint);
    push_warnings(&mut out, &plan.warnings, paint);
    out.push_str(&paint.with(Style::Bold, &summary(plan)));
    out.push('\n');
    out
}

/// `Plan: 2 to create, 1 to update, 0 to delete.`
fn summary(plan: &Plan) -> String {
    if plan.is_empty() {
        return "Plan: nothing to do.".to_owned();
    }
    let anew = |step: &Step| {
        let same = |other: &Step| other.verb == Verb::Replace && other.address == step.address;
        step.verb == Verb::Create && plan.steps.iter().any(same)
    };
    let count = |verb| plan.steps.iter().filter(|step| step.verb == verb && !anew(step)).count();
    let rare = |verb, words: &str| match count(verb) {
        0 => String::new(),
        number => format!(", {number} to {words}"),
    };
    let replaced = rare(Verb::Replace, "replace");
    let units = rare(Verb::Restart, "restart") + &rare(Verb::Reload, "reload");
    let held = match plan.held.len() {
        0 => String::new(),
        number => format!(", {number} held back"),
    };
    let (create, update, delete) = (count(Verb::Create), count(Verb::Update), count(Verb::Delete));
    format!("Plan: {create} to create, {update} to update{replaced}, {delete} to delete{units}{held}.")
}

/// The mark and the words of a verb.
const fn verb_words(verb: Verb) -> (&'static str, &'static str, Style) {
    match verb {
        Verb::Create => ("  +", "create", Style::Green),
        Verb::Update => ("  ~", "update in-place", Style::Yellow),
        Verb::Replace => ("-/+", "delete, and make anew", Style::Red),
        Verb::Delete => ("  -", "delete", Style::Red),
        Verb::Await => ("  >", "wait for it", Style::Dim),
        Verb::Restart => ("  !", "restart", Style::Yellow),
        Verb::Reload => ("  !", "reload", Style::Yellow),
    }
}

/// What a consequence means, where there is one.
const fn consequence_words(consequence: Consequence) -> Option<&'static str> {
    match consequence {
        // Of a restart the verb says all.
        Consequence::None | Consequence::Restart => None,
        Consequence::Reload => Some("reads its files again"),
        Consequence::RollingRestart => Some("rolling restart"),
        Consequence::Recreate => Some("goes away and comes back"),
        Consequence::Removed => Some("is stopped for good"),
        Consequence::DataAtRisk => Some("DATA IS LOST"),
    }
}

fn push_step(out: &mut String, step: &Step, paint: Paint) {
    let (mark, words, style) = verb_words(step.verb);
    let address = paint.with(Style::Bold, &step.address.to_string());
    let _ = write!(out, "{} {address}  {words}", paint.with(style, mark));
    if let Some(words) = consequence_words(step.consequence) {
        let grave = matches!(step.consequence, Consequence::DataAtRisk | Consequence::Removed);
        let style = if grave { Style::Red } else { Style::Yellow };
        let _ = write!(out, ", {}", paint.with(style, words));
    }
    if !step.reason.is_empty() {
        let wave = match step.wave {
            0 => String::new(),
            later => format!("wave {}: ", later + 1),
        };
        let words = format!("# {wave}{}", plain(&step.reason));
        let _ = write!(out, "  {}", paint.with(Style::Dim, &words));
    }
    out.push('\n');
    for change in &step.diff {
        let class = step.effect.as_ref().and_then(|effect| effect.fields.get(&change.field));
        push_change(out, change, class.copied(), paint);
    }
    for (field, address) in &step.after {
        let told = step.diff.iter().any(|change| change.field == *field);
        if !told {
            let from = paint.with(Style::Dim, &format!("# from {address}"));
            let _ =
                writeln!(out, "        {} {}: {LATER}  {from}", paint.with(Style::Green, "+"), plain(field));
        }
    }
    let effect = step.effect.as_ref().map(effect_words).filter(|words| !words.is_empty());
    if let Some(words) = effect {
        let _ = writeln!(out, "        = {}", paint.with(Style::Yellow, &words));
    }
}

fn push_change(out: &mut String, change: &Change, class: Option<Class>, paint: Paint) {
    let field = plain(&change.field);
    let (mark, style, text) = match (&change.before, &change.after) {
        (None, after) => ("+", Style::Green, after.as_deref().map(value).unwrap_or_default()),
        (Some(before), None) => ("-", Style::Red, value(before)),
        (Some(before), Some(after)) => ("~", Style::Yellow, format!("{} -> {}", value(before), value(after))),
    };
    let class =
        class.map(|class| format!("  {}", paint.with(Style::Dim, &format!("# {}", class_words(class)))));
    let _ = writeln!(out, "        {} {field}: {text}{}", paint.with(style, mark), class.unwrap_or_default());
}

/// A value on one line, quoted unless it is a plain word or number, and cut when it is long.
fn value(text: &str) -> String {
    if text == "known after apply" || text == LATER {
        return LATER.to_owned();
    }
    let short: String = text.chars().take(VALUE_CAP).collect();
    let more = if short.len() < text.len() { "..." } else { "" };
    let bare =
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:/@{}[]\",".contains(c));
    if bare { format!("{short}{more}") } else { format!("{short:?}{more}") }
}

/// What docker named and what stays so for now.
fn push_kept(out: &mut String, kept: &[Kept], paint: Paint) {
    for one in kept {
        let address = paint.with(Style::Bold, &one.address.to_string());
        let (name, wanted) = (plain(&one.name), plain(&one.wanted));
        let then = paint.with(Style::Dim, &format!("# `{wanted}` with the next change that restarts"));
        let _ = writeln!(out, "  = {address}  stays `{name}`  {then}");
    }
}

/// What is left although no generation needs it.
pub(super) fn push_stays(out: &mut String, stays: &[Stays], paint: Paint) {
    for one in stays {
        let because = paint.with(Style::Dim, &format!("# {}", plain(&one.because)));
        let _ = writeln!(out, "  = {}  stays  {because}", paint.with(Style::Bold, &plain(&one.name)));
    }
    if !stays.is_empty() {
        out.push('\n');
    }
}

/// What is held back, and because of what.
pub(super) fn push_held(out: &mut String, held: &[Held], paint: Paint) {
    if held.is_empty() {
        return;
    }
    out.push_str("Held back:\n");
    for held in held {
        let mark = paint.with(Style::Yellow, "!");
        let _ = writeln!(out, "  {mark} {}  because of {}", held.address, held.because);
    }
    out.push('\n');
}

/// What differs and is left to others: one line.
pub(super) fn left_line(left: &Left) -> String {
    let field = match left.field {
        LeftField::Replicas => "replicas",
        LeftField::Image => "image",
    };
    let (is, says) = (plain(&left.is), plain(&left.says));
    format!("left to others: {} {field} {is} (the compose files say {says})", left.address)
}

/// Things worth saying.
fn push_warnings(out: &mut String, warnings: &[String], paint: Paint) {
    for warning in warnings {
        let _ = writeln!(out, "{} {}", paint.with(Style::Yellow, "warning:"), plain(warning));
    }
    if !warnings.is_empty() {
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::address::{Address, Kind};
    use crate::plan::{Action, Downtime, Effect, Group, SwarmAction};

    fn step(address: Address, verb: Verb) -> Step {
        Step {
            id: 0,
            address,
            verb,
            action: Action::Swarm(SwarmAction::RemoveVolume(String::new())),
            diff: Vec::new(),
            consequence: Consequence::None,
            effect: None,
            reason: String::new(),
            needs: Vec::new(),
            group: Group::Ground,
            stage: 0,
            wave: 0,
            after: BTreeMap::new(),
        }
    }

    fn change(field: &str, before: Option<&str>, after: Option<&str>) -> Change {
        Change { field: field.to_owned(), before: before.map(str::to_owned), after: after.map(str::to_owned) }
    }

    #[test]
    fn a_plan_reads_like_terraforms() {
        let service = |name| Address::in_stack("web", Kind::Service, name);
        let after = BTreeMap::from([("Networks[0].Target".to_owned(), Address::new(Kind::Network, "proxy"))]);
        let plan = Plan {
            steps: vec![
                step(Address::new(Kind::Network, "proxy"), Verb::Create),
                Step { after, ..step(service("new"), Verb::Create) },
                Step {
                    diff: vec![
                        change("Image", Some("app:1"), Some("app:2")),
                        change("Env[0]", None, Some("A=b c\n")),
                        change("Labels.old", Some("x"), None),
                        change("Secrets[0].SecretID", Some("abc"), Some("known after apply")),
                    ],
                    consequence: Consequence::RollingRestart,
                    effect: Some(Effect {
                        fields: BTreeMap::from([
                            ("Image".to_owned(), Class::RollingRestart),
                            ("Labels.old".to_owned(), Class::Metadata),
                        ]),
                        tasks: 2,
                        replaced: 2,
                        parallelism: 1,
                        rounds: 2,
                        downtime: Downtime::Reduced,
                        ..Effect::default()
                    }),
                    reason: "changed in the manifest".to_owned(),
                    ..step(service("app"), Verb::Update)
                },
                Step { consequence: Consequence::DataAtRisk, ..step(service("db"), Verb::Replace) },
                step(Address::new(Kind::Stack, "old"), Verb::Delete),
                step(Address::new(Kind::Stack, "web"), Verb::Await),
            ],
            held: vec![Held { address: service("api"), because: Address::new(Kind::Secret, "db") }],
            left: vec![Left {
                address: service("app"),
                field: LeftField::Replicas,
                is: "5".to_owned(),
                says: "1".to_owned(),
            }],
            kept: Vec::new(),
            stays: Vec::new(),
            warnings: vec!["the swarm advertises 127.0.0.1".to_owned()],
        };
        let expected = r#"Holdfast will do this:

  + network.proxy  create
  + stack.web/service.new  create
        + Networks[0].Target: (known after apply)  # from network.proxy
  ~ stack.web/service.app  update in-place, rolling restart  # changed in the manifest
        ~ Image: app:1 -> app:2  # rolling restart
        + Env[0]: "A=b c\n"
        - Labels.old: x  # metadata only
        ~ Secrets[0].SecretID: abc -> (known after apply)
        = replaces 2 of 2 tasks, stop-first, one at a time: 1 runs meanwhile
-/+ stack.web/service.db  delete, and make anew, DATA IS LOST
  - stack.old  delete
  > stack.web  wait for it

Held back:
  ! stack.web/service.api  because of secret.db

left to others: stack.web/service.app replicas 5 (the compose files say 1)

warning: the swarm advertises 127.0.0.1

Plan: 2 to create, 1 to update, 1 to replace, 1 to delete, 1 held back.
"#;
        assert_eq!(plan_text(&plan, false), expected);
    }

    #[test]
    fn an_empty_plan_says_so() {
        assert_eq!(plan_text(&Plan::default(), false), "Plan: nothing to do.\n");
    }

    #[test]
    fn colour_changes_nothing_but_the_colour() {
        let plan = Plan { steps: vec![step(Address::single(Kind::Swarm), Verb::Create)], ..Plan::default() };
        let painted = plan_text(&plan, true);
        let stripped = regex::Regex::new("\x1b\\[[0-9;]*m").unwrap().replace_all(&painted, "").into_owned();
        assert_ne!(painted, stripped);
        assert_eq!(stripped, plan_text(&plan, false));
    }

    #[test]
    fn a_value_sends_nothing_to_the_terminal() {
        let step = Step {
            diff: vec![change("Env[0]", None, Some("\x1b[2Jhidden"))],
            ..step(Address::single(Kind::Swarm), Verb::Update)
        };
        let text = plan_text(&Plan { steps: vec![step], ..Plan::default() }, false);
        assert!(!text.contains('\x1b'), "{text:?}");
    }
}
