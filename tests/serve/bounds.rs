//! What a server bears: where it listens, and clients that read nothing, say nothing,
//! or say too much. A run beside it is never disturbed.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::server::Server;
use crate::support::{Test, eventually, nightly, skip};

/// Five hundred steps, four at a time.
fn wide() -> String {
    let steps = (0..500).map(|n| format!(r#"{{"id": "s{n}", "command": "true"}}"#));
    let steps = steps.collect::<Vec<_>>().join(", ");
    format!(r#"{{"plan_id": "WIDE", "globals": {{"max_concurrency": 4}}, "steps": [{steps}]}}"#)
}

/// Lets this process have so many descriptors; whether it may.
fn may_open(many: u64) -> bool {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    hard >= many && setrlimit(Resource::RLIMIT_NOFILE, many, hard).is_ok()
}

fn descriptors(server: &Server) -> usize {
    let of = std::fs::read_dir(format!("/proc/{}/fd", server.pid()));
    of.expect("the server lives").count()
}

/// Resident memory, in KiB.
fn resident(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid()));
    let status = status.expect("the server lives");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.expect("a size")
}

/// XG05.
#[test]
fn xg05_it_listens_on_this_machine_only() {
    let test = Test::new();
    let server = Server::start(&test, &[]);
    assert!(server.host.starts_with("127.0.0.1:"), "{}", server.host);
    // As the kernel sees it: of all that listen at this port, one, and there.
    let port: u16 = server.host.rsplit(':').next().unwrap().parse().unwrap();
    let mut found = Vec::new();
    for table in ["tcp", "tcp6"] {
        let table = std::fs::read_to_string(format!("/proc/{}/net/{table}", server.pid()));
        for line in table.unwrap_or_default().lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let local = fields[1].to_owned();
            if fields[3] == "0A" && local.ends_with(&format!(":{port:04X}")) {
                found.push(local);
            }
        }
    }
    assert_eq!(found, [format!("0100007F:{port:04X}")]);
    for open in ["0.0.0.0", "::", "192.0.2.1"] {
        test.quintet(&["serve", "--port", "0", "--host", open, "--control"])
            .status(2)
            .stderr_has("can be reached from other machines")
            .run();
    }
    let taken = port.to_string();
    test.quintet(&["serve", "--port", &taken])
        .status(2)
        .stderr_has("hint: --port 0")
        .run();
}

/// XG06.
#[test]
fn xg06_a_thousand_listeners_that_never_read_disturb_nobody() {
    if !may_open(4096) {
        return skip("xg06", "too few descriptors are allowed here");
    }
    let test = Test::new()
        .file("wide.json", wide())
        .file("plan.json", wide());
    test.quintet(&["run", "plan.json", "--quiet"]).run();
    let server = Server::start(&test, &[]);
    assert_eq!(server.get("/").status, 200);
    let (before, memory) = (descriptors(&server), resident(&server));
    let request = format!(
        "GET /api/v1/changes HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\r\n",
        server.host, server.token
    );
    let mut clients: Vec<TcpStream> = Vec::new();
    for _ in 0..1000 {
        let mut client = server.connect();
        client.write_all(request.as_bytes()).expect("a request");
        clients.push(client);
    }
    test.quintet(&["run", "wide.json", "--quiet"]).run();
    for _ in 0..20 {
        assert_eq!(server.get("/api/v1/runs").status, 200);
    }
    let grown = resident(&server).saturating_sub(memory);
    assert!(grown <= 64 << 10, "{grown} KiB more");
    // Those who came too late were told so.
    let last = clients.last_mut().expect("a client");
    let mut told = [0; 12];
    last.read_exact(&mut told).expect("an answer");
    assert_eq!(&told, b"HTTP/1.1 503");
    drop(clients);
    eventually("the descriptors are back", || {
        descriptors(&server) <= before + 8
    });
    let mut listener = server.connect();
    listener.write_all(request.as_bytes()).expect("a request");
    listener.read_exact(&mut told).expect("an answer");
    assert_eq!(&told, b"HTTP/1.1 200");
}

