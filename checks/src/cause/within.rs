//! A cause within a cause: as the sentence it is for a reader, and as itself to be judged again.
//!
//! `"udp": "no answer within 4.0 s", "because": { "code": "no-answer", … }`

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Cause;

/// As [`super::DnsCause::DnsTruncated`] has it.
pub(super) fn tcp<S: Serializer>(because: &Cause, to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Within<'a> {
        tcp: String,
        because: &'a Cause,
    }
    Within { tcp: because.to_string(), because }.serialize(to)
}

/// As [`super::DnsCause::DnsTcpOnly`] has it.
pub(super) fn udp<S: Serializer>(because: &Cause, to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Within<'a> {
        udp: String,
        because: &'a Cause,
    }
    Within { udp: because.to_string(), because }.serialize(to)
}

/// The cause itself; the sentence beside it says no more than that.
pub(super) fn because<'de, D: Deserializer<'de>>(from: D) -> Result<Box<Cause>, D::Error> {
    #[derive(Deserialize)]
    struct Within {
        because: Box<Cause>,
    }
    Within::deserialize(from).map(|within| within.because)
}
