use std::sync::Arc;

/// Who asks. Every query and every read carries one; access is decided below the interfaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Name of the API key or user, for the audit log and for texts.
    pub name: Arc<str>,
    /// Roles granted by the credential.
    pub roles: Vec<Arc<str>>,
}

impl Principal {
    /// The principal of a call without credentials on a loopback-only instance that has no API keys.
    pub fn local_admin() -> Self {
        Self { name: "local".into(), roles: vec!["admin".into()] }
    }

    /// Whether a role is granted.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|r| &**r == role)
    }
}
