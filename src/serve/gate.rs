//! Who may ask at all: decided before anything looks at a request's path.
//!
//! The server is on this machine's loopback address, where every page in every
//! browser tab can send requests to, and every program of every user. So a request
//! must name this server (against names that are made to lead here), come from a page
//! of this server or from no page, carry the token, and where it changes something be
//! of a kind that no other page can send without being asked first.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    HOST, ORIGIN, REFERRER_POLICY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::shell::{self, Shell};
use super::token::Token;
use super::trouble::Trouble;

/// No request says more than this; in bytes.
pub const MOST_BODY: usize = 64 << 10;

/// See the module.
pub struct Gate {
    /// What a request may call this server, in lower case.
    names: Vec<String>,
    token: Token,
    shell: Shell,
}

impl Gate {
    pub fn new(address: SocketAddr, token: Token) -> Self {
        let port = address.port();
        let hosts = ["127.0.0.1", "[::1]", "localhost"];
        Gate {
            names: hosts.map(|host| format!("{host}:{port}")).to_vec(),
            token,
            shell: Shell::new(),
        }
    }

    /// Whether the request is meant for this server, and comes from nowhere else.
    fn is_meant(&self, request: &Request) -> Result<(), Trouble> {
        let headers = request.headers();
        if request.uri().authority().is_some() || request.version() < Version::HTTP_11 {
            return Err(Trouble::bad("this server is no proxy and speaks HTTP/1.1"));
        }
        let mut hosts = headers.get_all(HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (Some(host), None) => host.to_str().unwrap_or_default().to_ascii_lowercase(),
            _ => return Err(Trouble::bad("a request names one host")),
        };
        if !self.names.contains(&host) {
            return Err(forbidden("this server has another name"));
        }
        for origin in headers.get_all(ORIGIN) {
            if origin.as_bytes() != format!("http://{host}").as_bytes() {
                return Err(forbidden("a page from elsewhere asks nothing here"));
            }
        }
        let site = HeaderName::from_static("sec-fetch-site");
        for from in headers.get_all(site) {
            if !matches!(from.as_bytes(), b"same-origin" | b"none") {
                return Err(forbidden("a page from elsewhere asks nothing here"));
            }
        }
        Ok(())
    }

    /// Whether the token comes with it.
    fn knows_the_token(&self, headers: &HeaderMap) -> bool {
        let mut given = headers.get_all(AUTHORIZATION).iter();
        let (Some(given), None) = (given.next(), given.next()) else {
            return false;
        };
        let bearer = given.as_bytes().split_at_checked(7);
        bearer.is_some_and(|(scheme, token)| {
            scheme.eq_ignore_ascii_case(b"bearer ") && self.token.is(token)
        })
    }
}

fn forbidden(why: &str) -> Trouble {
    Trouble::new(StatusCode::FORBIDDEN, why)
}

/// What changes something says so in JSON: no page can send that elsewhere unasked.
fn is_of_a_safe_kind(request: &Request) -> Result<(), Trouble> {
    let headers = request.headers();
    match *request.method() {
        Method::GET | Method::HEAD => {}
        Method::POST => {
            let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
            let kind = kind.and_then(|kind| kind.split(|byte| *byte == b';').next());
            if !kind.is_some_and(|kind| kind.trim_ascii().eq_ignore_ascii_case(b"application/json"))
            {
                let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
                return Err(Trouble::new(status, "what is asked for is said in JSON")
                    .hint("Content-Type: application/json"));
            }
        }
        _ => {
            let status = StatusCode::METHOD_NOT_ALLOWED;
            return Err(Trouble::new(status, "this server knows GET, HEAD and POST"));
        }
    }
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok());
    match length.map(str::parse::<u64>) {
        Some(Ok(length)) if length > MOST_BODY as u64 => {
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            Err(Trouble::new(
                status,
                format!("a request has {MOST_BODY} bytes at most"),
            ))
        }
        _ => Ok(()),
    }
}

/// Lets a request pass, or answers it here. Every answer of the server goes out
/// through it.
pub async fn gate(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let passed = gate
        .is_meant(&request)
        .and_then(|()| is_of_a_safe_kind(&request));
    let mut response = match passed {
        Err(trouble) => trouble.into_response(),
        Ok(()) if request.uri().path() == shell::LOGIN && request.method() == Method::GET => {
            gate.shell.response(StatusCode::OK)
        }
        Ok(()) if gate.knows_the_token(request.headers()) => next.run(request).await,
        Ok(()) if asks_for_a_page(&request) => gate.shell.response(StatusCode::UNAUTHORIZED),
        Ok(()) => Trouble::new(StatusCode::UNAUTHORIZED, "the token is missing or another")
            .hint("send it in a header, Authorization: Bearer TOKEN; it is in the file that quintet serve names")
            .into_response(),
    };
    if response.status() == StatusCode::UNAUTHORIZED {
        let headers = response.headers_mut();
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    protect(response.headers_mut());
    response
}

/// Whether a browser wants to show what comes. It has no token at its first request:
/// it gets the page that asks for one, and that asks again.
fn asks_for_a_page(request: &Request) -> bool {
    let accept = request.headers().get(ACCEPT);
    let accepts = accept.and_then(|accept| accept.to_str().ok());
    request.method() == Method::GET
        && !request.headers().contains_key(AUTHORIZATION)
        && accepts.is_some_and(|accepts| accepts.contains("text/html"))
}

/// What every answer says to a browser: that nothing in it may act.
fn protect(headers: &mut HeaderMap) {
    let always = [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ];
    for (name, value) in always {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let policy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
    headers
        .entry(CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(policy));
}
