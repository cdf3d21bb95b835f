//! A keep-alive HTTP/1.1 client that costs little: the machine's cores are the server's too.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

pub(crate) struct Connection {
    stream: TcpStream,
    address: String,
    head: Vec<u8>,
    answer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, address: address.to_owned(), head: Vec::new(), answer: vec![0; 64 << 10] }
    }

    /// Posts and reads the whole answer; its status.
    pub(crate) async fn post(&mut self, path: &str, body: &[u8]) -> u16 {
        self.head.clear();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Basic V0s6\r\ncontent-length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        self.head.extend_from_slice(head.as_bytes());
        self.head.extend_from_slice(body);
        self.stream.write_all(&self.head).await.unwrap();
        self.answer().await
    }

    async fn answer(&mut self) -> u16 {
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.answer[filled..]).await.unwrap();
            assert!(read > 0, "the server closed the connection");
            filled += read;
            let text = &self.answer[..filled];
            let Some(end) = text.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
            let head = String::from_utf8_lossy(&text[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|l| l.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |l| l.trim().parse().unwrap());
            if filled >= end + 4 + length {
                return head[9..12].parse().unwrap();
            }
        }
    }
}
