//! Reads definition files for `serve`, `demo` and `check`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use model::Severity;
use semantic::{Catalog, Loaded, SourceFile};

/// Reads a file, or every `.yaml` and `.yml` file of a folder in the order of their names.
pub(crate) fn load(paths: &[PathBuf]) -> anyhow::Result<Loaded> {
    let mut files = Vec::new();
    for path in paths {
        read(path, &mut files)?;
    }
    #[expect(clippy::disallowed_methods, reason = "the composition root may read the environment")]
    let variable = |name: &str| std::env::var(name).ok();
    Ok(semantic::load(&files, &variable))
}

fn read(path: &Path, files: &mut Vec<SourceFile>) -> anyhow::Result<()> {
    let name = path.display().to_string();
    match fs::read_to_string(path) {
        Ok(text) => files.push(SourceFile { name: name.into(), text }),
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
            let entries = fs::read_dir(path).with_context(|| name.clone())?;
            let mut inside: Vec<PathBuf> = entries
                .map(|e| e.map(|e| e.path()))
                .collect::<Result<_, _>>()
                .with_context(|| name.clone())?;
            inside.retain(|p| matches!(p.extension().and_then(|e| e.to_str()), Some("yaml" | "yml")));
            inside.sort();
            for path in &inside {
                read(path, files)?;
            }
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read definitions {name}")),
    }
    Ok(())
}

/// The catalog, or every problem in one error.
pub(crate) fn catalog(loaded: Loaded) -> anyhow::Result<Catalog> {
    for diagnostic in loaded.diagnostics.iter().filter(|d| d.severity == Severity::Warning) {
        tracing::warn!("{diagnostic}");
    }
    loaded.catalog.ok_or_else(|| {
        let errors = loaded.diagnostics.iter().filter(|d| d.severity == Severity::Error);
        let lines: Vec<String> = errors.map(ToString::to_string).collect();
        anyhow::anyhow!("the definitions have {} errors\n{}", lines.len(), lines.join("\n"))
    })
}
