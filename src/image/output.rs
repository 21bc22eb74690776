//! The docker-archive that is written: the mixed form with `manifest.json` and an OCI layout.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde_json::json;

use super::ImageError;
use super::input::{Blob, Hasher};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const BLOCK: u64 = 512;

/// An image: its config and its unpacked layers.
pub(super) struct Contents {
    /// The config's own bytes.
    pub(super) config: Vec<u8>,
    /// Unpacked layers, lowest first.
    pub(super) layers: Vec<Blob>,
}

// The field order of these three is part of the digest: it must never change.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    schema_version: u32,
    media_type: &'a str,
    config: Descriptor<'a>,
    layers: Vec<Descriptor<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor<'a> {
    media_type: &'a str,
    digest: &'a str,
    size: u64,
}

impl<'a> Descriptor<'a> {
    fn of(media_type: &'a str, blob: &'a Blob) -> Self {
        Self { media_type, digest: &blob.digest, size: blob.size }
    }
}

impl Contents {
    /// The image id on an engine with the classic store.
    pub(super) fn config_digest(&self) -> String {
        Blob::of(&self.config).digest
    }

    /// The image id on an engine with the containerd store.
    pub(super) fn manifest_digest(&self) -> String {
        Blob::of(&self.manifest()).digest
    }

    fn manifest(&self) -> Vec<u8> {
        let config = Blob::of(&self.config);
        let manifest = Manifest {
            schema_version: 2,
            media_type: MANIFEST,
            config: Descriptor::of(CONFIG, &config),
            layers: self.layers.iter().map(|layer| Descriptor::of(LAYER, layer)).collect(),
        };
        // A struct of strings and numbers always has a JSON form.
        serde_json::to_vec(&manifest).unwrap_or_default()
    }

    /// The members that stand before the layers: name and bytes.
    fn head(&self, reference: &str) -> Vec<(String, Vec<u8>)> {
        let (config, manifest) = (Blob::of(&self.config), self.manifest());
        let manifest_blob = Blob::of(&manifest);
        let layers: Vec<String> = self.layers.iter().map(blob_path).collect();
        let tag = reference.rsplit_once(':').map_or("", |(_, tag)| tag);
        let save = json!([{ "Config": blob_path(&config), "RepoTags": [reference], "Layers": layers }]);
        let index = json!({
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [{
                "mediaType": MANIFEST,
                "digest": manifest_blob.digest,
                "size": manifest_blob.size,
                "annotations": {
                    "io.containerd.image.name": reference,
                    "org.opencontainers.image.ref.name": tag,
                },
            }],
        });
        let mut members = vec![
            (blob_path(&config), self.config.clone()),
            (blob_path(&manifest_blob), manifest),
            ("index.json".to_owned(), index.to_string().into_bytes()),
            ("manifest.json".to_owned(), save.to_string().into_bytes()),
            ("oci-layout".to_owned(), json!({ "imageLayoutVersion": "1.0.0" }).to_string().into_bytes()),
        ];
        members.sort();
        members
    }
}

fn blob_path(blob: &Blob) -> String {
    format!("blobs/sha256/{}", blob.hex())
}

/// Writes the archive member by member.
pub(super) struct ArchiveWriter<'a> {
    name: &'a str,
    out: &'a mut dyn Write,
}

impl<'a> ArchiveWriter<'a> {
    /// `name` is the manifest's, for errors.
    pub(super) fn new(name: &'a str, out: &'a mut dyn Write) -> Self {
        Self { name, out }
    }

    /// Everything but the layers.
    pub(super) fn head(&mut self, contents: &Contents, reference: &str) -> Result<(), ImageError> {
        for (path, bytes) in contents.head(reference) {
            self.member(&path, bytes.len() as u64)?;
            self.bytes(&bytes)?;
            self.pad(bytes.len() as u64)?;
        }
        Ok(())
    }

    /// One layer from a reader that must give exactly `layer`. `Ok(Some)` is what it gave instead.
    pub(super) fn layer(
        &mut self,
        layer: &Blob,
        reader: &mut dyn Read,
        on_read: &dyn Fn(io::Error) -> ImageError,
    ) -> Result<Option<Blob>, ImageError> {
        self.member(&blob_path(layer), layer.size)?;
        let mut hasher = Hasher::default();
        let mut buffer = vec![0; 1 << 16];
        // One byte more than expected is enough to see that the input has grown, and is never written.
        let mut left = layer.size + 1;
        while left > 0 {
            let want = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let count = match reader.read(buffer.get_mut(..want).unwrap_or_default()) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(on_read(error)),
            };
            left -= count as u64;
            let bytes = buffer.get(..count).unwrap_or_default();
            hasher.update(bytes);
            if left > 0 {
                self.bytes(bytes)?;
            }
        }
        let found = hasher.finish();
        if found != *layer {
            return Ok(Some(found));
        }
        self.pad(layer.size)?;
        Ok(None)
    }

    /// One layer that `fill` writes itself.
    pub(super) fn layer_with(
        &mut self,
        layer: &Blob,
        fill: &mut dyn FnMut(&mut dyn Write) -> Result<(), ImageError>,
    ) -> Result<(), ImageError> {
        self.member(&blob_path(layer), layer.size)?;
        fill(self.out)?;
        self.pad(layer.size)
    }

    /// The end of the tarball.
    pub(super) fn finish(&mut self) -> Result<(), ImageError> {
        self.bytes(&[0; 1024])?;
        self.out.flush().map_err(|source| self.error(source))
    }

    /// An error of the place that is written to.
    pub(super) fn error(&self, source: io::Error) -> ImageError {
        ImageError::Write { name: self.name.to_owned(), source }
    }

    fn member(&mut self, path: &str, size: u64) -> Result<(), ImageError> {
        let mut header = tar::Header::new_ustar();
        header.set_path(path).map_err(|source| self.error(source))?;
        header.set_entry_type(tar::EntryType::Regular);
        header.set_mode(0o444);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(size);
        header.set_cksum();
        self.bytes(header.as_bytes())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), ImageError> {
        self.out.write_all(bytes).map_err(|source| self.error(source))
    }

    fn pad(&mut self, size: u64) -> Result<(), ImageError> {
        let rest = usize::try_from((BLOCK - size % BLOCK) % BLOCK).unwrap_or_default();
        self.bytes([0; 512].get(..rest).unwrap_or_default())
    }
}
