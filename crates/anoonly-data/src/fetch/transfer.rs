//! A single request for a file, and its outcome.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use ureq::http::{Response, Uri, header};
use ureq::{Agent, Body, Proxy};

use super::{Event, FetchError, failed};

/// The longest file that is accepted when its length is not known beforehand. ADBench's files are far shorter.
const MOST: u64 = 1 << 30;

/// A file to fetch, and where it goes.
pub(super) struct Transfer<'a> {
    pub agent: &'a Agent,
    pub url: &'a str,
    /// The file that holds the bytes received up to now.
    pub part: &'a Path,
    /// The number of bytes in the file, where it is known.
    pub bytes: Option<u64>,
}

/// The outcome of a request.
pub(super) enum Outcome {
    /// All bytes have arrived.
    Whole,
    /// The transfer was interrupted, for a reason that may be temporary.
    Broken(String),
}

/// An HTTP client for the files below an address.
pub(super) fn agent(address: &str) -> Result<Agent, FetchError> {
    let bad = |reason: String| FetchError::BadAddress { url: address.into(), reason };
    let uri: Uri = address.parse().map_err(|error| bad(format!("{error}")))?;
    let host = uri.host().ok_or_else(|| bad("it names no server".into()))?;
    let https = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(bad("it begins with neither https:// nor http://".into())),
    };
    let host = host.trim_matches(['[', ']']);
    let here = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    let config = Agent::config_builder()
        .http_status_as_error(false)
        // A redirect must not lead from https to http.
        .https_only(https)
        .proxy(if here { None } else { Proxy::try_from_env() })
        .user_agent(concat!("anoonly/", env!("CARGO_PKG_VERSION")))
        // Uncompressed: lengths and ranges must be those of the file.
        .accept_encoding("identity")
        .timeout_resolve(Some(Duration::from_secs(20)))
        .timeout_connect(Some(Duration::from_secs(20)))
        .timeout_per_read(Some(Duration::from_secs(60)))
        .timeout_per_write(Some(Duration::from_secs(60)))
        .build();
    Ok(Agent::new_with_config(config))
}

