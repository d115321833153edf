//! Times and factors, as flags and the site file write them.

use std::time::Duration;

use preflight_checks::quoted;

/// `500ms`, `2s`.
///
/// # Errors
///
/// One sentence that shows both forms.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let shape = || format!("{text} is not a time; write 500ms or 2s", text = quoted(text));
    let (number, unit) = text
        .split_at_checked(text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(shape)?)
        .ok_or_else(shape)?;
    let number: f64 = number.parse().map_err(|_| shape())?;
    let seconds = match unit {
        "ms" => number / 1e3,
        "s" => number,
        _ => return Err(shape()),
    };
    Duration::try_from_secs_f64(seconds).map_err(|_| shape())
}

/// What every wait is multiplied by.
///
/// # Errors
///
/// One sentence with the range.
pub(crate) fn check_factor(factor: f64) -> Result<f64, String> {
    if (0.1..=20.0).contains(&factor) {
        Ok(factor)
    } else {
        Err(format!("`{factor}` is not a factor from 0.1 to 20"))
    }
}
