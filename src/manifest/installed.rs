//! What secrets and templates have in common: a file that is installed, links to it, units that use it.

use std::path::{Path, PathBuf};

use super::{Manifest, Secret, Template};
use crate::address::{Address, Kind};

/// The folder of rendered templates, below that of the secrets.
pub const RENDERED: &str = "rendered";

/// Which of the two folders of installed files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Folder {
    /// What is needed before users are made.
    Users,
    /// Everything else.
    Services,
}

impl Folder {
    /// Both, in the order in which they are installed.
    pub const ALL: [Self; 2] = [Self::Users, Self::Services];

    /// The link below the run folder that readers use.
    #[must_use]
    pub const fn link(self) -> &'static str {
        match self {
            Self::Users => "secrets-for-users",
            Self::Services => "secrets",
        }
    }

    /// The folder of its generations, below the run folder.
    #[must_use]
    pub const fn store(self) -> &'static str {
        match self {
            Self::Users => "secrets-for-users.d",
            Self::Services => "secrets.d",
        }
    }

    /// `user_files` or `files`.
    #[must_use]
    pub const fn address(self) -> Address {
        Address::single(match self {
            Self::Users => Kind::UserFiles,
            Self::Services => Kind::Files,
        })
    }
}

/// A secret or template as a file.
#[derive(Clone, Copy, Debug)]
pub struct Installed<'m> {
    /// Secret or template.
    pub kind: Kind,
    /// Its name in the manifest.
    pub name: &'m str,
    /// Owner by name or number.
    pub owner: &'m str,
    /// Group by name or number.
    pub group: &'m str,
    /// Octal mode.
    pub mode: &'m str,
    path: Option<&'m PathBuf>,
    symlinks: &'m [PathBuf],
    /// Units that are restarted when it changes.
    pub restart_units: &'m [String],
    /// Units that are reloaded when it changes.
    pub reload_units: &'m [String],
    /// True when it stands in the folder that is made before users are.
    pub needed_for_users: bool,
    /// Units that may load it as a credential.
    pub credentials: &'m [String],
    /// True when a file of it is installed.
    pub install: bool,
}

macro_rules! installed {
    ($from:ident, $kind:expr) => {
        impl<'m> From<(&'m String, &'m $from)> for Installed<'m> {
            fn from((name, of): (&'m String, &'m $from)) -> Self {
                Self {
                    kind: $kind,
                    name,
                    owner: &of.owner,
                    group: &of.group,
                    mode: &of.mode,
                    path: of.path.as_ref(),
                    symlinks: &of.symlinks,
                    restart_units: &of.restart_units,
                    reload_units: &of.reload_units,
                    needed_for_users: of.needed_for_users,
                    credentials: &of.credentials,
                    install: of.install,
                }
            }
        }
    };
}
installed!(Secret, Kind::Secret);
installed!(Template, Kind::Template);

impl<'m> Installed<'m> {
    /// `secret.NAME` or `template.NAME`.
    #[must_use]
    pub fn address(&self) -> Address {
        Address::new(self.kind, self.name)
    }

    /// True for a template.
    #[must_use]
    pub fn is_template(&self) -> bool {
        self.kind == Kind::Template
    }

    /// Its path below the folder of installed files: `NAME` or `rendered/NAME`. Values go by the same name.
    #[must_use]
    pub fn file(&self) -> String {
        match self.kind {
            Kind::Template => format!("{RENDERED}/{}", self.name),
            _ => self.name.to_owned(),
        }
    }

    /// The folder of installed files that it is in.
    #[must_use]
    pub const fn folder(&self) -> Folder {
        if self.needed_for_users { Folder::Users } else { Folder::Services }
    }

    /// Where readers find it, whatever links there are.
    #[must_use]
    pub fn place(&self, run: &Path) -> PathBuf {
        run.join(self.folder().link()).join(self.file())
    }

    /// Where links to it are made; a path that is the file's own place is none.
    pub fn links(&self, run: &Path) -> impl Iterator<Item = &'m Path> + use<'m> {
        // Most have none.
        let own = self.links_declared().next().map(|_| self.place(run));
        self.links_declared().filter(move |path| Some(*path) != own.as_deref())
    }

    /// `path`, if there is one, and then `symlinks`, as they are written.
    pub(super) fn links_declared(&self) -> impl Iterator<Item = &'m Path> + use<'m> {
        self.path.into_iter().chain(self.symlinks).map(PathBuf::as_path)
    }

    /// Where those stand in the manifest, below the entry.
    pub(super) fn link_fields(&self) -> impl Iterator<Item = (&'static str, Option<usize>)> + use<'m> {
        let path = self.path.map(|_| ("path", None));
        path.into_iter().chain((0..self.symlinks.len()).map(|index| ("symlinks", Some(index))))
    }
}

impl Manifest {
    /// Every secret and template as what becomes of it on a host, in the order of their names: secrets, then templates.
    pub fn installed(&self) -> impl Iterator<Item = Installed<'_>> {
        let secrets = self.secrets.iter().map(Installed::from);
        secrets.chain(self.templates.iter().map(Installed::from))
    }
}
