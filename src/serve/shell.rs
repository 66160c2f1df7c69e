//! The one document that a browser loads: style, script, and the question for the
//! token. It holds nothing about anybody's runs, so whoever asks may have it.
//!
//! Everything else comes to it as a fragment, asked for with the token in a header.
//! Script and style stand in the document itself and are allowed by their hashes:
//! nothing is loaded from anywhere, and nothing that a page shows can become script.

use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, PreEscaped, html};
use sha2::{Digest, Sha256};

/// Where the document is the answer that was asked for.
pub const LOGIN: &str = "/login";

const STYLE: &str = include_str!("client/style.css");
const SCRIPT: &str = include_str!("client/script.js");

/// See the module.
pub struct Shell {
    document: String,
    policy: HeaderValue,
}

impl Shell {
    pub fn new() -> Self {
        let policy = format!(
            "default-src 'none'; script-src {}; style-src {}; connect-src 'self'; img-src data:; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            allowed(SCRIPT),
            allowed(STYLE)
        );
        Shell {
            document: document(),
            policy: HeaderValue::from_str(&policy).expect("hashes are plain text"),
        }
    }

    pub fn response(&self, status: StatusCode) -> Response {
        let headers = [
            (
                CONTENT_TYPE,
                HeaderValue::from_static("text/html; charset=utf-8"),
            ),
            (CONTENT_SECURITY_POLICY, self.policy.clone()),
        ];
        (status, headers, self.document.clone()).into_response()
    }
}

fn document() -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "quintet" }
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                div #app {}
                main #login hidden {
                    h1 { "quintet" }
                    p { "This page shows runs to whoever has the token. It is in the file that "
                        code { "quintet serve" } " names where it was started." }
                    form {
                        input type="text" name="username" value="quintet" autocomplete="username" hidden;
                        label for="token" { "Token" }
                        input #token type="password" name="token" required autocomplete="current-password"
                            spellcheck="false";
                        button type="submit" { "Open" }
                        p #refused role="alert" {}
                    }
                }
                noscript { p { "The token travels in a header, which takes a script: please allow it." } }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

/// A script or style, as a policy allows it.
fn allowed(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}