impl Transfer<'_> {
    /// The number of bytes received up to now.
    pub fn have(&self) -> Result<u64, FetchError> {
        match std::fs::metadata(self.part) {
            Ok(about) => Ok(about.len()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
            Err(error) => Err(failed(self.part)(error)),
        }
    }

    /// Requests the bytes that are still missing.
    pub fn attempt(&self, on_event: &mut dyn FnMut(Event<'_>)) -> Result<Outcome, FetchError> {
        let mut have = self.have()?;
        if self.bytes == Some(have) {
            return Ok(Outcome::Whole);
        }
        if have > self.bytes.unwrap_or(MOST) {
            self.discard()?;
            have = 0;
        }
        let mut request = self.agent.get(self.url);
        if have > 0 {
            request = request.header(header::RANGE, format!("bytes={have}-"));
        }
        match request.call() {
            Ok(response) => self.receive(response, have, on_event),
            Err(error) => self.failure(error),
        }
    }

    /// Handles the response to a request for the bytes from `have` on.
    fn receive(
        &self,
        response: Response<Body>,
        have: u64,
        on_event: &mut dyn FnMut(Event<'_>),
    ) -> Result<Outcome, FetchError> {
        let range = content_range(&response);
        let start = match response.status().as_u16() {
            200 => 0,
            206 if have > 0 && range.is_some_and(|range| range.start == Some(have)) => have,
            206 => return self.anew("the server sent another range than requested"),
            // The part is the whole file already.
            416 if self.bytes.is_none() && range.is_some_and(|range| range.total == Some(have)) => {
                return Ok(Outcome::Whole);
            }
            416 if have > 0 => return self.anew("the server has no bytes beyond those received"),
            _ => return self.refusal(&response),
        };
        let length = response.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let rest = || length.map(|length: u64| start.saturating_add(length));
        let total = range.filter(|_| start > 0).and_then(|range| range.total).or_else(rest);
        match (self.bytes, total) {
            (Some(expected), Some(found)) if expected != found => {
                return Err(FetchError::WrongLength { url: self.url.into(), expected, found });
            }
            (None, Some(found)) if found > MOST => return Err(self.too_long(MOST)),
            _ => {}
        }
        self.write(response, start, self.bytes.or(total), on_event)
    }

    /// Writes a response body after the first `start` bytes of the part.
    fn write(
        &self,
        mut response: Response<Body>,
        start: u64,
        of: Option<u64>,
        on_event: &mut dyn FnMut(Event<'_>),
    ) -> Result<Outcome, FetchError> {
        let mut part = self.open(start).map_err(failed(self.part))?;
        let mut body = response.body_mut().as_reader();
        let mut block = vec![0; 1 << 16];
        let mut have = start;
        loop {
            on_event(Event::Progress { have, of });
            let read = match body.read(&mut block) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Ok(Outcome::Broken(format!("the transfer was interrupted: {error}"))),
            };
            let most = of.unwrap_or(MOST);
            if have + read as u64 > most {
                drop(part);
                self.discard()?;
                return Err(self.too_long(most));
            }
            part.write_all(&block[..read]).map_err(failed(self.part))?;
            have += read as u64;
        }
        match of {
            Some(of) if have < of => Ok(Outcome::Broken(format!("the server stopped at {have} of {of} bytes"))),
            _ => Ok(Outcome::Whole),
        }
    }

    /// Opens the part to continue after its first `start` bytes, which are all of them or none.
    fn open(&self, start: u64) -> io::Result<File> {
        match start {
            0 => File::create(self.part),
            _ => OpenOptions::new().append(true).open(self.part),
        }
    }

    fn discard(&self) -> Result<(), FetchError> {
        match std::fs::remove_file(self.part) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(self.part)(error)),
            _ => Ok(()),
        }
    }

    /// Discards the bytes received, so that the next try starts anew.
    fn anew(&self, reason: &str) -> Result<Outcome, FetchError> {
        self.discard()?;
        Ok(Outcome::Broken(reason.into()))
    }

    /// Handles a status without usable content.
    fn refusal(&self, response: &Response<Body>) -> Result<Outcome, FetchError> {
        let status = response.status();
        let advice = match status.as_u16() {
            408 | 425 | 429 | 500 | 502..=504 => return Ok(Outcome::Broken(format!("the server answered {status}"))),
            404 | 410 => {
                "there is no such file; check that ADBench has a data set of this name, and that the mirror holds it"
            }
            401 | 403 | 407 => "access is denied; check whether a proxy interferes, or use a mirror",
            _ => "it does not serve the file; use a mirror",
        };
        Err(FetchError::Http { url: self.url.into(), status: status.to_string(), advice })
    }

    /// Handles an error without a response.
    fn failure(&self, error: ureq::Error) -> Result<Outcome, FetchError> {
        let bad = |reason: String| Err(FetchError::BadAddress { url: self.url.into(), reason });
        match error {
            ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::InvalidProxyUrl => bad(error.to_string()),
            ureq::Error::RequireHttpsOnly(to) => bad(format!("it redirects to {to}, which is not https")),
            ureq::Error::TooManyRedirects => bad("too many redirects".into()),
            error => Ok(Outcome::Broken(format!("no response: {error}"))),
        }
    }

    fn too_long(&self, most: u64) -> FetchError {
        FetchError::TooLong { url: self.url.into(), most }
    }
}

/// The header `Content-Range`: `bytes 5-9/10`, `bytes 5-9/*` or `bytes */10`.
#[derive(Clone, Copy)]
struct ContentRange {
    start: Option<u64>,
    total: Option<u64>,
}

fn content_range(response: &Response<Body>) -> Option<ContentRange> {
    let value = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = value.strip_prefix("bytes ")?.split_once('/')?;
    let start = range.split_once('-').and_then(|(start, _)| start.parse().ok());
    Some(ContentRange { start, total: total.parse().ok() })
}
