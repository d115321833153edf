//! Rows that a report is expected to have.

/// A step: what came of it, where its target and port were read, and what it says.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) outcome: &'static str,
    pub(crate) target: String,
    pub(crate) port: String,
    pub(crate) texts: Vec<&'static str>,
}

impl Row {
    /// A step that passes; nothing but the profile names its target and port.
    pub(crate) fn passes(id: impl Into<String>) -> Self {
        let profile = || "profile".to_owned();
        Self {
            id: id.into(),
            outcome: "pass",
            target: profile(),
            port: profile(),
            texts: Vec::new(),
        }
    }

    /// The same with a warning.
    pub(crate) fn warns(id: impl Into<String>) -> Self {
        Self { outcome: "warn", ..Self::passes(id) }
    }

    /// A step that fails.
    pub(crate) fn fails(id: impl Into<String>) -> Self {
        Self { outcome: "fail", ..Self::passes(id) }
    }

    /// A step that is not asked.
    pub(crate) fn is_skipped(id: impl Into<String>) -> Self {
        Self { outcome: "skip", ..Self::passes(id) }
    }

    /// Its target was read there.
    pub(crate) fn target(self, origin: &str) -> Self {
        Self { target: origin.to_owned(), ..self }
    }

    /// Its port was read there.
    pub(crate) fn port(self, origin: &str) -> Self {
        Self { port: origin.to_owned(), ..self }
    }

    /// The text is somewhere in it.
    pub(crate) fn says(mut self, text: &'static str) -> Self {
        self.texts.push(text);
        self
    }
}
