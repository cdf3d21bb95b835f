//! The tenant key: made once, kept beside the data. Profile ids are derived from it, so a lost key
//! means new ids, and destroying it makes the ids unlinkable.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use anyhow::{Context as _, bail};
use rand::RngCore as _;

const FILE: &str = "tenant.key";

/// Reads the key below `dir`, or makes one.
pub(crate) fn tenant_key(dir: &Path) -> anyhow::Result<[u8; 32]> {
    let path = dir.join(FILE);
    match fs::read(&path) {
        Ok(bytes) => match bytes.try_into() {
            Ok(key) => Ok(key),
            Err(_) => bail!("{} must hold 32 bytes; restore it from a backup", path.display()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(dir, &path),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// Written whole under another name first: a crash never leaves half a key.
fn make(dir: &Path, path: &Path) -> anyhow::Result<[u8; 32]> {
    let mut key = [0; 32];
    rand::rng().fill_bytes(&mut key);
    let partial = dir.join("tenant.key.partial");
    let mut file =
        fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&partial)?;
    file.write_all(&key)?;
    file.sync_all()?;
    fs::rename(&partial, path)?;
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
    }

    #[test]
    fn a_damaged_key_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), b"short").unwrap();
        assert!(tenant_key(dir.path()).is_err());
    }
}
