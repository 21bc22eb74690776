//! Relative paths made absolute.

use std::path::{Path, PathBuf};

use super::{Gate, Manifest, Material};

/// Makes every path of the manifest absolute: relative ones start at `base`.
pub(super) fn resolve(manifest: &mut Manifest, base: &Path) {
    for path in paths(manifest) {
        // `components` leaves `.` away; `..` stays, since what it means depends on symlinks.
        *path = base.join(&*path).components().collect();
    }
}

/// Every path of the manifest.
fn paths(manifest: &mut Manifest) -> Vec<&mut PathBuf> {
    let mut list = vec![&mut manifest.paths.run, &mut manifest.paths.state];
    list.extend(manifest.identities.age_key_files.iter_mut());
    list.extend(manifest.identities.ssh_key_files.iter_mut());
    list.extend(manifest.identities.plugin_folders.iter_mut());
    list.extend(manifest.allow_older.iter_mut());
    for image in manifest.images.values_mut() {
        list.extend(image.archive.as_mut());
        list.extend(image.rootfs.as_mut());
    }
    list.extend(manifest.image_lock.as_mut());
    list.extend(manifest.registries.values_mut().filter_map(|registry| registry.ca.as_mut()));
    list.extend(manifest.secrets.values_mut().map(|secret| &mut secret.file));
    for stack in manifest.stacks.values_mut() {
        list.extend(stack.compose.iter_mut());
        list.extend(stack.env_files.iter_mut());
    }
    if let Some(traefik) = &mut manifest.traefik {
        list.extend(traefik.engine_socket.as_mut());
        for certificate in &mut traefik.certificates {
            list.extend([&mut certificate.chain, &mut certificate.key].map(material).into_iter().flatten());
        }
    }
    if let Some(bridge) = &mut manifest.bridge {
        list.extend([&mut bridge.journal, &mut bridge.forge.ca, &mut bridge.drone.ca].into_iter().flatten());
    }
    if let Some(forge) = &mut manifest.forge {
        list.extend(forge.gitea.as_mut().and_then(|gitea| gitea.ca.as_mut()));
        list.extend(forge.drone.as_mut().and_then(|drone| drone.ca.as_mut()));
    }
    list.extend(manifest.gates.values_mut().flat_map(gate));
    list
}

fn material(material: &mut Material) -> Option<&mut PathBuf> {
    material.file.as_mut()
}

fn gate(gate: &mut Gate) -> Vec<&mut PathBuf> {
    let mut list = Vec::new();
    list.extend(gate.https.as_mut().and_then(|https| https.ca.as_mut()));
    if let Some(certificate) = &mut gate.certificate {
        list.extend(certificate.ca.as_mut());
        list.extend(certificate.equals.as_mut());
        list.extend(certificate.key.as_mut());
    }
    list.extend(gate.auth.as_mut().and_then(|auth| auth.ca.as_mut()));
    list.extend(gate.drone.as_mut().and_then(|drone| drone.ca.as_mut()));
    list.extend(gate.file.as_mut().map(|file| &mut file.path));
    list
}
