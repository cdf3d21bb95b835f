//! Local files whose writes are on stable storage when they return.

use std::{
    fmt,
    fs::{self, File},
    io,
    ops::Range,
    path::{Path as FilePath, PathBuf},
};

use async_trait::async_trait;
use bytes::Bytes;
use deltalake::logstore::object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart, local::LocalFileSystem,
    path::Path,
};
use futures::stream::BoxStream;

/// `object_store` 0.13 never syncs; this does, file and folders, before a write counts as done.
///
/// A commit file may be seen before its sync and be torn by a power cut; opening a table finds and
/// drops such a commit, whose rows are still on the log.
#[derive(Debug)]
pub(crate) struct SyncedStore {
    inner: LocalFileSystem,
}

impl SyncedStore {
    pub(crate) fn new() -> Self {
        Self { inner: LocalFileSystem::new() }
    }

    async fn sync(&self, location: &Path) -> Result<()> {
        let path = self.inner.path_to_filesystem(location)?;
        blocking(move || sync_file(&path)).await
    }
}

/// Syncs a file, its folder, and the folder above (which is new when the file is a table's first).
pub(crate) fn sync_file(path: &FilePath) -> io::Result<()> {
    File::open(path)?.sync_all()?;
    for folder in path.ancestors().skip(1).take(2) {
        sync_folder(folder)?;
    }
    Ok(())
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(folder: &FilePath) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Writes a small file so that it is either the old or the new one, whole, whatever fails.
pub(crate) fn replace_file(path: &FilePath, content: &[u8]) -> io::Result<()> {
    let next: PathBuf = path.with_extension("next");
    fs::write(&next, content)?;
    File::open(&next)?.sync_all()?;
    fs::rename(&next, path)?;
    path.parent().map_or(Ok(()), sync_folder)
}

async fn blocking(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> Result<()> {
    let done = tokio::task::spawn_blocking(work).await.map_err(io::Error::other);
    done.and_then(|result| result).map_err(|error| Error::Generic { store: "synced", source: error.into() })
}

impl fmt::Display for SyncedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "synced {}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for SyncedStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let result = self.inner.put_opts(location, payload, opts).await?;
        self.sync(location).await?;
        Ok(result)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let inner = self.inner.put_multipart_opts(location, opts).await?;
        Ok(Box::new(SyncedUpload { inner, path: self.inner.path_to_filesystem(location)? }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await?;
        self.sync(to).await
    }
}

#[derive(Debug)]
struct SyncedUpload {
    inner: Box<dyn MultipartUpload>,
    path: PathBuf,
}

#[async_trait]
impl MultipartUpload for SyncedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let result = self.inner.complete().await?;
        let path = self.path.clone();
        blocking(move || sync_file(&path)).await?;
        Ok(result)
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}
