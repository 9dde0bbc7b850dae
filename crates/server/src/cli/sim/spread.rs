//! Jobs over all processors, with a bar on a terminal. A job is a pure function of its number, so neither the number of
//! threads nor their order shows in the results.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Runs `jobs` jobs on as many threads as the machine runs at once; the results in the order of the jobs.
pub(super) fn spread<T: Send>(jobs: usize, run: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let bar = ProgressBar::with_draw_target(Some(jobs as u64), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {elapsed} {eta} left");
    bar.set_style(style.expect("the template is a constant"));
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= jobs {
                return done;
            }
            done.push((index, run(index)));
            bar.inc(1);
        }
    };
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(jobs);
    let mut results: Vec<(usize, T)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("jobs do not panic")).collect()
    });
    bar.finish_and_clear();
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_jobs() {
        assert_eq!(spread(100, |job| job * 2), (0..100).map(|job| job * 2).collect::<Vec<_>>());
        assert!(spread(0, |job| job).is_empty());
    }
}
