//! A message as a signed HTTP request.
//!
//! What went wrong is told without the address and without headers: they may hold
//! secrets.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use ureq::Agent;
use ureq::http::{HeaderMap, StatusCode};

use super::Failed;
use crate::view::notification::Message;

const AGENT: &str = concat!("quintet/", env!("CARGO_PKG_VERSION"));

/// A server that takes messages.
pub(super) struct Webhook {
    pub url: String,
    /// What messages are signed with.
    pub key: Option<String>,
    pub headers: Vec<(String, String)>,
}

impl Webhook {
    pub fn post(&self, message: &Message, id: &str, limit: Duration) -> Result<(), Failed> {
        let agent: Agent = Agent::config_builder()
            .timeout_global(Some(limit))
            .max_redirects(0)
            .http_status_as_error(false)
            .user_agent(AGENT)
            .build()
            .into();
        let mut request = agent
            .post(&self.url)
            .header("Content-Type", "application/json")
            .header("X-Quintet-Delivery", id);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let timestamp = now.unwrap_or_default().as_secs().to_string();
        if let Some(key) = &self.key {
            let signature = signature(key.as_bytes(), &timestamp, message.json.as_bytes());
            request = request.header("X-Quintet-Signature", signature);
        }
        request = request.header("X-Quintet-Timestamp", timestamp);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        match request.send(message.json.as_bytes()) {
            Ok(response) => judge(response.status(), response.headers()),
            Err(error) => Err(told(&error, limit)),
        }
    }
}

/// `sha256=` and the HMAC-SHA256 of the timestamp, a dot and the body, in hexadecimal.
fn signature(key: &[u8], timestamp: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key may have any length");
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(body);
    let code = mac.finalize().into_bytes();
    let digits = code.iter().map(|byte| format!("{byte:02x}"));
    format!("sha256={}", digits.collect::<String>())
}

/// What the server's answer means for the message.
fn judge(status: StatusCode, headers: &HeaderMap) -> Result<(), Failed> {
    if status.is_success() {
        return Ok(());
    }
    let code = status.as_u16();
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        let asked = headers
            .get("Retry-After")
            .and_then(|asked| asked.to_str().ok());
        // A date is also allowed there; then our own delay has to do.
        let asked = asked.and_then(|asked| asked.trim().parse().ok());
        return Err(Failed {
            not_before: asked.map(Duration::from_secs),
            ..Failed::for_now(format!("the server answered {code}"))
        });
    }
    let more = match status.is_redirection() {
        true => ", and redirects are not followed",
        false => "",
    };
    Err(Failed::for_good(format!(
        "the server answered {code}{more}"
    )))
}

fn told(error: &ureq::Error, limit: Duration) -> Failed {
    use ureq::Error;
    match error {
        Error::Timeout(_) => Failed::for_now(format!("no answer within {limit:.1?}")),
        Error::Io(error) => Failed::for_now(error.to_string()),
        Error::HostNotFound => Failed::for_now("the host was not found"),
        Error::ConnectionFailed => Failed::for_now("no connection could be made"),
        Error::Rustls(error) => Failed::for_now(format!("TLS: {error}")),
        Error::Tls(error) => Failed::for_now(format!("TLS: {error}")),
        Error::Protocol(_) => Failed::for_now("the server does not speak HTTP"),
        Error::ConnectProxyFailed(_) => Failed::for_now("the proxy could not be reached"),
        Error::BadUri(_) | Error::Http(_) => {
            Failed::for_good("the address, or a header's value, is none")
        }
        _ => Failed::for_good("the request could not be made"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The code was worked out with another program (`openssl dgst -sha256 -hmac`).
    #[test]
    fn the_signature_is_of_the_timestamp_a_dot_and_the_body() {
        assert_eq!(
            signature(b"key", "1700000000", b"{}"),
            "sha256=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae"
        );
    }

    fn after(status: u16, headers: &[(&'static str, &str)]) -> Option<(bool, Option<u64>)> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().expect("a header's value"));
        }
        let status = StatusCode::from_u16(status).expect("a status");
        let failed = judge(status, &map).err()?;
        Some((failed.again, failed.not_before.map(|after| after.as_secs())))
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        assert_eq!(after(200, &[]), None);
        assert_eq!(after(204, &[]), None);
        for status in [400, 401, 404, 410, 301, 302, 307] {
            assert_eq!(after(status, &[("retry-after", "1")]), Some((false, None)));
        }
        for status in [429, 500, 503] {
            assert_eq!(after(status, &[]), Some((true, None)));
            assert_eq!(
                after(status, &[("retry-after", "7")]),
                Some((true, Some(7)))
            );
            let date = "Fri, 20 Nov 2026 12:00:00 GMT";
            assert_eq!(after(status, &[("retry-after", date)]), Some((true, None)));
        }
    }

    #[test]
    fn what_went_wrong_is_told_without_the_address() {
        let limit = Duration::from_secs(1);
        let bad = ureq::Error::BadUri("http://token@".into());
        let failed = told(&bad, limit);
        assert!(!failed.why.contains("token") && !failed.again);
    }
}
