//! A connected socket: TCP with TCP_NODELAY, TLS if asked, CONNECT answered.

use std::io::{ErrorKind as Io, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use kpipe_engine::error::{About, ConnectorError, ErrorKind};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::options::{Settings, TlsSettings};
use super::packet::frame;
use super::wire;

/// Longest wait for a TCP connection, and for the answer to CONNECT.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for the broker to take what is written.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest wait for the broker to close after DISCONNECT.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);
/// One read takes at most this much.
const READ_BYTES: usize = 64 * 1024;

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// A session that the broker accepted.
pub(super) struct Connection {
    stream: Stream,
    read_timeout: Duration,
    /// Read into first: brokers send a few hundred bytes at a time, and clearing room for a large read each time would cost more than the copy.
    scratch: Box<[u8]>,
    /// What was read and not taken yet.
    pub(super) buffer: BytesMut,
    /// Whether the broker knew the session.
    pub(super) session_present: bool,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Connection {{ session_present: {}, {} bytes buffered }}", self.session_present, self.buffer.len())
    }
}

impl Connection {
    /// Connects and logs in. Blocks for at most about twice [`CONNECT_TIMEOUT`].
    pub(super) fn open(settings: &Settings, password: Option<&str>) -> Result<Self, ConnectorError> {
        let away = |what: &str, error: &dyn std::fmt::Display| {
            ConnectorError::new(ErrorKind::Unreachable, format!("mqtt at {}: {what}: {error}", settings.address()))
        };
        let addresses = (settings.host.as_str(), settings.port).to_socket_addrs().map_err(|error| away("name not found", &error))?;
        let tcp = first_answer(addresses).map_err(|error| away("no connection", &error))?;
        tcp.set_nodelay(true).map_err(|error| away("TCP_NODELAY", &error))?;
        tcp.set_read_timeout(Some(CONNECT_TIMEOUT)).map_err(|error| away("read timeout", &error))?;
        tcp.set_write_timeout(Some(WRITE_TIMEOUT)).map_err(|error| away("write timeout", &error))?;
        let stream = match &settings.tls {
            None => Stream::Plain(tcp),
            Some(tls) => Stream::Tls(Box::new(secure(settings, tls, tcp)?)),
        };
        let scratch = vec![0; READ_BYTES].into_boxed_slice();
        let buffer = BytesMut::with_capacity(READ_BYTES);
        let mut connection = Self { stream, read_timeout: CONNECT_TIMEOUT, scratch, buffer, session_present: false };
        connection.write(&wire::connect(settings, password)?).map_err(|error| tls_or_away(settings, &error))?;
        let deadline = Instant::now() + CONNECT_TIMEOUT;
        loop {
            let found = frame(&connection.buffer, settings.message_bytes_max).map_err(|error| away("bad answer", &error))?;
            if let Ok(frame) = found {
                let mut packet = connection.buffer.split_to(frame.len);
                connection.session_present = wire::connected(settings, &mut packet)?;
                return Ok(connection);
            }
            let read = connection.read(CONNECT_TIMEOUT).map_err(|error| tls_or_away(settings, &error))?;
            if read == 0 && Instant::now() >= deadline {
                return Err(away("no answer to CONNECT", &"the time ran out"));
            }
        }
    }

