//! A webhook receiver that answers what it is told to.

use std::{collections::VecDeque, net::SocketAddr, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

/// What a request is answered with.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// Status and further headers.
    Status(u16, &'static str),
    /// Nothing, for ever.
    Silence,
    /// The connection ends in the middle.
    Reset,
    /// 200 and a body of 10 MB.
    Huge,
}

/// A request as it came in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Received {
    pub(crate) headers: String,
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> String {
        let lines = self.headers.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim().to_owned()).next().unwrap()
    }

    /// Ids of its changes.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.body
            .split(r#""id":"chg_"#)
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap().to_owned())
            .collect()
    }
}

#[derive(Default)]
struct Script {
    replies: VecDeque<Reply>,
    /// Answer to any request whose body has this text.
    bad: Option<(String, Reply)>,
    received: Vec<Received>,
}

#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    script: Arc<Mutex<Script>>,
    arrived: Arc<Notify>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        Self::listen(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(crate) fn listen(listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let receiver = Self { address, script: Arc::default(), arrived: Arc::default() };
        let serving = receiver.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        receiver
    }

    /// Answers the next requests; later ones get 200.
    pub(crate) fn reply(&self, replies: impl IntoIterator<Item = Reply>) {
        self.script.lock().replies.extend(replies);
    }

    /// Answers requests that mention `text`.
    pub(crate) fn reply_to(&self, bad: Option<(&str, Reply)>) {
        self.script.lock().bad = bad.map(|(text, reply)| (text.to_owned(), reply));
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.script.lock().received.clone()
    }

    /// Waits until `count` requests have come in.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Received> {
        self.wait_until(&format!("{count} requests"), |received| received.len() >= count).await
    }

    pub(crate) async fn wait_until(&self, what: &str, done: impl Fn(&[Received]) -> bool) -> Vec<Received> {
        let waiting = async {
            loop {
                let arrived = self.arrived.notified();
                let received = self.received();
                if done(&received) {
                    return received;
                }
                arrived.await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
        waited.unwrap_or_else(|_| panic!("waited for {what}, got {:?}", self.received()))
    }

    async fn serve(self, mut stream: TcpStream) {
        while let Some(received) = read_request(&mut stream).await {
            let reply = {
                let mut script = self.script.lock();
                script.received.push(received.clone());
                let bad = script.bad.clone().filter(|(text, _)| received.body.contains(text.as_str()));
                bad.map(|(_, reply)| reply).or_else(|| script.replies.pop_front())
            };
            self.arrived.notify_waiters();
            match reply.unwrap_or(Reply::Status(200, "")) {
                Reply::Status(status, headers) => {
                    let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 2\r\n{headers}\r\nok");
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
                Reply::Silence => std::future::pending().await,
                Reply::Reset => {
                    let _ = stream.set_zero_linger();
                    return;
                }
                Reply::Huge => {
                    let head = "HTTP/1.1 200 OK\r\ncontent-length: 10000000\r\n\r\n";
                    let _ = stream.write_all(head.as_bytes()).await;
                    let _ = stream.write_all(&vec![b'x'; 10_000_000]).await;
                }
            }
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4_096];
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let headers = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let length = headers
                .lines()
                .find_map(|line| {
                    line.to_lowercase()
                        .strip_prefix("content-length:")
                        .map(|n| n.trim().parse::<usize>().unwrap())
                })
                .unwrap();
            if bytes.len() >= end + 4 + length {
                let body = String::from_utf8(bytes[end + 4..end + 4 + length].to_vec()).unwrap();
                return Some(Received { headers, body });
            }
        }
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(n) => bytes.extend_from_slice(&chunk[..n]),
        }
    }
}
