//! A server on this machine that takes messages, and answers as it is told to.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver as Inbox, channel};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request that came.
pub struct Posted {
    pub path: String,
    /// By their names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Posted {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    /// What the signature must be.
    pub fn signature(&self, key: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("a key");
        mac.update(self.header("x-quintet-timestamp").as_bytes());
        mac.update(b".");
        mac.update(&self.body);
        let code = mac.finalize().into_bytes();
        let digits = code.iter().map(|byte| format!("{byte:02x}"));
        format!("sha256={}", digits.collect::<String>())
    }
}

/// How a request is answered.
#[derive(Clone, Copy)]
pub enum Answer {
    Status(u16),
    /// With a header.
    With(u16, &'static str),
    Never,
}

pub struct Receiver {
    port: u16,
    inbox: Inbox<Posted>,
}

impl Receiver {
    /// Answers one request after the other so; all that come later with the last of these.
    pub fn answering(answers: &[Answer]) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let (sender, inbox) = channel();
        let answers = answers.to_vec();
        // It ends with the test's process.
        std::thread::spawn(move || {
            let mut kept = Vec::new();
            for (n, stream) in listener.incoming().enumerate() {
                let mut stream = stream.expect("a connection");
                let Some(posted) = read(&stream) else {
                    continue;
                };
                let answer = answers[n.min(answers.len() - 1)];
                let said = match answer {
                    Answer::Status(status) => head(status, ""),
                    Answer::With(status, header) => head(status, header),
                    Answer::Never => String::new(),
                };
                let _ = stream.write_all(said.as_bytes());
                if said.is_empty() {
                    kept.push(stream);
                }
                if sender.send(posted).is_err() {
                    return;
                }
            }
        });
        Receiver { port, inbox }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    /// The next request.
    #[track_caller]
    pub fn next(&self) -> Posted {
        let posted = self.inbox.recv_timeout(PATIENCE);
        posted.expect("a message was to come")
    }

    /// What has come and was not looked at.
    pub fn rest(&self) -> Vec<Posted> {
        self.inbox.try_iter().collect()
    }
}

fn head(status: u16, header: &str) -> String {
    format!("HTTP/1.1 {status} So\r\nContent-Length: 0\r\nConnection: close\r\n{header}\r\n")
}

fn read(stream: &TcpStream) -> Option<Posted> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length")?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Posted {
        path,
        headers,
        body,
    })
}
