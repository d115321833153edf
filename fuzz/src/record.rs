//! Makes the first inputs: what healthy far sides and probes say to each other.

use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fs, io};

use preflight_checks::{Deadline, FarStream, Peer, Respond, SERVICES, Service, Trust, examine};
use rcgen::{CertificateParams, KeyPair};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::{MACHINE_FILES, NUMBER, PKI, RUNTIME, TURN};

/// Writes below `corpus` what each far side and its probe say to each other, for `peer` and
/// `far_side`, and certificates for `certificate`.
///
/// # Errors
///
/// When a file cannot be written, or a far side does not come up.
pub fn record(corpus: &Path) -> io::Result<()> {
    for (index, service) in SERVICES.iter().enumerate() {
        let index = u8::try_from(index).map_err(io::Error::other)?;
        let (theirs, ours) = RUNTIME.block_on(conversation(service))?;
        keep(corpus, "peer", service.name, index, &theirs)?;
        keep(corpus, "far_side", service.name, index, &ours)?;
    }
    certificates(corpus)
}

/// Certificates of many kinds, each alone and all together.
fn certificates(corpus: &Path) -> io::Result<()> {
    let folder = corpus.join("certificate");
    fs::create_dir_all(&folder)?;
    let mut all = Vec::new();
    for (name, kept) in [
        ("own", Ok(PKI.0.to_vec())),
        ("names", made(&["localhost", "*.example.test", "127.0.0.1", "fd00::1"], false)),
        ("unusual", made(&["a.b.c.d.e.f", "x--y.example", "_under.example"], false)),
        ("authority", made(&[], true)),
    ] {
        let der = kept?;
        let length = u16::try_from(der.len()).map_err(io::Error::other)?;
        let input = [&length.to_be_bytes(), &*der].concat();
        all.extend(&input);
        fs::write(folder.join(name), input)?;
    }
    fs::write(folder.join("chain"), all)
}

fn made(names: &[&str], is_authority: bool) -> io::Result<Vec<u8>> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).map_err(io::Error::other)?;
    if is_authority {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    }
    let key = KeyPair::generate().map_err(io::Error::other)?;
    Ok(params.self_signed(&key).map_err(io::Error::other)?.der().to_vec())
}

/// Both directions of a conversation, each with a mark where the other one spoke.
#[derive(Default)]
struct Spoken {
    theirs: Vec<u8>,
    ours: Vec<u8>,
    last_was_theirs: bool,
}

struct Tee<T> {
    io: T,
    spoken: Arc<Mutex<Spoken>>,
}

impl<T: AsyncRead + Unpin> AsyncRead for Tee<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.io).poll_read(cx, buffer);
        let heard = &buffer.filled()[before..];
        if !heard.is_empty() {
            let mut spoken = this.spoken.lock().expect("one thread");
            if spoken.last_was_theirs {
                spoken.theirs.extend(TURN);
                spoken.last_was_theirs = false;
            }
            spoken.ours.extend(heard);
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Tee<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.io).poll_write(cx, bytes);
        if let Poll::Ready(Ok(length)) = polled {
            let mut spoken = this.spoken.lock().expect("one thread");
            if !spoken.last_was_theirs && !spoken.ours.is_empty() {
                spoken.ours.extend(TURN);
            }
            spoken.last_was_theirs = true;
            spoken.theirs.extend(&bytes[..length]);
        }
        polled
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

fn keep(corpus: &Path, target: &str, name: &str, index: u8, said: &[u8]) -> io::Result<()> {
    let folder = corpus.join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), [&[index], said].concat())
}

/// What the far side of `service` says, and what the probe says.
async fn conversation(service: &'static Service) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let spoken = Arc::new(Mutex::new(Spoken::default()));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let here = listener.local_addr()?;
    let socket = UdpSocket::bind(here).await?;
    let (datagram, stream) = match service.respond {
        Respond::Datagram(answer) => (Some(answer), None),
        Respond::Stream(serve) => (None, Some(serve)),
        Respond::Nobody => (None, None),
        Respond::Both { datagram, stream } => (Some(datagram), Some(stream)),
    };
    let datagrams = async {
        let Some(answer) = datagram else { return std::future::pending().await };
        let mut question = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut question).await {
            let question = &question[..length];
            let Some(mut said) = answer(question) else { continue };
            let _gone = socket.send_to(&said, from).await;
            let number = question.windows(6).find(|it| it.starts_with(&NUMBER[..2]));
            let place = number.and_then(|it| said.windows(6).position(|window| window == it));
            if let Some(place) = place {
                said[place..place + 6].copy_from_slice(NUMBER);
            }
            let mut spoken = spoken.lock().expect("one thread");
            if !spoken.theirs.is_empty() {
                spoken.theirs.extend(TURN);
                spoken.ours.extend(TURN);
            }
            spoken.theirs.extend(said);
            spoken.ours.extend(question);
        }
    };
    let streams = async {
        let Some(serve) = stream else { return std::future::pending().await };
        while let Ok((connection, _)) = listener.accept().await {
            let _ended = serve(heard(service, connection, &spoken).await?).await;
        }
        Ok::<(), io::Error>(())
    };
    let trust = Trust::only([PKI.0.clone()]);
    let probe = (service.probe)();
    let asked = examine(&probe, Peer::from(here), Deadline::after(Duration::from_secs(5)), &trust);
    tokio::select! {
        _found = asked => {}
        _ended = streams => {}
        () = datagrams => {}
    }
    let spoken = spoken.lock().expect("one thread");
    Ok((spoken.theirs.clone(), spoken.ours.clone()))
}

async fn heard(
    service: &Service,
    connection: TcpStream,
    spoken: &Arc<Mutex<Spoken>>,
) -> io::Result<FarStream> {
    let server = Some(Arc::clone(&PKI.1));
    let spoken = Arc::clone(spoken);
    if !service.tls {
        return Ok(FarStream::new(Box::new(Tee { io: connection, spoken }), server));
    }
    let io = FarStream::new(Box::new(connection), server.clone()).secure().await?.into_io();
    Ok(FarStream::new(Box::new(Tee { io, spoken }), server))
}

/// Every file of the fixtures that discovery would read, as an input of `machine`, and its name.
///
/// # Errors
///
/// When one cannot be read.
pub fn machine_inputs(fixtures: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut inputs = Vec::new();
    let mut folders = vec![fixtures.to_owned()];
    while let Some(now) = folders.pop() {
        for entry in fs::read_dir(now)? {
            let path = entry?.path();
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
                continue;
            }
            let Some(which) = MACHINE_FILES.iter().position(|known| path.ends_with(known)) else {
                continue;
            };
            let content = fs::read(&path)?;
            if content.len() < 8192 {
                let which = u8::try_from(which).map_err(io::Error::other)?;
                inputs.push((path.display().to_string(), [&[which], &*content].concat()));
            }
        }
    }
    inputs.sort();
    Ok(inputs)
}