    /// Reads what is there, waiting at most `wait` for the first byte; 0 bytes when there was none in time.
    ///
    /// A connection that the broker closed is [`Io::UnexpectedEof`].
    pub(super) fn read(&mut self, wait: Duration) -> std::io::Result<usize> {
        // A socket takes no timeout of zero; the system rounds to its own ticks anyway.
        let wait = wait.max(Duration::from_millis(1));
        if wait != self.read_timeout {
            self.tcp().set_read_timeout(Some(wait))?;
            self.read_timeout = wait;
        }
        let result = match &mut self.stream {
            Stream::Plain(tcp) => tcp.read(&mut self.scratch),
            Stream::Tls(tls) => tls.read(&mut self.scratch),
        };
        match result {
            Ok(0) => Err(std::io::Error::new(Io::UnexpectedEof, "the broker closed the connection")),
            Ok(read) => {
                self.buffer.extend_from_slice(&self.scratch[..read]);
                Ok(read)
            }
            Err(error) if matches!(error.kind(), Io::WouldBlock | Io::TimedOut | Io::Interrupted) => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Writes all of it.
    pub(super) fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match &mut self.stream {
            Stream::Plain(tcp) => tcp.write_all(bytes),
            Stream::Tls(tls) => tls.write_all(bytes).and_then(|()| tls.flush()),
        }
    }

    /// Sends DISCONNECT and waits until the broker closes: only then has it taken every acknowledgement written before. A socket
    /// that is closed with data unread is reset, and what was on its way to the broker is lost with it.
    pub(super) fn leave(&mut self) -> std::io::Result<()> {
        self.write(&[0xe0, 0])?;
        self.tcp().shutdown(Shutdown::Write)?;
        let deadline = Instant::now() + LEAVE_TIMEOUT;
        while Instant::now() < deadline {
            match self.read(LEAVE_TIMEOUT) {
                Ok(_) => self.buffer.clear(),
                Err(error) if error.kind() == Io::UnexpectedEof => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn tcp(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(tcp) => tcp,
            Stream::Tls(tls) => &tls.sock,
        }
    }
}

/// The first of the addresses that answers, as a host can have several.
fn first_answer(addresses: impl Iterator<Item = std::net::SocketAddr>) -> std::io::Result<TcpStream> {
    let mut last = std::io::Error::new(Io::NotFound, "the name has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn secure(settings: &Settings, tls: &TlsSettings, tcp: TcpStream) -> Result<StreamOwned<ClientConnection, TcpStream>, ConnectorError> {
    let name = ServerName::try_from(settings.host.clone())
        .map_err(|error| ConnectorError::new(ErrorKind::Invalid, format!("mqtt: `{}` is no host name for TLS: {error}", settings.host)))?;
    let config = client_config(tls)?;
    let client = ClientConnection::new(Arc::new(config), name)
        .map_err(|error| ConnectorError::new(ErrorKind::Invalid, format!("mqtt: tls: {error}")))?;
    Ok(StreamOwned::new(client, tcp))
}

fn client_config(tls: &TlsSettings) -> Result<ClientConfig, ConnectorError> {
    let invalid = |what: &str, error: &dyn std::fmt::Display| ConnectorError::new(ErrorKind::LocalIo, format!("mqtt: {what}: {error}"));
    let mut roots = RootCertStore::empty();
    if let Some(path) = &tls.ca {
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| invalid(path, &error))? {
            let certificate = certificate.map_err(|error| invalid(path, &error))?;
            roots.add(certificate).map_err(|error| invalid(path, &error))?;
        }
    } else {
        // Certificates of the system that cannot be parsed are left out, as every TLS client does; without any the handshake says so.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ConnectorError::new(ErrorKind::Bug, format!("mqtt: tls: {error}")))?
        .with_root_certificates(roots);
    let Some((cert, key)) = &tls.client else { return Ok(builder.with_no_client_auth()) };
    let chain =
        CertificateDer::pem_file_iter(cert).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(|error| invalid(cert, &error))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| invalid(key, &error))?;
    builder.with_client_auth_cert(chain, key).map_err(|error| invalid(cert, &error))
}

/// A handshake fails inside the first write or read; what it says about certificates must not be retried for ever.
fn tls_or_away(settings: &Settings, error: &std::io::Error) -> ConnectorError {
    let address = settings.address();
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(why)) => {
            let error =
                ConnectorError::new(ErrorKind::Denied, format!("mqtt at {address}: the broker's certificate is not trusted: {why:?}"));
            error.about(About::Option("tls.ca")).help("give the authority that signed it: `tls: { ca: /path/to/ca.pem }`")
        }
        _ => ConnectorError::new(ErrorKind::Unreachable, format!("mqtt at {address}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use kpipe_compiler::plan::{OptionValue, Options};

    use super::*;

    fn settings(port: u16) -> Settings {
        let url = OptionValue::Text(format!("mqtt://127.0.0.1:{port}"));
        Settings::new(&Options([("url".to_owned(), url)].into()), "p", 0).unwrap()
    }

    /// A broker that answers each connection with `answer` after it has read something.
    fn broker(answer: &'static [u8]) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 256];
            assert!(stream.read(&mut request).unwrap() > 0);
            stream.write_all(answer).unwrap();
        });
        port
    }

    #[test]
    fn a_connection_is_up_when_connect_is_answered() {
        // The answer and a first message in one segment: nothing of it may be lost.
        let mut connection = Connection::open(&settings(broker(&[0x20, 2, 1, 0, 0x30, 3, 0, 1, b'a'])), None).unwrap();
        assert!(connection.session_present);
        while connection.buffer.len() < 5 {
            connection.read(Duration::from_secs(5)).unwrap();
        }
        assert_eq!(&connection.buffer[..], [0x30, 3, 0, 1, b'a']);
        assert_eq!(connection.read(Duration::from_secs(5)).unwrap_err().kind(), Io::UnexpectedEof);
    }

    #[test]
    fn a_refusal_and_silence_have_their_own_errors() {
        let denied = Connection::open(&settings(broker(&[0x20, 2, 0, 5])), None).unwrap_err();
        assert_eq!(denied.kind, ErrorKind::Denied);
        let closed = Connection::open(&settings(broker(&[])), None).unwrap_err();
        assert_eq!(closed.kind, ErrorKind::Unreachable);
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let nobody = Connection::open(&settings(free), None).unwrap_err();
        assert!(nobody.message.starts_with(&format!("mqtt at 127.0.0.1:{free}: no connection: ")), "{}", nobody.message);
    }

    #[test]
    fn an_unreadable_authority_names_its_file() {
        let tls = TlsSettings { ca: Some("/does/not/exist.pem".to_owned()), client: None };
        let error = client_config(&tls).unwrap_err();
        assert_eq!(error.kind, ErrorKind::LocalIo);
        assert!(error.message.contains("/does/not/exist.pem"));
    }
}
