//! A mail server: how it is reached, and how it is given an email.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    path::Path,
    time::Duration,
};

use lettre::{
    Message,
    transport::smtp::{
        Error,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters},
        commands::{Data, Mail, Rcpt},
        extension::ClientId,
    },
};
use url::{Host, Url};

use super::{
    error::{MailerError, TransportError},
    options::ServerOptions,
};
use crate::loopback::is_loopback;

/// The ports of mail servers: of relays, with STARTTLS, and with TLS from the first byte.
/// Source: RFC 5321, 4.5.4.2; RFC 6409, 3.1; RFC 8314, 3.3.
const RELAY: u16 = 25;
const SUBMISSION: u16 = 587;
const SUBMISSIONS: u16 = 465;

/// How long opening a connection may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// How long the server may take to say goodbye.
const GOODBYE_LIMIT: Duration = Duration::from_secs(5);

/// Replies that are about this service and not about the email, in answer to any command: authentication is required, too
/// weak, wrong, or needs TLS. Source: RFC 4954, 6.
const ABOUT_US: [u16; 4] = [530, 534, 535, 538];

/// A mail server.
pub(super) struct Server {
    host: String,
    port: u16,
    encryption: Encryption,
    /// The name of this service, as the server is told.
    hello: ClientId,
    credentials: Option<Credentials>,
}

/// How a connection is kept from those on the way.
enum Encryption {
    /// By TLS from the first byte.
    Implicit(TlsParameters),
    /// By TLS before anything of worth is said. A server that has no STARTTLS gets nothing.
    StartTls(TlsParameters),
    /// Not at all.
    Off,
}

