//! A server over a test's own state, and raw requests to it: no client that would mend
//! them first.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::Test;

/// Longer than any answer takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a stream says after this is not waited for.
const AT_ONCE: Duration = Duration::from_millis(50);

/// More of an answer is not read; in bytes.
const MOST: usize = 4 << 20;

/// Ends with this.
pub struct Server {
    child: Child,
    /// `127.0.0.1:PORT`
    pub host: String,
    pub token: String,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// With names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

impl Server {
    /// Serves what the test keeps, at a free port.
    pub fn start(test: &Test, args: &[&str]) -> Server {
        let mut child = Command::new(env!("CARGO_BIN_EXE_quintet"))
            .args(["serve", "--port", "0"])
            .args(args)
            .env_clear()
            .env("HOME", test.path("home"))
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("TZ", "UTC")
            .env("QUINTET_STATE_DIR", test.path("state"))
            .current_dir(test.path("work"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(test.path("serve.stderr")).expect("a file"))
            .spawn()
            .expect("the server can be started");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout is a pipe");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("the server says where it is");
        let host = line.trim().trim_start_matches("http://");
        let host = host.trim_end_matches('/').to_owned();
        let token = std::fs::read_to_string(test.path("state/serve.token"));
        Server {
            token: token.expect("the token is there").trim().to_owned(),
            child,
            host,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.host).expect("the server listens");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a time limit");
        stream
    }

    /// Sends these very bytes and reads to the end of the connection.
    pub fn raw(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect();
        // One that is refused early may close before it has read all.
        let _ = stream.write_all(request);
        let mut came = Vec::new();
        let _ = stream.read_to_end(&mut came);
        answer(&came)
    }

    /// Asks with the token and whatever more.
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.raw(self.request(method, path, headers, body).as_bytes())
    }

    /// The same for what may be a stream: of one, only what it says at once.
    pub fn beginning(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut stream = self.connect();
        let request = self.request(method, path, headers, body);
        let _ = stream.write_all(request.as_bytes());
        let (mut came, mut piece) = (Vec::new(), [0; 4096]);
        while came.len() < MOST {
            match stream.read(&mut piece) {
                Ok(n) if n > 0 => came.extend_from_slice(&piece[..n]),
                _ => break,
            }
            if is_stream(&came) {
                stream
                    .set_read_timeout(Some(AT_ONCE))
                    .expect("a time limit");
            }
        }
        answer(&came)
    }

    fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n",
            self.host, self.token
        );
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            request.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        request.push_str(&format!("\r\n{body}"));
        request
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "")
    }

    pub fn post(&self, path: &str, body: &serde_json::Value) -> Answer {
        let json = [("Content-Type", "application/json")];
        self.ask("POST", path, &json, &body.to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_stream(came: &[u8]) -> bool {
    let head = &came[..came.len().min(1024)];
    String::from_utf8_lossy(head).contains("content-type: text/event-stream")
}

fn answer(came: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(came);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let chunked = headers
        .iter()
        .any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    Answer {
        status: status.and_then(|status| status.parse().ok()).unwrap_or(0),
        body: if chunked {
            dechunked(body)
        } else {
            body.to_owned()
        },
        headers,
    }
}

fn dechunked(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        let Some(piece) = rest.get(..size).filter(|piece| !piece.is_empty()) else {
            break;
        };
        whole.push_str(piece);
        body = rest[size..].trim_start_matches("\r\n");
    }
    whole
}
