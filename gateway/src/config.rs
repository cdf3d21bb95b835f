//! The server's configuration: annotated defaults, then a file, then `ETALON_SECTION__KEY`, then the
//! command line. Unknown keys are errors with their line.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::{Context as _, bail};
use model::Secret;
use serde::Deserialize;
use toml::{Table, Value};

use crate::units::{ByteSize, Period};

/// The annotated defaults, also printed by `etalon config`.
pub(crate) const DEFAULTS: &str = include_str!("defaults.toml");

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) version: u32,
    pub(crate) http: Http,
    pub(crate) flight: Flight,
    pub(crate) data: Data,
    pub(crate) warehouse: Warehouse,
    pub(crate) log: Log,
    pub(crate) limits: Limits,
    pub(crate) delivery: Delivery,
    pub(crate) write_keys: Vec<WriteKey>,
    #[serde(default)]
    pub(crate) api_keys: Vec<ApiKey>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Http {
    pub(crate) listen: SocketAddr,
    pub(crate) path_prefixes: Vec<String>,
    pub(crate) tls_cert: PathBuf,
    pub(crate) tls_key: PathBuf,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Flight {
    pub(crate) listen: SocketAddr,
    pub(crate) signing_keys: Vec<SigningKey>,
}

/// 32 bytes, written as 64 hexadecimal digits.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct SigningKey(pub(crate) Secret<[u8; 32]>);

impl TryFrom<String> for SigningKey {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut key = [0; 32];
        let read = hex::decode_to_slice(text, &mut key);
        read.map_err(|_| "a signing key is 64 hexadecimal digits (openssl rand -hex 32)")?;
        Ok(Self(Secret::new(key)))
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Data {
    pub(crate) dir: PathBuf,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Warehouse {
    #[serde(rename = "type")]
    pub(crate) kind: WarehouseType,
    pub(crate) flush_interval: Period,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WarehouseType {
    Embedded,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    pub(crate) retention: Period,
    pub(crate) max_bytes: ByteSize,
    pub(crate) segment_bytes: ByteSize,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    pub(crate) query_memory: ByteSize,
    pub(crate) query_timeout: Period,
    pub(crate) max_event_bytes: ByteSize,
    pub(crate) max_request_bytes: ByteSize,
    pub(crate) dedup_window: Period,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Delivery {
    pub(crate) allow_networks: Vec<String>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WriteKey {
    pub(crate) key: String,
    pub(crate) source: String,
    pub(crate) flavour: Flavour,
    #[serde(default = "enabled")]
    pub(crate) enabled: bool,
    #[serde(default)]
    pub(crate) origins: Vec<String>,
    #[serde(default)]
    pub(crate) ip: IpRule,
}

fn enabled() -> bool {
    true
}

impl std::fmt::Debug for WriteKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WriteKey").field("source", &self.source).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Flavour {
    Segment,
    Rudderstack,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum IpRule {
    #[default]
    Keep,
    Truncate,
    Drop,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApiKey {
    pub(crate) name: String,
    /// SHA-256 of the key, hex. Only the hash is ever stored.
    pub(crate) hash: String,
    #[serde(default)]
    pub(crate) roles: Vec<String>,
}

impl Config {
    /// Reads the configuration; `file` is (name, text), `variables` the process environment.
    pub(crate) fn load(
        file: Option<(&str, &str)>,
        variables: impl Iterator<Item = (String, String)>,
    ) -> anyhow::Result<Self> {
        let mut table: Table = DEFAULTS.parse().context("the embedded defaults do not parse")?;
        if let Some((name, text)) = file {
            let given: Table = text.parse().with_context(|| format!("{name} is not TOML"))?;
            refuse_unknown(name, text, &given, &table)?;
            merge(&mut table, given);
        }
        for (name, value) in variables {
            if let Some((section, key)) = section_and_key(&name) {
                set(&mut table, &section, &key, &value)
                    .with_context(|| format!("environment variable {name}"))?;
            }
        }
        let source = file.map_or("configuration", |(name, _)| name);
        let config: Self = table.try_into().with_context(|| source.to_owned())?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> anyhow::Result<()> {
        if self.version != 1 {
            bail!("version {} of the configuration is not known; this binary reads version 1", self.version);
        }
        for key in &self.write_keys {
            let name = key.source.as_bytes();
            let fits = name.first().is_some_and(u8::is_ascii_lowercase)
                && name.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_');
            if !fits {
                bail!("source '{}': use lower case letters, digits and '_', start with a letter", key.source);
            }
        }
        let open = [self.http.listen, self.flight.listen].into_iter().find(|a| !a.ip().is_loopback());
        if let (Some(address), true) = (open, self.api_keys.is_empty()) {
            bail!(
                "listening on {address} would let anybody read everything; add [[api_keys]], or listen on 127.0.0.1"
            );
        }
        Ok(())
    }
}

/// `ETALON_LOG__MAX_BYTES` names section `log`, key `max_bytes`.
fn section_and_key(variable: &str) -> Option<(String, String)> {
    let (section, key) = variable.strip_prefix("ETALON_")?.split_once("__")?;
    Some((section.to_ascii_lowercase(), key.to_ascii_lowercase()))
}

/// Sets a scalar from text; the default's type decides how the text is read.
fn set(table: &mut Table, section: &str, key: &str, text: &str) -> anyhow::Result<()> {
    let known = table.get_mut(section).and_then(Value::as_table_mut).and_then(|s| s.get_mut(key));
    let Some(slot) = known else { bail!("there is no setting {section}.{key}") };
    *slot = match slot {
        Value::Integer(_) => Value::Integer(text.parse().context("not a number")?),
        Value::Boolean(_) => Value::Boolean(text.parse().context("neither true nor false")?),
        Value::Array(_) => {
            Value::Array(text.split(',').map(|part| Value::String(part.trim().to_owned())).collect())
        }
        _ => Value::String(text.to_owned()),
    };
    Ok(())
}

/// Sections are merged key by key; lists of tables are replaced as a whole.
fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(into)), Value::Table(from)) => merge(into, from),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

/// Names every unknown section and key with its line.
fn refuse_unknown(name: &str, text: &str, given: &Table, defaults: &Table) -> anyhow::Result<()> {
    let mut faults = Vec::new();
    let line_of = |word: &str| {
        let line =
            text.lines().position(|l| l.trim_start().trim_start_matches('[').trim_start().starts_with(word));
        line.map_or(1, |l| l + 1)
    };
    for (section, value) in given {
        match (defaults.get(section), value) {
            (None, _) if section == "api_keys" => {}
            (None, _) => faults.push(format!("{name}:{}: there is no section '{section}'", line_of(section))),
            (Some(Value::Table(known)), Value::Table(keys)) => {
                let unknown = keys.keys().filter(|k| !known.contains_key(*k));
                faults.extend(
                    unknown.map(|k| format!("{name}:{}: there is no setting '{section}.{k}'", line_of(k))),
                );
            }
            _ => {}
        }
    }
    if faults.is_empty() { Ok(()) } else { bail!("{}", faults.join("\n")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config, String> {
        Config::load(Some(("etalon.toml", text)), std::iter::empty()).map_err(|e| format!("{e:#}"))
    }

    #[test]
    fn the_defaults_are_valid() {
        let config = Config::load(None, std::iter::empty()).unwrap();
        assert_eq!(config.http.listen.port(), 8080);
        assert_eq!(config.limits.max_event_bytes, ByteSize(1 << 20));
    }

    #[test]
    fn a_file_overrides_single_keys() {
        let config = load("[http]\nlisten = \"127.0.0.1:9000\"\n").unwrap();
        assert_eq!(config.http.listen.port(), 9000);
        assert_eq!(config.flight.listen.port(), 50051);
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let variables = [("ETALON_HTTP__LISTEN".to_owned(), "127.0.0.1:1234".to_owned())];
        let config =
            Config::load(Some(("f", "[http]\nlisten = \"127.0.0.1:9000\"\n")), variables.into_iter())
                .unwrap();
        assert_eq!(config.http.listen.port(), 1234);
    }

    #[test]
    fn unknown_keys_are_named_with_their_line() {
        assert_eq!(
            load("[http]\nlisten = \"127.0.0.1:1\"\nlissten = 1\n[htpp]\nx = 1\n").unwrap_err(),
            "etalon.toml:4: there is no section 'htpp'\netalon.toml:3: there is no setting 'http.lissten'"
        );
        assert!(
            load("[[write_keys]]\nkey=\"a\"\nsource=\"web\"\nflavour=\"segment\"\ncolour=1\n")
                .unwrap_err()
                .contains("colour")
        );
    }

    #[test]
    fn an_open_address_needs_api_keys() {
        assert!(load("[http]\nlisten = \"0.0.0.0:8080\"\n").unwrap_err().contains("api_keys"));
    }

    #[test]
    fn signing_keys_are_read_and_never_shown() {
        let key = "0f".repeat(32);
        let config = load(&format!("[flight]\nsigning_keys = [\"{key}\"]\n")).unwrap();
        assert_eq!(config.flight.signing_keys[0].0.expose(), &[15; 32]);
        assert!(!format!("{config:?}").contains("15, 15"));
    }

    #[test]
    fn values_are_checked() {
        for text in [
            "[flight]\nsigning_keys = [\"0f\"]\n",
            "[limits]\nquery_timeout = \"soon\"\n",
            "[http]\nlisten = \"everywhere\"\n",
            "version = 2\n",
            "[warehouse]\ntype = \"oracle\"\n",
        ] {
            assert!(load(text).is_err(), "{text}");
        }
    }
}
