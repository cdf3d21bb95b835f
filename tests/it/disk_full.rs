//! A full disk: refused with Retry-After, never acknowledged, and taken again once there is room.

use std::{path::Path, process::Command};

use serde_json::json;

use crate::server::Server;

/// A small file system of its own below `dir`; unmounted on drop.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(dir: &'a Path, size: &str) -> Self {
        std::fs::create_dir_all(dir).unwrap();
        let options = format!("size={size}");
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(dir).status().unwrap();
        assert!(mount.success(), "mounting a tmpfs needs root");
        Self(dir)
    }

    fn resize(&self, size: &str) {
        let options = format!("remount,size={size}");
        assert!(Command::new("mount").args(["-o", &options]).arg(self.0).status().unwrap().success());
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[tokio::test]
async fn a_full_disk_refuses_and_recovers_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let disk = SmallDisk::mount(&log, "2m");
    let server = Server::with_log_in(&log).await;
    let pad: String = (0..40_000_u64)
        .map(|n| char::from(b'a' + (n.wrapping_mul(2_654_435_761) >> 13) as u8 % 26))
        .collect();
    let call = |n: u32| {
        json!({"batch": [{"type": "track", "userId": "u", "messageId": format!("m{n}"), "event": "E", "properties": {"pad": pad}}]}).to_string()
    };
    let mut acknowledged = 0;
    let refused = loop {
        let answer = server.post("/v1/batch", call(acknowledged)).await;
        if answer.status() != 200 {
            break answer;
        }
        acknowledged += 1;
        assert!(acknowledged < 1_000, "2 MiB cannot hold this");
    };
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    disk.resize("64m");
    let taken = server.post("/v1/batch", call(acknowledged)).await;
    assert_eq!(taken.status(), 200, "room again: taken without a restart");
    let stored = server.count("SELECT count(*) FROM events.all").await;
    assert_eq!(stored, u64::from(acknowledged) + 1, "everything acknowledged, nothing twice");
}
