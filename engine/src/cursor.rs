//! Opaque positions handed to callers, so that they come back for more.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use model::ProfileId;

/// A position. Callers see [`Cursor::encode`] and must not look inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cursor {
    /// After the change with this sequence number.
    Change(u64),
    /// After this member of an audience.
    Member(ProfileId),
    /// After the item of this name.
    Name(String),
    /// After this many rows of the query with this hash.
    Rows {
        /// Hash of the request: a cursor continues its own request only.
        query: u64,
        /// Rows already read.
        skip: u64,
    },
}

/// A text that is no cursor of the expected kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is not one of this list: start without a cursor, or pass one from its last answer")]
pub struct CursorError;

impl Cursor {
    /// The text callers carry.
    pub fn encode(&self) -> String {
        let text = match self {
            Self::Change(seq) => format!("c{seq}"),
            Self::Member(profile) => format!("m{profile}"),
            Self::Name(name) => format!("n{name}"),
            Self::Rows { query, skip } => format!("r{query:016x}{skip}"),
        };
        BASE64_URL_SAFE_NO_PAD.encode(text)
    }

    /// Reads what [`Cursor::encode`] wrote.
    pub fn decode(text: &str) -> Result<Self, CursorError> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError)?;
        let text = String::from_utf8(bytes).map_err(|_| CursorError)?;
        let mut rest = text.chars();
        let kind = rest.next().ok_or(CursorError)?;
        let rest = rest.as_str();
        let number = |text: &str| text.parse().map_err(|_| CursorError);
        match kind {
            'c' => Ok(Self::Change(number(rest)?)),
            'm' => Ok(Self::Member(rest.parse().map_err(|_| CursorError)?)),
            'n' => Ok(Self::Name(rest.to_owned())),
            'r' => {
                let (query, skip) = rest.split_at_checked(16).ok_or(CursorError)?;
                let query = u64::from_str_radix(query, 16).map_err(|_| CursorError)?;
                Ok(Self::Rows { query, skip: number(skip)? })
            }
            _ => Err(CursorError),
        }
    }

    /// Position in the change log.
    pub fn change(text: &str) -> Result<u64, CursorError> {
        if let Self::Change(seq) = Self::decode(text)? { Ok(seq) } else { Err(CursorError) }
    }

    /// Position in a list of members.
    pub fn member(text: &str) -> Result<ProfileId, CursorError> {
        if let Self::Member(profile) = Self::decode(text)? { Ok(profile) } else { Err(CursorError) }
    }

    /// Position in a list of named things.
    pub fn name(text: &str) -> Result<String, CursorError> {
        if let Self::Name(name) = Self::decode(text)? { Ok(name) } else { Err(CursorError) }
    }

    /// Rows already read of the query with this hash.
    pub fn rows(text: &str, expect: u64) -> Result<u64, CursorError> {
        match Self::decode(text)? {
            Self::Rows { query, skip } if query == expect => Ok(skip),
            _ => Err(CursorError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_come_back_as_they_went() {
        for cursor in [
            Cursor::Change(u64::MAX),
            Cursor::Member(ProfileId([7; 16])),
            Cursor::Name("größe".into()),
            Cursor::Rows { query: 3, skip: 1_000 },
        ] {
            assert_eq!(Cursor::decode(&cursor.encode()), Ok(cursor));
        }
    }

    #[test]
    fn a_cursor_of_another_list_is_refused() {
        let member = Cursor::Member(ProfileId([7; 16])).encode();
        assert_eq!(Cursor::change(&member), Err(CursorError));
        assert_eq!(Cursor::rows(&Cursor::Rows { query: 1, skip: 5 }.encode(), 2), Err(CursorError));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}") {
            let _ = Cursor::decode(&text);
        }
    }
}
