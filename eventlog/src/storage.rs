//! The few file operations the log needs. Production has one implementation, tests a faulty one.

mod file;

use std::{fmt, io, path::Path};

pub use file::FileStorage;

/// Folders and names. A name made, changed or removed is durable only after [`Storage::sync_dir`].
pub trait Storage: fmt::Debug + Send + Sync + 'static {
    /// Makes a folder and those above it, unless they are there.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// Names of the files in a folder.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Opens a file that is there, for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Box<dyn StorageFile>>;
    /// Opens an empty file, in place of what is there.
    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>>;
    /// Gives a file another name, in place of what has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Puts the names in a folder on stable storage.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Takes an exclusive lock that ends with the process, and leaves `holder` for others to read.
    fn lock(&self, path: &Path, holder: &str) -> io::Result<Lock>;
}

/// An open file. What is written is durable only after [`StorageFile::sync`].
pub trait StorageFile: fmt::Debug + Send + Sync {
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Whether there is nothing in it.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Reads at a place; may read less than asked, nothing at the end.
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize>;
    /// Writes at a place; may write less than asked.
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize>;
    /// Cuts or extends the file.
    fn truncate(&self, length: u64) -> io::Result<()>;
    /// Puts the content on stable storage. If it fails, what is stored is unknown, and calling it again
    /// may claim a success that is none.
    fn sync(&self) -> io::Result<()>;
}

/// The answer to [`Storage::lock`].
#[derive(Debug)]
pub enum Lock {
    /// Taken, until this is dropped.
    Taken(Box<dyn fmt::Debug + Send + Sync>),
    /// Somebody else has it, and left this.
    HeldBy(String),
}

/// Writes all of `bytes`, however short the single writes are.
pub(crate) fn write_all(file: &dyn StorageFile, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(bytes, at) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = &bytes[written..];
                at += written as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads until `buffer` is full or the file ends, and says how much there was.
pub(crate) fn read_up_to(file: &dyn StorageFile, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match file.read_at(&mut buffer[read..], at + read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}
