use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

/// Position of a record on the log. Dense, starts at 0, never reused (LOG-2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Offset(pub u64);

impl Offset {
    /// The offset `n` records later.
    #[must_use]
    pub fn plus(self, n: u64) -> Self {
        Self(self.0 + n)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Wraps a text as it is.
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }
    };
}

text_id! {
    /// Name of a configured source (a write key's `source`), `[a-z][a-z0-9_]*`.
    SourceName
}
text_id! {
    /// The SDK's messageId. Unique within a source: dedup and warehouse merge key is (source, id).
    MessageId
}
text_id! {
    /// `source:key`, the identity record an event or row belongs to for ever (`identity.md` §3).
    RecordId
}
text_id! {
    /// Name of an audience, `[a-z][a-z0-9_]*` without `__`.
    AudienceName
}
text_id! {
    /// `chg_<partition>_<log offset>_<n>`: the same on every replay, and a valid webhook id.
    ChangeId
}

impl ChangeId {
    /// Id of the `n`-th change made by the record at `offset`.
    pub fn at(partition: u32, offset: Offset, n: u32) -> Self {
        Self::new(format!("chg_{partition}_{offset}_{n}"))
    }
}

/// A profile's stable id: a version-8 UUID derived from its anchor record (`identity.md` §5).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProfileId(pub [u8; 16]);

/// A text that is not a profile id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a profile id is a UUID such as 2009e11b-eb9a-82d8-b2cb-4b34668a26c2")]
pub struct ParseProfileIdError;

impl fmt::Display for ProfileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ProfileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProfileId({self})")
    }
}

impl FromStr for ProfileId {
    type Err = ParseProfileIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let dashes_fit = text.len() == 36
            && text.bytes().enumerate().all(|(i, b)| matches!(i, 8 | 13 | 18 | 23) == (b == b'-'));
        if !dashes_fit {
            return Err(ParseProfileIdError);
        }
        let mut digits = text.bytes().filter(|b| *b != b'-');
        let mut nibble = || {
            let digit = digits.next().and_then(|b| (b as char).to_digit(16));
            digit.map(|d| d as u8).ok_or(ParseProfileIdError)
        };
        let mut bytes = [0; 16];
        for byte in &mut bytes {
            *byte = nibble()? << 4 | nibble()?;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profile_id_text_round_trips() {
        let text = "2009e11b-eb9a-82d8-b2cb-4b34668a26c2";
        assert_eq!(text.parse::<ProfileId>().unwrap().to_string(), text);
    }

    #[test]
    fn profile_id_refuses_other_texts() {
        for text in
            ["", "2009e11b", "2009e11b-eb9a-82d8-b2cb-4b34668a26cz", "2009e11beb9a-82d8-b2cb-4b34668a26c2-"]
        {
            assert_eq!(text.parse::<ProfileId>(), Err(ParseProfileIdError), "{text}");
        }
    }

    #[test]
    fn change_id_names_partition_offset_and_ordinal() {
        assert_eq!(ChangeId::at(0, Offset(18231), 2).as_str(), "chg_0_18231_2");
    }
}
