//! Reads definition files for `serve`, `demo` and `check`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use model::Severity;
use semantic::{Catalog, Loaded, SourceFile};

/// Folders of a dbt project that hold no definitions of its own.
const NOT_OURS: [&str; 4] = ["target", "dbt_packages", "node_modules", "logs"];
/// Files of a dbt project that configure dbt itself.
const OF_DBT: [&str; 6] = [
    "dbt_project.yml",
    "dependencies.yml",
    "package-lock.yml",
    "packages.yml",
    "profiles.yml",
    "selectors.yml",
];

/// Reads a file, or every `.yaml` and `.yml` file and every semantic manifest of a folder and the folders
/// in it, in the order of their names.
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
            inside.retain(|path| is_wanted(path));
            inside.sort();
            for path in &inside {
                read(path, files)?;
            }
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read definitions {name}")),
    }
    Ok(())
}

/// Whether a path found in a folder is read. One that is named on the command line always is.
fn is_wanted(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|n| n.to_str()) else { return false };
    if name.starts_with('.') {
        return false;
    }
    if path.is_dir() {
        // A link may lead back to where it is.
        return !path.is_symlink() && !NOT_OURS.contains(&name);
    }
    let is_yaml = matches!(path.extension().and_then(|e| e.to_str()), Some("yaml" | "yml"));
    (is_yaml && !OF_DBT.contains(&name)) || name == "semantic_manifest.json"
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
