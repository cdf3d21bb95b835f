use std::fmt;

/// A standard time grain. Ordered from fine to coarse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Grain {
    Nanosecond,
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

impl Grain {
    /// All grains, from fine to coarse.
    pub const ALL: [Self; 11] = [
        Self::Nanosecond,
        Self::Microsecond,
        Self::Millisecond,
        Self::Second,
        Self::Minute,
        Self::Hour,
        Self::Day,
        Self::Week,
        Self::Month,
        Self::Quarter,
        Self::Year,
    ];

    /// Its name, lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nanosecond => "nanosecond",
            Self::Microsecond => "microsecond",
            Self::Millisecond => "millisecond",
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }

    /// Reads a name in any case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|g| g.as_str().eq_ignore_ascii_case(text))
    }
}

impl fmt::Display for Grain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A grain as declared or asked for: standard, or a custom one of a time spine (`fiscal_quarter`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TimeGrain {
    /// Of the calendar.
    Standard(Grain),
    /// Of a time spine, by its lower-case name.
    Custom(String),
}

impl TimeGrain {
    /// Its name, lower case.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Standard(grain) => grain.as_str(),
            Self::Custom(name) => name,
        }
    }
}

impl From<Grain> for TimeGrain {
    fn from(grain: Grain) -> Self {
        Self::Standard(grain)
    }
}

impl fmt::Display for TimeGrain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A number taken out of a time (`extract(year from t)`). Days of the week are ISO, 1 to 7 (Q14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum DatePart {
    Doy,
    Dow,
    Day,
    Month,
    Quarter,
    Year,
}

impl DatePart {
    /// All parts.
    pub const ALL: [Self; 6] = [Self::Doy, Self::Dow, Self::Day, Self::Month, Self::Quarter, Self::Year];

    /// Its name, lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Doy => "doy",
            Self::Dow => "dow",
            Self::Day => "day",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }

    /// Reads a name in any case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.as_str().eq_ignore_ascii_case(text))
    }
}

/// A length of time on the calendar: `28 days`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TimeWindow {
    /// How many.
    pub count: u32,
    /// Of what.
    pub grain: TimeGrain,
}

impl fmt::Display for TimeWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.count, self.grain, if self.count == 1 { "" } else { "s" })
    }
}
