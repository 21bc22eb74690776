//! The host, the swarm, networks, images, secrets, templates, folders.

use std::net::IpAddr;

use super::super::{Image, Ipam, Manifest, Swarm};
use super::values::{self, Cidr, Verdict, Wrong, holds};
use super::{Judge, Path, join};

/// The version of the format that this program reads.
const VERSION: u32 = 1;

/// Networks that every engine has and nobody declares.
const PREDEFINED: [&str; 4] = ["bridge", "docker_gwbridge", "host", "none"];

pub(super) fn judge(judge: &mut Judge<'_>, manifest: &Manifest) {
    let version = manifest.version;
    judge.value(
        &["version"],
        holds(
            version == VERSION,
            format!("version {version} of the manifest is not known"),
            format!("write `{VERSION}`, or use the holdfast that knows version {version}"),
        ),
    );
    judge.value(&["instance"], values::name(&manifest.instance));
    judge.value(&["host", "name"], values::server_name(&manifest.host.name));
    judge.value(&["engine", "address"], engine(&manifest.engine.address));
    if let Some(swarm) = &manifest.swarm {
        judge_swarm(judge, swarm);
    }
    judge.names(&["networks"], manifest.networks.keys(), network_name);
    for (name, network) in &manifest.networks {
        if let Some(ipam) = &network.ipam {
            judge_ipam(judge, &["networks", name, "ipam"], ipam);
        }
    }
    judge.names(&["images"], manifest.images.keys(), values::image_name);
    for (name, image) in &manifest.images {
        judge_image(judge, &["images", name], image);
    }
    judge_registries(judge, manifest);
    judge_paths(judge, manifest);
}

fn engine(address: &str) -> Verdict {
    let path = address.strip_prefix("unix://").unwrap_or_default();
    holds(
        path.starts_with('/'),
        format!("`{address}` is not the address of an engine"),
        "write it like `unix:///var/run/docker.sock`",
    )
}

fn network_name(name: &str) -> Verdict {
    values::name(name)?;
    let message = format!("the network `{name}` belongs to the engine itself");
    holds(!PREDEFINED.contains(&name), message, "give it another name")
}

fn judge_swarm(judge: &mut Judge<'_>, swarm: &Swarm) {
    judge.value(&["swarm", "advertise"], values::endpoint(&swarm.advertise));
    judge.value(&["swarm", "listen"], values::endpoint(&swarm.listen));
    judge.maybe(&["swarm", "data_path"], swarm.data_path.as_deref(), values::address);
    judge.maybe(&["swarm", "data_path_port"], swarm.data_path_port, |port| {
        let fits = (1024..=49_151).contains(&port);
        holds(fits, format!("`{port}` cannot be the data path's port"), "write one from 1024 to 49151")
    });
    judge.each(&["swarm", "address_pools"], &swarm.address_pools, |pool| Cidr::parse(pool).map(|_| ()));
    let pools: Vec<Cidr> = swarm.address_pools.iter().filter_map(|pool| Cidr::parse(pool).ok()).collect();
    for (index, pool) in pools.iter().enumerate() {
        if pools.iter().take(index).any(|other| other.meets(*pool)) {
            let index = index.to_string();
            let message = "this pool overlaps one before it";
            judge.value(&["swarm", "address_pools", &index], holds(false, message, "leave one of them away"));
        }
    }
    judge.maybe(&["swarm", "subnet_size"], swarm.subnet_size, |size| {
        let least = pools.iter().map(|pool| pool.prefix).max().unwrap_or(1);
        let fits = (least..=29).contains(&size);
        holds(fits, format!("no pool can be cut into subnets of `/{size}`"), format!("write {least} to 29"))
    });
}

