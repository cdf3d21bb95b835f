use std::{
    collections::VecDeque,
    ffi::OsStr,
    fs,
    io::{self, BufRead, BufReader},
    net::TcpListener,
    os::unix::fs::{MetadataExt, chown},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use tempfile::TempDir;

/// How long a server may take until it answers, on a loaded machine.
const START: Duration = Duration::from_secs(60);
/// Ports to try: a port that was free may be taken when the server binds it.
const PORTS: usize = 5;
/// Lines of the server's own log that a failed start shows.
const LINES: usize = 20;
/// Debian's package makes this user; the server refuses to run as root.
const UNPRIVILEGED: &str = "postgres";
/// Where Debian puts each version's programs.
const PACKAGED: &str = "/usr/lib/postgresql";

/// Runs the server in the shell's place, and stops it when the shell's standard input ends: that also
/// happens when a test process is killed.
const UNTIL_INPUT_ENDS: &str =
    r#"exec 3<&0; (read -r _ <&3; kill -QUIT $$) >/dev/null 2>&1 & exec "$@" </dev/null 3<&-"#;

/// A throw-away PostgreSQL with an empty data folder, listening on a free port of the loopback.
///
/// Its superuser is `etalon`, its database `postgres`; no password is asked. It compares text byte by
/// byte (locale C), keeps UTC, and forgets durability. Dropping it stops it and removes its data.
#[derive(Debug)]
pub struct Postgres {
    port: u16,
    input: Option<ChildStdin>,
    server: Child,
    _dir: TempDir,
}

impl Postgres {
    /// Makes a data folder and starts a server on it; returns when it takes connections.
    pub fn start() -> io::Result<Self> {
        let programs = programs()?;
        // Not in `TMPDIR`: the other user must reach it, and the path of a socket is short.
        let dir = tempfile::Builder::new().prefix("etalon-postgres").tempdir_in("/tmp")?;
        let data = dir.path().join("data");
        let user = own(dir.path())?;
        initialise(&programs, dir.path(), &data, user)?;
        let mut failed = String::new();
        for _ in 0..PORTS {
            let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
            match serve(&programs, dir.path(), &data, user, port)? {
                Ok((server, input)) => return Ok(Self { port, input: Some(input), server, _dir: dir }),
                Err(log) if log.contains("Address already in use") => failed = log,
                Err(log) => return Err(io::Error::other(format!("PostgreSQL did not start:\n{log}"))),
            }
        }
        Err(io::Error::other(format!("PostgreSQL found no free port:\n{failed}")))
    }

    /// Where it listens, on `127.0.0.1`.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A connection string.
    pub fn url(&self) -> String {
        format!("postgres://etalon@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.input.take());
        // Its data is removed next: a server that is still there would only complain.
        _ = self.server.wait();
    }
}

/// The folder of the newest packaged version, or an empty path for the search path's.
fn programs() -> io::Result<PathBuf> {
    let versions = match fs::read_dir(PACKAGED) {
        Ok(entries) => entries.collect::<io::Result<Vec<_>>>()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    let number = |path: &Path| path.file_name().and_then(OsStr::to_str)?.parse::<u32>().ok();
    let servers = versions.iter().map(fs::DirEntry::path).filter(|v| v.join("bin/postgres").is_file());
    Ok(servers.max_by_key(|path| number(path)).map(|version| version.join("bin")).unwrap_or_default())
}

/// Gives the folder to the user who runs the server, where that cannot be the present one.
fn own(dir: &Path) -> io::Result<Option<&'static str>> {
    if fs::metadata(dir)?.uid() != 0 {
        return Ok(None);
    }
    let id = |which: &str| -> io::Result<u32> {
        let output = Command::new("id").args([which, UNPRIVILEGED]).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let missing = || io::Error::other(format!("there is no user '{UNPRIVILEGED}': {INSTALL}"));
        text.trim().parse().map_err(|_| missing())
    };
    chown(dir, Some(id("-u")?), Some(id("-g")?))?;
    Ok(Some(UNPRIVILEGED))
}

const INSTALL: &str = "install PostgreSQL with scripts/install-test-tools";

/// The program and its arguments, as the unprivileged user where one is needed.
fn words(programs: &Path, program: &str, user: Option<&str>) -> Vec<String> {
    let program = programs.join(program).display().to_string();
    match user {
        Some(user) => {
            let (uid, gid) = (format!("--reuid={user}"), format!("--regid={user}"));
            vec!["setpriv".to_owned(), uid, gid, "--clear-groups".to_owned(), program]
        }
        None => vec![program],
    }
}

fn initialise(programs: &Path, dir: &Path, data: &Path, user: Option<&str>) -> io::Result<()> {
    let words = words(programs, "initdb", user);
    let output = Command::new(&words[0])
        .args(&words[1..])
        .args(["--username=etalon", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"])
        .arg("--pgdata")
        .arg(data)
        .current_dir(dir)
        .output()
        .map_err(|error| {
            io::Error::new(error.kind(), format!("{} does not run ({error}): {INSTALL}", words[0]))
        })?;
    match output.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(format!("initdb failed: {}", String::from_utf8_lossy(&output.stderr)))),
    }
}

/// A running server, or what it said before it ended.
type Started = Result<(Child, ChildStdin), String>;

fn serve(programs: &Path, dir: &Path, data: &Path, user: Option<&str>, port: u16) -> io::Result<Started> {
    let mut server = Command::new("sh")
        .args(["-c", UNTIL_INPUT_ENDS, "sh"])
        .args(words(programs, "postgres", user))
        .arg("-D")
        .arg(data)
        .arg("-k")
        .arg(dir)
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-F"])
        .args(["-c", "timezone=UTC", "-c", "log_timezone=UTC", "-c", "logging_collector=off"])
        .args(["-c", "full_page_writes=off", "-c", "synchronous_commit=off"])
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let input = server.stdin.take();
    let log = server.stderr.take();
    let (Some(input), Some(log)) = (input, log) else {
        return Err(io::Error::other("the server's pipes are missing"));
    };
    match ready(log)? {
        Ok(()) => Ok(Ok((server, input))),
        Err(log) => {
            drop(input);
            _ = server.wait();
            Ok(Err(log))
        }
    }
}

/// Waits until the server takes connections, and reads its log from then on so that it never blocks.
fn ready(log: impl io::Read + Send + 'static) -> io::Result<Result<(), String>> {
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::Builder::new().name("postgres log".to_owned()).spawn(move || {
        let mut last = VecDeque::new();
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            if line.contains("database system is ready to accept connections") {
                _ = sender.try_send(Ok(()));
            }
            last.push_back(line);
            if last.len() > LINES {
                last.pop_front();
            }
        }
        // The server has ended; after a good start nobody listens any more.
        _ = sender.try_send(Err(Vec::from(last).join("\n")));
    })?;
    receiver
        .recv_timeout(START)
        .map_err(|_| io::Error::other(format!("PostgreSQL did not take connections within {START:?}")))
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn a_server_listens_until_it_is_dropped() {
        let server = Postgres::start().unwrap();
        let (port, data) = (server.port(), server._dir.path().to_owned());
        assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
        drop(server);
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
        assert_eq!(fs::metadata(data).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn servers_run_side_by_side() {
        let (one, other) = (Postgres::start().unwrap(), Postgres::start().unwrap());
        assert_ne!(one.port(), other.port());
        assert_eq!(one.url(), format!("postgres://etalon@127.0.0.1:{}/postgres", one.port()));
    }
}
