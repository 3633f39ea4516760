//! Who may speak to the server, and the headers of its answers.
//!
//! The server listens on the loopback interface only. Any program and any web page that the user runs can still reach it there, so a
//! request has to show three things: the random token of this start, a `Host` that is a loopback name (another name is one that was made
//! to lead here, DNS rebinding), and no `Origin` but the page's own (another one is a form or script of another site).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderName, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use sha2::{Digest, Sha256};

use super::server::{Refusal, Service};
use crate::error::CommandError;

/// What a page may do: load its own files and speak to its own server.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The secret in the address of the page.
#[derive(Clone, Debug)]
pub struct Token(String);

impl Token {
    /// A new token from the operating system's random bytes.
    ///
    /// # Errors
    /// When the operating system has none.
    pub fn new() -> Result<Self, CommandError> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| CommandError::Internal { reason: error.to_string() })?;
        Ok(Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// The token as it stands in the address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a text is the token. How long it takes says nothing about how much of it is right.
    fn is(&self, text: &str) -> bool {
        Sha256::digest(text) == Sha256::digest(&self.0)
    }
}

/// The secret in the address with which the program opens a browser. Other users of the computer may see it in the list of processes, so it
/// leads to the page once only.
#[derive(Debug)]
pub struct Opener {
    key: Token,
    used: AtomicBool,
}

impl Opener {
    /// A new secret.
    ///
    /// # Errors
    /// When the operating system has no random bytes.
    pub fn new() -> Result<Self, CommandError> {
        Ok(Self { key: Token::new()?, used: AtomicBool::new(false) })
    }

    /// The secret as it stands in the address.
    pub fn as_str(&self) -> &str {
        self.key.as_str()
    }

    /// Uses up the secret, if this is it.
    pub fn open(&self, text: &str) -> bool {
        self.key.is(text) && !self.used.swap(true, Ordering::Relaxed)
    }
}

/// Refuses requests from elsewhere, and adds the headers that keep a page to itself.
pub async fn guard(State((token, service)): State<(Token, Arc<Service>)>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let answer = match origin(request.headers()).and_then(|()| known(&token, path)) {
        Ok(()) => next.run(request).await,
        Err(_) if origin(request.headers()).is_ok() && service.opener.open(path.trim_matches('/')) => {
            Redirect::to(&format!("/{}/", token.as_str())).into_response()
        }
        Err(reason) => Refusal::new(StatusCode::FORBIDDEN, reason).into_response(),
    };
    with_headers(answer)
}

/// Checks that a request comes from this computer and from no other site.
fn origin(headers: &HeaderMap) -> Result<(), &'static str> {
    let host = only(headers, &HOST).filter(|host| is_loopback(host)).ok_or("the Host is not this computer")?;
    if headers.contains_key(ORIGIN) && only(headers, &ORIGIN) != Some(format!("http://{host}").as_str()) {
        return Err("the request is from another site");
    }
    // Browsers say so for requests without an Origin as well. A link to the page may stand anywhere, as in a terminal that is a page.
    let is = |name: &str, value: &str| headers.get(name).is_some_and(|given| given == value);
    let opens_the_page = is("sec-fetch-mode", "navigate") && is("sec-fetch-dest", "document");
    let elsewhere = headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none");
    if elsewhere && !opens_the_page {
        return Err("the request is from another site");
    }
    Ok(())
}

/// Checks the token of a request.
fn known(token: &Token, path: &str) -> Result<(), &'static str> {
    let given = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    match token.is(given) {
        true => Ok(()),
        false => Err("the token is wrong: open the address that the program printed when it was started"),
    }
}

/// The value of a header that stands once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// Whether a host is a name of the loopback interface, at any port: a port may be forwarded, as by ssh.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) => return false,
        None => host,
    };
    name == "127.0.0.1" || name.eq_ignore_ascii_case("localhost")
}

fn with_headers(mut answer: Response) -> Response {
    let fixed = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_request_needs_the_token_a_loopback_host_and_no_other_origin() {
        let token = Token::new().unwrap();
        assert_eq!((token.as_str().len(), token.is(Token::new().unwrap().as_str())), (32, false));
        let path = format!("/{}/api/state", token.as_str());
        let allowed = |pairs: &[(&'static str, &'static str)]| origin(&headers(pairs)).is_ok();
        assert!(known(&token, &path).is_ok());
        assert!(allowed(&[("host", "127.0.0.1:8080")]));
        assert!(allowed(&[
            ("host", "localhost:9"),
            ("origin", "http://localhost:9"),
            ("sec-fetch-site", "same-origin")
        ]));
        assert!(allowed(&[("host", "LOCALHOST")]));
        for host in [
            "evil.example:8080",
            "127.0.0.1.evil.example",
            "localhost:",
            "localhost:8o",
            "[::1]:80",
            "",
            "127.0.0.1@evil:1",
        ] {
            assert!(!allowed(&[("host", host)]), "{host}");
        }
        for origin in
            ["null", "http://evil.example", "http://127.0.0.1:8081", "https://127.0.0.1:8080", "http://localhost:8080"]
        {
            assert!(!allowed(&[("host", "127.0.0.1:8080"), ("origin", origin)]), "{origin}");
        }
        for site in ["cross-site", "same-site"] {
            assert!(!allowed(&[("host", "127.0.0.1:8080"), ("sec-fetch-site", site)]), "{site}");
            let framed = [
                ("host", "localhost"),
                ("sec-fetch-site", site),
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "iframe"),
            ];
            assert!(!allowed(&framed), "{site}");
            let link = [
                ("host", "localhost"),
                ("sec-fetch-site", site),
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "document"),
            ];
            assert!(allowed(&link), "{site}");
        }
        assert!(!allowed(&[]));
        let wrong = format!("/{}x/", token.as_str());
        for path in ["/", "//", "/favicon.ico", "/api/state", wrong.as_str()] {
            assert!(known(&token, path).is_err(), "{path}");
        }
        let mut twice = headers(&[("host", "localhost:1")]);
        twice.append(HOST, HeaderValue::from_static("evil.example"));
        assert!(origin(&twice).is_err());
    }

    #[test]
    fn the_address_that_a_browser_is_opened_with_works_once() {
        let opener = Opener::new().unwrap();
        assert!(!opener.open("") && !opener.open(Token::new().unwrap().as_str()));
        assert!(opener.open(opener.as_str()));
        assert!(!opener.open(opener.as_str()));
    }
}
