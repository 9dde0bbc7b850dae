//! Keeping a worker's thread on one core, where the operator wants it and the system allows it.
//!
//! Owns which core: the cores that the process may use, one after the other. Leaves whether to the configuration: a thread that
//! moves leaves its caches behind, but one that may not move waits for whatever else runs on its core.

/// Keeps the calling thread on one core, the `index`th of those that the process may use, beginning anew where there are fewer.
/// Returns its number; `None` where the system does not do that or forbids it.
pub(crate) fn to_core(index: usize) -> Option<usize> {
    #[cfg(target_os = "linux")]
    {
        use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
        use nix::unistd::Pid;

        // The thread itself.
        let this = Pid::from_raw(0);
        let allowed = sched_getaffinity(this).ok()?;
        let cores: Vec<usize> =
            (0..CpuSet::count()).filter(|core| allowed.is_set(*core).unwrap_or(false)).collect();
        let core = *cores.get(index.checked_rem(cores.len())?)?;
        let mut one = CpuSet::new();
        one.set(core).ok()?;
        sched_setaffinity(this, &one).ok()?;
        Some(core)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = index;
        None
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use nix::sched::sched_getaffinity;
    use nix::unistd::Pid;

    #[test]
    fn a_thread_stays_on_its_core_and_others_may_still_go_anywhere() {
        let before = sched_getaffinity(Pid::from_raw(0)).unwrap();
        for index in [0, 1, 1_000_000] {
            let kept = std::thread::spawn(move || {
                let core = super::to_core(index)?;
                let now = sched_getaffinity(Pid::from_raw(0)).ok()?;
                let allowed = (0..nix::sched::CpuSet::count()).filter(|core| now.is_set(*core) == Ok(true));
                Some((core, allowed.collect::<Vec<_>>()))
            });
            // A sandbox may forbid it.
            if let Some((core, allowed)) = kept.join().unwrap() {
                assert_eq!(allowed, [core]);
            }
        }
        assert_eq!(sched_getaffinity(Pid::from_raw(0)).unwrap(), before);
    }
}
