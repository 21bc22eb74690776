//! Generators: what cannot be made, or cannot be made there.

use super::super::generator::{Generator, Kind, Place};
use super::super::{Manifest, Secret, SecretFormat};
use super::values::holds;
use super::{Judge, Path, join};

/// bcrypt takes no more.
const LONGEST_USER: usize = 255;

pub(super) fn judge(judge: &mut Judge<'_>, manifest: &Manifest) {
    for (name, secret) in &manifest.secrets {
        if let Some(generator) = &secret.generator {
            one(judge, manifest, (name, secret), generator);
        }
    }
}

fn one(
    judge: &mut Judge<'_>,
    manifest: &Manifest,
    (name, secret): (&String, &Secret),
    generator: &Generator,
) {
    let at = ["secrets", name, "generator"];
    let place = |field: &'static str| join(&at, &[field]);
    let kinds = generator.kinds();
    let [kind] = kinds.as_slice() else {
        let fix = "name one of `random`, `age_key`, `ssh_key`, `htpasswd`, `tls_self_signed`, `hmac_key` and `forge`";
        let message = format!("a generator has one kind, this one has {}", kinds.len());
        return judge.value(&at, holds(false, message, fix));
    };
    let ending = secret.file.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let several = match secret.format {
        Some(format) => format != SecretFormat::Binary,
        None => matches!(ending, "yaml" | "yml" | "json" | "env" | "ini"),
    };
    let whole = secret.key.as_deref() == Some("") && several;
    let message = "a whole file of several values cannot be made";
    judge.value(&at, holds(!whole, message, "give `key` a name, or `format` the value `binary`"));
    match kind {
        Kind::Random(random) => {
            let fits = (1..=4096).contains(&random.length);
            judge
                .value(&place("random"), holds(fits, "the length is not from 1 to 4096", "32 is a good one"));
            let message = format!("`{}` has fewer than two characters to choose from", random.charset);
            let fix = "write `alnum`, `hex`, `base64url`, or the characters";
            judge.value(&place("random"), holds(random.characters().len() > 1, message, fix));
        }
        Kind::Hmac(key) => {
            let fits = (128..=4096).contains(&key.bits) && key.bits % 8 == 0;
            let message = "the number of bits is no multiple of 8 from 128 to 4096";
            judge.value(&place("hmac_key"), holds(fits, message, "256 is a good one"));
        }
        Kind::Tls(tls) => {
            let named = !tls.names.is_empty() && tls.names.iter().all(|name| !name.trim().is_empty());
            judge.value(&place("tls_self_signed"), holds(named, "it is for no name", "fill in `names`"));
            let fits = (1..=36500).contains(&tls.days);
            judge.value(
                &place("tls_self_signed"),
                holds(fits, "the days are not from 1 to 36500", "write 365"),
            );
        }
        Kind::Htpasswd(line) => {
            let fits = !line.user.is_empty()
                && line.user.len() <= LONGEST_USER
                && !line.user.contains([':', '\n', '\r', '\0']);
            let message = "this cannot be the user of an htpasswd file";
            judge.value(&join(&at, &["htpasswd", "user"]), holds(fits, message, "no colon, no line break"));
            let of = &line.password.secret;
            let reference = join(&at, &["htpasswd", "password", "secret"]);
            judge.refers(&reference, of, "secrets");
            let other = manifest.secrets.get(of).and_then(|secret| secret.generator.as_ref());
            let chained = of == name || other.is_some_and(|other| other.htpasswd.is_some());
            let fix = "name the secret that holds the password itself";
            judge.value(
                &reference,
                holds(!chained, format!("`{of}` is a line of an htpasswd file itself"), fix),
            );
            let by_forge = other.is_some_and(|other| other.forge.is_some());
            let message = format!("`{of}` is made by a forge, so nobody knows it when lines are made");
            let fix = "name a secret that is there before";
            judge.value(&reference, holds(!by_forge, message, fix));
            let apart = generator.place == Place::Checkout
                && other.is_some_and(|other| other.place == Place::Host && !by_forge);
            let message = format!("`{of}` is made on the host, so nobody knows it in the checkout");
            judge.value(
                &reference,
                holds(!apart, message, "let both be made in one place: `\"where\": \"host\"`"),
            );
        }
        Kind::Forge(from) => super::access::kept(judge, manifest, (name, generator), from),
        Kind::Age | Kind::Ssh(_) => {}
    }
    place_and_age(judge, manifest, &at, generator);
}

/// Where it is made, and when anew.
fn place_and_age(judge: &mut Judge<'_>, manifest: &Manifest, at: &Path<'_>, generator: &Generator) {
    let place = |field: &'static str| join(at, &[field]);
    if generator.place == Place::Host {
        let keys = &manifest.identities;
        let message = "what is made on the host is encrypted for it and its admins, and `identities` does not name both";
        let fix = "fill in `identities.public_keys` and `identities.admins`";
        let named = !keys.public_keys.is_empty() && !keys.admins.is_empty();
        match holds(named, message, fix) {
            // Only true of identities that were understood.
            Err(wrong) if judge.root.at(&["identities"]).is_some() => {
                judge.wrong_key(&place("where"), &["identities"], wrong);
            }
            verdict => judge.value(&place("where"), verdict),
        }
    }
    let days = generator.renew_after_days.is_none_or(|days| days > 0);
    judge.value(&place("renew_after_days"), holds(days, "it would always be due", "write a number of days"));
}
