//! Work on several threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Does `work` on every item, on at most so many threads, this one among them; one that cannot be had is one less. What
/// comes of it is in no order.
///
/// # Errors
/// The first one of any thread; what other threads had begun is done all the same.
pub fn spread<'i, T: Sync, R: Send, E: Send>(
    items: &'i [T],
    threads: usize,
    work: impl Fn(&'i T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let next = AtomicUsize::new(0);
    let run = || {
        let mut done = Vec::new();
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.push(work(item)?);
        }
        Ok(done)
    };
    thread::scope(|scope| {
        let others = 1..threads.min(items.len());
        let others: Vec<_> =
            others.filter_map(|_| thread::Builder::new().spawn_scoped(scope, run).ok()).collect();
        let mut all = run();
        for other in others {
            let done = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            all = all.and_then(|mut all| {
                all.extend(done?);
                Ok(all)
            });
        }
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_worked_on_once_however_many_threads_there_are() {
        let items: Vec<u32> = (0..1000).collect();
        for threads in [0, 1, 2, 7, 2000] {
            let mut done = spread(&items, threads, |item| Ok::<_, ()>(item + 1)).unwrap();
            done.sort_unstable();
            assert!(done.iter().zip(&items).all(|(done, item)| *done == item + 1), "{threads}");
            assert_eq!(done.len(), items.len());
        }
        assert_eq!(spread(&[1; 0], 4, |item| Ok::<_, ()>(*item)), Ok(Vec::new()));
    }

    #[test]
    fn an_error_of_any_thread_is_told() {
        let items: Vec<u32> = (0..100).collect();
        for bad in [0, 1, 50, 99] {
            let work = |item: &u32| if *item == bad { Err(*item) } else { Ok(()) };
            assert_eq!(spread(&items, 3, work), Err(bad));
        }
    }
}
