//! Whether somebody answers at a port.

use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::{Finding, words};

/// The system looks the name up, and takes as long for that as it likes; so it
/// does that aside, and is not waited for longer than was asked. The thread ends
/// with the process, which has nothing else to do.
pub fn find(host: &str, port: u16, timeout: Duration) -> Finding {
    let place = format!("port {port} of {host}");
    let (tell, told) = mpsc::channel();
    let name = host.to_owned();
    let connect = move || {
        // Nobody listens any more once the time is over.
        let _ = tell.send(TcpStream::connect((&*name, port)).map(drop));
    };
    if let Err(e) = thread::Builder::new().spawn(connect) {
        return Finding::Unknown(format!("{place} cannot be asked: {}", words(&e)));
    }
    match told.recv_timeout(timeout) {
        Ok(Ok(())) => Finding::Holds(format!("{place} is reachable")),
        Ok(Err(e)) => Finding::Fails(format!("{place} cannot be reached: {}", words(&e))),
        Err(_) => Finding::Fails(format!("{place} does not answer within {timeout:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{Backlog, listen};
    use std::net::TcpListener;

    #[test]
    fn a_port_is_reachable_while_somebody_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("it has one").port();
        let ask = || find("127.0.0.1", port, Duration::from_secs(30));
        assert_eq!(
            ask(),
            Finding::Holds(format!("port {port} of 127.0.0.1 is reachable"))
        );
        drop(listener);
        assert_eq!(
            ask(),
            Finding::Fails(format!(
                "port {port} of 127.0.0.1 cannot be reached: Connection refused"
            ))
        );
    }

    #[test]
    fn a_name_that_is_none_is_not_reachable() {
        let found = find("a..b", 80, Duration::from_secs(30));
        assert_eq!(found.code(), 1, "{found:?}");
        assert!(found.line().starts_with("port 80 of a..b "), "{found:?}");
    }

    /// E35. Who listens takes no call, and as many wait as may: the next one
    /// hears nothing.
    #[test]
    fn e35_a_port_that_does_not_answer_is_waited_for_no_longer_than_was_asked() {
        let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
        let none = Backlog::new(0).expect("it is allowed");
        listen(&silent, none).expect("it listens already");
        let port = silent.local_addr().expect("it has one").port();
        let ask = || find("127.0.0.1", port, Duration::from_millis(50));
        // Those that are let in wait as well, and so fill the queue.
        let found = std::iter::repeat_with(ask).take(5).last();
        assert_eq!(
            found,
            Some(Finding::Fails(format!(
                "port {port} of 127.0.0.1 does not answer within 50ms"
            )))
        );
    }
}
