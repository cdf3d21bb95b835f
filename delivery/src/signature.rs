use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use model::Secret;
use sha2::Sha256;

/// Signs requests as Standard Webhooks says: HMAC-SHA256 of `id.timestamp.body`, once per secret, so
/// that a receiver may hold the old or the new one while secrets rotate.
#[derive(Debug, Clone)]
pub(crate) struct Signer(Vec<Secret<Vec<u8>>>);

impl Signer {
    /// `whsec_` + base64 of 24 to 64 bytes each; the error says what is wrong, never the secret.
    pub(crate) fn new(secrets: &[Secret<String>]) -> Result<Self, &'static str> {
        if secrets.is_empty() {
            return Err("it has no secret");
        }
        let keys = secrets.iter().map(|secret| {
            let text = secret.expose().strip_prefix("whsec_").ok_or("a secret starts with `whsec_`")?;
            let key = STANDARD.decode(text).map_err(|_| "a secret is `whsec_` and base64")?;
            match key.len() {
                24..=64 => Ok(Secret::new(key)),
                _ => Err("a secret has 24 to 64 bytes"),
            }
        });
        Ok(Self(keys.collect::<Result<_, _>>()?))
    }

    /// The value of `webhook-signature`.
    pub(crate) fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        let signatures = self.0.iter().map(|key| {
            let mut mac =
                Hmac::<Sha256>::new_from_slice(key.expose()).expect("HMAC takes a key of any length");
            mac.update(format!("{id}.{timestamp}.").as_bytes());
            mac.update(body.as_bytes());
            format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
        });
        signatures.collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_ZXhhbXBsZS1zZWNyZXQtb25seS1mb3ItdGhlLWRlbW8=";

    fn signer(secrets: &[&str]) -> Result<Signer, &'static str> {
        let secrets: Vec<_> = secrets.iter().map(|s| Secret::new((*s).to_owned())).collect();
        Signer::new(&secrets)
    }

    #[test]
    fn the_published_vector_comes_out() {
        let signature =
            signer(&[SECRET]).unwrap().sign("chg_0_18231_2", 1_772_442_000, r#"{"type":"audience.entered"}"#);
        assert_eq!(signature, "v1,JSoOnBgrtegDxXERI8qxWN+Ov0VWZk4iubbnKP/gEEM=");
    }

    #[test]
    fn every_secret_signs_while_they_rotate() {
        let other = format!("whsec_{}", STANDARD.encode([7; 24]));
        let signature = signer(&[SECRET, &other]).unwrap().sign("a", 1, "b");
        let alone = |secret: &str| signer(&[secret]).unwrap().sign("a", 1, "b");
        assert_eq!(signature, format!("{} {}", alone(SECRET), alone(&other)));
    }

    #[test]
    fn bad_secrets_are_refused_without_showing_them() {
        let short = format!("whsec_{}", STANDARD.encode([7; 23]));
        let long = format!("whsec_{}", STANDARD.encode([7; 65]));
        for secrets in [&[][..], &["abc"], &["whsec_%%%"], &[&short], &[&long]] {
            assert!(signer(secrets).is_err(), "{secrets:?}");
        }
    }
}
