//! Keys that are made once and kept beside the data.
//!
//! Profile ids are derived from the tenant key, so a lost one means new ids, and destroying it makes the
//! ids unlinkable. Flight tickets are signed with the ticket key, so that they outlive a restart.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use anyhow::{Context as _, bail};
use rand::RngCore as _;

const TENANT: &str = "tenant.key";
const TICKETS: &str = "flight.key";

/// The key that profile ids are derived from.
pub(crate) fn tenant_key(dir: &Path) -> anyhow::Result<[u8; 32]> {
    key(dir, TENANT)
}

/// The key that Flight tickets are signed with, where the configuration names none.
pub(crate) fn ticket_key(dir: &Path) -> anyhow::Result<[u8; 32]> {
    key(dir, TICKETS)
}

/// Reads a key below `dir`, or makes one.
fn key(dir: &Path, name: &str) -> anyhow::Result<[u8; 32]> {
    let path = dir.join(name);
    match fs::read(&path) {
        Ok(bytes) => match bytes.try_into() {
            Ok(key) => Ok(key),
            Err(_) => bail!("{} must hold 32 bytes; restore it from a backup", path.display()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(dir, name),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// Written whole under another name first: a crash never leaves half a key.
fn make(dir: &Path, name: &str) -> anyhow::Result<[u8; 32]> {
    let mut key = [0; 32];
    rand::rng().fill_bytes(&mut key);
    let partial = dir.join(format!("{name}.partial"));
    let mut file =
        fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&partial)?;
    file.write_all(&key)?;
    file.sync_all()?;
    fs::rename(&partial, dir.join(name))?;
    fs::File::open(dir)?.sync_all()?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let key = tenant_key(dir.path()).unwrap();
        assert_eq!(tenant_key(dir.path()).unwrap(), key);
        assert_ne!(key, [0; 32]);
        assert_ne!(ticket_key(dir.path()).unwrap(), key);
    }

    #[test]
    fn a_damaged_key_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(TENANT), b"short").unwrap();
        assert!(tenant_key(dir.path()).is_err());
    }
}
