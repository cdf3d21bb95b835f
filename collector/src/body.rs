use std::{io::Read, time::Duration};

use axum::body::Body;
use bytes::Bytes;
use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http_body_util::BodyExt;

use crate::answer::Rejection;

/// Reads a body of at most `max` bytes. A larger one is read on and thrown away for a while, so that the
/// client sees the 413 instead of a closed connection, which it would take for a reason to retry.
pub(crate) async fn read(body: Body, max: usize, limit: Duration) -> Result<Bytes, Rejection> {
    match tokio::time::timeout(limit, collect(body, max)).await {
        Ok(result) => result,
        Err(_) => Err(Rejection::BodyTimeout),
    }
}

async fn collect(mut body: Body, max: usize) -> Result<Bytes, Rejection> {
    let mut only = Bytes::new();
    let mut all = Vec::new();
    let mut size = 0_usize;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Rejection::BodyTimeout)?.into_data() else { continue };
        size += data.len();
        if size > max.saturating_mul(8) {
            break;
        }
        if size > max {
            all = Vec::new();
        } else if only.is_empty() && all.is_empty() {
            only = data;
        } else {
            if all.is_empty() {
                all.reserve(max.min(2 * only.len() + data.len()));
                all.extend_from_slice(&only);
            }
            all.extend_from_slice(&data);
        }
    }
    match size {
        _ if size > max => Err(Rejection::PayloadTooLarge),
        _ if all.is_empty() => Ok(only),
        _ => Ok(all.into()),
    }
}

/// Inflates a gzip body (by header or by its first bytes) or a deflate body (by header), stopping at
/// `max` bytes: what is sent never decides how much memory is used (C-20, C-21).
pub(crate) fn inflate(body: Bytes, encoding: Option<&str>, max: usize) -> Result<Bytes, Rejection> {
    let encoding = encoding.unwrap_or_default().trim();
    let is = |name: &str| encoding.eq_ignore_ascii_case(name);
    if is("gzip") || is("x-gzip") || body.starts_with(&[0x1f, 0x8b]) {
        bounded(MultiGzDecoder::new(&body[..]), body.len(), max)
    } else if is("deflate") {
        let zlib = body.first().is_some_and(|b| b & 0x0f == 8)
            && body.get(1).is_some_and(|b| (usize::from(body[0]) << 8 | usize::from(*b)) % 31 == 0);
        if zlib {
            bounded(ZlibDecoder::new(&body[..]), body.len(), max)
        } else {
            bounded(DeflateDecoder::new(&body[..]), body.len(), max)
        }
    } else {
        Ok(body)
    }
}

fn bounded(decoder: impl Read, packed: usize, max: usize) -> Result<Bytes, Rejection> {
    let mut out = Vec::with_capacity(packed.saturating_mul(4).min(max) + 1);
    decoder.take(max as u64 + 1).read_to_end(&mut out).map_err(|_| Rejection::BadGzip)?;
    if out.len() > max {
        return Err(Rejection::PayloadTooLarge);
    }
    Ok(out.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{
        Compression,
        write::{DeflateEncoder, GzEncoder, ZlibEncoder},
    };

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut out = GzEncoder::new(Vec::new(), Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    fn check(body: Vec<u8>, encoding: Option<&str>, expect: Result<&[u8], Rejection>) {
        let got = inflate(body.into(), encoding, 1_000);
        assert_eq!(got.as_deref(), expect.as_deref());
    }

    #[test]
    fn packed_bodies_are_known_by_header_or_first_bytes_c20() {
        check(gzip(b"{}"), Some("gzip"), Ok(b"{}"));
        check(gzip(b"{}"), None, Ok(b"{}"));
        check(b"{}".to_vec(), None, Ok(b"{}"));
        check(b"{}".to_vec(), Some("identity"), Ok(b"{}"));
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(b"{}").unwrap();
        check(zlib.finish().unwrap(), Some("deflate"), Ok(b"{}"));
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::fast());
        raw.write_all(b"{}").unwrap();
        check(raw.finish().unwrap(), Some("deflate"), Ok(b"{}"));
        let whole = gzip(b"{\"a\":1}");
        check(whole[..whole.len() - 9].to_vec(), Some("gzip"), Err(Rejection::BadGzip));
        check(b"{}".to_vec(), Some("gzip"), Err(Rejection::BadGzip));
    }

    #[test]
    fn inflating_stops_at_the_limit_c21() {
        check(gzip(&[b' '; 1_000]), None, Ok(&[b' '; 1_000]));
        check(gzip(&vec![b' '; 1_001]), None, Err(Rejection::PayloadTooLarge));
        let bomb = gzip(&vec![0; 1 << 20]).repeat(64);
        assert!(bomb.len() < 1 << 20);
        check(bomb, None, Err(Rejection::PayloadTooLarge));
    }

    #[tokio::test]
    async fn a_large_body_is_read_away_and_refused() {
        let big = Body::from(vec![b'x'; 1_001]);
        assert_eq!(read(big, 1_000, Duration::from_secs(1)).await, Err(Rejection::PayloadTooLarge));
        let fits = Body::from(vec![b'x'; 1_000]);
        assert_eq!(read(fits, 1_000, Duration::from_secs(1)).await.unwrap().len(), 1_000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_body_ends_at_the_limit_c28() {
        let body = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(read(body, 10, Duration::from_secs(30)).await, Err(Rejection::BodyTimeout));
    }
}
