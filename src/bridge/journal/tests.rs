//! What is stored once stays, whatever happens to the process, the disk or the delivery.

use tokio::runtime::Builder;

use super::*;
use crate::bridge::command::Command;
use crate::bridge::commit::Commit;
use crate::bridge::judge::Task;

fn run<T>(future: impl Future<Output = T>) -> T {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn entry(repository: u64, comment: u64) -> Entry {
    Entry {
        forge: "https://git.example.org".to_owned(),
        task: Task {
            repository,
            full_name: "team/app".to_owned(),
            pull: 12,
            comment,
            user: 3,
            login: "maria".to_owned(),
            head: Commit::new(&"a".repeat(40)),
            created: "2026-03-01T10:00:00Z".parse().unwrap(),
        },
        work: Work::Obey(Command::Cancel),
        received: "2026-03-01T10:00:00.123Z".parse().unwrap(),
    }
}

async fn unfinished(journal: &Journal, after: i64, most: usize) -> Vec<i64> {
    journal.ask(move |connection| Row::unfinished(connection, after, most)).await.unwrap()
}

#[test]
fn a_delivery_is_stored_once_and_is_read_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/journal.db");
    let (journal, thread) = Journal::open(&path).unwrap();
    run(async {
        assert_eq!(journal.accept(entry(7, 1)).await, Ok(Stored::New));
        assert_eq!(journal.accept(entry(7, 1)).await, Ok(Stored::Known));
        assert_eq!(journal.accept(entry(8, 1)).await, Ok(Stored::New));
        assert_eq!(unfinished(&journal, 0, 100).await, [1, 2]);
        assert_eq!((unfinished(&journal, 0, 1).await, unfinished(&journal, 1, 9).await), (vec![1], vec![2]));
        let find = |id| journal.ask(move |connection| Row::find(connection, id));
        let mut row = find(1).await.unwrap().unwrap();
        assert_eq!((&row.entry, &find(2).await.unwrap().unwrap().entry), (&entry(7, 1), &entry(8, 1)));
        assert_eq!(find(3).await, Ok(None));
        (row.state, row.build, row.answer, row.result) =
            (State::Done, Some(4), Some(5), Some("success".to_owned()));
        let kept = row.clone();
        journal.ask(move |connection| kept.keep(connection)).await.unwrap();
        assert_eq!(unfinished(&journal, 0, 100).await, [2]);
        assert_eq!(journal.ask(|connection| Row::last(connection, 9)).await.unwrap()[1], row);
    });
    drop(journal);
    thread.join().unwrap();
    let (journal, _thread) = Journal::open(&path).unwrap();
    assert_eq!(
        run(journal.accept(entry(7, 1))),
        Ok(Stored::Known),
        "known after a restart too, though it is done"
    );
}

#[test]
fn a_second_bridge_on_one_journal_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let (journal, thread) = Journal::open(&path).unwrap();
    assert!(matches!(Journal::open(&path), Err(JournalError::Taken { .. })));
    drop(journal);
    thread.join().unwrap();
    assert!(Journal::open(&path).is_ok());
}

#[test]
fn a_journal_of_a_later_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 3).unwrap();
    assert!(matches!(Journal::open(&path), Err(JournalError::Newer { found: 3, known: 2, .. })));
}

#[test]
fn deliveries_that_arrive_together_share_a_transaction_and_each_gets_its_own_answer() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _thread) = Journal::open(&folder.path().join("journal.db")).unwrap();
    run(async {
        let all = (0..2000).map(|at| journal.accept(entry(7, 1 + at / 2)));
        let stored = futures_util::future::join_all(all).await;
        let new = stored.iter().filter(|stored| **stored == Ok(Stored::New)).count();
        assert_eq!((stored.len(), new), (2000, 1000));
        // Far fewer commits than deliveries: each commit writes the page of the header or of the end of the table anew.
        let frames = std::fs::metadata(folder.path().join("journal.db-wal")).unwrap().len() / 4096;
        assert!(frames < 600, "{frames} pages for 1000 rows");
    });
}

#[test]
fn a_full_disk_is_told_loses_nothing_and_is_forgotten_when_there_is_room_again() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _thread) = Journal::open(&folder.path().join("journal.db")).unwrap();
    run(async {
        // SQLite's own word for a disk of so many pages.
        journal.ask(|connection| connection.pragma_update(None, "max_page_count", 5)).await.unwrap();
        let mut stored = 0;
        let refused = loop {
            let batch =
                futures_util::future::join_all((0..20).map(|at| journal.accept(entry(7, stored + 1 + at))))
                    .await;
            match batch.iter().position(Result::is_err) {
                Some(at) => break stored + u64::try_from(at).unwrap(),
                None => stored += 20,
            }
            assert!(stored < 10_000, "the disk never filled");
        };
        let rows = unfinished(&journal, 0, 10_000).await;
        assert!(u64::try_from(rows.len()).unwrap() >= refused, "what was answered is there");
        // The connection was opened anew, and the disk has room again.
        assert_eq!(journal.accept(entry(9, 1)).await, Ok(Stored::New));
    });
}

#[test]
fn a_journal_of_the_first_format_is_read_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let (journal, thread) = Journal::open(&path).unwrap();
    run(journal.accept(entry(7, 1))).unwrap();
    drop(journal);
    thread.join().unwrap();
    // As the first format left it: without times.
    let old = Connection::open(&path).unwrap();
    for column in ["queued", "picked", "ended", "told"] {
        old.execute_batch(&format!("ALTER TABLE task DROP COLUMN {column}")).unwrap();
    }
    old.pragma_update(None, "user_version", 1).unwrap();
    drop(old);
    for _ in 0..2 {
        let (journal, thread) = Journal::open(&path).unwrap();
        let rows = run(journal.ask(|connection| Row::last(connection, 100))).unwrap();
        assert_eq!(
            rows.iter().map(|row| (row.entry.clone(), row.times)).collect::<Vec<_>>(),
            [(entry(7, 1), Times::default())]
        );
        assert_eq!(run(journal.ask(Row::standing)), Ok(vec![(State::Accepted, 1)]));
        drop(journal);
        thread.join().unwrap();
    }
}
