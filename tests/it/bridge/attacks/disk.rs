//! No room on the disk.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use rusqlite::Connection;

use crate::bridge::service::{Service, delivery};

/// A file system that can be full.
struct Small(PathBuf);

impl Small {
    fn new(path: PathBuf) -> Self {
        std::fs::create_dir_all(&path).unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(&path).status();
        assert!(mounted.unwrap().success(), "this test mounts a tmpfs and so runs as root");
        Self(path)
    }

    /// Nothing more goes on it until what this returns is removed.
    fn fill(&self) -> PathBuf {
        let ballast = self.0.join("ballast");
        drop(std::fs::write(&ballast, vec![0; 4 << 20]));
        ballast
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

/// Answers, and then writes down what it has taken.
fn naive(disk: &Small, comment: i64) -> u16 {
    let mut list = std::fs::File::options().append(true).create(true).open(disk.0.join("list")).unwrap();
    drop(writeln!(list, "{comment:<4000}"));
    202
}

#[test]
fn a_full_disk_is_answered_with_503_and_forgotten_when_there_is_room_again() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Small::new(folder.path().join("disk"));
    let journal = disk.0.join("journal.db");
    let service = Service::start(|bridge| bridge["journal"] = journal.to_str().unwrap().into());
    assert_eq!(service.deliver(&delivery(1)), 202);
    let mut taken = vec![1];
    for round in [1, 2] {
        let ballast = disk.fill();
        // What fits into pages that are there already may still be taken; then there is no room for any.
        let refused = (round * 1000..round * 1000 + 500).find(|comment| {
            let status = service.deliver(&delivery(*comment));
            if status == 202 {
                taken.push(i64::try_from(*comment).unwrap());
            }
            status == 503
        });
        let refused = refused.expect("the disk was never full");
        assert_eq!(service.page("/healthz").0, 200, "it lives on");
        std::fs::remove_file(&ballast).unwrap();
        assert_eq!(service.deliver(&delivery(refused)), 202, "the forge, or somebody, sends it again");
        taken.push(i64::try_from(refused).unwrap());
    }
    let kept = Connection::open(&journal).unwrap();
    let mut all = kept.prepare("SELECT comment FROM task ORDER BY id").unwrap();
    let all: Vec<i64> = all.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(all, taken);
    drop(service);

    let disk = Small::new(folder.path().join("other"));
    let ballast = disk.fill();
    let answers: Vec<u16> = (1..=20).map(|comment| naive(&disk, comment)).collect();
    std::fs::remove_file(ballast).unwrap();
    let kept = std::fs::read_to_string(disk.0.join("list")).unwrap();
    assert!(kept.lines().count() < answers.len(), "the twin stands, so this proves nothing");
}