impl Server {
    /// The server that a URL names; connects to nothing yet.
    ///
    /// # Errors
    /// [`MailerError`] says what is wrong, without repeating the URL, which may hold a password.
    pub(super) fn open(options: &ServerOptions) -> Result<Self, MailerError> {
        let form = "must be smtp://user:password@host:port or smtps://user:password@host:port";
        let fail = MailerError::Server;
        let url = Url::parse(&options.url).map_err(|err| fail(format!("{form}: {err}")))?;
        let host = url.host_str().unwrap_or_default();
        // A URL has an IPv6 address in brackets, and nothing else has.
        let host = host.trim_matches(['[', ']']);
        if host.is_empty() || !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(fail(form.to_owned()));
        }
        // Not repeated: a password with a question mark that is not encoded ends here.
        if !url
            .query_pairs()
            .all(|pair| pair == ("tls".into(), "none".into()))
        {
            let reason = "can have no parameter but tls=none; a ? in a password is written %3F";
            return Err(fail(reason.to_owned()));
        }
        let is_plain = url.query_pairs().next().is_some();
        let authority = &options.authority;
        let (encryption, port) = match url.scheme() {
            "smtps" | "smtp" if is_plain && (url.scheme() == "smtps" || authority.is_some()) => {
                let reason =
                    "can't have tls=none beside smtps:// or BIENVENUE_SMTP_CA, which ask for TLS";
                return Err(fail(reason.to_owned()));
            }
            "smtps" => (
                Encryption::Implicit(tls(host, authority.as_deref())?),
                SUBMISSIONS,
            ),
            // Nobody listens in on this machine.
            "smtp" if is_plain || is_loopback(&url) && authority.is_none() => {
                (Encryption::Off, RELAY)
            }
            "smtp" => (
                Encryption::StartTls(tls(host, authority.as_deref())?),
                SUBMISSION,
            ),
            _ => return Err(fail(form.to_owned())),
        };
        let read = |text: &str| {
            percent_encoding::percent_decode_str(text)
                .decode_utf8_lossy()
                .into_owned()
        };
        let password = url.password().unwrap_or_default();
        Ok(Self {
            host: host.to_owned(),
            port: url.port().unwrap_or(port),
            encryption,
            hello: hello(options)?,
            credentials: Some(url.username())
                .filter(|user| !user.is_empty())
                .map(|user| Credentials::new(read(user), read(password))),
        })
    }

    /// Gives the server an email: when this returns, the server is responsible for it.
    ///
    /// Each email has a connection of its own, so that none is faster for one that was sent just before.
    pub(super) async fn send(&self, message: &Message) -> Result<(), TransportError> {
        let mut connection = self.connect().await?;
        let taken = hand_over(&mut connection, message).await;
        // What became of the email is known: nobody waits for the goodbye.
        tokio::spawn(async move { tokio::time::timeout(GOODBYE_LIMIT, connection.abort()).await });
        taken
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Error> {
        let implicit = match &self.encryption {
            Encryption::Implicit(tls) => Some(tls.clone()),
            Encryption::StartTls(_) | Encryption::Off => None,
        };
        let address = (&*self.host, self.port);
        let limit = Some(CONNECT_LIMIT);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(address, limit, &self.hello, implicit, None)
                .await?;
        if let Encryption::StartTls(tls) = &self.encryption {
            connection.starttls(tls.clone(), &self.hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }
}

/// One email, from its sender to its end. All of it is ASCII: addresses have their ASCII form, and bodies are encoded.
async fn hand_over(
    connection: &mut AsyncSmtpConnection,
    message: &Message,
) -> Result<(), TransportError> {
    let envelope = message.envelope();
    let sender = envelope.from().cloned();
    // The sender is the same for all emails: a server that refuses it is set up wrongly, or this service is.
    connection.command(Mail::new(sender, Vec::new())).await?;
    for recipient in envelope.to() {
        let recipient = Rcpt::new(recipient.clone(), Vec::new());
        connection.command(recipient).await.map_err(of_email)?;
    }
    connection.command(Data).await.map_err(of_email)?;
    let email = message.formatted();
    connection.message(&email).await.map_err(of_email)?;
    Ok(())
}

/// What an error means that came in answer to a recipient or to the email itself.
fn of_email(err: Error) -> TransportError {
    let is_about_us = err
        .status()
        .is_some_and(|code| ABOUT_US.contains(&code.into()));
    if err.is_permanent() && !is_about_us {
        TransportError::Refused(err)
    } else {
        TransportError::Smtp(err)
    }
}

/// Which certificates of a server are believed: those that the system believes (`SSL_CERT_FILE` and `SSL_CERT_DIR` say which),
/// or Mozilla's where it has none, as in a container with nothing in it; and those of the operator's own authority.
fn tls(host: &str, ca: Option<&Path>) -> Result<TlsParameters, MailerError> {
    let system = rustls_native_certs::load_native_certs();
    let mut tls = TlsParameters::builder(host.to_owned());
    if system.certs.is_empty() {
        if let Some(err) = system.errors.first() {
            return Err(MailerError::Server(format!(
                "asks for TLS, and the certificates that the system believes, or those of \
                 SSL_CERT_FILE and SSL_CERT_DIR, can't be read: {err}"
            )));
        }
        tls = tls.certificate_store(CertificateStore::WebpkiRoots);
    }
    let fail = MailerError::Authority;
    if let Some(file) = ca {
        let pem = fs::read_to_string(file).map_err(|err| fail(format!("can't be read: {err}")))?;
        // A file without any would be taken for one of no certificates.
        let certificate = Some(&pem)
            .filter(|pem| pem.contains("-----BEGIN CERTIFICATE-----"))
            .and_then(|pem| Certificate::from_pem(pem.as_bytes()).ok())
            .ok_or_else(|| fail("must be a file of certificates in PEM form".to_owned()))?;
        tls = tls.add_root_certificate(certificate);
    }
    // What the system has is taken as far as it is good: it can be ours alone that is not.
    tls.build_rustls()
        .map_err(|err| fail(format!("has a certificate that is none: {err}")))
}

/// How this service says hello: as it is told to, or by the host of its public URL, or else by an address literal, which says
/// that it has no name. Strict servers refuse a bare name. Source: RFC 5321, 4.1.4.
fn hello(options: &ServerOptions) -> Result<ClientId, MailerError> {
    if let Some(name) = &options.hello {
        return client_id(name).ok_or_else(|| {
            let reason = "must be a full name, as mail.example.com, or an address, as [192.0.2.1]";
            MailerError::Hello(reason.to_owned())
        });
    }
    Ok(client_id(&options.host).unwrap_or(ClientId::Ipv4(Ipv4Addr::LOCALHOST)))
}

/// A full name, or an address with or without the brackets of a literal. Source: RFC 5321, 4.1.3.
fn client_id(text: &str) -> Option<ClientId> {
    let literal = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let address = literal.map_or(text, |text| text.strip_prefix("IPv6:").unwrap_or(text));
    match address.parse() {
        Ok(IpAddr::V4(address)) => return Some(ClientId::Ipv4(address)),
        Ok(IpAddr::V6(address)) => return Some(ClientId::Ipv6(address)),
        Err(_) => {}
    }
    match Host::parse(text).ok()? {
        Host::Domain(name) if name.contains('.') && !name.ends_with(".localhost") => {
            Some(ClientId::Domain(name))
        }
        _ => None,
    }
}
