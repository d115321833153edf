//! Panics: kept quiet and without their message, which could hold a secret.

use std::cell::RefCell;

thread_local! {
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// From now on a panic only notes its place; the step it belongs to reports it.
pub(crate) fn keep_quiet() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(|at| format!("{}:{}", file_name(at.file()), at.line()));
        PLACE.with_borrow_mut(|slot| *slot = place.unwrap_or_default());
    }));
}

/// Where this thread panicked last.
pub(crate) fn last_place() -> String {
    PLACE.with_borrow(|place| format!("panicked at {place}"))
}

/// The file's name without the folders of whoever built it.
fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
