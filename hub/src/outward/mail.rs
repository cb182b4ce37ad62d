//! Mail by SMTP: STARTTLS required unless the configuration says otherwise, and the server's address is judged as every
//! address the hub calls (S20).

use std::time::Duration;

use lettre::address::Address;
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};

use super::SendError;
use super::resolve::Resolver;

/// For one command; servers that look at a mail before they take it need seconds.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How a connection is made secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Security {
    /// Plain at first, secret before anything is said (port 587).
    StartTls,
    /// Secret from the first byte (port 465).
    Tls,
    /// Secret only if the server offers it.
    Opportunistic,
}

/// One SMTP server to send through.
#[derive(Clone)]
pub struct Mail {
    host: String,
    port: u16,
    from: Mailbox,
    tls: Tls,
    credentials: Option<Credentials>,
    resolver: Resolver,
}

/// What the server is and how it is spoken to.
pub(super) struct Server<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) from: &'a str,
    pub(super) security: Security,
    /// PEM; replaces the machine's roots.
    pub(super) roots: Option<&'a [u8]>,
    pub(super) credentials: Option<(String, String)>,
}

/// One mail to one address.
#[derive(Clone, Debug)]
pub struct Letter<'a> {
    /// The same at every try, so that a mail that comes twice is seen to be one.
    pub id: &'a str,
    pub to: &'a str,
    pub subject: &'a str,
    pub body: &'a str,
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mail({}:{})", self.host, self.port)
    }
}

impl Mail {
    /// # Errors
    /// What is wrong with the entry, worded to follow it.
    pub(super) fn new(server: Server<'_>, resolver: Resolver) -> Result<Self, String> {
        let mut parameters = TlsParameters::builder(server.host.to_owned());
        if let Some(pem) = server.roots {
            let root = Certificate::from_pem(pem).map_err(|_| "caFile holds no PEM certificate")?;
            parameters = parameters
                .certificate_store(CertificateStore::None)
                .add_root_certificate(root);
        }
        let parameters = parameters
            .build()
            .map_err(|error| format!("cannot set up TLS: {error}"))?;
        let from: Address = server
            .from
            .parse()
            .map_err(|_| format!("from {:?} is not a mail address", server.from))?;
        Ok(Self {
            host: server.host.to_owned(),
            port: server.port,
            from: Mailbox::new(Some("breakglass".to_owned()), from),
            tls: match server.security {
                Security::StartTls => Tls::Required(parameters),
                Security::Tls => Tls::Wrapper(parameters),
                Security::Opportunistic => Tls::Opportunistic(parameters),
            },
            credentials: server.credentials.map(|(u, p)| Credentials::new(u, p)),
            resolver,
        })
    }

    /// Hands one mail to the server.
    ///
    /// # Errors
    /// [`SendError::Permanent`] where the server says that it will never take it.
    pub async fn send(&self, letter: &Letter<'_>) -> Result<(), SendError> {
        let message = self.message(letter)?;
        let addresses = self.resolver.resolve(&self.host, self.port).await?;
        let mut last = SendError::Temporary(format!("{} has no address", self.host));
        for address in addresses {
            // By address: the name is not resolved a second time. The certificate is still judged by the name.
            let mut builder =
                AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(address.ip().to_string())
                    .port(self.port)
                    .tls(self.tls.clone())
                    .timeout(Some(TIMEOUT));
            if let Some(credentials) = &self.credentials {
                builder = builder.credentials(credentials.clone());
            }
            match builder.build().send(message.clone()).await {
                Ok(_) => return Ok(()),
                Err(error) if error.is_permanent() => {
                    return Err(SendError::Permanent(tell(&error)));
                }
                Err(error) => last = SendError::Temporary(tell(&error)),
            }
        }
        Err(last)
    }

    fn message(&self, letter: &Letter<'_>) -> Result<Message, SendError> {
        let never = |what: &str| SendError::Permanent(format!("cannot be written: {what}"));
        let to: Address = letter
            .to
            .parse()
            .map_err(|_| never("the recipient is no mail address"))?;
        let domain = self.from.email.domain();
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(letter.subject)
            .message_id(Some(format!("<{}@{domain}>", letter.id)))
            .header(AutoSubmitted)
            .header(ContentType::TEXT_PLAIN)
            .body(letter.body.to_owned())
            .map_err(|error| never(&error.to_string()))
    }
}

fn tell(error: &lettre::transport::smtp::Error) -> String {
    // What a server answers is somebody's text.
    breakglass_hub_core::notice::legible(&error.to_string())
}

/// Keeps vacation answers away (RFC 3834).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}
