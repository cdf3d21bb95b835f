//! The server's certificate: HTTPS and gRPC on one port, told apart by ALPN and content type.

use std::{path::Path, sync::Arc};

use anyhow::{Context as _, bail};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring},
};

/// Reads certificate and key; both or neither are set. Every PEM form of a key is read. A certificate
/// that cannot be used is an error: nothing is ever served in clear instead.
pub(crate) fn acceptor(cert: &Path, key: &Path) -> anyhow::Result<Option<TlsAcceptor>> {
    match (cert.as_os_str().is_empty(), key.as_os_str().is_empty()) {
        (true, true) => return Ok(None),
        (false, false) => {}
        _ => bail!("http.tls_cert and http.tls_key belong together: set both or neither"),
    }
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("http.tls_cert: {} is not a PEM file", cert.display()))?;
    let secret = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("http.tls_key: {} is not a PEM file with a private key", key.display()))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .context("TLS cannot be offered")?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .with_context(|| format!("{} and {} do not make a TLS server", cert.display(), key.display()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(cert: &str, key: &str) -> String {
        match acceptor(Path::new(cert), Path::new(key)) {
            Ok(_) => "accepted".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn without_files_there_is_no_tls() {
        assert!(acceptor(Path::new(""), Path::new("")).unwrap().is_none());
    }

    #[test]
    fn what_cannot_be_used_is_an_error() {
        let both = "http.tls_cert and http.tls_key belong together: set both or neither";
        assert_eq!(refusal("a.pem", ""), both);
        assert_eq!(refusal("", "a.pem"), both);
        assert_eq!(refusal("/nowhere.pem", "/nowhere.pem"), "http.tls_cert: /nowhere.pem is not a PEM file");
        let file = tempfile::NamedTempFile::new().unwrap();
        let name = file.path().to_str().unwrap();
        assert!(refusal(name, name).contains("private key"), "{}", refusal(name, name));
    }
}