/// XG07.
#[test]
fn xg07_who_is_slow_or_says_too_much_is_bounded() {
    if !may_open(4096) {
        return skip("xg07", "too few descriptors are allowed here");
    }
    let test = Test::new().file("wide.json", wide());
    let server = Server::start(&test, &["--control"]);
    let mut slow: Vec<TcpStream> = Vec::new();
    for _ in 0..500 {
        let mut client = server.connect();
        client
            .write_all(b"GET / HTTP/1.1\r\nHost: ")
            .expect("a beginning");
        slow.push(client);
    }
    assert_eq!(server.get("/").status, 200);
    test.quintet(&["run", "wide.json", "--quiet"]).run();
    let large = "a".repeat(8 << 20);
    let answer = server.ask("GET", "/", &[("X-A", &large)], "");
    assert!(matches!(answer.status, 431 | 400 | 0), "{answer:?}");
    let long = format!("/{}", "a".repeat(1 << 20));
    let answer = server.ask("GET", &long, &[], "");
    assert!(
        matches!(answer.status, 414 | 431 | 400 | 0),
        "{}",
        answer.status
    );
    let head = format!(
        "POST /api/v1/runs HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: 1000000000\r\n\r\n",
        server.host, server.token
    );
    assert_eq!(server.raw(head.as_bytes()).status, 413);
    // The kernel closes them when this does; the server by itself, in its own time.
    drop(slow);
    assert_eq!(server.get("/api/v1/runs").status, 200);
}

/// XG07: whatever comes, an answer or an end comes back, and the server goes on.
#[test]
fn xg07_random_requests_break_nothing() {
    let test = Test::new().file("wide.json", wide());
    test.quintet(&["run", "wide.json", "--quiet"]).run();
    let server = Server::start(&test, &["--control"]);
    let count = if nightly() { 100_000 } else { 1_000 };
    // A congruential generator is random enough, and its failures come again.
    let mut seed = 42_u64;
    let mut random = move |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as usize % below
    };
    let own = format!("Host: {}", server.host);
    let token = format!("Authorization: Bearer {}", server.token);
    let words = [
        "GET",
        "POST",
        "/",
        "/runs/last",
        "/api/v1/runs",
        "?",
        "state=failed",
        "&",
        "%00",
        "%2e%2e",
        "..",
        " ",
        "HTTP/1.1",
        "\r\n",
        "\r\n\r\n",
        "Content-Length: 5",
        "Transfer-Encoding: chunked",
        "\u{0}",
        "\u{ff}",
        "limit=99999999999999999999",
        "tab=",
        "at=-1",
        &own,
        &token,
        ":",
        "{",
        "}",
        "Content-Type: application/json",
        "/events",
        "Accept: text/html",
        "Range: bytes=0-",
        "Upgrade: websocket",
        "Expect: 100-continue",
        "0\r\n\r\n",
    ];
    for n in 0..count {
        let mut request = String::new();
        if n % 2 == 0 {
            request = format!("GET /runs/last HTTP/1.1\r\n{own}\r\n{token}\r\n");
            request.insert_str(14, &"x".repeat(random(3)));
        }
        for _ in 0..random(24) {
            request.push_str(words[random(words.len())]);
        }
        let mut client = server.connect();
        let _ = client.write_all(request.as_bytes());
        let _ = client.shutdown(std::net::Shutdown::Write);
        client
            .set_read_timeout(Some(Duration::from_secs(20)))
            .expect("a limit");
        let mut piece = [0; 256];
        // The beginning of the answer is enough: a stream has no end.
        let _ = client.read(&mut piece);
        assert!(!piece.starts_with(b"HTTP/1.1 500"), "{request:?}");
    }
    assert_eq!(server.get("/api/v1/runs").status, 200);
}
