//! Serves a small shop over Flight SQL: `cargo run -p flight --example serve [address] [key]`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "an example may fail in any way")]
#![allow(unreachable_pub, dead_code, reason = "the shop is shared with tests")]

#[path = "../../engine/tests/it/shop.rs"]
mod shop;

use std::sync::Arc;

use flight::{Authenticate, Options};
use model::{Principal, SystemClock};

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:50051".to_owned());
    let key = arguments.next();
    let shop = shop::Shop::open().await;
    for offset in 0..1_000 {
        shop.order(offset, if offset % 3 == 0 { "ann" } else { "bob" }, "12.50", 7);
    }
    let authenticate: Authenticate = Arc::new(move |given: Option<&str>| {
        (given == key.as_deref() || key.is_none()).then(Principal::local_admin)
    });
    let service =
        flight::service(shop.engine.clone(), authenticate, Options::new(Arc::new(SystemClock::new())));
    let listener = tokio::net::TcpListener::bind(&address).await.unwrap();
    println!("listening on {}", listener.local_addr().unwrap());
    flight::serve(service, listener, std::future::pending()).await.unwrap();
}