fn judge_ipam(judge: &mut Judge<'_>, at: &Path<'_>, ipam: &Ipam) {
    for (index, subnet) in ipam.subnets.iter().enumerate() {
        let index = index.to_string();
        let at = join(at, &["subnets", &index]);
        let block = match Cidr::parse(&subnet.subnet) {
            Ok(block) => block,
            Err(wrong) => {
                judge.wrong(&join(&at, &["subnet"]), wrong);
                continue;
            }
        };
        judge.maybe(&join(&at, &["gateway"]), subnet.gateway.as_deref(), |gateway| {
            let inside = gateway.parse::<IpAddr>().is_ok_and(|address| block.holds(address));
            let message = format!("`{gateway}` is no address of `{}`", subnet.subnet);
            holds(inside, message, "write one, without a prefix length")
        });
        judge.maybe(&join(&at, &["ip_range"]), subnet.ip_range.as_deref(), |range| {
            let range_block = Cidr::parse(range)?;
            let inside = block.holds(range_block.address) && range_block.prefix >= block.prefix;
            holds(
                inside,
                format!("`{range}` is no part of `{}`", subnet.subnet),
                "write a part of the subnet",
            )
        });
    }
}

fn judge_image(judge: &mut Judge<'_>, at: &Path<'_>, image: &Image) {
    let kinds = [image.archive.is_some(), image.rootfs.is_some(), image.reference.is_some()];
    if let Err(wrong) = one_of(&kinds, "an image", "`archive`, `rootfs` and `reference`") {
        judge.wrong_key(at, at, wrong);
    }
    judge.maybe(&join(at, &["archive"]), image.archive.as_deref(), values::path);
    judge.maybe(&join(at, &["rootfs"]), image.rootfs.as_deref(), values::path);
    judge.maybe(&join(at, &["reference"]), image.reference.as_deref(), values::reference);
    let Some(config) = &image.config else { return };
    if image.rootfs.is_none() {
        let message = "only a `rootfs` has a `config`; other images bring their own";
        let wrong = Wrong { message: message.to_owned(), fix: "leave it away".to_owned() };
        judge.wrong_key(&join(at, &["config"]), at, wrong);
    }
    judge.each(&join(at, &["config", "env"]), &config.env, |text| values::assignment(text));
    judge.each(&join(at, &["config", "ports"]), &config.ports, |text| values::port(text));
}

fn judge_registries(judge: &mut Judge<'_>, manifest: &Manifest) {
    judge.maybe(&["image_lock"], manifest.image_lock.as_deref(), values::path);
    judge.names(&["registries"], manifest.registries.keys(), values::registry);
    for (name, registry) in &manifest.registries {
        let at: &Path<'_> = &["registries", name];
        if registry.username.is_some() != registry.password.is_some() {
            let message = "a login is a `username` with a `password`".to_owned();
            let fix = "write both, or neither for a registry that asks for none".to_owned();
            judge.wrong_key(at, at, Wrong { message, fix });
        }
        judge.maybe(&join(at, &["username"]), registry.username.as_deref(), |name| {
            let fits = !name.is_empty() && !name.contains([':', '\r', '\n', '\0']);
            holds(
                fits,
                format!("`{name}` cannot be a user name"),
                "one or more characters, no colon among them",
            )
        });
        if let Some(password) = &registry.password {
            judge.refers(&join(at, &["password", "secret"]), &password.secret, "secrets");
        }
        judge.maybe(&join(at, &["ca"]), registry.ca.as_deref(), values::path);
    }
    if let Some(policy) = &manifest.image_policy {
        judge.each(&["image_policy", "registries"], &policy.registries, |name| values::registry(name));
        judge.each(&["image_policy", "allow"], &policy.allow, |image| values::filled(image, "the image"));
    }
}

/// Exactly one of several must be there.
pub(super) fn one_of(there: &[bool], what: &str, which: &str) -> Verdict {
    let count = there.iter().filter(|there| **there).count();
    let message = match count {
        0 => format!("{what} needs one of {which}, this one has none"),
        _ => format!("{what} takes one of {which}, this one has {count}"),
    };
    holds(count == 1, message, if count == 0 { "add one of them" } else { "keep one of them" })
}

fn judge_paths(judge: &mut Judge<'_>, manifest: &Manifest) {
    let paths = &manifest.paths;
    judge.value(&["paths", "run"], values::path(&paths.run));
    judge.value(&["paths", "state"], values::path(&paths.state));
    let apart = !paths.state.starts_with(&paths.run);
    let message = "the state folder lies in the run folder, which no boot survives";
    judge.value(&["paths", "state"], holds(apart, message, "write a folder of its own"));
}
