use async_graphql::Enum;
use semantic::{DatePart as Part, Grain, TimeGrain};

/// A standard grain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(super) enum TimeGranularity {
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

impl From<Grain> for TimeGranularity {
    fn from(grain: Grain) -> Self {
        match grain {
            Grain::Nanosecond => Self::Nanosecond,
            Grain::Microsecond => Self::Microsecond,
            Grain::Millisecond => Self::Millisecond,
            Grain::Second => Self::Second,
            Grain::Minute => Self::Minute,
            Grain::Hour => Self::Hour,
            Grain::Day => Self::Day,
            Grain::Week => Self::Week,
            Grain::Month => Self::Month,
            Grain::Quarter => Self::Quarter,
            Grain::Year => Self::Year,
        }
    }
}

impl TimeGranularity {
    /// Its name in requests.
    pub(super) fn as_str(self) -> &'static str {
        let same = |grain: &Grain| Self::from(*grain) == self;
        Grain::ALL.into_iter().find(same).map_or("", Grain::as_str)
    }

    /// The standard ones of a list.
    pub(super) fn standard(grains: &[TimeGrain]) -> Vec<Self> {
        grains.iter().filter_map(Self::of).collect()
    }

    /// A standard grain; custom ones have no place in this enum.
    pub(super) fn of(grain: &TimeGrain) -> Option<Self> {
        match grain {
            TimeGrain::Standard(grain) => Some((*grain).into()),
            TimeGrain::Custom(_) => None,
        }
    }
}

/// All grains by name: standard ones in capitals, custom ones as they are declared.
pub(super) fn names(grains: &[TimeGrain]) -> Vec<String> {
    grains.iter().map(name).collect()
}

pub(super) fn name(grain: &TimeGrain) -> String {
    match grain {
        TimeGrain::Standard(grain) => grain.as_str().to_uppercase(),
        TimeGrain::Custom(name) => name.clone(),
    }
}

/// A number taken out of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(super) enum DatePart {
    Doy,
    Dow,
    Day,
    Month,
    Quarter,
    Year,
}

impl From<Part> for DatePart {
    fn from(part: Part) -> Self {
        match part {
            Part::Doy => Self::Doy,
            Part::Dow => Self::Dow,
            Part::Day => Self::Day,
            Part::Month => Self::Month,
            Part::Quarter => Self::Quarter,
            Part::Year => Self::Year,
        }
    }
}

impl DatePart {
    /// Its name in requests.
    pub(super) fn as_str(self) -> &'static str {
        Part::ALL.into_iter().find(|part| Self::from(*part) == self).map_or("", Part::as_str)
    }
}

/// A length of time on the calendar.
#[derive(Debug, async_graphql::SimpleObject)]
pub(super) struct MetricTimeWindow {
    count: i32,
    granularity: Option<TimeGranularity>,
    time_granularity: String,
}

impl From<&semantic::TimeWindow> for MetricTimeWindow {
    fn from(window: &semantic::TimeWindow) -> Self {
        Self {
            count: i32::try_from(window.count).unwrap_or(i32::MAX),
            granularity: TimeGranularity::of(&window.grain),
            time_granularity: name(&window.grain),
        }
    }
}
