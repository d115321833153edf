//! Panics: kept quiet and without their message, which could hold a secret.

use std::cell::RefCell;
use std::panic::PanicHookInfo;

thread_local! {
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// From now on a panic only notes its place; the step it belongs to reports it.
pub(crate) fn keep_quiet() {
    std::panic::set_hook(Box::new(note));
}

/// Where this thread panicked last.
pub(crate) fn last_place() -> String {
    PLACE.with_borrow(|place| format!("panicked at {place}"))
}

fn note(info: &PanicHookInfo<'_>) {
    let place = info.location().map(|at| format!("{}:{}", file_name(at.file()), at.line()));
    PLACE.with_borrow_mut(|slot| *slot = place.unwrap_or_default());
}

/// The file's name without the folders of whoever built it.
fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
pub(crate) mod testing {
    use std::cell::Cell;
    use std::panic::{set_hook, take_hook};
    use std::sync::Once;

    thread_local! {
        static QUIET: Cell<bool> = const { Cell::new(false) };
    }

    /// As [`super::keep_quiet`], for what `work` does in this thread: in all others a test
    /// that fails still says why.
    pub(crate) fn quietly<T>(work: impl FnOnce() -> T) -> T {
        static CHAINED: Once = Once::new();
        CHAINED.call_once(|| {
            let loud = take_hook();
            set_hook(Box::new(
                move |info| {
                    if QUIET.get() { super::note(info) } else { loud(info) }
                },
            ));
        });
        QUIET.set(true);
        let done = work();
        QUIET.set(false);
        done
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::testing::quietly;
    use super::*;

    #[test]
    fn a_panic_is_quiet_only_where_that_was_asked_for() {
        let place = quietly(|| {
            let _payload = catch_unwind(|| panic!("quiet")).unwrap_err();
            last_place()
        });
        assert!(place.starts_with("panicked at panics.rs:"), "{place}");
        // Loud again: what notes the place was not called.
        let _payload = catch_unwind(|| panic!("loud")).unwrap_err();
        assert_eq!(last_place(), place);
        let elsewhere = std::thread::spawn(|| {
            let _payload = catch_unwind(|| panic!("loud")).unwrap_err();
            last_place()
        });
        assert_eq!(elsewhere.join().unwrap(), "panicked at ");
    }
}
