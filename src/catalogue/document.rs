//! What a flow table follows: the vendors' documents, and the versions of the platform it knows.

use std::fmt;
use std::str::FromStr;

use preflight_checks::quoted;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A version of the platform as its vendors number it, year and month: `24.10`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Release {
    year: u8,
    month: u8,
}

impl FromStr for Release {
    type Err = String;

    /// Reads `24.10`, and `24.10.4` as the version it is a repair of.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split('.');
        let mut number = |digits: usize| {
            let part = parts.next().filter(|part| part.len() == digits)?;
            part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse::<u8>().ok())?
        };
        let release = number(2).zip(number(2)).map(|(year, month)| Self { year, month });
        let is_repair = parts.all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
        release.filter(|release| is_repair && (1..=12).contains(&release.month)).ok_or_else(|| {
            format!("{} is not a version of the platform, as 24.10 is", quoted(text))
        })
    }
}

impl fmt::Display for Release {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:02}.{:02}", self.year, self.month)
    }
}

impl Serialize for Release {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Release {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A page that rows of a flow table follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VendorPage {
    /// What `source` of a row calls it.
    pub(crate) id: String,
    /// Whose page it is.
    pub(crate) vendor: String,
    /// What the document is called.
    pub(crate) title: String,
    /// The version of the product it describes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) version: Option<String>,
    /// Where it stands in the vendor's own documentation.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) page: Option<String>,
}

impl fmt::Display for VendorPage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.vendor)?;
        if let Some(version) = &self.version {
            write!(out, " {version}")?;
        }
        write!(out, ", {}", self.title)
    }
}

/// Where a row is taken from: a document, and perhaps a section of it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub(crate) struct RowSource {
    /// The document's id.
    pub(crate) document: String,
    /// The heading the row stands under.
    pub(crate) section: Option<String>,
}

impl From<String> for RowSource {
    /// `technical: Poller`.
    fn from(text: String) -> Self {
        match text.split_once(':') {
            Some((document, section)) => Self {
                document: document.trim().to_owned(),
                section: Some(section.trim().to_owned()).filter(|section| !section.is_empty()),
            },
            None => Self { document: text.trim().to_owned(), section: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_year_and_month_and_a_repair_is_its_version() {
        let read = |text: &str| text.parse::<Release>().map(|release| release.to_string());
        assert_eq!(read("24.10").as_deref(), Ok("24.10"));
        assert_eq!(read("24.04.12").as_deref(), Ok("24.04"));
        for wrong in ["24", "24.13", "24.1", "2024.10", "24.10-rc", "24.10.x", "", "latest"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        let release = |text: &str| text.parse::<Release>().unwrap();
        assert!(release("24.10") < release("25.04") && release("24.04") < release("24.10"));
    }

    #[test]
    fn a_source_names_a_document_and_a_section() {
        let source = RowSource::from("technical: Poller".to_owned());
        assert_eq!(source.document, "technical");
        assert_eq!(source.section.as_deref(), Some("Poller"));
        assert_eq!(RowSource::from("map".to_owned()).section, None);
    }
}
