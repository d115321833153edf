//! The far side: a broker that accepts, with any setting of its extensions.

use std::io;

use super::output::Extension;
use super::packet::{BbdoHeader, BbdoVersion, COMPRESSION, HEADER_LEN, TLS, Welcome};
use crate::net::{FarStream, grpc};

/// A broker's input.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Acceptor {
    /// gRPC carries it: TLS is then there from the first byte, or not at all.
    pub(super) grpc: bool,
    pub(super) tls: Extension,
    pub(super) compression: Extension,
}

impl Acceptor {
    /// Answers as a broker does: in the coding it was asked in; a wrong major version not at all.
    /// What both have is then applied, TLS by a handshake.
    pub(super) async fn serve(self, mut stream: FarStream) -> io::Result<()> {
        if self.grpc {
            let is_tls = self.tls == Extension::Yes;
            return grpc::serve(if is_tls { stream.secure_for(grpc::ALPN).await? } else { stream })
                .await;
        }
        let header =
            BbdoHeader::decode(&stream.exactly(HEADER_LEN).await?).map_err(io::Error::other)?;
        let length = header.payload_len().map_err(io::Error::other)?;
        let payload = stream.exactly(length).await?;
        let asked = Welcome::decode(&header, &payload).map_err(io::Error::other)?;
        if asked.version.major != BbdoVersion::THREE.major {
            return stream.close().await;
        }
        let ours = Welcome { extensions: self.extensions(), ..Welcome::responder() };
        let coding = header.coding().map_err(io::Error::other)?;
        stream.send(&ours.encode(coding)).await?;
        if ours.offers(TLS) && asked.offers(TLS) {
            stream = stream.secure().await?;
        }
        // Nothing that was compressed is ever said.
        stream.until_closed().await
    }

    fn extensions(self) -> String {
        let has = |setting, name| (setting != Extension::No).then_some(name);
        let all = [has(self.tls, TLS), has(self.compression, COMPRESSION)];
        all.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}
