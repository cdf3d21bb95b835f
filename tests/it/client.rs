//! The real client packages, installed by `scripts/install-test-tools`.

use std::{path::PathBuf, process::Stdio};

use tokio::{
    io::AsyncWriteExt as _,
    process::{Child, Command},
};

use crate::server::{DEADLINE, root};

fn tools() -> PathBuf {
    let dir = std::env::var_os("ETALON_TEST_TOOLS").map(PathBuf::from);
    let dir =
        dir.unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/etalon/tools"));
    assert!(dir.is_dir(), "no client packages in {}; run ./scripts/install-test-tools", dir.display());
    dir
}

pub(crate) fn chromium() -> String {
    "/usr/bin/chromium".to_owned()
}

fn python(script: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(tools().join("venv/bin/python"));
    command.arg(root().join("tests/interop/python").join(script)).args(arguments);
    command
}

/// Node resolves packages from a script's own folder, so scripts run from a copy beside them.
fn node(script: &str, arguments: &[&str]) -> Command {
    let dir = tools().join("node");
    let copy = dir.join(format!("{}-{script}", std::process::id()));
    std::fs::copy(root().join("tests/interop/node").join(script), &copy).unwrap();
    let mut command = Command::new("node");
    command.arg(copy).args(arguments).current_dir(dir);
    command
}

/// Runs a Python client to its end; its standard output.
pub(crate) async fn run_python(script: &str, arguments: &[&str], input: &str) -> String {
    output(script, python(script, arguments), input).await
}

/// Runs a Python client that is told things by variables.
pub(crate) async fn run_python_with(script: &str, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let mut command = python(script, arguments);
    command.envs(variables.iter().copied());
    output(script, command, "").await
}

/// Runs a Node client to its end; its standard output.
pub(crate) async fn run_node(script: &str, arguments: &[&str]) -> String {
    output(script, node(script, arguments), "").await
}

/// Starts a Node client whose output is read while it runs.
pub(crate) fn spawn_node(script: &str, arguments: &[&str]) -> Child {
    node(script, arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

async fn output(script: &str, mut command: Command, input: &str) -> String {
    let piped =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = piped.spawn().unwrap_or_else(|error| panic!("{script} could not be started: {error}"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    let ended = tokio::time::timeout(3 * DEADLINE, child.wait_with_output()).await;
    let output = ended.unwrap_or_else(|_| panic!("{script} did not end within 90 s")).unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{script} failed:\n{text}\n{}", String::from_utf8_lossy(&output.stderr));
    text
}
